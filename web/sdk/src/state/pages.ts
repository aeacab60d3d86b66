import type { Signal } from "@preact/signals-core";
import { signal } from "@preact/signals-core";
import type { ThreadItem } from "../api.js";

export const pageSize = 100;

/** Pages of one thread that are kept; beyond, the one not looked at for longest is let go. */
const maxPages = 40;

/** What is known of one entry. */
export interface Slot {
  /** Undefined: an entry without a row. */
  readonly item: ThreadItem | undefined;
  /** Effects up to this seq are in it. */
  readonly asOf: number;
}

interface Page {
  slots: Map<number, Slot>;
  used: number;
}

export const pageOf = (seq: number): number => Math.floor((seq - 1) / pageSize);

/** A log of which some pages are in memory, with a signal for each that was looked at. */
export class Pages {
  private readonly pages = new Map<number, Page>();
  private readonly versions = new Map<number, Signal<number>>();
  private clock = 0;

  /** Reads a slot, and makes the reader depend on its page. */
  read(seq: number): Slot | undefined {
    const n = pageOf(seq);
    void this.version(n).value;
    const page = this.pages.get(n);
    if (page === undefined) return undefined;
    page.used = ++this.clock;
    return page.slots.get(seq);
  }

  peek(seq: number): Slot | undefined {
    return this.pages.get(pageOf(seq))?.slots.get(seq);
  }

  set(seq: number, slot: Slot): void {
    const n = pageOf(seq);
    let page = this.pages.get(n);
    if (page === undefined) {
      this.pages.set(n, (page = { slots: new Map(), used: 0 }));
      this.evict(n);
    }
    page.used = ++this.clock;
    page.slots.set(seq, slot);
    this.touch(seq);
  }

  /** Something is shown otherwise. */
  touch(seq: number): void {
    const v = this.versions.get(pageOf(seq));
    if (v !== undefined) v.value = v.peek() + 1;
  }

  *all(): Iterable<readonly [number, Slot]> {
    for (const page of this.pages.values()) yield* page.slots;
  }

  get empty(): boolean {
    return this.pages.size === 0;
  }

  clear(): void {
    this.pages.clear();
    for (const v of this.versions.values()) v.value = v.peek() + 1;
  }

  private version(n: number): Signal<number> {
    let v = this.versions.get(n);
    if (v === undefined) this.versions.set(n, (v = signal(0)));
    return v;
  }

  private evict(keep: number): void {
    if (this.pages.size <= maxPages) return;
    let oldest: number | undefined;
    for (const [n, page] of this.pages) {
      if (n !== keep && (oldest === undefined || page.used < this.pages.get(oldest)!.used)) oldest = n;
    }
    if (oldest !== undefined) this.pages.delete(oldest);
  }
}
