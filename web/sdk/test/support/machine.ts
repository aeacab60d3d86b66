// What a client runs in, as far as it may die, stand still or lose its network: each of
// its clock, sockets, storage, locks and channels goes through here.

import type { Clock, HttpRequest, HttpResponse, Network, Parley, ParleyOptions, SocketEvents, StorageAdapter, TabsPort } from "../../src/index.js";
import { createParley } from "../../src/index.js";
import type { FakeClock } from "./fake.js";
import type { Frame, ModelServer } from "./model.js";

export interface Setup {
  server: ModelServer;
  storage: StorageAdapter;
  tabsPort?: TabsPort | undefined;
  token: () => Promise<string>;
  user: string;
}

/** One tab, or one process. */
export class Machine {
  readonly parley: Parley;
  readonly errors: string[] = [];
  dead = false;
  /** The latest epoch of the server's that it was told of, by its number. */
  epoch = 0;
  private frozen: (() => void)[] | undefined;
  private readonly timers = new Set<() => void>();
  private readonly links = new Set<Link>();
  private readonly clock: FakeClock;

  constructor(
    readonly name: string,
    private readonly setup: Setup,
    more: Partial<ParleyOptions> = {},
  ) {
    const { server, storage, tabsPort, token, user } = setup;
    this.clock = server.clock;
    this.parley = createParley({
      url: "http://parley.test", user, token: () => this.answer(token()), random: server.random, randomBytes: (n) => Uint8Array.from({ length: n }, () => server.random() * 256), clock: this.timer(), network: this.network(), storage: this.disk(storage),
      ...(tabsPort !== undefined && { tabs: "shared", tabsPort: this.tabs(tabsPort) }), ...more,
    });
    this.parley.on("error", (e) => this.errors.push(`${e.code}: ${e.message}`));
    this.parley.start();
  }

  /** Timers that wait, and sockets that are open. */
  get left(): number {
    return this.timers.size + this.links.size;
  }

  /** Power is gone. */
  die(): void {
    this.dead = true;
    for (const cancel of this.timers) cancel();
    this.timers.clear();
    for (const l of this.links) l.cut();
  }

  /** The browser runs none of it for a while. */
  freeze(): void {
    this.frozen ??= [];
  }

  thaw(): void {
    const calls = this.frozen ?? [];
    this.frozen = undefined;
    for (const call of calls) this.run(call);
  }

  cut(how: "both" | "silent"): void {
    for (const l of this.links) {
      if (how === "silent") l.deaf = true;
      else l.cut();
    }
  }

  /** Runs what comes from outside. */
  run(call: () => void): void {
    if (this.dead) return;
    if (this.frozen !== undefined) this.frozen.push(call);
    else call();
  }

  /** It is about to take what somebody says. */
  hear(text: string): void {
    this.epoch = Math.max(this.epoch, Number(/"epoch":"e(\d+)"/.exec(text)?.[1] ?? 0));
  }

  private timer(): Clock {
    return {
      now: () => this.clock.now(),
      after: (ms, call) => {
        if (this.dead) return () => {};
        const cancel = this.clock.after(ms, () => {
          this.timers.delete(off);
          this.run(() => !cancelled && call());
        });
        let cancelled = false;
        const off = (): void => {
          cancelled = true;
          this.timers.delete(off);
          cancel();
        };
        this.timers.add(off);
        return off;
      },
    };
  }

  private answer<T>(work: Promise<T>): Promise<T> {
    return new Promise((done, failed) => work.then((v) => this.run(() => done(v)), (err: unknown) => this.run(() => failed(err as Error))));
  }

  private disk(storage: StorageAdapter): StorageAdapter {
    return {
      get: (key) => this.answer(storage.get(key)),
      list: (prefix) => this.answer(storage.list(prefix)),
      write: (ops) => (this.dead ? new Promise(() => {}) : this.answer(storage.write(ops))),
      close: () => Promise.resolve(),
    };
  }

  private tabs(port: TabsPort): TabsPort {
    return {
      elect: (name, lead, lost) => port.elect(name, () => this.run(lead), () => this.run(() => lost?.())),
      ...(port.steal !== undefined && { steal: (name, lead, lost) => port.steal!(name, () => this.run(lead), () => this.run(lost)) }),
      channel: (name, receive) => {
        const channel = port.channel(name, (m) =>
          this.run(() => {
            this.hear(JSON.stringify({ ...(m as object), epoch: undefined })); // the sender's own is no news of the server's
            receive(m);
          }),
        );
        return { post: (m) => this.dead || channel.post(m), close: () => channel.close() };
      },
    };
  }

  private network(): Network {
    const { server } = this.setup;
    return {
      open: (_url, protocols, on) => {
        const l = new Link(this, server, protocols[1]!.slice("bearer.".length), on, () => this.links.delete(l));
        this.links.add(l);
        return { send: (text) => l.send(text), close: () => l.hangUp() };
      },
      request: (r) => this.request(r),
    };
  }

  private request(r: HttpRequest): Promise<HttpResponse> {
    const { server } = this.setup;
    const user = server.valid(r.headers["Authorization"]!.slice("Bearer ".length));
    const answer = user === undefined ? { status: 401, body: {} } : server.chance(0.1) ? { status: 503, body: { code: "unavailable" } } : server.rest(user, r.url.replace("http://parley.test", ""));
    const text = JSON.stringify(answer.body);
    const lost = server.chance(0.05);
    return new Promise((done, failed) => {
      this.clock.after(Math.floor(server.random() * 80), () =>
        this.run(() => (lost ? failed(new Error("reset")) : done({ status: answer.status, text: () => Promise.resolve(text) }))),
      );
    });
  }
}

/** A socket with delays, whose ends may not learn that it is gone. */
class Link {
  /** Nothing gets through any more, and nobody is told. */
  deaf = false;
  private over = false; // for the client
  private readonly session;
  private readonly next = { up: 0, down: 0 };

  constructor(
    private readonly machine: Machine,
    private readonly server: ModelServer,
    private readonly token: string,
    private readonly on: SocketEvents,
    private readonly ended: () => void,
  ) {
    this.session = server.connect({
      tell: (f) => {
        const text = JSON.stringify(f);
        this.later("down", () => this.over || machine.run(() => this.over || this.take(text)));
      },
      close: (code) => {
        this.session.gone();
        this.later("down", () => this.end(code));
      },
    });
    if (server.chance(0.05)) this.later("down", () => this.end(1006)); // refused
    else this.later("down", () => machine.run(() => this.over || this.on.opened()));
  }

  private take(text: string): void {
    this.machine.hear(text);
    this.on.message(text);
  }

  send(text: string): void {
    if (this.over) throw new Error("the socket is closed");
    this.later("up", () => this.session.take(JSON.parse(text) as Frame, this.token));
  }

  hangUp(): void {
    if (this.over) return;
    this.over = true;
    this.ended();
    this.later("up", () => this.session.gone());
  }

  /** Both ends learn of it; what is under way goes through or does not. */
  cut(): void {
    if (this.server.random() < 0.5) this.deaf = true;
    this.server.clock.after(Math.floor(this.server.random() * 100), () => this.session.gone());
    this.end(1006);
  }

  private end(code: number): void {
    this.machine.run(() => {
      if (this.over) return;
      this.over = true;
      this.ended();
      this.on.closed(code, "");
    });
    if (this.machine.dead) this.ended();
  }

  /** In order, for each direction. */
  private later(way: "up" | "down", call: () => void): void {
    if (this.deaf) return;
    const { clock } = this.server;
    const wait = Math.max(this.next[way] - clock.steady, this.server.random() < 0.8 ? 1 : Math.floor(this.server.random() * 60));
    this.next[way] = clock.steady + wait;
    clock.after(wait, () => !this.deaf && call());
  }
}
