import type { ReadonlySignal, Signal } from "@preact/signals-core";
import { signal } from "@preact/signals-core";
import type { Clock } from "../ports.js";

/** How long `typing` of somebody else is believed, and how often one's own is said, in ms. */
const believed = 7_000;
const saidEvery = 3_000;
/** One's own typing ends so long after the last keystroke. */
const idleAfter = 5_000;

/** Who types in one conversation. */
export class Typing {
  readonly users: ReadonlySignal<readonly string[]>;
  private readonly list: Signal<readonly string[]> = signal([]);
  private readonly ends = new Map<string, () => void>();
  private saidAt: number | undefined; // undefined: the others think that one does not type
  private cancelIdle = () => {};

  constructor(
    private readonly clock: Clock,
    private readonly say: (on: boolean) => void,
  ) {
    this.users = this.list;
  }

  /** Somebody else types, or has stopped. */
  heard(user: string, on: boolean): void {
    this.ends.get(user)?.();
    this.ends.delete(user);
    if (on) this.ends.set(user, this.clock.after(believed, () => this.heard(user, false)));
    const known = this.list.peek().includes(user);
    if (on && !known) this.list.value = [...this.list.peek(), user];
    else if (!on && known) this.list.value = this.list.peek().filter((u) => u !== user);
  }

  /** A keystroke, or the composer is empty. */
  set(on: boolean): void {
    this.cancelIdle();
    if (!on) {
      if (this.saidAt !== undefined) this.say(false);
      this.saidAt = undefined;
      return;
    }
    const now = this.clock.now();
    if (this.saidAt === undefined || now - this.saidAt >= saidEvery) {
      this.saidAt = now;
      this.say(true);
    }
    this.cancelIdle = this.clock.after(idleAfter, () => this.set(false));
  }

  /** A message went out: whoever gets it knows. */
  sent(): void {
    this.cancelIdle();
    this.saidAt = undefined;
  }

  close(): void {
    this.cancelIdle();
    for (const end of this.ends.values()) end();
  }
}
