// What follows from the end of a connection, and how long to wait then.

/**
 * `backOff`: after a growing, random wait; `backOffLong`: the same, beginning with a long one; `soon`: after the goaway time, else at once
 * with jitter; `refresh`: with another token; `giveUpOne`: without the frame that was
 * too large; the rest: not by itself.
 */
export type Verdict = "backOff" | "backOffLong" | "soon" | "refresh" | "giveUpOne" | "protocol" | "banned" | "elsewhere";

/**
 * The table of PROTOCOL.md §10. A code that it does not name, and a connection that
 * ended without one, is a fault like 1011.
 */
export function closeVerdict(code: number): Verdict {
  switch (code) {
    case 1001:
    case 1012:
      return "soon";
    case 1009:
      return "giveUpOne";
    case 4400:
      return "protocol";
    case 4401:
      return "refresh";
    case 4403:
      return "banned";
    case 4409:
      return "elsewhere";
    case 4429:
      return "backOffLong";
  }
  return "backOff";
}

/** Too many sessions or frames: the first wait is at least this, in ms. */
const longWait = 10_000;
/** How far clients spread that may come back at once, in ms. */
const soonWithin = 1_000;

/**
 * How long to wait after a connection that ended by itself. `synced`: it had got that far;
 * `back`: in how many ms goaway said to be back.
 */
export function pauseAfter(verdict: Verdict, synced: boolean, back: number | undefined, backoff: Backoff, random: () => number): number {
  switch (verdict) {
    case "soon":
      if (back !== undefined) return Math.max(0, back);
      return synced ? random() * soonWithin : backoff.next();
    case "backOffLong":
      backoff.skip();
      return longWait + random() * (backoff.longest - longWait);
  }
  return backoff.next();
}

/**
 * Exponential waits with full jitter: the n-th is uniform between 0 and first·2ⁿ, at
 * most longest.
 */
export class Backoff {
  private n = 0;
  constructor(
    private readonly first: number,
    readonly longest: number,
    private readonly random: () => number,
  ) {}

  /** Waits since the last reset. */
  get attempt(): number {
    return this.n;
  }

  next(): number {
    const limit = Math.min(this.longest, this.first * 2 ** Math.min(this.n, 30));
    this.n++;
    return Math.floor(this.random() * limit);
  }

  /** Goes on where the waits are longest. */
  skip(): void {
    while (this.first * 2 ** this.n < this.longest) this.n++;
  }

  reset(): void {
    this.n = 0;
  }
}
