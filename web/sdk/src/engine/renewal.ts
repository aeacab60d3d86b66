import type { Clock } from "../ports.js";
import type { Tokens } from "./tokens.js";

/** Timers take no larger numbers, and what is due at once can wait a little; in ms. */
const longest = 2 ** 30;
const shortest = 5_000;
/** After a callback that failed, or gave a token that is as old. */
const again = 15_000;

/** Gets the next token before the present one ends, while there is a connection. */
export class Renewal {
  private cancel = () => {};
  private life = 0; // of connections

  constructor(
    private readonly tokens: Tokens,
    private readonly clock: Clock,
    private readonly say: (token: string) => void,
  ) {}

  begin(): void {
    this.stop();
    this.plan(this.tokens.renewAt());
  }

  stop(): void {
    this.life++;
    this.cancel();
  }

  private plan(at: number | undefined): void {
    if (at === undefined) return;
    const wait = Math.min(Math.max(at - this.clock.now(), shortest), longest);
    this.cancel = this.clock.after(wait, () => void this.renew(at));
  }

  private async renew(at: number): Promise<void> {
    if (this.clock.now() < at) return this.plan(at);
    const { life } = this;
    try {
      const token = await this.tokens.renew();
      if (life !== this.life) return;
      this.say(token);
    } catch {
      // The socket closes with 4401 when the old one ends; until then there is time to ask again.
      if (life !== this.life) return;
    }
    const next = this.tokens.renewAt();
    this.plan(next === undefined ? undefined : Math.max(next, this.clock.now() + again));
  }
}
