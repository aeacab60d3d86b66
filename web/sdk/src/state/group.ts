import type { ReadonlySignal, Signal } from "@preact/signals-core";
import { signal } from "@preact/signals-core";
import type { ConversationInfo, Member, Role, Seen } from "../api.js";
import { ParleyError } from "../errors.js";
import type { Query } from "../net/rest.js";
import type { ConversationFrame, Entry, MessageEntry, Page, Receipt } from "../protocol/frames.js";
import { asked } from "./asked.js";
import type { Context } from "./context.js";

const most = 2_000;

/** What HTTP does with one conversation: members, title, settings, who has seen what. */
export class Group {
  readonly members: ReadonlySignal<readonly Member[] | undefined>;
  private readonly list: Signal<readonly Member[] | undefined> = signal(undefined);
  private readonly path: string;

  constructor(
    private readonly ctx: Context,
    private readonly info: ReadonlySignal<ConversationInfo>,
  ) {
    this.members = this.list;
    this.path = "/v1/conversations/" + info.peek().conv;
  }

  async load(): Promise<readonly Member[]> {
    const { life } = this.ctx;
    const members = await this.pages<Member>("/members");
    if (life !== this.ctx.life) return this.load();
    this.list.value = members;
    return members;
  }

  /** Another epoch: whoever shows the members reads them once more. */
  forget(): void {
    this.list.value = undefined;
  }

  async set(user: string, role: Role): Promise<void> {
    this.groupOnly();
    await this.ctx.rest.send("PUT", `${this.path}/members/${encodeURIComponent(user)}`, { role, cmid: this.ctx.newID() });
    await this.reload();
  }

  async remove(user: string): Promise<void> {
    this.groupOnly();
    await this.ctx.rest.send("DELETE", `${this.path}/members/${encodeURIComponent(user)}?cmid=${this.ctx.newID()}`);
    await this.reload();
  }

  async rename(title: string): Promise<void> {
    this.groupOnly();
    await this.learn(this.ctx.rest.send("PATCH", this.path, { title, cmid: this.ctx.newID() }));
  }

  async leave(): Promise<void> {
    this.groupOnly();
    // Not the request that closes the group where an owner makes it: one may have become owner just now.
    const me = this.ctx.me.peek()?.user ?? "";
    await this.ctx.rest.send("DELETE", `${this.path}/members/${encodeURIComponent(me)}?cmid=${this.ctx.newID()}`);
    await this.learn(this.ctx.rest.get(this.path));
  }

  async close(): Promise<void> {
    this.groupOnly();
    if (this.info.peek().role !== "owner") throw new ParleyError("forbidden", "only the owner closes a group");
    await this.ctx.rest.send("DELETE", `${this.path}?cmid=${this.ctx.newID()}`);
    await this.learn(this.ctx.rest.get(this.path));
  }

  async settings(s: { muted?: boolean; pinned?: boolean; archived?: boolean }): Promise<void> {
    await this.learn(this.ctx.rest.send("PATCH", this.path + "/me", s));
  }

  seenBy(seq: number): Promise<readonly Seen[]> {
    return this.pages<Seen>(`/messages/${seq}/seen`);
  }

  /** The first entry at or after a time, by halving what is left. */
  async seqAt(time: number): Promise<number | undefined> {
    let lo = Math.max(this.info.peek().floor, this.info.peek().joined);
    let hi = this.info.peek().head + 1;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      const page = await this.ctx.rest.get<Page<Entry>>(this.path + "/entries", { after: mid - 1, limit: 1 });
      const e = page.items[0];
      if (e === undefined || Date.parse(e.time) >= time) hi = mid;
      else lo = Math.max(mid, e.seq) + 1;
    }
    if (lo > this.info.peek().head) return undefined;
    const page = await this.ctx.rest.get<Page<MessageEntry>>(this.path + "/messages", { after: lo - 1, limit: 1 });
    return page.items[0]?.seq;
  }

  /** Keeps the list up with what the log says. */
  take(e: Entry): void {
    if (this.list.peek() === undefined || e.type !== "members") return;
    const users = new Map(e.users?.map((u) => [u.user, u.role]));
    let members = this.list.peek()!;
    if (e.change === "removed" || e.change === "left") members = members.filter((m) => !users.has(m.user));
    else if (e.change === "role") members = members.map((m) => ({ ...m, role: users.get(m.user) ?? m.role }));
    else if (e.change === "added") {
      members = members.filter((m) => !users.has(m.user));
      members = [...members, ...[...users].map(([user, role]) => ({ user, role, joined: e.seq, read: 0, delivered: 0 }))];
    }
    this.list.value = members;
  }

  positions(r: Receipt): void {
    const members = this.list.peek();
    if (members === undefined || !members.some((m) => m.user === r.user)) return;
    this.list.value = members.map((m) =>
      m.user !== r.user ? m : { ...m, read: Math.max(m.read, r.read ?? 0), delivered: Math.max(m.delivered, r.delivered ?? 0) },
    );
  }

  private groupOnly(): void {
    if (this.info.peek().kind !== "group") throw new ParleyError("bad_request", "a direct conversation has no members to manage");
  }

  private async reload(): Promise<void> {
    if (this.list.peek() !== undefined) await this.load();
  }

  private async learn(answer: Promise<ConversationFrame>): Promise<void> {
    const c = await asked(answer, this.ctx.rest, this.ctx);
    this.ctx.tell({ e: "told", frame: { ...c, type: "conversation" } });
  }

  private async pages<T>(path: string): Promise<T[]> {
    const all: T[] = [];
    for (let cursor: string | undefined; all.length < most; ) {
      const query: Query = { cursor, limit: 200 };
      const part = await this.ctx.rest.get<{ items: T[]; next?: string }>(this.path + path, query);
      all.push(...part.items);
      cursor = part.next;
      if (cursor === undefined) return all;
    }
    return all;
  }
}
