import type { ReadonlySignal, Signal } from "@preact/signals-core";
import { batch, computed, signal } from "@preact/signals-core";
import type { ConnectionState, Conversation, ConversationInfo, Limits, Me, Totals } from "../api.js";
import type { Command } from "../engine/command.js";
import { outboxKey, outboxPrefix } from "../engine/command.js";
import type { EngineEvent, Session } from "../engine/events.js";
import { droppedPrefix } from "../engine/refused.js";
import { ParleyError } from "../errors.js";
import type { ConversationFrame, Erased } from "../protocol/frames.js";
import { directID } from "../protocol/ids.js";
import type { CachedThread, KeptConversation } from "./cache.js";
import { cachedConversations, cachedEntries, cachedThreads, loadedThreads } from "./cache.js";
import type { Context } from "./context.js";
import { Talk } from "./conversation.js";
import { withoutErased } from "./erased.js";
import { emptyInfo, withFrame } from "./info.js";
import { tooManyFailed } from "./failures.js";
import { List } from "./list.js";
import { Drafts } from "./drafts.js";
import type { PresenceBoard } from "./presence.js";
import { prove } from "./proof.js";
import { maxCatchUp } from "./thread.js";

/** How long a change of a thread waits for others before it is kept, in ms. */
const keepDelay = 2_000;

/** What one tab knows: it follows from the engine's events, from HTTP and from the cache. */
export class State {
  readonly connection: Signal<ConnectionState> = signal({ phase: "idle" });
  readonly me: Signal<Me | undefined> = signal(undefined);
  readonly features: Signal<ReadonlySet<string>> = signal(new Set());
  readonly limits: Signal<Limits | undefined> = signal(undefined);
  readonly live: ReadonlySignal<boolean> = computed(() => this.connection.value.phase === "live");
  readonly list = new List();
  readonly conversations: ReadonlySignal<readonly Conversation[]> = this.list.sorted;
  readonly totals: ReadonlySignal<Totals> = this.list.totals;
  readonly loaded: Signal<boolean> = signal(false);
  /** Grows whenever what is known of the logs is void, by another epoch. */
  life = 0;
  /** The server's, in which they are; empty: nothing is known. */
  epoch = "";
  private ns = "_";
  private readonly drafts: Drafts;
  private readonly cachedPages = new Map<string, CachedThread>();
  private readonly loadedOf = new Set<string>(); // threads, the one looked at last last
  private readonly keeping = new Map<string, () => void>();

  constructor(
    private readonly ctx: Context,
    private readonly presence: PresenceBoard,
  ) {
    this.drafts = new Drafts(ctx, (conv) => this.list.get(conv));
  }

  /** Reads what was kept: an instant start. */
  async restore(before: (commands: readonly Command[]) => void): Promise<void> {
    const { store } = this.ctx;
    const session = await store.get<Session>("session");
    const pages = await store.list<CachedThread>("page/");
    const drafts = await store.list<string>("draft/");
    const infos = await store.list<KeptConversation>("conv/");
    const dropped = new Set((await store.list(droppedPrefix)).map(([key]) => key.slice(droppedPrefix.length)));
    const commands = (await store.list<Command>(outboxPrefix)).filter(([, { cmid }]) => !dropped.has(cmid));
    before(commands.map(([, command]) => command));
    batch(() => {
      if (session !== undefined && this.me.peek() === undefined) this.welcome(session);
      for (const [key, c] of pages) this.cachedPages.set(key.slice("page/".length), c);
      this.drafts.restore(drafts);
      for (const [, { at, ...info }] of infos) if (this.list.get(info.conv) === undefined) this.add(info, at);
      for (const [, command] of commands) this.added(command);
      if (infos.length > 0) this.loaded.value = true;
    });
    this.dropFailed();
    this.forgetOldest(infos.map(([, info]) => info));
  }

  get(id: string): Talk | undefined {
    return this.list.get(id);
  }

  /** Commands of which no outcome is known. */
  unsettled(): readonly Command[] {
    return [...this.list.all()].flatMap((c) => c.pending.unsettled);
  }

  direct(user: string): Talk {
    const me = this.me.peek();
    if (me === undefined) throw new ParleyError("unavailable", "it is not known yet who this is");
    const id = directID(this.ns, me.user, user);
    return this.list.get(id) ?? this.add(emptyInfo(id, "direct", user));
  }

  /** What an engine tells, be it of this tab or another. */
  take(ev: EngineEvent): void {
    batch(() => this.event(ev));
  }

  private event(ev: EngineEvent): void {
    switch (ev.e) {
      case "connection":
        if (ev.state.phase !== "live" && this.live.peek()) this.presence.lost();
        this.connection.value = ev.state;
        if (this.live.peek()) void prove(this.list.all(), this.loadedOf, this.ctx.leads(), this.ctx.clock.now());
        return;
      case "welcome":
        return this.welcome(ev.welcome);
      case "synced":
        for (const c of this.list.all()) c.thread.catchUp();
        return;
      case "forget":
        return this.forget();
      case "entry":
        return this.of(ev.entry.conv).entry(ev.entry, ev.live);
      case "added":
        return this.added(ev.command);
      case "stored":
        return this.list.get(ev.conv)?.pending.stored(ev.cmid, ev.seq);
      case "failed":
        this.list.get(ev.command.conv)?.pending.failed(ev.command);
        return this.dropFailed();
      case "dropped":
        for (const c of this.list.all()) c.pending.drop(ev.cmid);
        return;
      case "error":
        return this.ctx.failed(new ParleyError(ev.code, ev.message));
      case "draft":
        return this.drafts.heard(ev.conv, ev.text);
      case "told":
        return this.told(ev.frame);
    }
  }

  private told(f: (EngineEvent & { e: "told" })["frame"]): void {
    switch (f.type) {
      case "conversation":
        return void this.learn(f);
      case "receipt":
        return this.list.get(f.conv)?.receipt(f);
      case "typing":
        return this.list.get(f.conv)?.typed(f.user, f.on);
      case "presence":
        return this.presence.heard(f.user, f.last_seen === undefined ? { online: f.online } : { online: f.online, last_seen: f.last_seen });
      case "erased":
        return this.erase(f);
      case "reset":
        return; // what is known stays true; a thread reads for itself what was left out
    }
  }

  /** Brings in a `conversation` shape. `at`: when something last happened, where the shape does not tell. */
  learn(f: ConversationFrame, at = 0): Talk {
    let c = this.list.get(f.conv);
    if (c !== undefined) c.frame(f);
    else c = this.add(withFrame(emptyInfo(f.conv, f.kind), f));
    c.at = Math.max(c.at, at);
    c.keep();
    return c;
  }

  /** The server's list does not have it: it is only kept if there is something in it. */
  missing(c: Talk): void {
    if (c.pending.list.length > 0 || c.info.peek().left !== undefined) return;
    if (c.kind === "direct" && c.info.peek().head === 0) return; // made here
    this.list.remove(c.id);
    void this.ctx.store.write({ op: "delete", key: "conv/" + c.id }, { op: "delete", key: "page/" + c.id });
  }

  /** What is kept for the next start goes at once, what is loaded with it. */
  private erase(f: Erased): void {
    const c = this.of(f.conv);
    c.erase(f);
    const kept = this.cachedPages.get(f.conv);
    const now = c.thread.tail(cachedEntries) ?? (kept && withoutErased(kept, c.thread.erased));
    if (now === undefined) return;
    this.cachedPages.set(f.conv, now);
    this.ctx.store.later("page/" + f.conv, now);
  }

  private welcome(w: Session): void {
    if (this.epoch !== "" && w.epoch !== this.epoch) this.forget();
    this.epoch = w.epoch;
    this.ns = w.ns;
    if (this.me.peek()?.user !== w.me.user || this.me.peek()?.device !== w.me.device) this.me.value = w.me;
    this.features.value = new Set(w.features);
    this.limits.value = w.limits;
  }

  private forget(): void {
    this.life++;
    this.cachedPages.clear();
    for (const c of this.list.all()) c.forget();
    void this.ctx.store.clear("page/");
    void this.ctx.store.clear("conv/");
  }

  private added(command: Command): void {
    const { frame } = command;
    const known = this.list.get(command.conv);
    const peer = frame.type === "send" ? frame.to : undefined;
    const c = known ?? this.add(emptyInfo(command.conv, peer === undefined ? "group" : "direct", peer));
    // A tab may be late to say what the server has long told.
    if (c.pending.get(command.cmid) === undefined && c.thread.shows(command.cmid)) return;
    c.pending.add(command);
    c.at = Math.max(c.at, command.time);
    this.list.changed();
  }

  private dropFailed(): void {
    const dropped = tooManyFailed(this.list.all());
    for (const command of dropped) {
      void this.ctx.store.write({ op: "delete", key: outboxKey(command) }, { op: "put", key: droppedPrefix + command.cmid, value: Math.floor(this.ctx.clock.now()) });
      this.ctx.tell({ e: "dropped", cmid: command.cmid });
    }
    if (dropped.length > 0) this.ctx.failed(new ParleyError("full", "too many messages were refused and kept: the oldest are dropped"));
  }

  private of(conv: string): Talk {
    return this.list.get(conv) ?? this.add(emptyInfo(conv, conv.startsWith("d_") ? "direct" : "group"));
  }

  private add(info: ConversationInfo, at = 0): Talk {
    const c = new Talk(this.ctx, info, this.drafts.of(info.conv), at);
    const cached = this.cachedPages.get(info.conv);
    if (cached !== undefined && cached.folded <= info.head) c.thread.restore(cached);
    this.drafts.follow(c);
    this.list.add(c);
    return c;
  }

  /** The end of a thread that is looked at is kept for the next start, some time soon. */
  used(conv: string, looked: boolean): void {
    if (looked) this.looked(conv);
    if (this.keeping.has(conv)) return;
    const keep = () => {
      this.keeping.delete(conv);
      const c = this.list.get(conv);
      if (c !== undefined) this.keepPage(c);
    };
    this.keeping.set(conv, this.ctx.clock.after(keepDelay, keep));
  }

  /** Keeps what waits for that. */
  keepNow(): void {
    for (const [conv, cancel] of this.keeping) {
      cancel();
      const c = this.list.get(conv);
      if (c !== undefined) this.keepPage(c);
    }
    this.keeping.clear();
  }

  /** Of threads that nobody looked at for longest, what was loaded is let go. */
  private looked(conv: string): void {
    this.loadedOf.delete(conv);
    this.loadedOf.add(conv);
    const oldest = this.loadedOf.values().next().value;
    if (this.loadedOf.size <= loadedThreads || oldest === undefined) return;
    this.loadedOf.delete(oldest);
    this.list.get(oldest)?.thread.drop();
  }

  private keepPage(c: Talk): void {
    const tail = c.thread.tail(cachedEntries);
    if (tail === undefined) return this.forgetStale(c);
    this.cachedPages.delete(c.id);
    this.cachedPages.set(c.id, tail);
    this.ctx.store.later("page/" + c.id, tail);
    const oldest = this.cachedPages.keys().next().value;
    if (this.cachedPages.size <= cachedThreads || oldest === undefined) return;
    this.cachedPages.delete(oldest);
    this.ctx.store.later("page/" + oldest, undefined);
  }

  /** What is kept and can never be brought up to date any more goes. */
  private forgetStale(c: Talk): void {
    const kept = this.cachedPages.get(c.id);
    if (kept === undefined || c.info.peek().head - kept.folded <= maxCatchUp) return;
    this.cachedPages.delete(c.id);
    this.ctx.keep("page/" + c.id, undefined);
  }

  private forgetOldest(infos: readonly KeptConversation[]): void {
    if (infos.length <= cachedConversations) return;
    const byTime = [...infos].sort((a, b) => b.at - a.at);
    for (const info of byTime.slice(cachedConversations)) this.ctx.store.later("conv/" + info.conv, undefined);
  }

  close(): void {
    this.drafts.close();
    for (const cancel of this.keeping.values()) cancel();
    const ended = new ParleyError("closed", "the client has ended; what is pending goes out at the next start");
    for (const c of this.list.all()) {
      this.keepPage(c);
      c.dispose(ended);
    }
    this.presence.close();
  }
}
