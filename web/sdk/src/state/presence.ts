import type { ReadonlySignal, Signal } from "@preact/signals-core";
import { signal } from "@preact/signals-core";
import type { Presence } from "../api.js";
import type { Clock } from "../ports.js";

/** A user stays watched so long after the last look, so that scrolling costs nothing; in ms. */
const linger = 10_000;
/** Changes are told together. */
const gather = 50;

/** Whose presence is shown, and what it is. Watching follows from who subscribes. */
export class PresenceBoard {
  private readonly signals = new Map<string, Signal<Presence | undefined>>();
  private readonly looks = new Map<string, true>(); // in the order of the last look, the latest last
  private readonly leaving = new Map<string, () => void>();
  private cancelTell: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly watch: (users: readonly string[]) => void,
  ) {}

  of(user: string): ReadonlySignal<Presence | undefined> {
    let s = this.signals.get(user);
    if (s === undefined) {
      const made: Signal<Presence | undefined> = signal<Presence | undefined>(undefined, {
        watched: () => this.look(user, made),
        unwatched: () => this.leave(user),
      });
      this.signals.set(user, (s = made));
    }
    return s;
  }

  heard(user: string, presence: Presence): void {
    const s = this.signals.get(user);
    if (s !== undefined) s.value = presence;
  }

  /** Nobody tells any more: what was known is old. */
  lost(): void {
    for (const s of this.signals.values()) if (s.peek() !== undefined) s.value = undefined;
  }

  /** Those that are looked at, the latest first: the last ones are left out where there are too many. */
  get wanted(): readonly string[] {
    return [...this.looks.keys()].reverse();
  }

  close(): void {
    this.cancelTell?.();
    for (const cancel of this.leaving.values()) cancel();
  }

  private look(user: string, s: Signal<Presence | undefined>): void {
    this.signals.set(user, s); // it may have been kept while nobody looked
    this.leaving.get(user)?.();
    this.leaving.delete(user);
    this.looks.delete(user);
    this.looks.set(user, true);
    this.tell();
  }

  private leave(user: string): void {
    const gone = () => {
      this.leaving.delete(user);
      this.looks.delete(user);
      this.signals.delete(user);
      this.tell();
    };
    this.leaving.set(user, this.clock.after(linger, gone));
  }

  private tell(): void {
    this.cancelTell ??= this.clock.after(gather, () => {
      this.cancelTell = undefined;
      this.watch(this.wanted);
    });
  }
}
