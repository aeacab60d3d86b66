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
  private readonly signals = new Map<string, Set<Signal<Presence | undefined>>>(); // that are looked at
  private readonly looks = new Map<string, true>(); // in the order of the last look, the latest last
  private readonly leaving = new Map<Signal<Presence | undefined>, () => void>();
  private cancelTell: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly watch: (users: readonly string[]) => void,
  ) {}

  of(user: string): ReadonlySignal<Presence | undefined> {
    for (const s of this.signals.get(user) ?? []) return s;
    const made: Signal<Presence | undefined> = signal<Presence | undefined>(undefined, {
      watched: () => this.look(user, made),
      unwatched: () => this.leave(user, made),
    });
    return made;
  }

  heard(user: string, presence: Presence): void {
    for (const s of this.signals.get(user) ?? []) s.value = presence;
  }

  /** Nobody tells any more: what was known is old. */
  lost(): void {
    for (const set of this.signals.values()) for (const s of set) if (s.peek() !== undefined) s.value = undefined;
  }

  /** Those that are looked at, the latest first: the last ones are left out where there are too many. */
  get wanted(): readonly string[] {
    return [...this.looks.keys()].reverse();
  }

  close(): void {
    this.cancelTell?.();
    for (const cancel of this.leaving.values()) cancel();
  }

  /** One that somebody kept while nobody looked is a second one for its user. */
  private look(user: string, s: Signal<Presence | undefined>): void {
    const set = this.signals.get(user) ?? new Set();
    const [other] = set;
    this.signals.set(user, set.add(s));
    if (other !== undefined && other !== s) s.value = other.peek();
    this.leaving.get(s)?.();
    this.leaving.delete(s);
    this.looks.delete(user);
    this.looks.set(user, true);
    this.tell();
  }

  private leave(user: string, s: Signal<Presence | undefined>): void {
    const gone = () => {
      this.leaving.delete(s);
      const set = this.signals.get(user);
      set?.delete(s);
      s.value = undefined;
      if (set !== undefined && set.size > 0) return;
      this.signals.delete(user);
      this.looks.delete(user);
      this.tell();
    };
    this.leaving.set(s, this.clock.after(linger, gone));
  }

  private tell(): void {
    this.cancelTell ??= this.clock.after(gather, () => {
      this.cancelTell = undefined;
      this.watch(this.wanted);
    });
  }
}
