import { describe, expect, test } from "vitest";
import type { StorageAdapter } from "../src/index.js";
import { createParley, memoryStorage } from "../src/index.js";
import { ackOf, at, conv, conversation, jwt, liveWorld, message, settle, welcome, world } from "./support/fake.js";

const texts = (frames: Record<string, unknown>[]) => frames.map((f) => (f["body"] as { text: string }).text);

describe("sending", () => {
  test("pending, stored, and gone from the outgoing when its entry is in the log", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    expect(c.id).toBe(conv);
    const m = c.send({ text: "one", replyTo: 4, mentions: ["bob"], data: { x: 1 } });
    expect(c.thread.outgoing.value).toMatchObject([{ cmid: m.cmid, state: "pending" }]);
    await settle();
    const [sent] = w.net.last.take("send");
    expect(sent).toEqual({
      type: "send", ref: m.cmid, to: "bob", cmid: m.cmid, body: { text: "one", data: { x: 1 } }, reply_to: 4, mentions: ["bob"],
    });
    w.net.last.tell(ackOf(sent!, 1));
    expect(await c.stored(m.cmid)).toEqual({ conv, seq: 1, cmid: m.cmid });
    expect(c.thread.outgoing.value).toMatchObject([{ cmid: m.cmid, state: "stored", seq: 1 }]);
    w.net.last.tell(conversation(1), message(1, "alice", { cmid: m.cmid }));
    expect(c.thread.outgoing.value).toEqual([]);
    await settle();
    expect(await w.storage.list("u/alice/outbox/")).toEqual([]);
  });

  test("one's own entry is as good as the ack", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    const m = c.send({ text: "one" });
    await settle();
    w.net.last.tell(message(1, "alice", { cmid: m.cmid }));
    expect(await c.stored(m.cmid)).toMatchObject({ seq: 1 });
    await w.clock.advance(11_000);
    expect(w.net.last.take("send")).toHaveLength(1);
  });

  test("a lost ack: the same bytes after 10 s, and all that follow in order", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    for (const text of ["one", "two", "three"]) c.send({ text });
    await settle();
    const first = w.net.last.take("send");
    w.net.last.tell(ackOf(first[1]!, 2)); // of one there is no answer
    await w.clock.advance(10_000);
    expect(w.net.last.take("send")).toEqual([first[0], first[2]]);
    w.net.last.tell(ackOf(first[0]!, 1, { dup: true }), ackOf(first[2]!, 3, { dup: true }));
    await w.clock.advance(10_000);
    expect(w.net.last.take("send")).toEqual([]);
    expect(c.thread.outgoing.value.map((m) => m.state)).toEqual(["stored", "stored", "stored"]);
  });

  test("a cut: everything without an answer again on the next connection, unchanged", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    for (const text of ["one", "two", "three"]) c.send({ text });
    await settle();
    const first = w.net.last.take("send");
    w.net.last.tell(ackOf(first[0]!, 1));
    w.net.last.end();
    c.send({ text: "four" });
    await w.clock.advance(500);
    await w.net.last.welcome({}, false); // it need not wait for the flush
    const again = w.net.last.take("send");
    expect(again.slice(0, 2)).toEqual(first.slice(1));
    expect(texts(again)).toEqual(["two", "three", "four"]);
  });

  test("unavailable: it and all later ones of its conversation come again, in order, after that time", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    const other = w.parley.direct("carol");
    for (const text of ["one", "two", "three"]) c.send({ text });
    await settle();
    const first = w.net.last.take("send");
    w.net.last.tell({ type: "error", ref: first[0]!["ref"], code: "unavailable", message: "busy", retry_after_ms: 300 });
    for (const f of first.slice(1)) w.net.last.tell({ type: "error", ref: f["ref"], code: "unavailable", message: "first that", retry_after_ms: 1_000 });
    c.send({ text: "four" });
    other.send({ text: "elsewhere" });
    await settle();
    expect(texts(w.net.last.take("send"))).toEqual(["elsewhere"]);
    await w.clock.advance(299);
    expect(w.net.last.take("send")).toEqual([]);
    await w.clock.advance(1);
    const again = w.net.last.take("send");
    expect(again.slice(0, 3)).toEqual(first);
    expect(texts(again)).toEqual(["one", "two", "three", "four"]);
  });

  test("a final code: failed, kept over a reload; retry is a new cmid, discard drops it", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    const bad = c.send({ text: "bad" });
    const good = c.send({ text: "good" });
    await settle();
    const sent = w.net.last.take("send");
    const waiting = expect(c.stored(bad.cmid)).rejects.toMatchObject({ code: "forbidden", message: "blocked" });
    w.net.last.tell({ type: "error", ref: bad.cmid, code: "forbidden", message: "blocked" }, ackOf(sent[1]!, 1));
    await waiting;
    expect(await c.stored(good.cmid)).toMatchObject({ seq: 1 });
    await w.parley.close();

    const again = await liveWorld({ storage: w.storage });
    const d = again.parley.conversation(conv)!;
    expect(d.thread.outgoing.value).toMatchObject([{ cmid: bad.cmid, state: "failed", error: { code: "forbidden" } }]);
    expect(again.net.last.texts.filter((t) => t.includes('"send"'))).toEqual([]);
    const retried = d.retry(bad.cmid)!;
    expect(retried.cmid).not.toBe(bad.cmid);
    await settle();
    expect(texts(again.net.last.take("send"))).toEqual(["bad"]);
    again.net.last.tell({ type: "error", ref: retried.cmid, code: "forbidden", message: "blocked" });
    d.discard(retried.cmid);
    await settle();
    expect(d.thread.outgoing.value).toEqual([]);
    expect(await again.storage.list("u/alice/outbox/")).toEqual([]);
  });

  test("a frame that the server closes for is given up, the others are not", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    const big = c.send({ text: "x".repeat(5_000) });
    const small = c.send({ text: "small" });
    await settle();
    w.net.last.end(1009);
    expect(c.thread.outgoing.value).toMatchObject([{ cmid: big.cmid, state: "failed", error: { code: "too_large" } }, { cmid: small.cmid, state: "pending" }]);
    await w.clock.advance(500);
    await w.net.last.welcome();
    expect(texts(w.net.last.take("send"))).toEqual(["small"]);
  });

  test("what is larger than a frame is not tried", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    const big = c.send({ text: "x".repeat(70_000) });
    await settle();
    expect(c.thread.outgoing.value).toMatchObject([{ cmid: big.cmid, state: "failed", error: { code: "too_large" } }]);
    expect(w.net.last.take("send")).toEqual([]);
  });

  test("no more than a window is under way, and no more than 1,000 wait", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    for (let i = 0; i < 1_000; i++) c.send({ text: String(i) });
    expect(() => c.send({ text: "one more" })).toThrow(expect.objectContaining({ code: "full" }) as Error);
    await settle();
    const first = w.net.last.take("send");
    expect(first).toHaveLength(64);
    w.net.last.tell(ackOf(first[0]!, 1));
    expect(w.net.last.take("send")).toHaveLength(1);
  });
});

describe("storage", () => {
  test("a message is in storage before it goes out", async () => {
    const memory = memoryStorage();
    let release = () => {};
    const gate = new Promise<void>((done) => (release = done));
    const storage: StorageAdapter = {
      ...memory,
      write: async (ops) => {
        if (ops.some((op) => op.op === "put" && op.key.includes("outbox/"))) await gate;
        await memory.write(ops);
      },
    };
    const w = await liveWorld({ storage });
    w.parley.direct("bob").send({ text: "one" });
    await settle();
    expect(w.net.last.take("send")).toEqual([]);
    release();
    await settle();
    expect(w.net.last.take("send")).toHaveLength(1);
  });

  test("storage that fails is told, and the message goes out", async () => {
    const storage: StorageAdapter = { ...memoryStorage(), write: () => Promise.reject(new Error("quota")) };
    const w = await liveWorld({ storage });
    w.parley.direct("bob").send({ text: "one" });
    await settle();
    expect(w.net.last.take("send")).toHaveLength(1);
    expect(w.errors[0]).toContain("storage: storage failed");
  });

  test("who sends the moment a conversation is there after a reload, sends behind what waits", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    for (let i = 0; i < 20; i++) c.send({ text: String(i) }); // in one millisecond
    await settle();
    await w.parley.close();
    const parley = createParley({ url: "http://parley.test", user: "alice", token: () => Promise.resolve(jwt({})), clock: w.clock, network: w.net, storage: w.storage });
    const sent = new Promise<void>((done) => {
      parley.conversations.subscribe((list) => {
        const d = list.find((x) => x.id === conv);
        if (d !== undefined) queueMicrotask(() => (d.send({ text: "new" }), done()));
      });
    });
    parley.start();
    await sent;
    await settle();
    await w.net.last.welcome();
    expect(texts(w.net.last.take("send"))).toEqual([...Array.from({ length: 20 }, (_, i) => String(i)), "new"]);
    await parley.close();
  });

  test("a reload in the middle of sends: the same cmids, in order, and the state is there at once", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(3), message(3));
    const c = w.parley.conversation(conv)!;
    c.draft.value = "half a sent";
    const cmids = ["one", "two"].map((text) => c.send({ text }).cmid);
    const reaction = c.react(3, "👍", true);
    await settle();
    const sent = w.net.last.take().filter((f) => f["cmid"] !== undefined);
    await w.clock.advance(600);
    const closed = expect(reaction).rejects.toMatchObject({ code: "closed" });
    await w.parley.close();
    await closed;

    const again = await world({ storage: w.storage });
    expect(again.parley.loaded.value).toBe(true);
    expect(again.parley.me.value?.user).toBe("alice");
    const d = again.parley.conversations.value[0]!;
    expect(d.info.value).toMatchObject({ conv, unread: 3, head: 3 });
    expect(d.draft.value).toBe("half a sent");
    expect(d.thread.outgoing.value.map((m) => [m.cmid, m.state])).toEqual(cmids.map((cmid) => [cmid, "pending"]));
    await again.net.last.welcome();
    expect(again.net.last.take().filter((f) => f["cmid"] !== undefined)).toEqual(sent);
    again.net.last.tell(ackOf(sent[0]!, 4, { dup: true }), ackOf(sent[1]!, 5), ackOf(sent[2]!, 6));
    expect(await d.stored(cmids[1]!)).toMatchObject({ seq: 5 });
  });

  test("signing out leaves nothing", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(3), message(3));
    w.parley.direct("bob").send({ text: "one" });
    await w.clock.advance(1_000);
    await w.parley.signOut();
    expect(await w.storage.list("")).toEqual([]);
    expect(w.parley.connection.value).toMatchObject({ phase: "ended", reason: "signed_out" });
  });
});

describe("changes of messages", () => {
  test("are shown at once, and taken back where they are refused", async () => {
    const w = await liveWorld();
    w.net.answer = (path) =>
      path.includes("/messages")
        ? { status: 200, body: { conv, items: [{ ...message(1, "alice"), state: "stored", delivered_by: 0, read_by: 0 }], head: 1, floor: 1, more_before: false, more_after: false } }
        : { status: 200, body: { items: [] } };
    w.net.last.tell(conversation(1), message(1, "alice"));
    const c = w.parley.conversation(conv)!;
    await c.thread.load(1, 1);
    const edited = c.edit(1, "better");
    void c.react(1, "👍", true);
    expect(c.thread.item(1)).toMatchObject({ body: { text: "better" }, pending: true, reactions: [{ emoji: "👍", count: 1, mine: true }] });
    await settle();
    const [edit, react] = w.net.last.take().filter((f) => f["cmid"] !== undefined);
    const refused = expect(edited).rejects.toMatchObject({ code: "forbidden" });
    w.net.last.tell({ type: "error", ref: edit!["ref"], code: "forbidden", message: "no" });
    await refused;
    expect(c.thread.item(1)).toMatchObject({ body: { text: "text 1" }, pending: true });
    w.net.last.tell(ackOf(react!, 2));
    expect(c.thread.item(1)).toMatchObject({ pending: true });
    w.net.last.tell({ type: "reacted", conv, seq: 2, id: `${conv}-2`, from: "alice", time: at(2), cmid: react!["cmid"], count: 1, target: 1, emoji: "👍", on: true });
    expect(c.thread.item(1)).toMatchObject({ pending: false, reactions: [{ emoji: "👍", count: 1, mine: true, users: ["alice"] }] });
    expect(c.thread.rows.value.length).toBe(1);
  });
});

test("welcome's smaller pending is kept to", async () => {
  const w = await world();
  await w.net.last.welcome({ limits: { ...welcome.limits, pending: 2 } });
  for (let i = 0; i < 5; i++) w.parley.direct("bob").send({ text: String(i) });
  await settle();
  expect(w.net.last.take("send")).toHaveLength(2);
});
