import type { ReadonlySignal, Signal } from "@preact/signals-core";
import { batch, computed, signal } from "@preact/signals-core";
import type { ConversationInfo, MessageItem, OutgoingMessage, Rows, Thread, ThreadItem } from "../api.js";
import type { Entry } from "../protocol/frames.js";
import type { Context } from "./context.js";
import type { Effect } from "./fold.js";
import { membersItem, messageItem, withEffect, withPositions } from "./fold.js";
import { loadGone, loadLog, loadStretch } from "./loader.js";
import type { Pending } from "./pending.js";
import { Erasures } from "./erased.js";
import { countUnread, findUnread } from "./unread.js";
import type { Left } from "./info.js";
import { Pages, pageOf, pageSize } from "./pages.js";
import { merged, SparseRows } from "./rows.js";
import type { CachedThread } from "./cache.js";

/** Effects that are remembered, for pages that are on their way when they come. */
const maxEffects = 500;
/** More entries than this are not read to catch up: what is loaded is dropped instead. */
export const maxCatchUp = 600;
const mostLoad = 1000;

/**
 * One thread. `folded` is the seq up to which effects are in what is loaded; undefined
 * as long as nothing was asked for. Entries come in order from the engine, or with a
 * hole where this tab missed some: then the log is read from there.
 */
export class LogThread implements Thread {
  readonly first: ReadonlySignal<number>;
  readonly head: ReadonlySignal<number>;
  readonly rows: ReadonlySignal<Rows>;
  readonly firstUnread: ReadonlySignal<number | undefined>;
  readonly outgoing: ReadonlySignal<readonly OutgoingMessage[]>;

  readonly erased = new Erasures();
  private readonly pages = new Pages();
  private readonly hidden: Signal<readonly number[]> = signal([]);
  private readonly loading = new Map<number, Promise<void>>();
  private readonly joined = new Map<string, number>(); // where members' parts begin, if they came later
  private folded: number | undefined;
  private effects: Effect[] = [];
  private catching: Promise<void> | undefined;
  private generation = 0;
  private doubted: readonly [from: number, to: number] | undefined; // kept by an earlier client: of an erasure meanwhile no entry tells
  private proved = 0;

  constructor(
    private readonly ctx: Context,
    private readonly info: ReadonlySignal<ConversationInfo>,
    private readonly pending: Pending,
  ) {
    this.first = computed(() => Math.max(info.value.floor, info.value.joined, 1));
    this.head = computed(() => info.value.head);
    this.rows = computed(() => new SparseRows(this.first.value, this.head.value, this.hidden.value));
    this.outgoing = pending.outgoing;
    this.firstUnread = computed(() => findUnread(this.pages, info.value, this.first.value));
  }

  item(seq: number): ThreadItem | undefined {
    const item = this.pages.read(seq)?.item;
    return item?.kind === "message" ? this.pending.over(item, this.user()) : item;
  }

  peek(seq: number): ThreadItem | undefined {
    return this.pages.peek(seq)?.item;
  }

  /** Is one's own message with this cmid among what is loaded? */
  shows(cmid: string): boolean {
    for (const [, slot] of this.pages.all()) if (slot.item?.kind === "message" && slot.item.own && slot.item.cmid === cmid) return true;
    return false;
  }

  has(seq: number): boolean {
    return this.pages.read(seq) !== undefined;
  }

  async load(from: number, to: number): Promise<void> {
    const lo = Math.max(from, this.first.peek());
    const hi = Math.min(to, this.head.peek(), lo + mostLoad - 1);
    if (this.folded === undefined) this.proved = this.ctx.clock.now();
    this.folded ??= this.head.peek();
    void this.prove();
    if (lo > hi) return;
    const wanted: Promise<void>[] = [];
    for (let n = pageOf(lo); n <= pageOf(hi); n++) wanted.push(this.loadPage(n, lo, hi));
    await Promise.all(wanted);
    this.ctx.used(this.info.peek().conv, true);
  }

  around(seq: number): Promise<void> {
    return this.load(seq - pageSize / 2, seq + pageSize / 2);
  }

  /** An entry came. */
  take(e: Entry, live: boolean): void {
    if (e.type === "members" && e.change === "added") for (const u of e.users ?? []) this.joined.set(u.user, e.seq);
    if (this.folded === undefined && e.seq === this.first.peek() && (live || this.pending.list.length > 0)) {
      this.folded = e.seq - 1; // a log that has just begun: there is nothing to be read
      this.ctx.used(e.conv, true);
    }
    if (this.folded === undefined) return;
    if (e.seq <= this.folded) return this.early(e);
    if (e.seq === this.folded + 1) this.apply(e); // also while the log is being read: what was applied is skipped there
    else this.catchUp();
  }

  /** An entry that is being read over HTTP at the moment: the answer takes its place, with what became of it. */
  private early(e: Entry): void {
    if (e.type !== "message" || !this.loading.has(pageOf(e.seq)) || this.pages.peek(e.seq) !== undefined) return;
    this.pages.set(e.seq, { item: this.withPositions(messageItem(e, this.user())), asOf: e.seq });
  }

  /** Is everything loaded that was changed up to the head? If not, mends it. */
  catchUp(): void {
    if (this.folded === undefined || this.catching !== undefined || this.folded >= this.head.peek()) return;
    const { generation } = this;
    this.catching = this.readOn()
      .catch((err: unknown) => this.ctx.failed(err))
      .finally(() => {
        this.catching = undefined;
        if (generation !== this.generation) this.catchUp(); // nobody else does, if there was reason to while this went on
      });
  }

  /** Nothing that is known of this log is true any more. */
  drop(): void {
    this.generation++;
    this.effects = [];
    this.hidden.value = [];
    this.folded = undefined;
    this.doubted = undefined;
    this.pages.clear();
    this.loading.clear();
  }

  /** Positions of members have changed: up to `seq` messages may be further. */
  positionsChanged(): void {
    batch(() => {
      for (const [seq, slot] of this.pages.all()) {
        if (slot.item?.kind !== "message") continue;
        const item = this.withPositions(slot.item);
        if (item !== slot.item) this.pages.set(seq, { ...slot, item });
      }
    });
  }

  /** A user was erased: what is loaded of theirs up to `seq` has no body any more, nor what comes late. */
  erase(user: string, seq: number): void {
    this.erased.note(user, seq);
    batch(() => {
      for (const [at, slot] of this.pages.all()) {
        const item = this.erased.item(slot.item);
        if (item !== slot.item) this.pages.set(at, { ...slot, item });
      }
    });
  }

  /** Unread messages behind `read`, if they are all loaded. */
  countUnread(read: number): Left | undefined {
    return countUnread(this.pages, read, this.head.peek(), this.user());
  }

  restore(c: CachedThread): void {
    if (this.folded !== undefined) return;
    this.folded = c.folded;
    this.proved = c.proved ?? 0;
    if (c.items.length > 0) this.doubted = [c.items[0]![0], c.folded];
    for (const [seq, item] of c.items) this.pages.set(seq, { item: item ?? undefined, asOf: c.folded });
    this.hide(c.items.filter(([, item]) => item === null).map(([seq]) => seq));
  }

  /** Has it content of an earlier client that was not compared with the server's since a time? */
  doubtful(since: number): boolean {
    return this.doubted !== undefined && this.proved < since;
  }

  /** Asks the server whether what an earlier client kept has still its content. Without an answer it is asked again later. */
  async prove(): Promise<void> {
    const { doubted, generation } = this;
    if (doubted === undefined || !this.ctx.live.peek()) return;
    this.doubted = undefined;
    try {
      for (let [from, to] = doubted; from <= to; ) {
        const known = await loadGone(this.ctx.rest, this.info.peek().conv, from, to);
        if (generation !== this.generation) return;
        batch(() => known.gone.forEach((seq) => this.empty(seq)));
        if (known.to < from) break; // the server does not have them any more
        from = known.to + 1;
      }
      this.proved = this.ctx.clock.now();
      this.ctx.used(this.info.peek().conv, false);
    } catch {
      if (generation === this.generation) this.doubted = doubted;
    }
  }

  /** The last `most` entries, as far as they are loaded in a row. */
  tail(most: number): CachedThread | undefined {
    if (this.folded === undefined) return undefined;
    const items: [number, ThreadItem | null][] = [];
    for (let seq = this.folded; seq > this.folded - most && seq >= this.first.peek(); seq--) {
      const slot = this.pages.peek(seq);
      if (slot === undefined) break;
      items.unshift([seq, slot.item ?? null]);
    }
    return items.length === 0 ? undefined : { folded: this.folded, items, proved: this.proved };
  }

  private empty(seq: number): void {
    const slot = this.pages.peek(seq);
    if (slot?.item?.kind === "message" && slot.item.body !== undefined) this.pages.set(seq, { ...slot, item: { ...slot.item, gone: true, body: undefined } });
  }

  private user(): string {
    return this.ctx.me.peek()?.user ?? "";
  }

  private loadPage(n: number, from: number, to: number): Promise<void> {
    const lo = Math.max(n * pageSize + 1, this.first.peek());
    const hi = Math.min((n + 1) * pageSize, this.head.peek());
    for (let seq = Math.max(lo, from); seq <= Math.min(hi, to); seq++) {
      if (this.pages.peek(seq) !== undefined) continue;
      let under = this.loading.get(n);
      if (under === undefined) {
        under = this.fetch(lo, hi).finally(() => this.loading.get(n) === under && this.loading.delete(n));
        this.loading.set(n, under);
      }
      return under;
    }
    return Promise.resolve();
  }

  /** Reads entries from the server, in as many answers as it takes. */
  private async fetch(lo: number, hi: number): Promise<void> {
    const { conv, kind } = this.info.peek();
    const { generation } = this;
    for (let from = lo; from <= hi; ) {
      const s = await loadStretch(this.ctx.rest, conv, kind, from, hi, this.user());
      if (generation !== this.generation) return;
      if (s.to < from) return; // the server does not have them (any more)
      const missed = this.effects.filter((e) => e.seq > s.asOf);
      const hidden: number[] = [];
      batch(() => {
        for (let seq = from; seq <= s.to; seq++) {
          const item = s.items.get(seq);
          if (item === undefined) hidden.push(seq);
          if ((this.pages.peek(seq)?.asOf ?? -1) < s.asOf) this.pages.set(seq, { item: item && this.current(item, missed), asOf: s.asOf });
        }
        this.hide(hidden);
      });
      from = s.to + 1;
    }
  }

  private current(item: ThreadItem, missed: readonly Effect[]): ThreadItem {
    if (item.kind !== "message") return item;
    const now = missed.reduce((m, e) => (e.target === m.seq ? withEffect(m, e, this.user()) : m), item);
    return this.withPositions(this.erased.item(now));
  }

  private withPositions(item: MessageItem): MessageItem {
    const has = (user: string) => (this.joined.get(user) ?? 0) <= item.seq;
    return withPositions(item, this.info.peek().peers ?? [], has);
  }

  private hide(seqs: readonly number[]): void {
    this.hidden.value = merged(this.hidden.peek(), seqs);
  }

  private apply(entry: Entry): void {
    const e = this.erased.entry(entry);
    const me = this.user();
    this.folded = e.seq;
    this.ctx.used(e.conv, false);
    batch(() => {
      if (e.type === "message") this.pages.set(e.seq, { item: this.withPositions(messageItem(e, me)), asOf: e.seq });
      else if (e.type === "members") this.pages.set(e.seq, { item: membersItem(e), asOf: e.seq });
      else {
        this.pages.set(e.seq, { item: undefined, asOf: e.seq });
        this.hide([e.seq]);
        if (e.type !== "entry") this.affect(e, me);
      }
    });
  }

  private affect(e: Effect, me: string): void {
    this.effects.push(e);
    if (this.effects.length > maxEffects) this.effects.shift();
    const slot = this.pages.peek(e.target);
    if (slot?.item?.kind !== "message" || slot.asOf >= e.seq) return;
    this.pages.set(e.target, { item: withEffect(slot.item, e, me), asOf: slot.asOf });
  }

  private async readOn(): Promise<void> {
    for (let from = this.folded; from !== undefined && from < this.head.peek(); from = this.folded) {
      if (this.head.peek() - from > maxCatchUp) {
        this.drop();
        return this.ctx.used(this.info.peek().conv, false);
      }
      const { generation } = this;
      const page = await loadLog(this.ctx.rest, this.info.peek().conv, from);
      if (generation !== this.generation) return;
      for (const e of page.items) if (e.seq > (this.folded ?? 0)) this.apply(e);
      if (page.items.length === 0 || !page.more_after) this.folded = Math.max(this.folded ?? 0, page.head);
      if (this.folded === from) return;
    }
  }
}
