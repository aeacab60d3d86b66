// Beginnings and ends: of tokens, of what is kept in memory, and of the list.

import { describe, expect, test } from "vitest";
import type { Command } from "../src/engine/command.js";
import { Marks } from "../src/engine/marks.js";
import { Streams } from "../src/engine/stream.js";
import { ParleyError } from "../src/index.js";
import { PresenceBoard } from "../src/state/presence.js";
import { ackOf, conv, conversation, FakeClock, FakeNetwork, FakeProfile, jwt, liveWorld, message, settle, world } from "./support/fake.js";

describe("tokens on a device whose clock is wrong", () => {
  /** A server whose clock is `ahead` of the device's, and tokens of ten minutes. */
  async function device(ahead: number) {
    const clock = new FakeClock();
    let calls = 0;
    const token = () => {
      const s = Math.floor((clock.now() + ahead) / 1000);
      return Promise.resolve(jwt({ iat: s, exp: s + 600, n: ++calls }));
    };
    const w = await world({ clock, token });
    w.net.pongs = true;
    await w.net.last.welcome({ time: new Date(clock.now() + ahead).toISOString() });
    return { ...w, calls: () => calls };
  }

  test.each([-86_400_000, 86_400_000, 0])("by %i ms: one is asked for in time, and only then", async (ahead) => {
    const w = await device(ahead);
    const before = w.calls();
    for (let i = 0; i < 5; i++) await w.parley.devices();
    expect(w.calls()).toBe(before);
    await w.clock.advance(530_000);
    expect(w.calls()).toBe(before);
    await w.clock.advance(20_000);
    expect(w.calls()).toBe(before + 1);
    expect(w.net.last.take("auth")).toHaveLength(1);
    expect(w.net.sockets).toHaveLength(1);
  });
});

describe("asking for it", () => {
  test("connects at once, also while the first token is waited for", async () => {
    let calls = 0;
    const w = await world({ user: undefined as never, random: () => 0.9, token: () => (++calls < 4 ? Promise.reject(new Error("no network")) : Promise.resolve(jwt({}))) });
    await w.clock.advance(2_000);
    expect([calls, w.parley.connection.value.phase]).toEqual([3, "waiting"]);
    w.parley.retryNow();
    await settle();
    expect(calls).toBe(4);
    await w.net.last.welcome();
    expect(w.parley.connection.value.phase).toBe("live");
  });

  test("begins again where the first token was none", async () => {
    let token = "opaque";
    const w = await world({ user: undefined as never, token: () => Promise.resolve(token) });
    expect(w.parley.connection.value).toMatchObject({ phase: "ended", reason: "signed_out" });
    token = jwt({});
    w.parley.retryNow();
    await settle();
    await w.net.last.welcome();
    expect(w.parley.connection.value.phase).toBe("live");
  });

  test("tries a token once more that was refused", async () => {
    const w = await liveWorld();
    w.net.last.end(4401);
    await w.clock.advance(500);
    expect(w.parley.connection.value).toMatchObject({ phase: "ended", reason: "signed_out" });
    w.parley.retryNow();
    await settle();
    await w.net.last.welcome();
    expect(w.parley.connection.value.phase).toBe("live");
  });

  test("after signing out by the callback", async () => {
    let out = true;
    const w = await world({ token: () => (out ? Promise.reject(new ParleyError("unauthenticated", "out")) : Promise.resolve(jwt({}))) });
    expect(w.parley.connection.value.phase).toBe("ended");
    out = false;
    w.parley.retryNow();
    await settle();
    await w.net.last.welcome();
    expect(w.parley.connection.value.phase).toBe("live");
  });
});

describe("the list", () => {
  test("is asked for until it comes", async () => {
    const network = new FakeNetwork();
    network.answer = () => ({ status: 503 });
    const w = await liveWorld({ network });
    w.net.pongs = true;
    await w.clock.advance(20_000);
    expect(w.parley.loaded.value).toBe(false);
    network.answer = () => ({ status: 200, body: { items: [conversation(1)] } });
    await w.clock.advance(10_000);
    expect(w.parley.loaded.value).toBe(true);
    expect(w.parley.conversations.value).toHaveLength(1);
    const asked = network.requests.length;
    await w.clock.advance(120_000);
    expect(network.requests).toHaveLength(asked);
  });

  test("is read whole in another epoch, not its newest part", async () => {
    const network = new FakeNetwork();
    const g = (n: number) => conversation(1, { conv: `g_${String(n).padStart(20, "0")}`, kind: "group", peer: undefined });
    network.answer = (path) => ({ status: 200, body: path.includes("cursor=") ? { items: [g(2)] } : { items: [g(1)], next: "n" } });
    const w = await liveWorld({ network });
    expect(w.parley.conversations.value).toHaveLength(2);
    w.net.last.end(1012);
    await w.clock.advance(1_000);
    await w.net.last.welcome({ epoch: "e2" });
    expect(w.parley.conversations.value).toHaveLength(2);
  });
});

describe("what is remembered has an end", () => {
  test("recv that is told again after a reconnect", () => {
    const marks = new Marks(0);
    const all = (): number => {
      let n = 0;
      while (typeof marks.next(1) === "object") n++;
      return n;
    };
    for (let i = 0; i < 5_000; i++) marks.have(`c${i}`, 1, 0);
    expect(all()).toBe(5_000);
    marks.disconnected();
    expect(all()).toBe(200);
    marks.markRead("c1", 1); // reads are told until they are confirmed
    expect(all()).toBe(1);
    marks.disconnected();
    expect(all()).toBe(201);
    marks.confirm("c1", 1);
    marks.disconnected();
    expect(all()).toBe(200);
  });

  test("cursors in a hello, by the size of a frame", () => {
    const streams = new Streams();
    for (let i = 0; i < 2_000; i++) streams.restore(`g_${String(i).padStart(40, "0")}`, Number.MAX_SAFE_INTEGER);
    for (const frame of [4_096, 16_384, 65_536, 1_000_000]) {
      const text = JSON.stringify(streams.resume(frame));
      expect(text.length).toBeLessThan(Math.min(frame, 65_536) - 1_024);
      expect(text.length).toBeGreaterThan(Math.min(frame, 50_000) / 4);
    }
  });

  test("presence of users that nobody looks at; and a signal that was kept is told again", async () => {
    const clock = new FakeClock();
    const board = new PresenceBoard(clock, () => {});
    for (let i = 0; i < 1_000; i++) void board.of(`u${i}`).value;
    const kept = board.of("bob");
    const stop = kept.subscribe(() => {});
    board.heard("bob", { online: true });
    expect(kept.value).toEqual({ online: true });
    stop();
    await clock.advance(10_000);
    expect([kept.value, (board as unknown as { signals: Map<string, unknown> }).signals.size]).toEqual([undefined, 0]);
    const other = board.of("bob");
    other.subscribe(() => {});
    board.heard("bob", { online: true });
    kept.subscribe(() => {});
    expect(kept.value).toEqual({ online: true });
    board.heard("bob", { online: false });
    expect([kept.value, other.value]).toEqual([{ online: false }, { online: false }]);
  });

  test("a gap that the server knows nothing of", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(1), message(1));
    for (let seq = 3; seq < 1_030; seq++) w.net.last.tell(message(seq)); // more than are held
    const page = (items: object[]) => {
      const [asked] = w.net.last.take("history");
      w.net.last.tell({ type: "page", ref: asked!["ref"], conv, items, head: 5, floor: 1, more_before: true, more_after: false });
    };
    page([message(2)]);
    page([]);
    expect(w.net.last.take("history")).toEqual([]);
    w.net.last.tell(message(1_040));
    expect(w.net.last.take("history")).toHaveLength(1);
  });
});

test("what was read stays in storage until that very position is confirmed", async () => {
  const w = await liveWorld();
  w.net.last.tell(conversation(3), message(1), message(2), message(3));
  const c = w.parley.conversation(conv)!;
  c.markRead(1);
  w.net.last.tell({ type: "receipt", conv, user: "alice", read: 1, delivered: 3, time: "" }); // its deletion waits
  c.markRead(3);
  await w.clock.advance(600);
  expect(await w.storage.list("u/alice/read/")).toEqual([[`u/alice/read/${conv}`, 3]]);
});

test("an own entry without its ack is no pending message, and what is heard of it late changes nothing", async () => {
  const common = { clock: new FakeClock(), network: new FakeNetwork(), tabs: "shared" as const };
  const profile = new FakeProfile();
  const channel = profile.tab("old").channel("", () => {});
  const one = await world({ ...common, tabsPort: profile.tab("1") });
  await one.net.last.welcome();
  one.net.last.tell(conversation(0), message(1, "alice", { cmid: "c1" }));
  const command: Command = { cmid: "c1", conv, serial: 1, time: 1, frame: { type: "send", to: "bob", cmid: "c1", ref: "c1", body: { text: "x" } } };
  channel.post({ t: "events", events: [{ e: "added", command }] });
  await settle();
  expect(one.parley.direct("bob").thread.outgoing.value).toEqual([]);
});

test("a message that is in the thread is not pending again, however late a tab says so", async () => {
  const common = { clock: new FakeClock(), network: new FakeNetwork(), tabs: "shared" as const };
  const profile = new FakeProfile();
  const channel = profile.tab("old").channel("", () => {});
  const one = await world({ ...common, tabsPort: profile.tab("1") });
  await one.net.last.welcome();
  const mine = { ...message(1, "alice", { cmid: "c1" }), state: "stored", delivered_by: 0, read_by: 0 };
  one.net.answer = () => ({ status: 200, body: { conv, items: [mine], head: 1, floor: 1, more_before: false, more_after: false } });
  one.net.last.tell(conversation(1));
  await one.parley.conversation(conv)!.thread.load(1, 1);
  const command: Command = { cmid: "c1", conv, serial: 1, time: 1, frame: { type: "send", to: "bob", cmid: "c1", ref: "c1", body: { text: "x" } } };
  channel.post({ t: "order", from: "old", order: { do: "submit", command } });
  await settle();
  expect(one.net.last.take("send")).toHaveLength(1); // its tab waits for the answer
  expect(one.parley.direct("bob").thread.outgoing.value).toEqual([]);
});

test("a message that two leaders tell of is told once", async () => {
  const w = await liveWorld();
  const told: number[] = [];
  w.parley.on("message", ({ item }) => told.push(item.seq));
  w.net.last.tell(conversation(2), message(1), message(2));
  const other = (w.parley.conversation(conv) as unknown as { entry(e: object, live: boolean): void });
  other.entry(message(2), true);
  expect(told).toEqual([1, 2]);
});

test("close leaves nothing that connects again", async () => {
  const w = await liveWorld();
  await w.parley.close();
  await w.clock.advance(120_000);
  expect(w.net.sockets).toHaveLength(1);
});

test("a refusal that one tab has not heard of is not asked for again", async () => {
  const common = { clock: new FakeClock(), network: new FakeNetwork(), tabs: "shared" as const };
  const profile = new FakeProfile();
  const one = await world({ ...common, tabsPort: profile.tab("1") });
  await one.net.last.welcome();
  const m = one.parley.direct("bob").send({ text: "one" });
  await settle();
  const [sent] = one.net.last.take("send");
  const command = (await one.storage.list("u/alice/outbox/"))[0]![1] as Command;
  one.net.last.tell({ type: "error", ref: sent!["ref"], code: "forbidden", message: "no" });
  await settle();
  const channel = profile.tab("2").channel("", () => {});
  channel.post({ t: "order", from: "2", order: { do: "submit", command } });
  await settle();
  expect(one.net.last.take("send")).toEqual([]);
  expect(one.parley.direct("bob").thread.outgoing.value).toMatchObject([{ cmid: m.cmid, state: "failed" }]);
});

test("limits that another version leaves out are not smaller than anything", async () => {
  const w = await world();
  await w.net.last.welcome({ limits: {} });
  const m = w.parley.direct("bob").send({ text: "one" });
  await settle();
  w.net.last.tell(ackOf(w.net.last.take("send")[0]!, 1));
  expect(await w.parley.direct("bob").stored(m.cmid)).toMatchObject({ seq: 1 });
});

test("whoever is unblocked while the list of blocks is on its way is not in it again", async () => {
  const network = new FakeNetwork();
  const w = await liveWorld({ network });
  let answer = () => {};
  const { request } = network;
  network.request = (r) => {
    if (!r.url.includes("/v1/blocks?")) return request.call(network, r);
    const text = JSON.stringify({ items: [{ user: "bob" }, { user: "carol" }] }); // as it was when it was asked for
    return new Promise((done) => (answer = () => done({ status: 200, text: () => Promise.resolve(text) })));
  };
  const off = w.parley.blocks.subscribe(() => {});
  await settle();
  await w.parley.unblock("bob");
  await w.parley.block("dave");
  answer();
  await settle();
  expect([...w.parley.blocks.value!].sort()).toEqual(["carol", "dave"]);
  off();
});

test("who is blocked is not known before the server has said it, and is asked for at each connect while somebody looks", async () => {
  const w = await world();
  let users: string[] | undefined;
  w.net.answer = (path) => {
    if (!path.startsWith("/v1/blocks")) return { status: 200, body: { items: [] } };
    return users === undefined ? { status: 403, body: {} } : { status: 200, body: { items: users.map((user) => ({ user })) } };
  };
  const off = w.parley.blocks.subscribe(() => {});
  await settle();
  await w.parley.block("bob").catch(() => {});
  expect(w.parley.blocks.value).toBeUndefined();
  users = ["bob"];
  await w.net.last.welcome();
  await settle();
  expect([...w.parley.blocks.value!]).toEqual(["bob"]);
  users = ["carol"]; // changed on another device
  w.net.last.end();
  await w.clock.advance(30_000);
  await w.net.last.welcome();
  await settle();
  expect([...w.parley.blocks.value!]).toEqual(["carol"]);
  off();
  const asked = () => w.net.requests.filter((r) => r.url.includes("/v1/blocks?")).length;
  const before = asked();
  w.net.last.end();
  await w.clock.advance(30_000);
  await w.net.last.welcome();
  await settle();
  expect(asked()).toBe(before);
  w.parley.blocks.subscribe(() => {})();
  await settle();
  expect(asked()).toBe(before + 1);
});
