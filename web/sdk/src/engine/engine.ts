import type { ConnectionState, EndReason } from "../api.js";
import type { Clock, Network } from "../ports.js";
import { namedSocket } from "../net/url.js";
import type { ClientFrame, ServerFrame } from "../protocol/frames.js";
import { newID, readToken } from "../protocol/ids.js";
import { Attempts } from "./attempts.js";
import type { Command } from "./command.js";
import type { Ending } from "./connection.js";
import { Connection } from "./connection.js";
import { Desk } from "./desk.js";
import type { Core, EngineEvent } from "./events.js";
import { Renewal } from "./renewal.js";
import type { Store } from "./store.js";
import { steadyClock } from "./time.js";
import type { Tokens } from "./tokens.js";
import { Backoff, closeVerdict, pauseAfter } from "./verdict.js";

export interface EngineOptions {
  url: string; // ws(s)://…/v1/ws
  mayMoveTo: ((url: string) => boolean) | undefined;
  user: string;
  tokens: Tokens;
  network: Network;
  clock: Clock;
  random: () => number;
  randomBytes: (n: number) => Uint8Array;
  store: Store;
  device: string | undefined;
  client: { name: string; version: string; platform: string } | undefined;
  emit: (ev: EngineEvent) => void;
}

const firstWait = 500;
const longestWait = 30_000;
/** A connection that was live for so long was a success: the next waits begin from the start. */
const successAfter = 5_000;
/** Most entries per conversation at connect; what is older is loaded when it is looked at. */
const flush = 50;

/** The connection's life: connects, again and again, until it must stop. */
export class Engine implements Core {
  private readonly desk: Desk;
  private readonly backoff: Backoff;
  private readonly renewal: Renewal;
  private connection: Connection | undefined;
  private state: ConnectionState = { phase: "idle" };
  private cancelWait = () => {};
  private online = true;
  private stopped = false;
  private device = "";
  private readonly attempts: Attempts;
  private life = 0; // of connects: an answer to an earlier one is ignored
  private token = "";
  private readonly steady: Clock;
  private liveSince: number | undefined;
  private elsewhere: string | undefined; // where the next try goes, and only that

  constructor(private readonly o: EngineOptions) {
    this.steady = steadyClock(o.clock);
    this.attempts = new Attempts(o.clock);
    this.backoff = new Backoff(firstWait, longestWait, o.random);
    this.renewal = new Renewal(o.tokens, o.clock, (token) => this.say(token));
    this.desk = new Desk({
      store: o.store,
      random: o.random,
      emit: (ev) => this.stopped || o.emit(ev), // also not by what is read from storage at this moment
      user: () => o.user,
      behind: (time) => (Date.parse(time) || o.clock.now()) - o.clock.now(),
      changed: () => this.connection?.pump(),
    });
  }

  /** Reads what an earlier engine of this device left, and connects. */
  async start(): Promise<void> {
    this.setState({ phase: "connecting" });
    await this.desk.restore();
    this.device = this.o.device ?? (await this.o.store.get<string>("device")) ?? "";
    if (this.device === "") {
      this.device = newID(this.o.randomBytes);
      await this.o.store.put("device", this.device);
    }
    this.attempts.restore((await this.o.store.get<number>("attempt")) ?? 0);
    if (!this.stopped) void this.connect();
  }

  /** Ends it for good; nothing is emitted after this. */
  stop(): void {
    this.stopped = true;
    this.life++;
    this.cancelWait();
    this.renewal.stop();
    const last = this.connection;
    this.connection = undefined; // its end is not to be followed by another one
    last?.close();
  }

  /** For a tab that comes late: what it would have been told. */
  present(): EngineEvent[] {
    const welcome: EngineEvent[] = this.desk.session === undefined ? [] : [{ e: "welcome", welcome: this.desk.session }];
    return [...welcome, { e: "connection", state: this.state }];
  }

  submit(command: Command, again?: boolean): void {
    this.desk.submit(command, again);
  }

  drop(cmid: string): void {
    this.desk.drop(cmid);
  }

  markRead(conv: string, seq: number): void {
    this.desk.markRead(conv, seq);
  }

  typing(conv: string, on: boolean): void {
    this.connection?.send({ type: "typing", conv, on });
  }

  watch(users: readonly string[]): void {
    this.desk.watch(users);
  }

  retryNow(): void {
    if (this.stopped || this.connection !== undefined || this.state.phase === "connecting") {
      this.connection?.probe();
      return;
    }
    this.backoff.reset();
    this.o.tokens.forgive();
    void this.connect();
  }

  setOnline(online: boolean): void {
    this.online = online;
    if (!online) this.connection?.probe();
    else if (this.state.phase === "waiting" || this.state.phase === "offline") this.retryNow();
    if (!online && this.state.phase === "waiting") this.setState({ phase: "offline" });
  }

  probe(): void {
    if (this.connection !== undefined) this.connection.probe();
    else if (this.state.phase === "waiting") this.retryNow();
  }

  private setState(state: ConnectionState): void {
    if (this.stopped) return;
    this.state = state;
    this.o.emit({ e: "connection", state });
  }

  private async connect(): Promise<void> {
    this.cancelWait();
    const life = ++this.life;
    this.setState({ phase: "connecting" });
    let token: string;
    try {
      token = await this.o.tokens.get();
    } catch (err) {
      if (life !== this.life) return;
      if ((err as { code?: unknown } | undefined)?.code === "unauthenticated") return this.end("signed_out", messageOf(err));
      return this.wait(this.backoff.next());
    }
    if (life !== this.life) return;
    void this.o.store.put("attempt", this.attempts.next());
    if (this.o.tokens.wasRefused(token)) return this.end("signed_out", "the token was refused, and there is no other");
    const claims = readToken(token);
    if (claims !== undefined && claims.user !== this.o.user) return this.end("signed_out", "the token is another user's");
    this.token = token;
    this.desk.ns = claims?.ns ?? "_";
    try {
      this.connection = this.open(token);
    } catch (err) {
      this.o.emit({ e: "error", code: "unavailable", message: "no socket can be opened: " + messageOf(err) });
      this.wait(this.backoff.next());
    }
  }

  private open(token: string): Connection {
    const url = this.elsewhere ?? this.o.url;
    this.elsewhere = undefined;
    const c: Connection = new Connection({
      network: this.o.network,
      clock: this.steady,
      url,
      token,
      hello: () => this.hello(),
      next: (now) => this.desk.next(now),
      receive: (f) => this.receive(f),
      ended: (e) => this.connection === c && this.ended(e),
    });
    return c;
  }

  private hello(): ClientFrame {
    const { client } = this.o;
    const resume = this.desk.resume();
    return {
      type: "hello",
      device: this.device,
      attempt: this.attempts.last,
      ...(resume !== undefined && { resume }),
      flush,
      ...(client !== undefined && { client }),
    };
  }

  private receive(f: ServerFrame): void {
    this.desk.take(f, this.steady.now());
    if (f.type === "welcome") {
      this.attempts.welcomed();
      this.setState({ phase: "syncing" });
      this.renewal.begin();
    } else if (f.type === "synced") {
      this.liveSince = this.steady.now();
      this.setState({ phase: "live" });
    }
  }

  /** Another token for this connection, before the present one ends. */
  private say(token: string): void {
    if (token !== this.token) this.connection?.send({ type: "auth", token });
    this.token = token;
  }

  private ended(e: Ending): void {
    this.connection = undefined;
    this.renewal.stop();
    const verdict = closeVerdict(e.code);
    if (verdict === "giveUpOne") this.desk.giveUpLargest();
    this.desk.disconnected();
    // One that ends as soon as it is live, again and again, is not to be made faster and faster.
    if (this.liveSince !== undefined && this.steady.now() - this.liveSince >= successAfter) this.backoff.reset();
    this.liveSince = undefined;
    this.elsewhere = e.leaveTo === undefined ? undefined : namedSocket(e.leaveTo, this.o.url, this.o.mayMoveTo);
    if (e.left) return this.wait(0);
    switch (verdict) {
      case "protocol":
        return this.end("protocol", e.reason || "the server found a defect in this client");
      case "banned":
        return this.end("banned", e.reason || "not allowed");
      case "elsewhere":
        if (!e.welcomed) this.attempts.refused();
        return this.end("elsewhere", e.reason || "this device connected elsewhere");
      case "refresh":
        this.o.tokens.refuse(this.token);
    }
    const back = e.leaveAt === undefined ? undefined : e.leaveAt - this.steady.now();
    this.wait(pauseAfter(verdict, e.synced, back, this.backoff, this.o.random));
  }

  private wait(ms: number): void {
    const { clock } = this.o;
    // The platform says that there is no network: still try now and then, it may be wrong.
    const pause = this.online ? ms : longestWait;
    this.setState(this.online ? { phase: "waiting", retryAt: clock.now() + pause, attempt: this.backoff.attempt } : { phase: "offline" });
    this.cancelWait = clock.after(pause, () => void this.connect());
  }

  private end(reason: EndReason, message: string): void {
    this.setState({ phase: "ended", reason, message });
  }
}

function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}
