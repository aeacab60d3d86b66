import type { ErrorCode } from "../api.js";
import { repeatable } from "../errors.js";
import { byteLength, encode, isEntry } from "../protocol/codec.js";
import type { Entry, ErrorFrame, PageFrame, Reset, ServerFrame, Welcome } from "../protocol/frames.js";
import type { StorageOp } from "../ports.js";
import type { Command } from "./command.js";
import { outboxKey, outboxPrefix } from "./command.js";
import type { EngineEvent, Session } from "./events.js";
import { Gaps } from "./gaps.js";
import { Marks } from "./marks.js";
import { Outbox } from "./outbox.js";
import { droppedPrefix, Refused } from "./refused.js";
import type { Store } from "./store.js";
import { Streams } from "./stream.js";
import { earliest } from "./time.js";
import { WatchList } from "./watchlist.js";

const recvDelay = 100; // ms
const window = 64; // commands under way; less where the server's `pending` is less

export interface DeskOptions {
  store: Store;
  random: () => number;
  emit: (ev: EngineEvent) => void;
  user: () => string;
  /** How far the clock is behind a time of the server's, in ms. */
  behind: (time: string) => number;
  /** There may be something to write. */
  changed: () => void;
}

/**
 * What outlives a connection: what is to be said, and what was heard up to where. It
 * judges every frame, and tells what follows.
 */
export class Desk {
  session: Session | undefined;
  ns = "_";
  private epoch = "";
  private readonly outbox: Outbox;
  private readonly streams = new Streams();
  private readonly marks = new Marks(recvDelay);
  private readonly gaps = new Gaps();
  private readonly watching = new WatchList();
  private readonly refused = new Refused();
  private readonly twins = new Map<string, Set<string>>(); // by cmid: what else of it is in storage, where two tabs retried
  private early: [command: Command, again: boolean][] | undefined = []; // what is ordered before it is known what was refused
  private live = false;

  constructor(private readonly o: DeskOptions) {
    this.outbox = new Outbox(o.random);
  }

  /** Reads what an earlier engine left. */
  async restore(): Promise<void> {
    const { store } = this.o;
    this.session = await store.get<Session>("session");
    this.epoch = this.session?.epoch ?? "";
    for (const [key, seq] of await store.list<number>("cursor/")) this.streams.restore(key.slice("cursor/".length), seq);
    for (const [key, seq] of await store.list<number>("read/")) this.marks.markRead(key.slice("read/".length), seq);
    const tooMuch = this.refused.restore(await store.list<number>(droppedPrefix));
    if (tooMuch.length > 0) void store.write(...tooMuch);
    const commands = (await store.list<Command>(outboxPrefix)).map(([, command]) => command);
    for (const command of commands) if (command.failed !== undefined) this.refused.note(command);
    const early = this.early ?? [];
    this.early = undefined;
    for (const command of commands) if (command.failed === undefined || this.refused.isDropped(command.cmid)) this.submit(command, true);
    for (const [command, again] of early) this.submit(command, again);
  }

  resume(): { epoch: string; cursors: Record<string, number> } | undefined {
    return this.epoch === "" ? undefined : { epoch: this.epoch, cursors: this.streams.resume(this.session?.limits.frame ?? 65_536) };
  }

  submit(command: Command, again = false): void {
    if (this.early !== undefined) return void this.early.push([command, again]);
    if (this.isRefused(command)) return;
    const kept = this.outbox.add(command);
    if (outboxKey(kept) !== outboxKey(command)) this.twins.set(kept.cmid, new Set(this.twins.get(kept.cmid)).add(outboxKey(command)));
    if (!again) this.o.emit({ e: "added", command });
    if (this.session !== undefined) this.refuseTooLarge(this.session.limits.frame ?? Infinity);
    this.o.changed();
  }

  /** A tab has not heard that it was refused, or what became of it then. */
  private isRefused(command: Command): boolean {
    const { cmid } = command;
    const refused = this.refused.get(cmid);
    const dropped = this.refused.isDropped(cmid);
    if (refused !== undefined) this.o.emit({ e: "failed", command: refused });
    if (dropped) this.o.emit({ e: "dropped", cmid });
    if (refused === undefined && !dropped) return false;
    if (dropped || outboxKey(refused!) !== outboxKey(command)) void this.o.store.write({ op: "delete", key: outboxKey(command) });
    return true;
  }

  /** The user does not want to see it any more, or sent it again as another: it is not to be sent, whoever orders it. */
  drop(cmid: string): void {
    this.refused.drop(cmid);
    const gone = this.outbox.settle(cmid);
    if (gone !== undefined) void this.o.store.write({ op: "delete", key: outboxKey(gone) }, ...this.twinless(cmid));
  }

  markRead(conv: string, seq: number): void {
    // Over the deletion of an earlier one, perhaps, that was confirmed and is not written yet.
    if (this.marks.markRead(conv, seq)) this.o.store.later("read/" + conv, seq);
    this.o.changed();
  }

  watch(users: readonly string[]): void {
    this.watching.want(users);
    // A tab that looks later than another one is not told by the server.
    for (const frame of this.watching.known(users)) this.o.emit({ e: "told", frame });
    this.o.changed();
  }

  /** The text to write now, or when there will be one: questions first, what is new last. */
  next(now: number): string | number | undefined {
    const limits = this.session?.limits;
    const gap = this.gaps.next(now);
    if (gap !== undefined && typeof gap !== "number") {
      return encode({ type: "history", ref: gap.ref, conv: gap.conv, after: this.streams.of(gap.conv).cursor ?? 0, limit: limits?.page ?? 50 });
    }
    const mark = this.marks.next(now);
    if (mark !== undefined && typeof mark !== "number") return encode(mark);
    const watch = this.watching.next(limits?.watch ?? 0);
    if (watch !== undefined) return encode(watch);
    this.outbox.expire(now);
    const text = this.outbox.next(now, Math.min(limits?.pending ?? window, window));
    return text ?? earliest(gap, mark, this.outbox.wake());
  }

  /** Brings a frame into the books, and tells what follows from it. */
  take(f: ServerFrame, now: number): void {
    if (isEntry(f)) return this.entry(f, now);
    switch (f.type) {
      case "welcome":
        return this.welcome(f);
      case "synced":
        this.live = true;
        return this.o.emit({ e: "synced" });
      case "ack":
        return this.stored(f.conv, f.cmid, f.seq);
      case "page":
        return this.page(f, now);
      case "error":
        return this.error(f, now);
      case "reset":
        return this.reset(f);
      case "receipt":
        if (f.user === this.o.user() && f.read !== undefined && this.marks.confirm(f.conv, f.read)) {
          this.o.store.later("read/" + f.conv, undefined);
        }
        return this.o.emit({ e: "told", frame: f });
      case "presence":
        this.watching.heard(f);
        return this.o.emit({ e: "told", frame: f });
      case "conversation":
      case "typing":
      case "erased":
        return this.o.emit({ e: "told", frame: f });
    }
  }

  /** Makes ready for the next connection what the last one left open. */
  disconnected(): void {
    this.live = false;
    this.outbox.disconnected();
    this.streams.disconnected();
    this.marks.disconnected();
    this.gaps.forget();
    this.watching.disconnected();
  }

  giveUpLargest(): void {
    const command = this.outbox.largest();
    if (command !== undefined) this.failed(command, "too_large", "the server did not take a frame of this size");
  }

  private welcome(w: Welcome): void {
    if (this.epoch !== "" && this.epoch !== w.epoch) this.forget();
    this.epoch = w.epoch;
    this.session = { me: { user: w.user, device: w.device }, ns: this.ns, epoch: w.epoch, features: w.features, limits: w.limits, behind: this.o.behind(w.time) };
    void this.o.store.put("session", this.session);
    this.o.emit({ e: "welcome", welcome: this.session });
    this.refuseTooLarge(w.limits.frame ?? Infinity); // another version may leave it out
  }

  private refuseTooLarge(frame: number): void {
    for (const command of this.outbox.tooLarge((text) => text.length * 3 <= frame || byteLength(text) <= frame)) {
      this.failed(command, "too_large", `the frame is larger than ${frame} bytes`);
    }
  }

  /** Another epoch: cursors mean nothing. */
  private forget(): void {
    this.streams.forget();
    this.marks.forget();
    this.gaps.forget();
    void this.o.store.clear("cursor/");
    void this.o.store.clear("read/");
    this.o.emit({ e: "forget" });
  }

  private reset(r: Reset): void {
    if (r.conv === undefined) {
      if (r.epoch !== this.epoch) this.forget();
      this.epoch = r.epoch;
      return;
    }
    const stream = this.streams.of(r.conv);
    // Behind the cursor, the server has less than we thought. In front of it, something is
    // left out, and what was read there stays read.
    if (r.next !== undefined && r.next <= (stream.cursor ?? 0)) this.marks.limit(r.conv, r.next - 1);
    stream.reset(r.next);
    this.gaps.drop(r.conv);
    this.o.emit({ e: "told", frame: r });
  }

  private entry(e: Entry, now: number): void {
    this.own(e);
    const stream = this.streams.of(e.conv);
    switch (stream.arrive(e)) {
      case "fits":
        this.hand(e, now);
        for (let held = stream.unhold(); held !== undefined; held = stream.unhold()) this.hand(held, now);
        return;
      case "newGap":
        this.gaps.ask(e.conv);
    }
  }

  private page(p: PageFrame, now: number): void {
    const conv = this.gaps.answered(p.ref);
    if (conv === undefined || !this.streams.of(conv).filling) return;
    this.filled(conv, p.items, now);
  }

  private filled(conv: string, items: readonly Entry[], now: number): void {
    const stream = this.streams.of(conv);
    for (const e of stream.fill(items)) {
      this.own(e);
      this.hand(e, now);
    }
    stream.filling = stream.gap;
    if (stream.gap) this.gaps.ask(conv);
  }

  /** One's own entry is as good as the ack. */
  private own(e: Entry): void {
    if (e.from === this.o.user()) this.stored(e.conv, e.cmid, e.seq);
  }

  private hand(e: Entry, now: number): void {
    this.o.emit({ e: "entry", entry: e, live: this.live });
    this.o.store.later("cursor/" + e.conv, e.seq);
    this.marks.have(e.conv, e.seq, now);
  }

  private stored(conv: string, cmid: string, seq: number): void {
    const command = this.outbox.settle(cmid);
    if (command === undefined) return;
    void this.o.store.write({ op: "delete", key: outboxKey(command) }, ...this.twinless(cmid));
    this.o.emit({ e: "stored", conv, cmid, seq });
  }

  private error(f: ErrorFrame, now: number): void {
    if (f.ref === undefined) return this.o.emit({ e: "error", code: f.code, message: f.message });
    const command = this.outbox.get(f.ref);
    if (command !== undefined) {
      if (repeatable(f.code)) this.outbox.retryLater(command.cmid, now, f.retry_after_ms);
      else this.failed(command, f.code, f.message);
      return;
    }
    const conv = this.gaps.answered(f.ref);
    if (conv === undefined) return; // what this answers has its outcome
    if (repeatable(f.code)) return this.gaps.ask(conv, now + (f.retry_after_ms ?? 1000));
    this.filled(conv, [], now); // it may not be read: take what there is
  }

  private failed(command: Command, code: ErrorCode, message: string): void {
    this.outbox.settle(command.cmid);
    const failed: Command = { ...command, failed: { code, message } };
    // Of what changes a message nothing stays to be shown: whoever waits is told.
    const keep = command.frame.type === "send";
    const key = outboxKey(command);
    void this.o.store.write(keep ? { op: "put", key, value: failed } : { op: "delete", key }, ...this.twinless(command.cmid));
    this.refused.note(failed);
    this.o.emit({ e: "failed", command: failed });
  }

  /** One of two in storage has its outcome: takes away the other. */
  private twinless(cmid: string): StorageOp[] {
    const keys = [...(this.twins.get(cmid) ?? [])];
    this.twins.delete(cmid);
    return keys.map((key) => ({ op: "delete", key }));
  }
}
