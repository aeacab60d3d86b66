import { describe, expect, test } from "vitest";
import type { MessageItem } from "../src/index.js";
import { memoryStorage } from "../src/index.js";
import { SparseRows } from "../src/state/rows.js";
import { at, conv, conversation, FakeClock, FakeNetwork, liveWorld, message, settle, world } from "./support/fake.js";
import type { World } from "./support/fake.js";

/** A server that has one long direct conversation: each tenth entry is a reaction to the one before it. */
function library(net: FakeNetwork, head: () => number, more: (seq: number) => object = () => ({})): void {
  const isMessage = (seq: number): boolean => seq % 10 !== 0;
  net.answer = (path) => {
    const url = new URL("http://x" + path);
    const after = Number(url.searchParams.get("after"));
    const limit = Number(url.searchParams.get("limit"));
    const items: object[] = [];
    let seq = after + 1;
    if (path.includes("/messages?")) {
      for (; seq <= head() && items.length < limit; seq++) {
        if (isMessage(seq)) items.push({ ...message(seq, seq % 2 === 0 ? "alice" : "bob"), state: "stored", delivered_by: 0, read_by: 0, ...more(seq) });
      }
    } else if (path.includes("/entries?")) {
      for (; seq <= head() && items.length < limit; seq++) items.push(isMessage(seq) ? message(seq) : reaction(seq, seq - 1, "bob"));
    } else if (path.startsWith("/v1/conversations?")) return { status: 200, body: { items: [conversation(head())] } };
    else return { status: 404, body: { code: "not_found", detail: path } };
    return { status: 200, body: { conv, items, head: head(), floor: 1, more_before: after > 0, more_after: seq <= head() } };
  };
}

const reaction = (seq: number, target: number, from: string, on = true): object => ({
  type: "reacted", conv, seq, id: `${conv}-${seq}`, from, time: at(seq), cmid: `r${seq}`, count: seq, target, emoji: "👍", on,
});

async function long(head: number): Promise<World> {
  const network = new FakeNetwork();
  library(network, () => head);
  const w = await liveWorld({ network });
  await settle();
  return w;
}

test.each(["open", "not loaded", "being loaded"])("what a conversation begins with is shown as it comes: %s", async (how) => {
  const network = new FakeNetwork();
  const w = await liveWorld({ network });
  const c = w.parley.direct("bob");
  if (how === "open") await c.thread.load(1, 1);
  const { cmid } = c.send({ text: "hello" });
  await settle();
  network.answer = () => ({ status: 503, body: { code: "unavailable", detail: "" } }); // nothing is to be had but by the socket
  network.last.tell(conversation(1, { unread: 0 }));
  expect([c.thread.head.value, c.thread.outgoing.value.length]).toEqual([1, 1]);
  if (how === "being loaded") c.thread.load(1, 1).catch(() => {});
  network.last.tell(message(1, "alice", { cmid }));
  await settle();
  expect(c.thread.item(1)).toMatchObject({ cmid, own: true });
  expect(c.thread.outgoing.value).toEqual([]);
  network.last.tell(message(2), reaction(3, 1, "bob"));
  expect([c.thread.item(2), c.thread.item(1)]).toMatchObject([{ from: "bob" }, { reactions: [{ emoji: "👍" }] }]);
});

describe("a thread of 100,000 entries", () => {
  test("has its true length, and loads what is looked at in pages", async () => {
    const w = await long(100_000);
    const { thread } = w.parley.conversation(conv)!;
    expect([thread.first.value, thread.head.value, thread.rows.value.length]).toEqual([1, 100_000, 100_000]);
    const before = w.net.requests.length;
    await Promise.all([thread.load(99_950, 100_000), thread.load(99_960, 99_990)]);
    expect(w.net.requests.length - before).toBe(1); // the page of 100, once
    expect(thread.rows.value.length).toBe(100_000 - 10);
    expect(thread.item(99_999)).toMatchObject({ body: { text: "text 99999" }, own: false });
    expect(thread.item(99_998)).toMatchObject({ own: true });
    expect([thread.item(99_990), thread.has(99_990), thread.has(5)]).toEqual([undefined, true, false]);
    const { rows } = thread;
    const last = rows.value.length - 1;
    expect(rows.value.seqAt(last)).toBe(99_999);
    expect(rows.value.seqAt(last - 9)).toBe(99_989);
    expect(rows.value.indexOf(99_990)).toBe(last - 8);
    await thread.around(50_000);
    expect(thread.item(50_001)).toBeDefined();
  });

  test("lets go of what was not looked at for longest", async () => {
    const w = await long(100_000);
    const { thread } = w.parley.conversation(conv)!;
    for (let seq = 1; seq < 5_000; seq += 100) {
      await thread.load(seq, seq + 99);
      expect(thread.has(1)).toBe(true); // it is looked at all the time
    }
    expect([thread.has(101), thread.has(4_901)]).toEqual([false, true]);
    await thread.load(101, 110);
    expect(thread.item(101)).toBeDefined();
  });

  test("its rows are found fast", () => {
    const hidden = Array.from({ length: 10_000 }, (_, i) => (i + 1) * 10);
    const rows = new SparseRows(1, 100_000, hidden);
    for (let i = 0; i < rows.length; i += 997) expect(rows.indexOf(rows.seqAt(i)!)).toBe(i);
    expect([rows.length, rows.seqAt(0), rows.seqAt(rows.length), rows.indexOf(200_000)]).toEqual([90_000, 1, undefined, 90_000]);
    expect(new SparseRows(1, 0, []).length).toBe(0);
  });

  test("a date is found by halving", async () => {
    const w = await long(100_000);
    const before = w.net.requests.length;
    expect(await w.parley.conversation(conv)!.seqAt(Date.parse(at(43_210)))).toBe(43_211); // 43,210 is a reaction
    expect(w.net.requests.length - before).toBeLessThan(20);
    expect(await w.parley.conversation(conv)!.seqAt(Date.parse(at(100_001)))).toBeUndefined();
  });
});

describe("folding", () => {
  test("edits, reactions and recalls of loaded messages", async () => {
    const w = await long(9);
    const c = w.parley.conversation(conv)!;
    await c.thread.load(1, 9);
    const item = (seq: number) => c.thread.item(seq) as MessageItem;
    const change = (seq: number, type: string, target: number, more: object = {}) =>
      ({ type, conv, seq, id: `${conv}-${seq}`, from: "bob", time: at(seq), cmid: `c${seq}`, count: 9, target, ...more });
    w.net.last.tell(
      message(9), // it is in there already
      change(10, "edited", 1, { body: { text: "second" } }),
      change(11, "edited", 1, { body: { text: "third" } }),
      reaction(12, 3, "bob"), reaction(13, 3, "alice"), reaction(14, 3, "bob", false), reaction(15, 3, "bob", false),
      change(16, "recalled", 5), change(17, "edited", 5, { gone: true }),
      { type: "astonished", conv, seq: 18, id: "x", from: "bob", time: at(18), cmid: "c18", count: 9 },
    );
    expect(item(1)).toMatchObject({ body: { text: "third" }, edited: { seq: 11 } });
    expect(item(3).reactions).toEqual([{ emoji: "👍", count: 1, mine: true, users: ["alice"] }]);
    expect(item(5)).toMatchObject({ gone: true, recalled: { seq: 16, by: "bob" } });
    expect(item(5).body).toBeUndefined();
    expect(c.thread.rows.value.length).toBe(9);
    expect(c.info.value).toMatchObject({ head: 18, unread: 8 }); // 9 were, one of bob's is recalled
  });

  test("what comes while a page is on its way is not lost", async () => {
    const w = await long(9);
    const c = w.parley.conversation(conv)!;
    const loading = c.thread.load(1, 9);
    w.net.last.tell(reaction(10, 3, "bob")); // the answer was made before it
    await loading;
    expect((c.thread.item(3) as MessageItem).reactions).toHaveLength(1);
  });

  test("receipts become states, which never go back", async () => {
    const w = await long(9);
    const c = w.parley.conversation(conv)!;
    await c.thread.load(1, 9);
    const states = () => [2, 4, 6, 8].map((seq) => (c.thread.item(seq) as MessageItem).state);
    w.net.last.tell({ type: "receipt", conv, user: "bob", delivered: 6, read: 2, time: at(1) });
    expect(states()).toEqual(["read", "delivered", "delivered", "stored"]);
    w.net.last.tell({ type: "receipt", conv, user: "bob", delivered: 4, time: at(2) });
    expect(states()).toEqual(["read", "delivered", "delivered", "stored"]);
    w.net.last.tell({ type: "receipt", conv, user: "bob", read: 8, time: at(3) });
    expect(states()).toEqual(["read", "read", "read", "read"]);
  });
});

describe("unread", () => {
  test("is counted behind the read position, and asked for where that cannot be", async () => {
    const w = await long(40);
    const c = w.parley.conversation(conv)!;
    c.markRead(20); // nothing is loaded
    expect(c.info.value).toMatchObject({ read: 20, unread: 20, exact: false });
    w.net.answer = (path) => ({ status: 200, body: path.endsWith("/unread") ? { conv, unread: 10, exact: true, head: 40, read: 20 } : { items: [] } });
    await w.clock.advance(1_000);
    expect(c.info.value).toMatchObject({ unread: 10, exact: true });
    library(w.net, () => 40);
    await c.thread.load(1, 40);
    expect(c.thread.firstUnread.value).toBe(21);
    c.markRead(30);
    expect(c.info.value).toMatchObject({ unread: 5, exact: true });
    c.markRead(25); // never back
    expect(c.info.value.read).toBe(30);
    w.net.last.tell(message(41), message(42, "alice"), message(43, "bob", { mentions: ["alice"] }));
    expect(c.info.value).toMatchObject({ unread: 7, mentions: 1 });
    c.markRead(43);
    expect(c.info.value).toMatchObject({ unread: 0, mentions: 0 });
    expect(c.thread.firstUnread.value).toBeUndefined();
  });

  test("a message that a conversation frame counted is not counted again, and is told of once", async () => {
    const w = await liveWorld();
    const told: string[] = [];
    w.parley.on("message", (e) => told.push(`${e.item.seq} ${e.mentioned}`));
    w.net.last.tell(conversation(1), message(1), message(2, "bob", { mentions: ["*"] }), message(3, "alice"));
    expect(w.parley.totals.value).toEqual({ unread: 2, mentions: 1, exact: true });
    expect(told).toEqual(["1 false", "2 true"]);
    w.net.last.tell(conversation(3, { muted: true, unread: 2 }), message(4));
    expect(told).toHaveLength(2);
    expect(w.parley.totals.value.unread).toBe(0);
  });
});

test("the end of a thread is there at once after a reload, and is brought up to date", async () => {
  const storage = memoryStorage();
  let head = 250;
  const network = new FakeNetwork();
  library(network, () => head);
  const w = await liveWorld({ network, storage });
  await w.parley.conversation(conv)!.thread.load(200, 250);
  await w.parley.close();

  head = 260; // 260 is a reaction to 259
  const again = await world({ storage, network, clock: w.clock });
  const { thread } = again.parley.conversation(conv)!;
  expect(thread.item(249)).toMatchObject({ body: { text: "text 249" } });
  expect(thread.has(190)).toBe(false);
  await again.net.last.welcome();
  await settle();
  expect(thread.head.value).toBe(260);
  expect((thread.item(259) as MessageItem).reactions).toHaveLength(1);
  again.net.last.tell(message(261));
  expect(thread.item(261)).toBeDefined();
});

test("the list: pinned first, then newest; what the server does not list goes", async () => {
  const network = new FakeNetwork();
  const g = (n: number, more: object = {}) => ({ ...conversation(1, { conv: `g_${String(n).padStart(20, "0")}`, kind: "group", peer: undefined, title: `G${n}` }), ...more });
  const last = (n: number) => ({ last: { seq: 1, from: "bob", time: at(n), text: "hi" } });
  let items: object[] = [g(4), g(3, last(3)), g(1, { pinned: true, ...last(1) }), g(2)];
  network.answer = () => ({ status: 200, body: { items } });
  const clock = new FakeClock();
  await clock.advance(1_000);
  const w = await liveWorld({ network, clock });
  const titles = () => w.parley.conversations.value.map((c) => c.info.value.title);
  expect(titles()).toEqual(["G1", "G4", "G3", "G2"]);
  await w.clock.advance(1_000);
  await w.parley.close();
  items = items.slice(0, 2);
  const again = await world({ network, storage: w.storage, clock: w.clock });
  expect(again.parley.conversations.value.map((c) => c.info.value.title)).toEqual(["G1", "G4", "G3", "G2"]);
  await again.net.last.welcome();
  expect(again.parley.conversations.value.map((c) => c.info.value.title)).toEqual(["G4", "G3"]);
});
