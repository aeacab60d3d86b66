import type { ConnectionState } from "./api.js";
import type { Tokens } from "./engine/tokens.js";
import { Backoff } from "./engine/verdict.js";
import type { Clock } from "./ports.js";
import { readToken } from "./protocol/ids.js";

/** Finds out from a token who this is, where no option says it. */
export class Identity {
  private next: (() => void) | undefined; // ends a wait

  constructor(
    private readonly tokens: Tokens,
    private readonly clock: Clock,
    private readonly random: () => number,
    private readonly tell: (state: ConnectionState) => void,
  ) {}

  /** Asks until there is an answer. Undefined: there is none to be had, and that was told. */
  async find(): Promise<string | undefined> {
    const backoff = new Backoff(500, 30_000, this.random);
    for (;;) {
      this.tell({ phase: "connecting" });
      try {
        const token = await this.tokens.get();
        const claims = readToken(token);
        if (claims !== undefined) return claims.user;
        this.tokens.refuse(token);
        return this.none("the token is no JWT");
      } catch (err) {
        if (err instanceof Error && (err as { code?: unknown }).code === "unauthenticated") return this.none(err.message);
        const pause = backoff.next();
        this.tell({ phase: "waiting", retryAt: this.clock.now() + pause, attempt: backoff.attempt });
        await this.wait(pause);
      }
    }
  }

  /** Ends a wait. False: there is none. */
  wake(): boolean {
    const { next } = this;
    next?.();
    return next !== undefined;
  }

  private wait(pause: number): Promise<void> {
    return new Promise((done) => {
      const end = () => {
        cancel();
        this.next = undefined;
        done();
      };
      const cancel = this.clock.after(pause, end);
      this.next = end;
    });
  }

  private none(message: string): undefined {
    this.tell({ phase: "ended", reason: "signed_out", message });
    return undefined;
  }
}
