import type { ReadonlySignal, Signal } from "@preact/signals-core";
import { computed, signal } from "@preact/signals-core";
import type { Conversation, Totals } from "../api.js";
import type { Talk } from "./conversation.js";

/** The conversations in their order, and what is unread in all of them. */
export class List {
  readonly sorted: ReadonlySignal<readonly Conversation[]>;
  readonly totals: ReadonlySignal<Totals>;
  /** The server has more than are here. */
  readonly more: Signal<boolean> = signal(false);
  private readonly byID = new Map<string, Talk>();
  private readonly version = signal(0);
  private readonly known = signal(0);
  private last: readonly Talk[] = [];
  private sum: Totals = { unread: 0, mentions: 0, exact: true };

  constructor() {
    this.sorted = computed(() => {
      void this.version.value;
      const now = [...this.byID.values()].filter(shown).sort(compare);
      if (now.length === this.last.length && now.every((c, i) => c === this.last[i])) return this.last;
      return (this.last = now);
    });
    this.totals = computed(() => {
      void this.version.value;
      const sum = { unread: 0, mentions: 0, exact: !this.more.value };
      for (const c of this.byID.values()) {
        const info = c.info.peek();
        if (info.muted || info.archived) continue;
        sum.unread += info.unread;
        sum.mentions += info.mentions;
        sum.exact &&= info.exact;
      }
      const same = sum.unread === this.sum.unread && sum.mentions === this.sum.mentions && sum.exact === this.sum.exact;
      return same ? this.sum : (this.sum = sum);
    });
  }

  get(id: string): Talk | undefined {
    return this.byID.get(id);
  }

  /** The same, and the reader learns when there is another answer. */
  look(id: string): Talk | undefined {
    void this.known.value;
    return this.byID.get(id);
  }

  all(): Iterable<Talk> {
    return this.byID.values();
  }

  add(c: Talk): void {
    this.byID.set(c.id, c);
    this.known.value = this.known.peek() + 1;
    this.changed();
  }

  remove(id: string): void {
    this.byID.delete(id);
    this.known.value = this.known.peek() + 1;
    this.changed();
  }

  changed(): void {
    this.version.value = this.version.peek() + 1;
  }
}

/** A direct conversation that was only looked at is not in the list. */
function shown(c: Talk): boolean {
  return c.info.peek().head > 0 || c.pending.list.length > 0 || c.draft.peek() !== "";
}

function compare(a: Talk, b: Talk): number {
  const pinned = Number(b.info.peek().pinned) - Number(a.info.peek().pinned);
  return pinned || b.at - a.at || (a.id < b.id ? -1 : 1);
}
