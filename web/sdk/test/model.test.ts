// Whatever goes wrong, in an order that a seed decides: clients of one user, among them
// the tabs of one profile, against a model of the server. `SEED=n` repeats one run.

import { describe, expect, test } from "vitest";
import type { Conversation, MessageItem, MessageState } from "../src/index.js";
import { memoryStorage } from "../src/index.js";
import { seeded } from "./support/cutter.js";
import { FakeClock, FakeProfile, jwt, settle } from "./support/fake.js";
import { Machine } from "./support/machine.js";
import { ModelServer, textOf } from "./support/model.js";

const steps = 400;
const rank: Readonly<Record<MessageState, number>> = { pending: 0, stored: 1, delivered: 2, read: 3, failed: 4 };
/** What a client may report while everything breaks. */
const expected = /^(unavailable|internal: later|rate_limited|closed|unauthenticated|storage: .* no answer in time)/;

class Run {
  readonly random: () => number;
  readonly clock = new FakeClock();
  readonly server: ModelServer;
  readonly profile = new FakeProfile();
  readonly storage = { shared: memoryStorage(), phone: memoryStorage() };
  readonly machines = new Map<string, Machine>();
  readonly convs: string[];
  /** Texts in the order in which one client wrote them, by client and conversation. */
  readonly typed = new Map<string, string[]>();
  readonly retried = new Set<string>();
  private readonly ranks = new Map<string, number>();
  private serial = 0;
  private opened = 0;
  private tokens = 0;
  private lastToken = "";

  constructor(readonly seed: number) {
    this.random = seeded(seed);
    this.server = new ModelServer(this.clock, this.random);
    this.convs = [this.server.direct("alice", "bob").id, this.server.conv("g_tea0000000000000000", ["alice", "bob", "carol"]).id];
    for (const id of this.convs) this.server.stranger(this.server.convs.get(id)!, "bob", { type: "send", body: { text: "hello" } });
  }

  private pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random() * list.length)];
  }

  private token(): Promise<string> {
    const s = Math.floor(this.clock.now() / 1000);
    if (this.server.chance(0.05)) return Promise.reject(new Error("no network"));
    if (this.server.chance(0.02)) return new Promise(() => {});
    if (this.server.chance(0.02)) return Promise.resolve(jwt({ iat: s - 900, exp: s - 300, n: this.tokens++ }));
    if (this.server.chance(0.05) && this.lastToken !== "") return Promise.resolve(this.lastToken);
    return Promise.resolve((this.lastToken = jwt({ iat: s, exp: s + 600, n: this.tokens++ })));
  }

  open(slot: string): Machine {
    const shared = slot !== "phone";
    const m = new Machine(`${slot}#${++this.opened}`, {
      server: this.server, user: "alice", token: () => this.token(), storage: shared ? this.storage.shared : this.storage.phone,
      tabsPort: shared ? this.profile.tab(`${slot}#${this.opened}`) : undefined,
    });
    const seen = new Set<string>();
    m.parley.on("message", ({ item }) => {
      expect(seen.has(item.cmid), `${m.name} is told of ${item.id} once`).toBe(false);
      seen.add(item.cmid);
    });
    this.machines.set(slot, m);
    return m;
  }

  private kill(slot: string): void {
    const m = this.machines.get(slot)!;
    m.die();
    this.profile.kill(m.name);
    this.machines.delete(slot);
  }

  private async close(slot: string): Promise<void> {
    const m = this.machines.get(slot)!;
    m.thaw();
    this.machines.delete(slot);
    await Promise.race([m.parley.close(), settle().then(settle)]);
    expect(m.left, `${m.name} leaves timers or sockets`).toBe(0);
  }

  async step(): Promise<void> {
    const slot = this.pick(["phone", "tab1", "tab2", "tab3"])!;
    const m = this.machines.get(slot);
    const c = m?.parley.conversation(this.pick(this.convs)!);
    const r = this.random();
    if (m === undefined) {
      if (r < 0.3) this.open(slot);
    } else if (r < 0.4) {
      if (c !== undefined) this.act(slot, c);
    } else if (r < 0.7) this.stranger();
    else if (r < 0.73) this.kill(slot);
    else if (r < 0.75) await this.close(slot);
    else if (r < 0.82) m.cut(this.random() < 0.5 ? "both" : "silent");
    else if (r < 0.84) m.parley.setVisible(this.random() < 0.5);
    else if (r < 0.86) m.parley.setOnline(this.random() < 0.5);
    else if (r < 0.87) this.server.closeAll(this.pick([1001, 1011, 1012, 1013, 4401, 4429, 4508])!);
    else if (r < 0.875) this.server.restore();
    else if (r < 0.88) this.server.revokedBefore = this.tokens;
    else if (r < 0.89) this.clock.set(Math.floor((this.random() - 0.5) * 7_200_000));
    else if (r < 0.895) this.clock.sleep(3_600_000);
    else if (r < 0.91) m.freeze();
    if (this.random() < 0.2) m?.thaw();
    if (this.random() < 0.05) m?.parley.retryNow();
    await this.clock.advance(Math.floor(this.random() < 0.9 ? this.random() * 60 : this.random() * 8_000));
    this.watch();
  }

  /** The user does something. */
  private act(slot: string, c: Conversation): void {
    const r = this.random();
    const target = 1 + Math.floor(this.random() * Math.max(1, c.thread.head.peek()));
    if (r < 0.5) {
      const text = `${slot} ${++this.serial}`;
      c.send({ text, ...(this.random() < 0.2 && { mentions: ["bob"] }) });
      const key = `${slot} ${c.id}`;
      this.typed.set(key, [...(this.typed.get(key) ?? []), text]);
    } else if (r < 0.6) c.react(target, this.random() < 0.5 ? "👍" : "🎉", this.random() < 0.7).catch(() => {});
    else if (r < 0.65) c.edit(target, `changed ${++this.serial}`).catch(() => {});
    else if (r < 0.7) c.recall(target).catch(() => {});
    else if (r < 0.8) c.markRead(target);
    else if (r < 0.9) c.thread.around(target).catch(() => {});
    else if (r < 0.95) {
      const failed = c.thread.outgoing.peek().find((o) => o.state === "failed");
      if (failed !== undefined && c.retry(failed.cmid) !== undefined) this.retried.add(failed.body.text!);
    } else c.setTyping(true);
  }

  private stranger(): void {
    const c = this.server.convs.get(this.pick(this.convs)!)!;
    const from = this.pick(c.members.filter((u) => u !== "alice"))!;
    const target = 1 + Math.floor(this.random() * c.log.length);
    const isOpen = c.log[target - 1]!.type === "message" && !c.log.some((e) => e.type === "recalled" && e["target"] === target);
    const r = this.random();
    if (r < 0.1) this.server.position(c, from, this.random() < 0.5 ? { read: target } : { delivered: target });
    else if (r < 0.2 && isOpen) this.server.stranger(c, from, { type: "react", target, emoji: "👍", on: this.random() < 0.6 });
    else if (r < 0.3 && isOpen && c.log[target - 1]!.from === from) this.server.stranger(c, from, this.random() < 0.5 ? { type: "recall", target } : { type: "edit", target, body: { text: `edited ${++this.serial}` } });
    else for (let n = this.random() < 0.03 ? 120 : 1; n > 0; n--) this.server.stranger(c, from, { type: "send", body: { text: `${from} ${++this.serial}` }, ...(this.random() < 0.2 && { mentions: ["alice"] }) });
  }

  /** States of what one client shows never go back, but over a restore that it has heard of. */
  private watch(): void {
    for (const m of this.machines.values()) {
      for (const c of m.parley.conversations.peek()) {
        const note = (cmid: string, state: MessageState) => {
          const key = `e${m.epoch} ${m.name} ${cmid}`;
          expect(rank[state], `${key}: ${state}`).toBeGreaterThanOrEqual(this.ranks.get(key) ?? 0);
          this.ranks.set(key, rank[state]);
        };
        for (const o of c.thread.outgoing.peek()) note(o.cmid, o.state);
        for (let seq = Math.max(1, c.thread.head.peek() - 20); seq <= c.thread.head.peek(); seq++) {
          const item = c.thread.item(seq);
          if (item?.kind === "message" && item.own && !c.thread.outgoing.peek().some((o) => o.cmid === item.cmid)) note(item.cmid, item.state);
        }
      }
    }
  }

  /** Everything is mended, and the user presses "again" where it asks for that. */
  async calm(): Promise<void> {
    this.server.faults.on = false;
    for (const slot of ["phone", "tab1", "tab2", "tab3"]) if (!this.machines.has(slot)) this.open(slot);
    for (const m of this.machines.values()) {
      m.thaw();
      m.parley.setOnline(true);
    }
    for (let i = 0; i < 8; i++) {
      await this.clock.advance(20_000);
      // What comes behind an entry that was lost shows that it was.
      if (i === 4) for (const c of this.server.convs.values()) this.server.stranger(c, "bob", { type: "send", body: { text: `last ${++this.serial}` } });
      for (const m of this.machines.values()) if (m.parley.connection.peek().phase === "ended") m.parley.retryNow();
    }
  }

  async judge(): Promise<void> {
    const { server } = this;
    expect(server.violations).toEqual([]);
    for (const m of this.machines.values()) {
      expect(m.parley.connection.peek(), m.name).toEqual({ phase: "live" });
      expect(m.errors.filter((e) => !expected.test(e))).toEqual([]);
      for (const id of this.convs) await this.judgeThread(m, m.parley.conversation(id)!);
    }
    for (const [key, texts] of this.typed) this.judgeTyped(key, texts);
    for (const slot of [...this.machines.keys()]) await this.close(slot);
    await this.clock.advance(120_000);
    expect(this.clock.waiting).toBe(0);
  }

  private async judgeThread(m: Machine, c: Conversation): Promise<void> {
    const conv = this.server.convs.get(c.id)!;
    const where = `${m.name} ${c.id}`;
    expect(c.info.value, where).toMatchObject({ head: conv.log.length, ...this.server.unread(conv, "alice"), exact: true, read: conv.read.get("alice") ?? 0 });
    for (let from = 1; from <= conv.log.length; from += 1_000) {
      const loading = c.thread.load(from, from + 999);
      await this.clock.advance(5_000);
      await loading;
    }
    for (const e of conv.log) {
      expect(c.thread.has(e.seq), `${where} ${e.seq}`).toBe(true);
      const item = c.thread.item(e.seq) as MessageItem | undefined;
      expect(shown(item), `${where} ${e.seq}`).toEqual(e.type === "message" ? shown(this.server.folded(conv, e) as unknown as MessageItem) : undefined);
    }
    expect(c.thread.rows.value.length).toBe(conv.log.filter((e) => e.type === "message").length);
    expect(c.thread.outgoing.value.filter((o) => o.state !== "failed"), where).toEqual([]);
  }

  /** Each text once or failed, and in its order. */
  private judgeTyped(key: string, texts: string[]): void {
    const [slot, id] = key.split(" ") as [string, string];
    const log = this.server.convs.get(id)!.log.filter((e) => e.type === "message" && e.from === "alice").map(textOf);
    const shownFailed = this.machines.get(slot)!.parley.conversation(id)!.thread.outgoing.value.map((o) => o.body.text);
    for (const text of texts) {
      const [stored, failed] = [log, shownFailed].map((list) => list.filter((t) => t === text).length);
      if (!this.server.lost.has(text)) expect(stored! + failed!, `${text}: stored ${stored}, failed ${failed}`).toBe(1);
    }
    const plain = (t: string) => texts.includes(t) && !this.retried.has(t) && !this.server.lost.has(t);
    expect(log.filter(plain), key).toEqual(texts.filter((t) => plain(t) && log.includes(t)));
  }
}

function shown(m: MessageItem | undefined): object | undefined {
  if (m === undefined) return undefined;
  const reactions = m.reactions.map(({ emoji, count, mine, users }) => ({ emoji, count, mine, users: [...users].sort() }));
  const { seq, from, cmid, count, body, gone, edited, recalled, state } = m;
  return { seq, from, cmid, count, body, gone: gone ?? false, edited: edited?.seq, recalled: recalled?.seq, reactions, ...(from === "alice" && { state }) };
}

describe("one user's clients against a model of the server", () => {
  const seeds = process.env["SEED"] === undefined ? [1, 2, 3, 4, 5, 6] : process.env["SEED"].split(",").map(Number);
  test.each(seeds)("seed %i", async (seed) => {
    const run = new Run(seed);
    run.open("phone");
    run.open("tab1");
    await run.clock.advance(1_000);
    for (let i = 0; i < steps; i++) await run.step();
    await run.calm();
    await run.judge();
  }, 120_000); // about a second each on a machine that has nothing else to do
});
