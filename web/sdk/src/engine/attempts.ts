import type { Clock } from "../ports.js";

/** The number of a connect: of two sessions of a device the one with the larger number stays. */
export class Attempts {
  last = 0;
  private refusals = 0; // of hellos, because a newer session was there

  constructor(private readonly clock: Clock) {}

  restore(last: number): void {
    this.last = last;
  }

  /**
   * Grows, also where the clock was set back and storage has lost what it was: who asks to
   * connect although another session is newer comes further each time.
   */
  next(): number {
    const step = this.refusals === 0 ? 0 : 60_000 * 60 ** Math.min(this.refusals - 1, 4);
    return (this.last = Math.max(Math.floor(this.clock.now()), this.last + 1) + step);
  }

  refused(): void {
    this.refusals++;
  }

  welcomed(): void {
    this.refusals = 0;
  }
}
