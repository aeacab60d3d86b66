import type { Command } from "../engine/command.js";
import type { Engine } from "../engine/engine.js";
import type { Core, EngineEvent } from "../engine/events.js";
import type { Clock, TabsChannel, TabsPort } from "../ports.js";

/** A follower says again whom it watches, and is forgotten where it does not; in ms. Background tabs have one timer a minute. */
const watchAgain = 60_000;
const watchLasts = 200_000;

type Order =
  | { do: "submit"; command: Command }
  | { do: "read"; conv: string; seq: number }
  | { do: "typing"; conv: string; on: boolean }
  | { do: "watch"; users: readonly string[] }
  | { do: "retry" }
  | { do: "online"; online: boolean }
  | { do: "probe" };

type Message =
  | { t: "join"; from: string } // a tab wants to know how things are
  | { t: "lead" } // a tab has the connection from now on
  | { t: "present"; to: string; events: EngineEvent[] }
  | { t: "events"; events: EngineEvent[] }
  | { t: "order"; from: string; order: Order }
  | { t: "bye"; from: string }
  | { t: "signout" };

export interface HubOptions {
  /** Undefined: this object is alone. */
  port: TabsPort | undefined;
  name: string;
  id: string;
  clock: Clock;
  engine: (emit: (ev: EngineEvent) => void) => Engine;
  take: (ev: EngineEvent) => void;
  /** What this tab has submitted and knows no outcome of. */
  unsettled: () => readonly Command[];
  /** Another tab signed out. */
  signedOut: () => void;
}

/**
 * Stands between the state of a tab and the one engine of the browser profile. The tab
 * that leads runs the engine, does what the others order, and tells them what it tells.
 * When it dies another one leads: commands are in storage, and what was ordered and not
 * answered is ordered again.
 */
export class Hub implements Core {
  private engine: Engine | undefined;
  private channel: TabsChannel | undefined;
  private resign = () => {};
  private stopped = false;
  private cancelAgain = () => {};
  private watched: readonly string[] = [];
  private readonly watchers = new Map<string, { users: readonly string[]; at: number }>();
  private outgoing: EngineEvent[] = [];

  constructor(private readonly o: HubOptions) {}

  /** This tab has the connection. */
  get leading(): boolean {
    return this.engine !== undefined;
  }

  start(): void {
    const { port, name, id } = this.o;
    if (port === undefined) return this.lead();
    this.channel = port.channel(name, (m) => this.message(m as Message));
    this.resign = port.elect(name, () => this.lead());
    this.post({ t: "join", from: id });
    this.orderAgain(); // of what was read from storage some may have been settled since
  }

  /** Ends it. `settled` is waited for before another tab may lead. */
  async stop(settled: () => Promise<void>): Promise<void> {
    this.stopped = true;
    this.cancelAgain();
    this.engine?.stop();
    if (this.engine === undefined) this.post({ t: "bye", from: this.o.id });
    else this.sendEvents();
    await settled();
    this.resign();
    this.channel?.close();
    this.channel = undefined;
  }

  /** Tells this tab and all others. */
  tell(ev: EngineEvent): void {
    this.o.take(ev);
    if (this.engine !== undefined) this.broadcast(ev);
    else this.post({ t: "events", events: [ev] });
  }

  signOut(): void {
    this.post({ t: "signout" });
  }

  submit(command: Command): void {
    this.order({ do: "submit", command });
  }

  markRead(conv: string, seq: number): void {
    this.order({ do: "read", conv, seq });
  }

  typing(conv: string, on: boolean): void {
    this.order({ do: "typing", conv, on });
  }

  watch(users: readonly string[]): void {
    this.watched = users;
    this.order({ do: "watch", users });
    this.cancelAgain();
    if (this.engine === undefined && users.length > 0) this.cancelAgain = this.o.clock.after(watchAgain, () => this.watch(this.watched));
  }

  retryNow(): void {
    this.order({ do: "retry" });
  }

  setOnline(online: boolean): void {
    this.order({ do: "online", online });
  }

  probe(): void {
    this.order({ do: "probe" });
  }

  private orderAgain(): void {
    if (this.engine === undefined) for (const command of this.o.unsettled()) this.submit(command);
  }

  private order(order: Order): void {
    if (this.engine !== undefined) this.obey(this.o.id, order);
    else this.post({ t: "order", from: this.o.id, order });
  }

  private lead(): void {
    if (this.stopped) return; // it is about to resign
    const engine = this.o.engine((ev) => {
      this.o.take(ev);
      this.broadcast(ev);
    });
    this.engine = engine;
    void engine.start();
    for (const command of this.o.unsettled()) engine.submit(command);
    this.obey(this.o.id, { do: "watch", users: this.watched });
    this.post({ t: "lead" });
  }

  private obey(from: string, order: Order): void {
    const engine = this.engine!;
    switch (order.do) {
      case "submit":
        return engine.submit(order.command);
      case "read":
        return engine.markRead(order.conv, order.seq);
      case "typing":
        return engine.typing(order.conv, order.on);
      case "watch":
        this.watchers.set(from, { users: order.users, at: this.o.clock.now() });
        return this.watchAll();
      case "retry":
        return engine.retryNow();
      case "online":
        return engine.setOnline(order.online);
      case "probe":
        return engine.probe();
    }
  }

  private watchAll(): void {
    const since = this.o.clock.now() - watchLasts;
    for (const [id, w] of this.watchers) if (w.at < since && id !== this.o.id) this.watchers.delete(id);
    this.engine?.watch([...new Set([...this.watchers.values()].flatMap((w) => w.users))]);
  }

  private message(m: Message): void {
    switch (m.t) {
      case "events":
        return m.events.forEach((ev) => this.o.take(ev));
      case "present":
        if (m.to === this.o.id) m.events.forEach((ev) => this.o.take(ev));
        return;
      case "lead":
        this.orderAgain();
        if (this.watched.length > 0) this.watch(this.watched);
        this.post({ t: "join", from: this.o.id });
        return;
      case "signout":
        return this.o.signedOut();
    }
    if (this.engine === undefined) return;
    if (m.t === "order") this.obey(m.from, m.order);
    else if (m.t === "join") {
      this.sendEvents();
      this.post({ t: "present", to: m.from, events: this.engine.present() });
    } else if (m.t === "bye") {
      this.watchers.delete(m.from);
      this.watchAll();
    }
  }

  /** Events of one turn go out together. */
  private broadcast(ev: EngineEvent): void {
    if (this.channel === undefined) return;
    this.outgoing.push(ev);
    if (this.outgoing.length === 1) queueMicrotask_(() => this.sendEvents());
  }

  private sendEvents(): void {
    if (this.outgoing.length === 0) return;
    const events = this.outgoing;
    this.outgoing = [];
    this.post({ t: "events", events });
  }

  private post(m: Message): void {
    this.channel?.post(m);
  }
}

const queueMicrotask_ = (call: () => void): void => void Promise.resolve().then(call);
