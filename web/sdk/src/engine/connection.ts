import type { Clock, Network, Socket } from "../ports.js";
import { decode, encode, subprotocol } from "../protocol/codec.js";
import type { ClientFrame, ServerFrame } from "../protocol/frames.js";
import { answerWithin } from "./outbox.js";

const handshakeWithin = 10_000;
const probeWithin = 3_000;
const defaultHeartbeat = 25_000;

/** Why a connection is over: the code of a close frame, 1006 where there was none. */
export interface Ending {
  readonly code: number;
  readonly reason: string;
  /** It was goaway's time to leave. */
  readonly left: boolean;
  readonly welcomed: boolean;
  readonly synced: boolean;
  /** When goaway said to be back, in ms of the clock. */
  readonly leaveAt: number | undefined;
  /** Where to, if it named another server. */
  readonly leaveTo: string | undefined;
}

export interface ConnectionOptions {
  network: Network;
  /** One that never goes back. */
  clock: Clock;
  url: string;
  token: string;
  hello: () => ClientFrame;
  /** The text to write now, or when there will be one. Only asked once welcomed. */
  next: (now: number) => string | number | undefined;
  /** Throws where the connection is of no more use. */
  receive: (f: ServerFrame) => void;
  ended: (e: Ending) => void;
}

/**
 * One socket, from its opening to its end: hello, heartbeats, goaway, and writing what
 * there is to write. Nothing is queued here.
 */
export class Connection {
  private readonly socket: Socket;
  private over = false;
  private welcomed = false;
  private synced = false;
  private heartbeat = defaultHeartbeat;
  private readonly began: number;
  private heard: number;
  private pinged: number | undefined; // when a sign of life was asked for
  private patience = answerWithin;
  private leaveAt: number | undefined;
  private leaveTo: string | undefined;
  private cancelTimer = () => {};
  private pumping = false;

  constructor(private readonly o: ConnectionOptions) {
    this.began = this.heard = o.clock.now();
    this.socket = o.network.open(o.url, [subprotocol, "bearer." + o.token], {
      opened: () => {
        if (this.over) return;
        this.socket.send(encode(o.hello()));
        this.pump();
      },
      message: (text) => this.message(text),
      closed: (code, reason) => this.end(code, reason, { closed: true }),
    });
    this.pump();
  }

  /** Writes what there is to write, and sets the alarm for what comes next. */
  pump(): void {
    if (this.over || this.pumping) return;
    this.pumping = true;
    this.cancelTimer();
    try {
      const now = this.o.clock.now();
      let wake = this.life(now);
      while (this.welcomed && !this.over) {
        const next = this.o.next(now);
        if (typeof next !== "string") {
          if (next !== undefined) wake = Math.min(wake, next);
          break;
        }
        this.socket.send(next);
      }
      if (!this.over) this.cancelTimer = this.o.clock.after(Math.max(0, wake - now), () => this.pump());
    } catch (err) {
      this.end(1006, String(err));
    } finally {
      this.pumping = false;
    }
  }

  /** Asks for a sign of life now, and gives up soon if there is none. */
  probe(): void {
    if (!this.welcomed || this.pinged !== undefined) return;
    this.ping(this.o.clock.now(), probeWithin);
    this.pump();
  }

  send(f: ClientFrame): void {
    if (this.welcomed && !this.over) this.socket.send(encode(f));
  }

  get usable(): boolean {
    return this.welcomed && !this.over;
  }

  close(): void {
    this.end(1000, "");
  }

  /** Watches the connection; gives when to look again. */
  private life(now: number): number {
    if (!this.welcomed) {
      const due = this.began + handshakeWithin;
      if (due <= now) this.end(1006, "no welcome in time");
      return due;
    }
    if (this.leaveAt !== undefined && this.leaveAt <= now) {
      this.end(1000, "the server asked to reconnect", { left: true });
      return now;
    }
    let due = this.heard + this.heartbeat;
    if (this.pinged !== undefined) {
      due = this.pinged + this.patience;
      if (due <= now) {
        this.end(1006, "nothing was heard");
        return now;
      }
    } else if (due <= now) {
      this.ping(now, answerWithin);
      due = now + answerWithin;
    }
    return Math.min(due, this.leaveAt ?? Infinity);
  }

  private ping(now: number, patience: number): void {
    this.pinged = now;
    this.patience = patience;
    this.socket.send(encode({ type: "ping" }));
  }

  private message(text: string | undefined): void {
    if (this.over) return;
    this.heard = this.o.clock.now();
    this.pinged = undefined;
    try {
      if (text === undefined) throw new Error("the server sent a binary frame");
      const f = decode(text);
      if (f !== undefined) this.take(f);
    } catch (err) {
      this.end(1006, String(err));
      return;
    }
    this.pump();
  }

  private take(f: ServerFrame): void {
    if (f.type === "welcome") {
      this.welcomed = true;
      if (f.heartbeat_ms > 0) this.heartbeat = f.heartbeat_ms;
    } else if (f.type === "synced") this.synced = true;
    else if (f.type === "goaway") {
      this.leaveAt = this.heard + f.reconnect_ms;
      this.leaveTo = typeof f.url === "string" ? f.url : undefined;
    }
    this.o.receive(f);
  }

  private end(code: number, reason: string, how: { left?: boolean; closed?: boolean } = {}): void {
    if (this.over) return;
    this.over = true;
    this.cancelTimer();
    const { welcomed, synced, leaveAt, leaveTo } = this;
    if (!how.closed) this.socket.close(1000);
    this.o.ended({ code, reason, left: how.left ?? false, welcomed, synced, leaveAt, leaveTo });
  }
}
