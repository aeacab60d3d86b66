import type { Clock } from "../ports.js";
import type { Claims } from "../protocol/ids.js";
import { readToken } from "../protocol/ids.js";
import { withTimeout } from "./time.js";

/** How long the callback may take, in ms. */
const tokenWithin = 15_000;

/**
 * What a callback gives where its own server answers with an error, a page perhaps, is no
 * refusal: it is asked again. A line's end, which files and answers have, is in no token.
 */
function checked(token: unknown): string {
  const text = typeof token === "string" ? token.trim() : "";
  if (!/^[\w.~+/=-]+$/.test(text)) throw new TypeError("the token callback gave no token");
  return text;
}

/** Keeps the token that is good now, and asks for another one where it is not. */
export class Tokens {
  private token: string | undefined;
  private refused: string | undefined;
  private asking: Promise<string> | undefined;
  /** How far this device's clock is behind the server's, in ms: ends of tokens are the server's times. */
  behind = 0;

  constructor(
    private readonly fetch: () => Promise<string>,
    private readonly clock: Clock,
  ) {}

  /** What the last token said. */
  claims(): Claims | undefined {
    return this.token === undefined ? undefined : readToken(this.token);
  }

  /** A token that is not known to be bad; asks the callback, once at a time. */
  async get(): Promise<string> {
    if (this.token !== undefined && this.token !== this.refused && !this.stale()) return this.token;
    return this.renew();
  }

  /** Another one from the callback, whatever there is. */
  renew(): Promise<string> {
    this.asking ??= withTimeout(this.clock, tokenWithin, this.fetch)
      .then((token) => (this.token = checked(token)))
      .finally(() => (this.asking = undefined));
    return this.asking;
  }

  /** The server did not take it. */
  refuse(token: string): void {
    this.refused = token;
    if (this.token === token) this.token = undefined;
  }

  /** Somebody wants it tried once more. */
  forgive(): void {
    this.refused = undefined;
  }

  wasRefused(token: string): boolean {
    return token === this.refused;
  }

  /** When to ask for the next one, by this device's clock: a minute before the end, or a tenth of the life if that is less. */
  renewAt(): number | undefined {
    const c = this.claims();
    if (c?.expires === undefined) return undefined;
    const life = c.expires - (c.issued ?? c.expires - 600_000);
    return c.expires - Math.min(60_000, life / 10) - this.behind;
  }

  private stale(): boolean {
    const c = this.claims();
    return c?.expires !== undefined && c.expires <= this.clock.now() + this.behind;
  }
}
