// A clock, a network and tabs that a test drives. Nothing here waits for real time.

import { expect } from "vitest";
import type { Clock, HttpRequest, Network, Parley, ParleyOptions, SocketEvents, StorageAdapter, TabsPort } from "../../src/index.js";
import { createParley, memoryStorage } from "../../src/index.js";

/** Lets everything run that does not wait for the clock or the network. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((done) => setImmediate(done));
}

export class FakeClock implements Clock {
  private time = 1_800_000_000_000;
  private wrong = 0; // how far it was set
  private timers: { at: number; call: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.time + Math.max(0, ms), call };
    this.timers.push(timer);
    return () => void (this.timers = this.timers.filter((t) => t !== timer));
  }

  /** Time that nobody can set. */
  get steady(): number {
    return this.time - this.wrong;
  }

  /** Timers that are set. */
  get waiting(): number {
    return this.timers.length;
  }

  /** Somebody sets the clock: what waits goes on waiting for as long. */
  set(by: number): void {
    this.time += by;
    this.wrong += by;
    for (const t of this.timers) t.at += by;
  }

  /** The machine sleeps: time passes, and what was due is late. */
  sleep(ms: number): void {
    this.time += ms;
  }

  /** Lets time pass, and what is due happen in its order. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const due = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((t) => t !== due);
      this.time = Math.max(this.time, due.at);
      due.call();
      await settle();
    }
    this.time = end;
  }
}

type Frame = Record<string, unknown> & { type: string };

export class FakeSocket {
  readonly texts: string[] = [];
  closedWith: number | undefined;
  private read = 0;

  constructor(
    readonly url: string,
    readonly protocols: readonly string[],
    private readonly on: SocketEvents,
  ) {}

  /** Frames of the client that were not looked at yet. */
  take(type?: string): Frame[] {
    const fresh = this.texts.slice(this.read).map((t) => JSON.parse(t) as Frame);
    this.read = this.texts.length;
    return type === undefined ? fresh : fresh.filter((f) => f.type === type);
  }

  open(): void {
    this.on.opened();
  }

  tell(...frames: object[]): void {
    for (const f of frames) this.on.message(JSON.stringify(f));
  }

  /** The connection ends, by the server or on the way. */
  end(code = 1006): void {
    this.on.closed(code, "");
  }

  /** Opens, and answers hello. */
  async welcome(more: object = {}, synced = true): Promise<Frame> {
    this.open();
    const hello = this.take("hello")[0]!;
    this.tell({ ...welcome, device: hello["device"], ...more });
    if (synced) this.tell({ type: "synced", time: at(0) });
    await settle();
    return hello;
  }
}

export const at = (n: number): string => new Date(1_800_000_000_000 + n).toISOString();

export const conv = "d_q4fqph4ndinfot43lu4komvl4g"; // alice and bob

export const welcome = {
  type: "welcome", session: "s", user: "alice", epoch: "e1", time: at(0), heartbeat_ms: 25_000, server: "test",
  features: ["edit", "history", "presence", "react", "recall", "receipts", "typing"],
  limits: { frame: 65536, text: 16384, page: 200, pending: 128, sends_per_s: 1000, watch: 3, devices: 16, members: 2000, receipt_members: 100 },
};

export const message = (seq: number, from = "bob", more: object = {}): object => ({
  type: "message", conv, seq, id: `${conv}-${seq}`, from, time: at(seq), cmid: `${from}-${seq}`, count: seq, body: { text: `text ${seq}` }, ...more,
});

export const conversation = (head: number, more: object = {}): object => ({
  type: "conversation", conv, kind: "direct", peer: "bob", role: "member", members: 2, head, floor: 1, count: head, joined: 1, read: 0, delivered: 0,
  unread: head, exact: true, peers: [{ user: "bob", read: 0, delivered: 0 }], ...more,
});

export const ackOf = (f: Frame, seq: number, more: object = {}): object => ({
  type: "ack", ref: f["ref"], conv, seq, cmid: f["cmid"], id: `${conv}-${seq}`, time: at(seq), ...more,
});

type Answer = { status: number; body?: object };

export class FakeNetwork implements Network {
  readonly sockets: FakeSocket[] = [];
  readonly requests: HttpRequest[] = [];
  /** Pings are answered. */
  pongs = false;
  /** What HTTP answers. */
  answer: (path: string, r: HttpRequest) => Answer = () => ({ status: 200, body: { items: [] } });

  open(url: string, protocols: readonly string[], on: SocketEvents) {
    const s = new FakeSocket(url, protocols, on);
    this.sockets.push(s);
    const send = (text: string): void => {
      s.texts.push(text);
      if (this.pongs && text.includes('"ping"')) queueMicrotask(() => s.tell({ type: "pong", time: at(0) }));
    };
    return { send, close: (code?: number) => void (s.closedWith = code) };
  }

  request(r: HttpRequest) {
    this.requests.push(r);
    const { status, body } = this.answer(r.url.replace(/^https?:\/\/[^/]+/, ""), r);
    return Promise.resolve({ status, text: () => Promise.resolve(body === undefined ? "" : JSON.stringify(body)) });
  }

  get last(): FakeSocket {
    return this.sockets[this.sockets.length - 1]!;
  }
}

const part = (o: object): string => Buffer.from(JSON.stringify(o)).toString("base64url");
/** A token as far as clients look at it. */
export const jwt = (claims: object): string => `${part({ alg: "none" })}.${part({ sub: "alice", ...claims })}.x`;

export interface World {
  parley: Parley;
  clock: FakeClock;
  net: FakeNetwork;
  storage: StorageAdapter;
  errors: string[];
}

/** A started client of alice. */
export async function world(more: Partial<ParleyOptions> & { clock?: FakeClock; network?: FakeNetwork } = {}): Promise<World> {
  const clock = more.clock ?? new FakeClock();
  const net = more.network ?? new FakeNetwork();
  const storage = more.storage ?? memoryStorage();
  const parley = createParley({
    url: "http://parley.test", user: "alice", token: () => Promise.resolve(jwt({})), random: () => 0.999999, ...more, clock, network: net, storage,
  });
  const errors: string[] = [];
  parley.on("error", (e) => errors.push(`${e.code}: ${e.message}`));
  parley.start();
  await settle();
  return { parley, clock, net, storage, errors };
}

/** The same, connected and live. */
export async function liveWorld(more: Parameters<typeof world>[0] = {}): Promise<World> {
  const w = await world(more);
  await w.net.last.welcome();
  expect(w.parley.connection.value.phase).toBe("live");
  w.net.last.take();
  return w;
}

interface Candidate {
  tab: string;
  lead: () => void;
  lost: (() => void) | undefined;
}

/** Tabs of one browser profile. `kill` is what a crash does: the lock is free, and nothing is said. */
export class FakeProfile {
  private waiting: Candidate[] = [];
  private leader: Candidate | undefined;
  private readonly channels = new Map<string, (m: unknown) => void>();

  tab(id: string): TabsPort {
    return {
      elect: (_name, lead, lost) => {
        this.waiting.push({ tab: id, lead, lost });
        this.next();
        return () => this.release(id);
      },
      steal: (_name, lead, lost) => {
        const before = this.leader;
        this.leader = { tab: id, lead, lost };
        if (before !== undefined) queueMicrotask(() => before.lost?.());
        queueMicrotask(lead);
        return () => this.release(id);
      },
      channel: (_name, receive) => {
        this.channels.set(id, receive);
        return {
          post: (m) => {
            if (!this.channels.has(id)) return;
            const text = JSON.stringify(m);
            for (const [other, tell] of this.channels) {
              if (other !== id) queueMicrotask(() => this.channels.get(other) === tell && tell(JSON.parse(text)));
            }
          },
          close: () => void this.channels.delete(id),
        };
      },
    };
  }

  kill(id: string): void {
    this.channels.delete(id);
    this.release(id);
  }

  private release(id: string): void {
    this.waiting = this.waiting.filter((w) => w.tab !== id);
    if (this.leader?.tab === id) this.leader = undefined;
    queueMicrotask(() => this.next());
  }

  private next(): void {
    if (this.leader !== undefined) return;
    const first = this.waiting.shift();
    if (first === undefined) return;
    this.leader = first;
    queueMicrotask(first.lead);
  }
}
