import type { ReadonlySignal, Signal } from "@preact/signals-core";
import { batch, signal } from "@preact/signals-core";
import type { Conversation, ConversationInfo, Draft, Member, OutgoingMessage, Role, Seen, Stored } from "../api.js";
import type { Command } from "../engine/command.js";
import type { ParleyError } from "../errors.js";
import type { ConversationFrame, Entry, Erased, Receipt } from "../protocol/frames.js";
import type { KeptConversation } from "./cache.js";
import type { Context } from "./context.js";
import { Count } from "./count.js";
import { messageItem } from "./fold.js";
import { Group } from "./group.js";
import { mentions, withEntry, withFrame, withRead, withReceipt } from "./info.js";
import { Pending } from "./pending.js";
import { Sender } from "./sender.js";
import { LogThread } from "./thread.js";
import { Typing } from "./typing.js";

/** One conversation: what is known of it, and what can be done in it. */
export class Talk implements Conversation {
  readonly id: string;
  readonly kind: "direct" | "group";
  readonly info: ReadonlySignal<ConversationInfo>;
  readonly thread: LogThread;
  readonly typing: ReadonlySignal<readonly string[]>;
  readonly draft: Signal<string>;
  readonly members: ReadonlySignal<readonly Member[] | undefined>;
  readonly pending: Pending;
  /** ms since 1970: when something last happened in it, for the order of the list. */
  at = 0;
  private readonly now: Signal<ConversationInfo>;
  private readonly typist: Typing;
  private readonly group: Group;
  private readonly sender: Sender;
  private readonly count: Count;
  private heard = 0; // entries up to here were told of

  constructor(
    private readonly ctx: Context,
    info: ConversationInfo,
    draft: string,
    at = 0,
  ) {
    this.id = info.conv;
    this.kind = info.kind;
    this.info = this.now = signal(info);
    this.pending = new Pending(this.id, () => this.now.peek().head);
    this.thread = new LogThread(ctx, this.now, this.pending);
    this.typist = new Typing(ctx.clock, (on) => ctx.has("typing") && ctx.core.typing(this.id, on));
    this.typing = this.typist.users;
    this.group = new Group(ctx, this.now);
    this.members = this.group.members;
    this.sender = new Sender(ctx, this.now, this.thread, this.pending, (command) => this.sent(command));
    this.draft = signal(draft);
    this.count = new Count(ctx, this.now, (info) => this.set(info));
    this.at = Math.max(at, Date.parse((info.event ?? info.last)?.time ?? "") || 0);
  }

  send(d: Draft): OutgoingMessage {
    return this.sender.send(d);
  }

  stored(cmid: string): Promise<Stored> {
    return this.pending.wait(cmid);
  }

  retry(cmid: string): OutgoingMessage | undefined {
    return this.sender.retry(cmid);
  }

  discard(cmid: string): void {
    this.sender.discard(cmid);
  }

  edit(seq: number, text: string): Promise<Stored> {
    return this.sender.edit(seq, text);
  }

  recall(seq: number): Promise<Stored> {
    return this.sender.change({ type: "recall", conv: this.id, target: seq, cmid: "" });
  }

  react(seq: number, emoji: string, on: boolean): Promise<Stored> {
    return this.sender.change({ type: "react", conv: this.id, target: seq, cmid: "", emoji, on });
  }

  markRead(seq: number): void {
    const to = Math.min(seq, this.now.peek().head);
    if (to <= this.now.peek().read) return;
    void this.ctx.store.put("read/" + this.id, to);
    this.ctx.core.markRead(this.id, to);
    const me = this.ctx.me.peek();
    if (me !== undefined) this.ctx.tell({ e: "told", frame: { type: "receipt", conv: this.id, user: me.user, read: to, time: "" } });
  }

  setTyping(on: boolean): void {
    this.typist.set(on);
  }

  loadMembers(): Promise<readonly Member[]> {
    return this.group.load();
  }

  add(user: string, role: Role = "member"): Promise<void> {
    return this.group.set(user, role);
  }

  remove(user: string): Promise<void> {
    return this.group.remove(user);
  }

  setRole(user: string, role: Role): Promise<void> {
    return this.group.set(user, role);
  }

  muteMember(user: string, muted: boolean): Promise<void> {
    return this.group.set(user, muted ? "muted" : "member");
  }

  rename(title: string): Promise<void> {
    return this.group.rename(title);
  }

  leave(): Promise<void> {
    return this.group.leave();
  }

  close(): Promise<void> {
    return this.group.close();
  }

  settings(s: { muted?: boolean; pinned?: boolean; archived?: boolean }): Promise<void> {
    return this.group.settings(s);
  }

  seenBy(seq: number): Promise<readonly Seen[]> {
    return this.group.seenBy(seq);
  }

  seqAt(time: number): Promise<number | undefined> {
    return this.group.seqAt(time);
  }

  /** A `conversation` shape. */
  frame(f: ConversationFrame): void {
    const now = withFrame(this.now.peek(), f);
    if (now.floor > this.now.peek().floor) this.ctx.used(this.id, false); // what is below is not kept, either
    this.set({ ...now, last: this.thread.erased.last(now.last) });
    const { read } = this.now.peek();
    if (read > f.read) this.recount(read);
    this.thread.positionsChanged();
    this.at = Math.max(this.at, Date.parse((f.event ?? f.last)?.time ?? "") || 0);
    if (this.ctx.live.peek()) this.thread.catchUp();
  }

  entry(entry: Entry, live: boolean): void {
    const e = this.thread.erased.entry(entry);
    const me = this.ctx.me.peek()?.user ?? "";
    const known = e.type === "recalled" ? this.thread.peek(e.target) : undefined;
    const missed = e.seq > this.now.peek().head + 1; // it is not known what came in between
    const target = known?.kind === "message" ? { own: known.own, mentioned: mentions(known.mentions, me) } : undefined;
    batch(() => {
      this.set(withEntry(this.now.peek(), e, me, target));
      this.thread.take(e, live);
      this.group.take(e);
      if (e.from === me) this.pending.stored(e.cmid, e.seq); // as good as the ack, and another tab's may be heard of late
      this.pending.settle(e.seq);
      if (e.type === "message" && e.from !== me) this.typist.heard(e.from, false);
      this.at = Math.max(this.at, Date.parse(e.time) || 0);
    });
    if (missed || (!this.now.peek().exact && live && e.type === "recalled")) this.count.later();
    // It may be in the numbers already: a conversation frame comes before the first one.
    const first = e.seq > this.heard; // two leaders may tell of it, one after the other
    this.heard = Math.max(this.heard, e.seq);
    if (first && live && e.type === "message" && e.from !== me) {
      const item = this.thread.peek(e.seq);
      this.ctx.arrived(this.id, item?.kind === "message" ? item : messageItem(e, me));
    }
  }

  receipt(r: Receipt): void {
    this.group.positions(r);
    if (r.user === this.ctx.me.peek()?.user) {
      const read = r.read ?? 0;
      if (read > this.now.peek().read) this.recount(read);
      else if (read === this.now.peek().read && !this.now.peek().exact) this.count.later();
      return;
    }
    const before = this.now.peek();
    this.set(withReceipt(before, r));
    if (this.now.peek() !== before) this.thread.positionsChanged();
  }

  /** A user was erased. */
  erase(f: Erased): void {
    batch(() => {
      this.thread.erase(f.user, f.seq);
      const info = this.now.peek();
      const last = this.thread.erased.last(info.last);
      if (last !== info.last) this.set({ ...info, last });
    });
  }

  typed(user: string, on: boolean): void {
    this.typist.heard(user, on);
  }

  /** Whatever is known of the log is void. */
  forget(): void {
    this.heard = 0;
    this.thread.drop();
    this.pending.forget();
    this.count.forget();
    this.group.forget();
    this.set({ ...this.now.peek(), peers: undefined, head: 0, count: 0, read: 0, delivered: 0, unread: 0, mentions: 0, last: undefined, event: undefined });
  }

  dispose(err: ParleyError): void {
    this.typist.close();
    this.count.close();
    this.pending.close(err);
  }

  /** Something went out. */
  private sent(command: Command): void {
    this.typist.sent();
    this.at = Math.max(this.at, command.time);
    this.ctx.changed();
  }

  private set(info: ConversationInfo): void {
    if (info === this.now.peek()) return;
    this.now.value = info;
    this.keep();
    this.ctx.changed();
  }

  /** For the next start. */
  keep(): void {
    const kept: KeptConversation = { ...this.now.peek(), at: this.at };
    this.ctx.keep("conv/" + this.id, kept);
  }

  private recount(read: number): void {
    const left = this.thread.countUnread(read);
    this.set(withRead(this.now.peek(), read, left));
    if (left === undefined && read < this.now.peek().head) this.count.later();
  }

}
