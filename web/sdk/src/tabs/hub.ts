import type { Command } from "../engine/command.js";
import type { Engine } from "../engine/engine.js";
import type { Core, EngineEvent } from "../engine/events.js";
import { isRecord } from "../protocol/codec.js";
import type { Clock, TabsChannel, TabsPort } from "../ports.js";
import type { Message, Order } from "./messages.js";
import { ofLeader, ofLog } from "./messages.js";
import { Vigil } from "./vigil.js";
import { Watchers } from "./watchers.js";

/** A follower says so often whom it watches, in ms. Background tabs have one timer a minute. */
const watchAgain = 60_000;

export interface HubOptions {
  /** Undefined: this object is alone. */
  port: TabsPort | undefined;
  name: string;
  id: string;
  clock: Clock;
  engine: (emit: (ev: EngineEvent) => void) => Engine;
  take: (ev: EngineEvent) => void;
  /** In which epoch the numbers are that this tab knows; empty: it knows none. */
  epoch: () => string;
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
  private online = true;
  private readonly watchers: Watchers;
  private outgoing: { epoch: string; events: EngineEvent[] } | undefined;
  private leader: string | undefined; // its id, where it told it
  private readonly vigil: Vigil;

  constructor(private readonly o: HubOptions) {
    const join = () => this.post({ t: "join", from: o.id });
    this.watchers = new Watchers(o.clock);
    this.vigil = new Vigil(o.clock, join, () => this.takeOver());
  }

  /** This tab has the connection. */
  get leading(): boolean {
    return this.engine !== undefined;
  }

  start(): void {
    const { port, name } = this.o;
    if (port === undefined) return this.lead();
    this.channel = port.channel(name, (m) => isRecord(m) && this.message(m as Message));
    this.follow(port);
    this.orderAgain(); // of what was read from storage some may have been settled since
  }

  /** Waits for its turn to lead. */
  private follow(port: TabsPort): void {
    this.resign = port.elect(this.o.name, () => this.lead(), () => this.lost());
    this.vigil.begin();
  }

  /** The leader does not answer: this tab leads from now on, if the platform can do that. */
  private takeOver(): void {
    const { port, name } = this.o;
    if (this.stopped || this.engine !== undefined || port?.steal === undefined) return;
    this.resign();
    this.resign = port.steal(name, () => this.lead(), () => this.lost());
  }

  /** Another tab took over, since this one stood still. */
  private lost(): void {
    const { port } = this.o;
    if (this.stopped || port === undefined || this.engine === undefined) return;
    this.engine.stop();
    this.engine = undefined;
    this.outgoing = undefined;
    this.watchers.clear();
    this.follow(port);
    this.orderAgain();
    this.watch(this.watched);
  }

  /** Ends it. `settled` is waited for before another tab may lead. */
  async stop(settled: () => Promise<void>): Promise<void> {
    this.stopped = true;
    this.cancelAgain();
    this.vigil.end();
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
    this.hear(ev);
    if (this.engine !== undefined) this.broadcast(ev);
    else this.post({ t: "events", epoch: this.o.epoch(), events: [ev] });
  }

  signOut(): void {
    this.post({ t: "signout" });
  }

  submit(command: Command, again = false): void {
    this.order({ do: "submit", command, again });
  }

  /** Nobody answers this order: it also goes past an engine here, since another tab may lead by now and this one has not heard of it. */
  markRead(conv: string, seq: number): void {
    const order: Order = { do: "read", conv, seq };
    this.order(order);
    if (this.engine !== undefined) this.postOrder(order);
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
    this.online = online; // there may be nobody yet who could be told
    this.order({ do: "online", online });
  }

  probe(): void {
    this.order({ do: "probe" });
  }

  /** Of several tabs one that is looked at takes over from a leader that stands still. */
  setVisible(visible: boolean): void {
    if (visible) this.probe();
    if (this.engine === undefined && this.channel !== undefined) this.vigil.setVisible(visible);
  }

  private orderAgain(): void {
    if (this.engine === undefined) for (const command of this.o.unsettled()) this.submit(command, true);
  }

  private order(order: Order): void {
    if (this.engine !== undefined) this.obey(this.o.id, order);
    else this.postOrder(order);
  }

  private postOrder(order: Order): void {
    this.post({ t: "order", from: this.o.id, epoch: this.o.epoch(), order });
  }

  private lead(): void {
    if (this.stopped || this.engine !== undefined) return; // it is about to resign, or a wish came true that it had taken back
    this.vigil.end();
    this.cancelAgain();
    this.leader = this.o.id;
    const engine = this.o.engine((ev) => {
      this.o.take(ev);
      this.broadcast(ev);
    });
    this.engine = engine;
    if (!this.online) engine.setOnline(false);
    void engine.start();
    for (const command of this.o.unsettled()) engine.submit(command, true);
    this.obey(this.o.id, { do: "watch", users: this.watched });
    this.post({ t: "lead", by: this.o.id });
  }

  private obey(from: string, order: Order): void {
    const engine = this.engine!;
    switch (order.do) {
      case "submit":
        return engine.submit(order.command, order.again);
      case "read":
        return engine.markRead(order.conv, order.seq);
      case "typing":
        return engine.typing(order.conv, order.on);
      case "watch":
        this.watchers.set(from, order.users);
        return engine.watch(this.watchers.users(this.o.id));
      case "retry":
        return engine.retryNow();
      case "online":
        return engine.setOnline(order.online);
      case "probe":
        return engine.probe();
    }
  }

  private message(m: Message): void {
    switch (m.t) {
      case "events":
        return this.told(m.events, m.by, m.epoch);
      case "present":
        if (m.to !== this.o.id || this.engine !== undefined) return;
        if (m.by !== this.leader && !this.vigil.asking) return; // it slept over the question, and another one has answered
        this.leader = m.by;
        return this.told(m.events, m.by);
      case "lead":
        if (this.engine !== undefined) return; // it will hear that it is not alone
        this.leader = m.by;
        this.orderAgain();
        if (this.watched.length > 0) this.watch(this.watched);
        return this.vigil.begin();
      case "signout":
        return this.o.signedOut();
    }
    if (this.engine === undefined) return;
    if (m.t === "order") {
      if (m.order.do !== "read" || !this.foreign(m.epoch)) this.obey(m.from, m.order);
    } else if (m.t === "join") {
      this.sendEvents();
      this.post({ t: "present", to: m.from, by: this.o.id, events: this.engine.present() });
    } else if (m.t === "bye") {
      this.watchers.delete(m.from);
      this.engine.watch(this.watchers.users(this.o.id));
    }
  }

  /** A tab that slept through a restore of the server may tell of the logs of before: that stays out of the numbers of after it. */
  private told(events: readonly EngineEvent[], by: string | undefined, epoch?: string): void {
    const follows = by === this.leader && this.engine === undefined;
    if (follows) this.vigil.heard();
    let missed = false;
    for (const ev of events) {
      if (this.foreign(epoch) && ofLog(ev)) missed = true;
      else if (by === this.leader || !ofLeader(ev)) this.hear(ev);
    }
    if (missed && follows) this.vigil.begin(); // the one that slept is this tab: the answer has the welcome
  }

  private foreign(epoch: string | undefined): boolean {
    return epoch !== undefined && epoch !== this.o.epoch();
  }

  /** What another tab, or the user of this one, says. */
  private hear(ev: EngineEvent): void {
    this.o.take(ev);
    if (ev.e === "dropped") this.engine?.drop(ev.cmid);
    if (ev.e === "added") this.engine?.submit(ev.command, true); // of a tab that does not know yet that it was replaced
  }

  /** Events of one turn, and one epoch, go out together. */
  private broadcast(ev: EngineEvent): void {
    if (this.channel === undefined) return;
    const epoch = this.o.epoch();
    if (this.outgoing?.epoch !== epoch) this.sendEvents();
    if (this.outgoing === undefined) {
      this.outgoing = { epoch, events: [] };
      queueMicrotask_(() => this.sendEvents());
    }
    this.outgoing.events.push(ev);
  }

  private sendEvents(): void {
    if (this.outgoing === undefined) return;
    const { epoch, events } = this.outgoing;
    this.outgoing = undefined;
    this.post({ t: "events", by: this.o.id, epoch, events });
  }

  private post(m: Message): void {
    this.channel?.post(m);
  }
}

const queueMicrotask_ = (call: () => void): void => void Promise.resolve().then(call);
