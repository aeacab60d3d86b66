import { describe, expect, test } from "vitest";
import type { Parley, TabsPort } from "../src/index.js";
import { memoryStorage } from "../src/index.js";
import { seeded } from "./support/cutter.js";
import { Machine } from "./support/machine.js";
import { ModelServer, textOf } from "./support/model.js";
import { ackOf, conv, conversation, FakeClock, FakeNetwork, FakeProfile, jwt, message, settle, welcome, world } from "./support/fake.js";

/** Tabs of one profile: a storage, a clock and a network in common. */
async function tabs(n: number) {
  const common = { clock: new FakeClock(), network: new FakeNetwork(), storage: memoryStorage() };
  const profile = new FakeProfile();
  const open = async (id: string) => (await world({ ...common, tabs: "shared", tabsPort: profile.tab(id) })).parley;
  const all: Parley[] = [];
  for (let i = 0; i < n; i++) all.push(await open(String(i)));
  return { ...common, net: common.network, profile, open, all };
}

const phase = (p: Parley): string => p.connection.value.phase;

describe("tabs of one profile", () => {
  test("are one device with one connection, and all see the same", async () => {
    const w = await tabs(3);
    expect(w.net.sockets).toHaveLength(1);
    await w.net.last.welcome();
    expect(w.all.map(phase)).toEqual(["live", "live", "live"]);
    expect(new Set(w.all.map((p) => p.me.value?.device)).size).toBe(1);
    w.net.last.tell(conversation(2), message(1), message(2));
    await settle();
    for (const p of w.all) expect(p.conversation(conv)?.info.value).toMatchObject({ head: 2, unread: 2 });
    w.all[2]!.conversation(conv)!.markRead(2);
    await settle();
    expect(w.all.map((p) => p.totals.value.unread)).toEqual([0, 0, 0]);
    expect(w.net.last.take("read")).toEqual([{ type: "read", conv, seq: 2 }]);
  });

  test("a follower's message goes out once, by the leader, and is shown everywhere", async () => {
    const w = await tabs(2);
    await w.net.last.welcome();
    const m = w.all[1]!.direct("bob").send({ text: "one" });
    await settle();
    const sent = w.net.last.take("send");
    expect(sent.map((f) => f["cmid"])).toEqual([m.cmid]);
    expect(w.all[0]!.direct("bob").thread.outgoing.value).toMatchObject([{ cmid: m.cmid, state: "pending" }]);
    w.net.last.tell(ackOf(sent[0]!, 1));
    await settle();
    expect(await w.all[1]!.direct("bob").stored(m.cmid)).toMatchObject({ seq: 1 });
    w.net.last.tell(message(1, "alice", { cmid: m.cmid }));
    await settle();
    for (const p of w.all) expect(p.direct("bob").thread.outgoing.value).toEqual([]);
  });

  test("a draft is the same in all, when it has rested", async () => {
    const w = await tabs(3);
    await w.net.last.welcome();
    const drafts = () => w.all.map((p) => p.direct("bob").draft.value);
    w.all[2]!.direct("bob").draft.value = "hel";
    await w.clock.advance(200);
    w.all[2]!.direct("bob").draft.value = "hello";
    await w.clock.advance(200);
    expect(drafts()).toEqual(["", "", "hello"]);
    await w.clock.advance(200);
    expect(drafts()).toEqual(["hello", "hello", "hello"]);
    // What is being written here is not overwritten.
    w.all[0]!.direct("bob").draft.value = "";
    await w.clock.advance(200);
    w.all[1]!.direct("bob").draft.value = "hello you";
    await w.clock.advance(150);
    expect(drafts()).toEqual(["", "hello you", ""]);
    await w.clock.advance(300);
    expect(drafts()).toEqual(["hello you", "hello you", "hello you"]);
    await w.clock.advance(1_000);
    expect(await w.storage.list("u/alice/draft/")).toEqual([["u/alice/draft/" + conv, "hello you"]]);
  });

  test("a tab that comes late knows how things are", async () => {
    const w = await tabs(1);
    await w.net.last.welcome();
    w.net.last.tell(conversation(1), message(1));
    w.net.answer = (path) => ({ status: 200, body: { items: path.startsWith("/v1/conversations?") ? [conversation(1)] : [] } });
    await w.clock.advance(1_000);
    const late = await w.open("late");
    expect(phase(late)).toBe("live");
    expect(late.me.value).toEqual(w.all[0]!.me.value);
    expect(late.limits.value?.page).toBe(200);
    expect(late.conversation(conv)?.info.value.unread).toBe(1);
    expect(w.net.sockets).toHaveLength(1);
  });

  test("the leader dies: another connects, what waits goes out with its cmid, nothing is lost", async () => {
    const w = await tabs(3);
    await w.net.last.welcome();
    const first = w.net.last;
    const cmids = [1, 0, 2].map((i) => w.all[i]!.direct("bob").send({ text: `from ${i}` }).cmid);
    await settle();
    const sent = first.take("send");
    expect(sent).toHaveLength(3);
    first.tell(ackOf(sent[0]!, 1)); // the others were stored as well, but the leader dies before it hears that
    await settle();
    w.profile.kill("0");
    const between = w.all[2]!.direct("bob").send({ text: "without a leader" });
    await settle();
    expect(w.net.sockets).toHaveLength(2);
    const hello = await w.net.last.welcome();
    expect(hello["device"]).toBe(w.all[1]!.me.value?.device);
    const again = w.net.last.take("send");
    // Of two tabs none was first; what came later is behind both.
    expect(again.slice(0, 2)).toEqual(expect.arrayContaining(sent.slice(1)));
    expect(again.map((f) => f["cmid"]).slice(2)).toEqual([between.cmid]);
    w.net.last.tell(ackOf(again[0]!, 2, { dup: true }), ackOf(again[1]!, 3, { dup: true }), ackOf(again[2]!, 4));
    await settle();
    expect(await w.all[2]!.direct("bob").stored(between.cmid)).toMatchObject({ seq: 4 });
    const stored = await Promise.all(cmids.map((cmid) => w.all[1]!.direct("bob").stored(cmid)));
    expect(stored.map((s) => s.seq).sort()).toEqual([1, 2, 3]);
    expect(await w.storage.list("u/alice/outbox/")).toEqual([]);
  });

  test("the leader closes: the next one starts from all that it wrote", async () => {
    const w = await tabs(2);
    await w.net.last.welcome();
    w.net.last.tell(conversation(9), message(9));
    await w.all[0]!.close();
    await settle();
    const hello = await w.net.last.welcome();
    expect(hello["resume"]).toEqual({ epoch: "e1", cursors: { [conv]: 9 } });
    expect(phase(w.all[1]!)).toBe("live");
    expect(hello["attempt"]).toBeGreaterThan(1_800_000_000_000);
  });

  test("whom any tab looks at is watched, until that tab is gone", async () => {
    const w = await tabs(2);
    await w.net.last.welcome();
    w.all[0]!.presence("bob").subscribe(() => {});
    w.all[1]!.presence("carol").subscribe(() => {});
    await w.clock.advance(100);
    expect(w.net.last.take("watch").flatMap((f) => f["users"])).toEqual(["bob", "carol"]);
    w.net.last.tell({ type: "presence", user: "carol", online: true });
    await settle();
    expect(w.all[1]!.presence("carol").value).toEqual({ online: true });
    await w.all[1]!.close();
    await settle();
    expect(w.net.last.take("unwatch")).toEqual([{ type: "unwatch", users: ["carol"] }]);
  });

  test("a follower asks the server for what it missed", async () => {
    const w = await tabs(2);
    await w.net.last.welcome();
    w.net.last.tell(conversation(1), message(1));
    await settle();
    const folded = { ...message(1), state: "stored", delivered_by: 0, read_by: 0 };
    const page = (items: object[], head: number) => ({ status: 200, body: { conv, items, head, floor: 1, more_before: false, more_after: false } });
    w.net.answer = (path) => (path.includes("/messages") ? page([folded], 1) : page([], 1));
    const c = w.all[1]!.conversation(conv)!;
    await c.thread.load(1, 1);
    const edited = { type: "edited", conv, seq: 2, id: `${conv}-2`, from: "bob", time: "", cmid: "e", count: 1, target: 1, body: { text: "changed" } };
    // The leader had it, stored its cursor, and died before it told: the flush begins behind it.
    w.net.answer = (path) => (path.includes("/entries?after=1") ? page([edited, message(3)], 3) : page([], 3));
    w.profile.kill("0");
    await settle();
    await w.net.last.welcome();
    w.net.last.tell(message(3));
    await settle();
    expect(c.thread.item(1)).toMatchObject({ body: { text: "changed" } });
    expect(c.thread.item(3)).toMatchObject({ body: { text: "text 3" } });
    expect(c.thread.rows.value.length).toBe(2);
  });

  test("signing out in one ends all", async () => {
    const w = await tabs(2);
    await w.net.last.welcome();
    w.net.last.tell(conversation(1), message(1));
    await settle();
    for (const p of w.all) {
      await p.conversation(conv)!.thread.load(1, 1);
      p.conversation(conv)!.draft.value = "secret";
    }
    w.net.last.tell(message(2));
    await w.all[1]!.signOut();
    await settle();
    expect(w.all.map((p) => p.connection.value)).toEqual([
      { phase: "ended", reason: "signed_out", message: "signed out in another tab" },
      { phase: "ended", reason: "signed_out", message: "signed out" },
    ]);
    expect(await w.storage.list("")).toEqual([]);
  });

  test("a tab that read what was settled meanwhile learns of it", async () => {
    const w = await tabs(1);
    await w.net.last.welcome();
    const m = w.all[0]!.direct("bob").send({ text: "one" });
    await settle();
    const sent = w.net.last.take("send");
    const outbox = await w.storage.list("u/alice/outbox/");
    w.net.last.tell(ackOf(sent[0]!, 1));
    await settle();
    // As if the tab had read the outbox just before that.
    await w.storage.write(outbox.map(([key, value]) => ({ op: "put", key, value })));
    const late = await w.open("late");
    expect(late.direct("bob").thread.outgoing.value).toMatchObject([{ cmid: m.cmid, state: "pending" }]);
    const again = w.net.last.take("send");
    expect(again).toEqual(sent);
    w.net.last.tell(ackOf(again[0]!, 1, { dup: true }));
    await settle();
    expect(await late.direct("bob").stored(m.cmid)).toMatchObject({ seq: 1 });
    expect(await w.storage.list("u/alice/outbox/")).toEqual([]);
  });

  describe("a leader that the browser stopped", () => {
    /** Two tabs, the first of which leads and stands still. */
    async function stopped() {
      const clock = new FakeClock();
      const server = new ModelServer(clock, seeded(1));
      server.faults.on = false;
      server.stranger(server.direct("alice", "bob"), "bob", { type: "send", body: { text: "hello" } });
      const profile = new FakeProfile();
      const storage = memoryStorage();
      const open = (name: string, port = profile.tab(name)) =>
        new Machine(name, { server, storage, user: "alice", tabsPort: port, token: () => Promise.resolve(jwt({ exp: clock.now() / 1000 + 36_000 })) });
      const one = open("1");
      await clock.advance(1_000);
      const other = open("2");
      await clock.advance(1_000);
      expect([one, other].map((m) => phase(m.parley))).toEqual(["live", "live"]);
      one.freeze();
      return { clock, server, profile, open, one, other };
    }

    test("is replaced by a visible tab: what waits goes out, once, and the old one follows when it goes on", async () => {
      const w = await stopped();
      const m = w.other.parley.direct("bob").send({ text: "is anybody there" });
      await w.clock.advance(22_000);
      expect(await w.other.parley.direct("bob").stored(m.cmid)).toMatchObject({ seq: 2 });
      w.one.thaw();
      await w.clock.advance(2_000);
      expect([w.one, w.other].map((x) => phase(x.parley))).toEqual(["live", "live"]);
      w.one.parley.direct("bob").send({ text: "again" });
      await w.clock.advance(2_000);
      const log = w.server.direct("alice", "bob").log.map(textOf);
      expect(log).toEqual(["hello", "is anybody there", "again"]);
      for (const x of [w.one, w.other]) expect(x.parley.direct("bob").info.value.head).toBe(3);
      for (const x of [w.one, w.other]) await x.parley.close();
      expect([w.one.left, w.other.left]).toEqual([0, 0]);
    });

    test("is replaced at once by a tab that comes to the front, and not by one in the back", async () => {
      const w = await stopped();
      w.other.parley.setVisible(false);
      await w.clock.advance(600_000);
      const m = w.other.parley.direct("bob").send({ text: "one" });
      await w.clock.advance(60_000);
      expect(w.other.parley.direct("bob").thread.outgoing.value).toMatchObject([{ cmid: m.cmid, state: "pending" }]);
      w.other.parley.setVisible(true);
      await w.clock.advance(7_000);
      expect(w.other.parley.direct("bob").thread.outgoing.value).toEqual([]);
    });

    test("is waited for where nothing can be taken away", async () => {
      const w = await stopped();
      const { elect, channel } = w.profile.tab("3");
      const third = w.open("3", { elect, channel });
      w.other.die();
      await w.clock.advance(60_000);
      expect(phase(third.parley)).toBe("idle");
      third.parley.direct("bob").send({ text: "one" });
      w.one.thaw();
      await w.clock.advance(2_000);
      expect(w.server.direct("alice", "bob").log).toHaveLength(2);
    });
  });

  test("tabs of another version: what they do not say is not missed, and what they say besides is ignored", async () => {
    const w = await tabs(1);
    await w.net.last.welcome();
    const said: unknown[] = [];
    const old = w.profile.tab("old").channel("", (m) => said.push(m));
    for (const m of [null, 7, {}, { t: "later" }, { t: "order", from: "old", order: { do: "dance" } }, { t: "events", events: [{ e: "news" }, { e: "told", frame: { type: "fresh" } }] }]) old.post(m);
    old.post({ t: "join", from: "old" });
    await settle();
    expect(said.map((m) => (m as { t: string }).t)).toContain("present");
    expect(w.all.map(phase)).toEqual(["live"]);

    // And where the old one leads.
    const other = await tabs(0);
    const lead = other.profile.tab("old");
    const channel = lead.channel("", (m) => {
      const { t, from } = m as { t: string; from: string };
      const events = [{ e: "connection", state: { phase: "live" } }];
      if (t === "join") channel.post({ t: "present", to: from, events });
    });
    lead.elect("", () => {});
    await settle();
    const late = await other.open("late");
    expect(phase(late)).toBe("live");
    channel.post({ t: "events", events: [{ e: "connection", state: { phase: "offline" } }] });
    await settle();
    expect(phase(late)).toBe("offline");
    await other.clock.advance(120_000);
    expect(other.net.sockets).toHaveLength(0);
  });

  test("a tab that was not told of a restore hears of it from what its leader tells next", async () => {
    const w = await tabs(0);
    const lead = w.profile.tab("lead");
    lead.elect("", () => {});
    let epoch = "e1";
    const channel = lead.channel("", (m) => {
      const { t, from } = m as { t: string; from: string };
      const session = { me: { user: "alice", device: "d" }, ns: "_", epoch, features: welcome.features, limits: welcome.limits };
      const events = [{ e: "welcome", welcome: session }, { e: "connection", state: { phase: "live" } }];
      if (t === "join") channel.post({ t: "present", to: from, by: "lead", events });
    });
    const tell = (...events: object[]) => channel.post({ t: "events", by: "lead", epoch, events });
    let head = 9;
    w.net.answer = (path) => ({ status: 200, body: { items: path.startsWith("/v1/conversations?") ? [conversation(head)] : [] } });
    const late = await w.open("late");
    await settle();
    tell({ e: "entry", entry: message(10), live: true });
    await settle();
    expect(late.conversation(conv)!.info.value).toMatchObject({ head: 10, unread: 10 });
    [epoch, head] = ["e2", 4];
    tell({ e: "entry", entry: message(4), live: true });
    await settle();
    expect(late.conversation(conv)!.info.value).toMatchObject({ head: 4, unread: 4, exact: true });
    tell({ e: "entry", entry: message(5), live: true });
    await settle();
    expect(late.conversation(conv)!.info.value).toMatchObject({ head: 5, unread: 5, exact: true });
  });

  test("what is read in a tab that was not told of a restore is not told to the server", async () => {
    const w = await tabs(1);
    await w.net.last.welcome();
    w.net.last.tell(conversation(2), message(1), message(2));
    const other = w.profile.tab("other").channel("", () => {});
    const read = (seq: number, epoch: string) => other.post({ t: "order", from: "other", epoch, order: { do: "read", conv, seq } });
    read(2, "e0");
    read(1, "e1");
    await settle();
    expect(w.net.last.take("read")).toEqual([{ type: "read", conv, seq: 1 }]);
  });

  test("a tab leads once, also where a wish that it took back comes true", async () => {
    const network = new FakeNetwork();
    let late = () => {};
    const tabsPort: TabsPort = {
      elect: (_name, lead) => ((late = lead), () => {}),
      steal: (_name, lead) => (queueMicrotask(lead), () => {}),
      channel: () => ({ post: () => {}, close: () => {} }),
    };
    const w = await world({ network, tabs: "shared", tabsPort });
    await w.clock.advance(5_000);
    expect(network.sockets).toHaveLength(1);
    late();
    await settle();
    expect(network.sockets).toHaveLength(1);
    await w.parley.close();
    expect(w.clock.waiting).toBe(0);
  });

  test("a tab that is about to end does not lead", async () => {
    const common = { clock: new FakeClock(), network: new FakeNetwork(), tabs: "shared" as const };
    const profile = new FakeProfile();
    const slow = memoryStorage();
    let release = () => {};
    const gate = new Promise<void>((done) => (release = done));
    const one = await world({ ...common, tabsPort: profile.tab("1") });
    const other = await world({ ...common, tabsPort: profile.tab("2"), storage: { ...slow, write: (ops) => gate.then(() => slow.write(ops)) } });
    await one.net.last.welcome();
    other.net.last.tell(conversation(1), message(1));
    await settle();
    other.parley.conversation(conv)!.draft.value = "half";
    const closing = other.parley.close();
    await one.parley.close();
    await settle();
    release();
    await closing;
    await settle();
    expect(common.network.sockets).toHaveLength(1);
    expect(other.parley.connection.value).toMatchObject({ phase: "ended", reason: "closed" });
  });
});
