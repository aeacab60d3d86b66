// What goes wrong around a client, one thing at a time. What goes wrong together is in
// model.test.ts.

import { describe, expect, test } from "vitest";
import type { StorageAdapter } from "../src/index.js";
import { memoryStorage } from "../src/index.js";
import { ackOf, at, conv, conversation, FakeClock, FakeNetwork, jwt, liveWorld, message, settle, world } from "./support/fake.js";

const wait = (w: { parley: { connection: { value: { phase: string; retryAt?: number } } }; clock: FakeClock }): number => w.parley.connection.value.retryAt! - w.clock.now();

describe("waits", () => {
  test("4429 begins with a long wait, and stays with long ones", async () => {
    const w = await liveWorld({ random: () => 0 });
    w.net.last.end(4429);
    expect(wait(w)).toBe(10_000);
    const other = await liveWorld();
    other.net.last.end(4429);
    await other.clock.advance(30_000);
    other.net.last.end();
    expect(wait(other)).toBeGreaterThan(20_000);
  });

  test("a connection that ends as soon as it is live is made less and less often", async () => {
    const w = await liveWorld();
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      w.net.last.end();
      waits.push(wait(w));
      await w.clock.advance(wait(w));
      await w.net.last.welcome();
    }
    expect(waits).toEqual([499, 999, 1999, 3999]);
  });

  test("a server that sends everybody away before they are synced is not asked at once", async () => {
    const w = await world();
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      w.net.last.end(1012);
      waits.push(wait(w));
      await w.clock.advance(wait(w));
    }
    expect(waits).toEqual([499, 999, 1999, 3999]);
  });

  test("a WebSocket that cannot be made is told", async () => {
    const network = new FakeNetwork();
    network.open = () => {
      throw new SyntaxError("invalid subprotocol");
    };
    const w = await world({ network });
    expect(w.errors).toEqual(["unavailable: no socket can be opened: invalid subprotocol"]);
    expect(w.parley.connection.value.phase).toBe("waiting");
  });
});

describe("clocks", () => {
  test("one that is set back does not make silence longer", async () => {
    const w = await liveWorld();
    w.clock.set(-3_600_000);
    await w.clock.advance(25_000);
    expect(w.net.last.take("ping")).toHaveLength(1);
    w.clock.set(-3_600_000);
    await w.clock.advance(10_000);
    expect(w.parley.connection.value.phase).toBe("waiting");
  });

  test("nor the wait before a repeat", async () => {
    const w = await liveWorld();
    w.net.pongs = true;
    w.parley.direct("bob").send({ text: "one" });
    await settle();
    const [sent] = w.net.last.take("send");
    w.net.last.tell({ type: "error", ref: sent!["ref"], code: "rate_limited", message: "too many", retry_after_ms: 500 });
    w.clock.set(-3_600_000);
    await w.clock.advance(1_000);
    expect(w.net.last.take("send")).toEqual([sent]);
  });

  test("an hour of sleep: the connection is asked, and made again where it is dead", async () => {
    const w = await liveWorld();
    w.clock.sleep(3_600_000);
    await w.clock.advance(0);
    expect(w.net.last.take("ping")).toHaveLength(1);
    w.parley.setVisible(true);
    await w.clock.advance(10_000);
    expect(w.parley.connection.value.phase).toBe("waiting");
  });

  test("whoever is refused for a newer session comes to it by asking, whatever the clock says", async () => {
    const w = await world();
    let newest = w.clock.now() + 86_400_000; // a session of when the clock was wrong by a day
    for (let i = 0; i < 6; i++) {
      w.net.last.open();
      const attempt = w.net.last.take("hello")[0]!["attempt"] as number;
      if (attempt > newest) newest = 0;
      if (newest === 0) break;
      w.net.last.end(4409);
      await w.clock.advance(60_000);
      expect(w.net.sockets).toHaveLength(i + 1); // not by itself
      w.parley.retryNow();
      await settle();
    }
    expect(newest).toBe(0);
  });

  test("attempt is in storage before it is said", async () => {
    const memory = memoryStorage();
    const w = await world({ storage: memory });
    w.net.last.open();
    await settle();
    expect(await memory.get("u/alice/attempt")).toBe(w.net.last.take("hello")[0]!["attempt"]);
  });
});

describe("the token callback", () => {
  test.each([undefined, null, "", 7, "<h1>502 Bad Gateway</h1>"])("giving %j is asked again, and is no end", async (bad) => {
    let calls = 0;
    const w = await world({ token: () => Promise.resolve((++calls === 1 ? bad : jwt({})) as string) });
    expect(w.parley.connection.value.phase).toBe("waiting");
    await w.clock.advance(500);
    await w.net.last.welcome();
    expect(w.parley.connection.value.phase).toBe("live");
  });

  test("giving a line's end with it is understood", async () => {
    const w = await world({ token: () => Promise.resolve(jwt({}) + "\n") });
    expect(w.net.last.protocols[1]).toBe("bearer." + jwt({}));
  });

  test("that never answers is given up, and asked again", async () => {
    let calls = 0;
    const w = await world({ token: () => (++calls === 1 ? new Promise(() => {}) : Promise.resolve(jwt({}))) });
    await w.clock.advance(15_500);
    await w.net.last.welcome();
    expect(w.parley.connection.value.phase).toBe("live");
  });
});

describe("listeners that throw", () => {
  test("stop nothing: not the connection, not a send, not the end", async () => {
    const w = await world();
    const broken = () => {
      throw new Error("in the application");
    };
    const off = w.parley.connection.subscribe((c) => c.phase !== "idle" && c.phase !== "connecting" && broken());
    w.parley.on("message", broken);
    w.parley.on("error", broken);
    await w.net.last.welcome();
    expect(w.parley.connection.value.phase).toBe("live");
    w.net.last.tell(conversation(1), message(1), message(2));
    expect(w.net.sockets).toHaveLength(1);
    const c = w.parley.conversation(conv)!;
    expect(c.info.value.head).toBe(2);
    c.thread.outgoing.subscribe((list) => list.length > 0 && broken());
    const m = c.send({ text: "one" });
    expect(m.state).toBe("pending");
    await settle();
    const [sent] = w.net.last.take("send");
    w.net.last.tell(ackOf(sent!, 3));
    expect(await c.stored(m.cmid)).toMatchObject({ seq: 3 });
    await w.parley.close();
    expect(w.net.last.closedWith).toBe(1000);
    expect(w.errors).toContain("internal: a listener threw: Error: in the application");
    off();
  });

  test("nor what follows a failure of storage", async () => {
    const storage: StorageAdapter = { ...memoryStorage(), write: () => Promise.reject(new Error("quota")) };
    const w = await liveWorld({ storage });
    w.parley.on("error", () => {
      throw new Error("in the application");
    });
    for (const text of ["one", "two"]) {
      w.parley.direct("bob").send({ text });
      await settle();
    }
    expect(w.net.last.take("send")).toHaveLength(2);
  });
});

describe("storage that never answers", () => {
  const never = () => new Promise<never>(() => {});

  test("from the start: it is told, the client connects, and what is said goes out", async () => {
    const w = await world({ storage: { get: never, list: never, write: never, close: never } });
    expect(w.net.sockets).toHaveLength(0);
    await w.clock.advance(5_000);
    await w.net.last.welcome();
    expect(w.parley.connection.value.phase).toBe("live");
    expect(w.errors).toEqual(["storage: storage failed: Error: no answer in time"]);
    w.parley.direct("bob").send({ text: "one" });
    await settle();
    expect(w.net.last.take("send")).toHaveLength(1);
    let closed = false;
    void w.parley.close().then(() => (closed = true));
    await w.clock.advance(10_000);
    expect(closed).toBe(true);
    expect(w.clock.waiting).toBe(0);
  });

  test("for a while: what comes after it is kept again", async () => {
    const memory = memoryStorage();
    let stuck = false;
    const waiting: (() => void)[] = [];
    const write: StorageAdapter["write"] = async (ops) => {
      if (stuck) await new Promise<void>((go) => waiting.push(go));
      await memory.write(ops);
    };
    const w = await liveWorld({ storage: { ...memory, write } });
    const c = w.parley.direct("bob");
    stuck = true;
    c.send({ text: "one" });
    await w.clock.advance(5_000);
    expect(w.net.last.take("send")).toHaveLength(1);
    c.send({ text: "two" });
    await settle();
    expect(w.net.last.take("send")).toHaveLength(1);
    stuck = false;
    for (const go of waiting) go();
    await settle();
    expect(await memory.list("u/alice/outbox/")).toHaveLength(2);
    expect(w.errors).toHaveLength(1);
  });
});

describe("what is said", () => {
  test("is the same at each repetition, whatever the application does with its objects", async () => {
    const w = await liveWorld();
    const data = { list: [1, 2] };
    w.parley.direct("bob").send({ text: "one", data });
    data.list.push(3);
    await settle();
    const [sent] = w.net.last.take("send");
    expect(sent!["body"]).toEqual({ text: "one", data: { list: [1, 2] } });
    data.list.push(4);
    w.net.last.end();
    await w.clock.advance(500);
    await w.net.last.welcome();
    expect(w.net.last.take("send")).toEqual([sent]);
    const again = await world({ storage: w.storage });
    await again.net.last.welcome();
    expect(again.net.last.take("send")).toEqual([sent]);
  });

  test("is refused at once where it is no JSON", async () => {
    const w = await liveWorld();
    const data: Record<string, unknown> = {};
    data["self"] = data;
    const c = w.parley.direct("bob");
    expect(() => c.send({ text: "one", data })).toThrow(expect.objectContaining({ code: "bad_request" }) as Error);
    expect(c.thread.outgoing.value).toEqual([]);
  });
});

describe("a later server", () => {
  test("may change members in ways that are not known", async () => {
    const w = await liveWorld();
    const entry = { type: "members", conv, seq: 2, id: `${conv}-2`, from: "bob", time: at(2), cmid: "k", count: 1, change: "frozen", users: [{ user: "alice", role: "owner" }] };
    w.net.last.tell(conversation(1), message(1), entry, message(3));
    expect(w.parley.conversation(conv)!.info.value).toMatchObject({ head: 3, role: "member", unread: 2 });
    expect(w.net.sockets).toHaveLength(1);
  });
});

describe("answers", () => {
  test("to what has its outcome are not told", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    const m = c.send({ text: "one" });
    await settle();
    const [sent] = w.net.last.take("send");
    w.net.last.tell(message(1, "alice", { cmid: m.cmid }), { type: "error", ref: sent!["ref"], code: "unavailable", message: "late" });
    expect(w.errors).toEqual([]);
  });

  test("reset in front of the cursor leaves what was read", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(200, { unread: 200 }), message(1));
    w.parley.conversation(conv)!.markRead(200);
    await w.clock.advance(600);
    w.net.last.end();
    await w.clock.advance(500);
    await w.net.last.welcome({}, false);
    w.net.last.tell({ type: "reset", conv, epoch: "e1", floor: 1, next: 151 }, conversation(200, { unread: 200 }), message(151));
    expect(w.net.last.take("read")).toEqual([{ type: "read", conv, seq: 200 }]);
  });

  test("another epoch: changes that were stored do not stay on what is there now", async () => {
    const w = await liveWorld();
    const c = w.parley.direct("bob");
    const m = c.send({ text: "one" });
    await settle();
    w.net.last.tell(ackOf(w.net.last.take("send")[0]!, 9)); // its entry does not come
    expect(c.thread.outgoing.value).toMatchObject([{ cmid: m.cmid, state: "stored" }]);
    w.net.last.end(1012);
    await w.clock.advance(1_000);
    await w.net.last.welcome({ epoch: "e2" }, false);
    expect(c.thread.outgoing.value).toEqual([]);
  });

  test("a message behind entries that this tab missed makes the count one of the server's", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(1), message(1));
    w.net.answer = (path) => ({ status: 200, body: path.endsWith("/unread") ? { conv, unread: 4, exact: true, head: 5, read: 0 } : { items: [] } });
    w.net.last.tell({ type: "reset", conv, epoch: "e1", floor: 1, next: 5 }, message(5));
    expect(w.parley.conversation(conv)!.info.value).toMatchObject({ head: 5, exact: false });
    await w.clock.advance(1_000);
    expect(w.parley.conversation(conv)!.info.value).toMatchObject({ unread: 4, exact: true });
  });
});

describe("after close", () => {
  test("nothing waits, and what is said is refused", async () => {
    const network = new FakeNetwork();
    const w = await liveWorld({ network });
    w.net.last.tell(conversation(2), message(1), message(2));
    const c = w.parley.conversation(conv)!;
    const off = w.parley.presence("bob").subscribe(() => {});
    c.setTyping(true);
    network.request = () => new Promise(() => {});
    const asked = expect(w.parley.search({ q: "tea" })).rejects.toMatchObject({ code: "closed" });
    await settle();
    await w.parley.close();
    await asked;
    off();
    c.setTyping(true);
    c.markRead(1);
    c.draft.value = "more";
    expect(() => c.send({ text: "lost" })).toThrow(expect.objectContaining({ code: "closed" }) as Error);
    await expect(w.parley.search({ q: "tea" })).rejects.toMatchObject({ code: "closed" });
    expect(w.clock.waiting).toBe(0);
  });

  test("a client that waits for a token does not wait any more", async () => {
    const w = await world({ token: () => new Promise(() => {}), user: undefined as unknown as string });
    expect(w.clock.waiting).toBe(1);
    await w.parley.close();
    expect(w.clock.waiting).toBe(0);
  });

  test("the request that is under way is given up", async () => {
    let aborted = 0;
    const network = new FakeNetwork();
    const w = await liveWorld({ network });
    network.request = (r) => new Promise(() => r.signal!.addEventListener("abort", () => void aborted++));
    w.parley.devices().catch(() => {});
    await settle();
    await w.parley.close();
    expect(aborted).toBe(1);
  });
});
