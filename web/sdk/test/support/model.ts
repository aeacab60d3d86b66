// A server in memory that does what PROTOCOL.md promises, and no more: answers may be
// lost, late or open, connections break at any point, frames come twice or not at all.

import type { FakeClock } from "./fake.js";
import { at, welcome } from "./fake.js";
import { directID } from "../../src/protocol/ids.js";

export type Frame = Record<string, unknown> & { type: string };
export interface Entry extends Frame {
  conv: string;
  seq: number;
  from: string;
  cmid: string;
  count: number;
}
interface Conv {
  id: string;
  members: string[];
  log: Entry[];
  read: Map<string, number>;
  delivered: Map<string, number>;
}
interface Device {
  recv: Map<string, number>;
  session: Session | undefined;
  attempt: number;
}
export interface Wire {
  tell(f: object): void;
  close(code: number): void;
}
/** What goes wrong: a number in [0, 1) for each kind of fault, 0 for a calm server. */
export interface Faults {
  on: boolean;
}

export class ModelServer {
  epoch = "e1";
  readonly faults: Faults = { on: true };
  readonly convs = new Map<string, Conv>();
  readonly refused = new Set<string>(); // cmids with a final code
  /** What no server may see; a test fails if there is any. */
  readonly violations: string[] = [];
  /** Bodies of what a restore from a backup took. */
  readonly lost = new Set<string>();
  revokedBefore = 0; // of the number that a token has
  private readonly devices = new Map<string, Device>();
  private readonly sessions = new Set<Session>();
  private serial = 0;

  constructor(
    readonly clock: FakeClock,
    readonly random: () => number,
  ) {}

  chance(p: number): boolean {
    return this.faults.on && this.random() < p;
  }

  conv(id: string, members: string[]): Conv {
    let c = this.convs.get(id);
    if (c === undefined) this.convs.set(id, (c = { id, members, log: [], read: new Map(), delivered: new Map() }));
    return c;
  }

  direct(a: string, b: string): Conv {
    return this.conv(directID("_", a, b), [a, b]);
  }

  of(user: string): Conv[] {
    const mine = [...this.convs.values()].filter((c) => c.members.includes(user) && c.log.length > 0);
    return mine.sort((a, b) => Date.parse(String(b.log[b.log.length - 1]!["time"])) - Date.parse(String(a.log[a.log.length - 1]!["time"])));
  }

  connect(wire: Wire): Session {
    const s = new Session(this, wire);
    this.sessions.add(s);
    return s;
  }

  left(s: Session): void {
    this.sessions.delete(s);
  }

  device(user: string, device: string): Device {
    const key = `${user}/${device}`;
    let d = this.devices.get(key);
    if (d === undefined) this.devices.set(key, (d = { recv: new Map(), session: undefined, attempt: -1 }));
    return d;
  }

  valid(token: string): string | undefined {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString() || "{}") as { sub?: string; exp?: number; n?: number };
    return claims.exp !== undefined && claims.exp * 1000 > this.clock.now() && (claims.n ?? 0) >= this.revokedBefore ? claims.sub : undefined;
  }

  /** Stores what a user wants, or says why not. */
  apply(user: string, f: Frame): { entry: Entry; dup: boolean } | { code: string } {
    const c = f["to"] !== undefined ? this.direct(user, f["to"] as string) : this.convs.get(f["conv"] as string);
    if (c === undefined) return { code: "not_found" };
    const known = c.log.find((e) => e.from === user && e.cmid === f["cmid"]);
    if (known !== undefined) return same(known, f) ? { entry: known, dup: true } : { code: "cmid_conflict" };
    if (this.refused.has(f["cmid"] as string)) return { code: "forbidden" };
    if (f.type !== "send") {
      const target = c.log[(f["target"] as number) - 1];
      const recalled = c.log.some((e) => e.type === "recalled" && e["target"] === f["target"]);
      if (target?.type !== "message" || recalled) return { code: "not_found" };
      if (f.type !== "react" && target.from !== user) return { code: "forbidden" };
    }
    return { entry: this.append(c, user, f), dup: false };
  }

  append(c: Conv, from: string, f: Frame): Entry {
    const seq = c.log.length + 1;
    const type = { send: "message", edit: "edited", recall: "recalled", react: "reacted" }[f.type]!;
    const count = (c.log[c.log.length - 1]?.count ?? 0) + (type === "message" ? 1 : 0);
    const { target, emoji, on, body, mentions } = f;
    const entry = { type, conv: c.id, seq, id: `${c.id}-${seq}`, from, time: new Date(this.clock.now()).toISOString(), cmid: f["cmid"], count, body, mentions, target, emoji, on } as Entry;
    c.log.push(entry);
    if (type === "recalled") for (const e of c.log) if (e.seq === target || (e.type === "edited" && e["target"] === target)) Object.assign(e, { gone: true, was: e["was"] ?? e["body"], body: undefined });
    for (const s of this.sessions) s.announce(c, entry);
    return entry;
  }

  /** Somebody who is not under test does something. */
  stranger(c: Conv, from: string, f: Omit<Frame, "cmid">): void {
    this.append(c, from, { ...f, cmid: `x${++this.serial}` } as unknown as Frame);
  }

  position(c: Conv, user: string, what: { read?: number; delivered?: number }): void {
    const read = Math.max(c.read.get(user) ?? 0, what.read ?? 0);
    const delivered = Math.max(c.delivered.get(user) ?? 0, what.delivered ?? 0, read);
    if (read === (c.read.get(user) ?? 0) && delivered === (c.delivered.get(user) ?? 0)) return;
    c.read.set(user, read);
    c.delivered.set(user, delivered);
    for (const s of this.sessions) s.tellOf(c, { type: "receipt", conv: c.id, user, ...(delivered > 0 && { delivered }), ...(read > 0 && { read }), time: at(0) });
  }

  unread(c: Conv, user: string): { unread: number; mentions: number } {
    const recalled = new Set(c.log.flatMap((e) => (e.type === "recalled" ? [e["target"]] : [])));
    const left = c.log.filter((e) => e.type === "message" && e.from !== user && e.seq > (c.read.get(user) ?? 0) && !recalled.has(e.seq));
    return { unread: left.length, mentions: left.filter((e) => (e["mentions"] as string[] | undefined)?.includes(user)).length };
  }

  shape(c: Conv, user: string): object {
    const last = [...c.log].reverse().find((e) => e.type === "message");
    const peer = c.members.length === 2 ? c.members.find((m) => m !== user) : undefined;
    const edited = [...c.log].reverse().find((e) => e.type === "edited" && e["target"] === last?.seq);
    const text = ((edited ?? last)?.["body"] as { text?: string } | undefined)?.text ?? "";
    return {
      conv: c.id, kind: peer === undefined ? "group" : "direct", ...(peer === undefined ? { title: c.id } : { peer }), role: "member", members: c.members.length,
      head: c.log.length, floor: 1, count: c.log[c.log.length - 1]?.count ?? 0, joined: 1, read: c.read.get(user) ?? 0, delivered: c.delivered.get(user) ?? 0,
      ...this.unread(c, user), exact: true,
      peers: c.members.filter((m) => m !== user).map((m) => ({ user: m, read: c.read.get(m) ?? 0, delivered: c.delivered.get(m) ?? 0 })),
      ...(last !== undefined && { last: { seq: last.seq, from: last.from, time: last["time"], text, ...(last["gone"] === true && { gone: true }) } }),
    };
  }

  folded(c: Conv, e: Entry): Frame {
    const of = c.log.filter((x) => x["target"] === e.seq);
    const edit = of.filter((x) => x.type === "edited").pop();
    const recall = of.find((x) => x.type === "recalled");
    const by = new Map<string, Set<string>>();
    for (const x of of.filter((r) => r.type === "reacted")) {
      const users = by.get(x["emoji"] as string) ?? new Set();
      if (x["on"] === true) users.add(x.from);
      else users.delete(x.from);
      by.set(x["emoji"] as string, users);
    }
    const reactions = [...by].filter(([, u]) => u.size > 0).map(([emoji, u]) => ({ emoji, count: u.size, mine: u.has("alice"), users: [...u] }));
    const others = c.members.filter((m) => m !== e.from);
    const n = (what: Map<string, number>) => others.filter((m) => (what.get(m) ?? 0) >= e.seq).length;
    const [delivered_by, read_by] = [n(c.delivered), n(c.read)];
    return {
      ...e, body: recall === undefined ? (edit?.["body"] ?? e["body"]) : undefined, ...(recall !== undefined && { gone: true, recalled: { seq: recall.seq, by: recall.from, time: recall["time"] } }),
      ...(edit !== undefined && { edited: { seq: edit.seq, time: edit["time"] } }), reactions: reactions.sort((a, b) => (a.emoji < b.emoji ? -1 : 1)),
      state: read_by === others.length ? "read" : delivered_by === others.length ? "delivered" : "stored", delivered_by, read_by,
    };
  }

  /** What HTTP answers to a user. */
  rest(user: string, path: string): { status: number; body?: object } {
    const url = new URL("http://x" + path);
    const q = (name: string, or: number) => Number(url.searchParams.get(name) ?? or);
    if (url.pathname === "/v1/conversations") return { status: 200, body: { items: this.of(user).map((c) => this.shape(c, user)) } };
    const [, id, what] = /^\/v1\/conversations\/([^/]+)(?:\/(\w+))?$/.exec(url.pathname) ?? [];
    const c = this.convs.get(id ?? "");
    if (c === undefined || !c.members.includes(user)) return { status: 404, body: { code: "not_found", detail: path } };
    if (what === undefined) return { status: 200, body: this.shape(c, user) };
    if (what === "unread") return { status: 200, body: { conv: c.id, ...this.unread(c, user), exact: true, head: c.log.length, read: c.read.get(user) ?? 0 } };
    const all = what === "messages" ? c.log.filter((e) => e.type === "message") : c.log;
    return { status: 200, body: this.page(c, all, q("after", 0), Math.min(q("limit", 50), 37), what === "messages") };
  }

  page(c: Conv, all: readonly Entry[], after: number, limit: number, fold = false): object {
    const behind = all.filter((e) => e.seq > after);
    const items = behind.slice(0, limit).map((e) => (fold ? this.folded(c, e) : e));
    return { conv: c.id, items, head: c.log.length, floor: 1, more_before: after > 0, more_after: behind.length > items.length };
  }

  closeAll(code: number): void {
    for (const s of [...this.sessions]) s.close(code);
  }

  /** Data of a while ago, in another life. */
  restore(): void {
    this.epoch = `e${Number(this.epoch.slice(1)) + 1}`;
    this.closeAll(1012);
    for (const c of this.convs.values()) {
      for (const e of c.log.splice(Math.max(1, c.log.length - Math.floor(this.random() * 6)))) this.lost.add(textOf(e));
      for (const e of c.log) {
        if (e["gone"] !== true || c.log.some((r) => r.type === "recalled" && (r["target"] === e.seq || r["target"] === e["target"]))) continue;
        Object.assign(e, { gone: undefined, body: e["was"] });
      }
      for (const m of [c.read, c.delivered]) for (const [user, seq] of m) m.set(user, Math.min(seq, c.log.length));
    }
    for (const d of this.devices.values()) for (const [id, seq] of d.recv) d.recv.set(id, Math.min(seq, this.convs.get(id)!.log.length));
  }
}

export const textOf = (e: Frame): string => ((e["body"] ?? e["was"]) as { text?: string } | undefined)?.text ?? "";

function same(e: Entry, f: Frame): boolean {
  const content = (x: Frame, body: unknown) => JSON.stringify([body, x["mentions"], x["target"], x["emoji"], x["on"]]);
  return content(e, e["body"] ?? e["was"]) === content(f, f["body"]) || (e["gone"] === true && e["was"] === undefined);
}

/** One session of the server. */
export class Session {
  user = "";
  private dev: Device | undefined;
  private token = "";
  private over = false;
  private live = false;
  private readonly known = new Set<string>(); // conversations that were described
  private readonly told = new Map<string, number>();
  private readonly blocked = new Map<string, string>();

  constructor(
    private readonly server: ModelServer,
    private readonly wire: Wire,
  ) {}

  close(code: number): void {
    if (this.over) return;
    this.gone();
    this.wire.close(code);
  }

  /** The client is not there any more. */
  gone(): void {
    this.over = true;
    this.server.left(this);
    if (this.dev?.session === this) this.dev.session = undefined;
  }

  /** A frame of the client; `token` came with the handshake. */
  take(f: Frame, token: string): void {
    if (this.over) return;
    const { server } = this;
    if (f.type === "hello") return this.hello(f, token);
    if (server.valid(this.token) === undefined) return this.close(4401);
    const c = server.convs.get(f["conv"] as string);
    switch (f.type) {
      case "ping":
        return this.wire.tell({ type: "pong", time: at(0) });
      case "auth":
        if (server.valid(f["token"] as string) !== this.user) return this.close(4401);
        this.token = f["token"] as string;
        return;
      case "recv":
      case "read":
        if (c === undefined || (f["seq"] as number) > c.log.length) return void server.violations.push(`${f.type} ${String(f["seq"])} above the head`);
        if (f.type === "recv") this.dev!.recv.set(c.id, Math.max(this.dev!.recv.get(c.id) ?? 0, f["seq"] as number));
        return server.position(c, this.user, f.type === "read" ? { read: f["seq"] as number } : { delivered: f["seq"] as number });
      case "history":
        if (server.chance(0.1)) return this.wire.tell({ type: "error", ref: f["ref"], code: "unavailable", message: "later", retry_after_ms: 40 });
        return this.wire.tell({ type: "page", ref: f["ref"], ...server.page(c!, c!.log, f["after"] as number, Math.min(f["limit"] as number, 7)) });
      case "send":
      case "edit":
      case "recall":
      case "react":
        return this.command(f);
    }
  }

  private hello(f: Frame, token: string): void {
    const { server } = this;
    const user = server.valid(token);
    if (user === undefined) return this.close(4401);
    const dev = server.device(user, f["device"] as string);
    const attempt = f["attempt"] as number;
    if (attempt < dev.attempt) return this.close(4409);
    dev.session?.close(4409);
    Object.assign(this, { user, dev, token });
    dev.session = this;
    dev.attempt = attempt;
    this.wire.tell({ ...welcome, user, device: f["device"], epoch: server.epoch, time: new Date(server.clock.now()).toISOString() });
    const resume = f["resume"] as { epoch: string; cursors: Record<string, number> } | undefined;
    if (resume !== undefined && resume.epoch !== server.epoch) this.wire.tell({ type: "reset", epoch: server.epoch });
    const cursors = resume?.epoch === server.epoch ? resume.cursors : {};
    for (const c of server.of(user)) {
      const own = cursors[c.id] ?? dev.recv.get(c.id);
      let from = own ?? c.read.get(user) ?? 0;
      const flush = (f["flush"] as number | undefined) ?? 0;
      if (flush > 0 && c.log.length - from > flush) from = c.log.length - flush;
      from = Math.min(from, c.log.length);
      const expected = resume !== undefined && resume.epoch !== server.epoch ? 0 : (own ?? 0);
      if (from !== expected) this.wire.tell({ type: "reset", conv: c.id, epoch: server.epoch, floor: 1, next: from + 1 });
      this.told.set(c.id, from);
      for (const e of c.log.slice(from)) this.entry(c, e);
    }
    this.wire.tell({ type: "synced", time: at(0) });
    this.live = true;
  }

  announce(c: Conv, e: Entry): void {
    if (this.live && c.members.includes(this.user)) this.entry(c, e);
  }

  tellOf(c: Conv, f: object): void {
    if (this.live && c.members.includes(this.user)) this.wire.tell(f);
  }

  private entry(c: Conv, e: Entry): void {
    if (!this.known.has(c.id)) this.wire.tell({ type: "conversation", ...this.server.shape(c, this.user) });
    this.known.add(c.id);
    if (this.live && this.server.chance(0.02)) return; // lost on the way: a gap
    this.wire.tell(e);
    if (this.server.chance(0.05)) this.wire.tell(e);
  }

  private command(f: Frame): void {
    const { server } = this;
    const cmid = f["cmid"] as string;
    const lane = String(f["conv"] ?? f["to"]);
    const answer = (code: string, more: object = {}) => this.wire.tell({ type: "error", ref: f["ref"], code, message: code, ...more });
    const first = this.blocked.get(lane);
    if (first !== undefined && first !== cmid && !this.isStored(first)) return answer("unavailable", { retry_after_ms: 100 });
    this.blocked.delete(lane);
    if (server.chance(0.03)) {
      this.blocked.set(lane, cmid);
      return answer(server.random() < 0.5 ? "unavailable" : "internal", server.random() < 0.5 ? { retry_after_ms: 200 } : {});
    }
    if (server.chance(0.03)) {
      this.blocked.set(lane, cmid);
      return answer("rate_limited", { retry_after_ms: 5 + Math.floor(server.random() * 300) });
    }
    if (server.chance(0.01)) return void this.blocked.set(lane, cmid); // no answer at all
    if (server.chance(0.01)) return this.wire.close(1006); // before it is applied
    if (f.type === "send" && server.chance(0.02) && !this.isStored(cmid)) server.refused.add(cmid);
    const result = server.apply(this.user, f);
    if ("code" in result) {
      if (result.code === "cmid_conflict") server.violations.push(`${cmid} with other content: ${JSON.stringify(f)}`);
      return answer(result.code);
    }
    if (server.chance(0.02)) {
      this.blocked.set(lane, cmid);
      return answer("unavailable", { retry_after_ms: 100 }); // and it is stored
    }
    if (server.chance(0.02)) return this.wire.close(1006); // applied, and nobody hears of it
    if (server.chance(0.02)) return; // the ack is lost
    const { seq, conv, id } = result.entry;
    const ack = { type: "ack", ref: f["ref"], conv, seq, cmid, id, time: result.entry["time"], ...(result.dup && { dup: true }) };
    this.wire.tell(ack);
    if (server.chance(0.05)) this.wire.tell(ack);
  }

  private isStored(cmid: string): boolean {
    return [...this.server.convs.values()].some((c) => c.log.some((e) => e.from === this.user && e.cmid === cmid));
  }
}
