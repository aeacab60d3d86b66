import { describe, expect, test } from "vitest";
import { ParleyError } from "../src/index.js";
import { at, conv, conversation, FakeClock, jwt, liveWorld, message, settle, welcome, world } from "./support/fake.js";

describe("connecting", () => {
  test("the token goes with the subprotocols, hello names the device and a growing attempt", async () => {
    const w = await world({ client: { name: "test", version: "1", platform: "node" } });
    expect(w.net.last.url).toBe("ws://parley.test/v1/ws");
    expect(w.net.last.protocols).toEqual(["parley.v1", "bearer." + jwt({})]);
    const first = await w.net.last.welcome();
    expect(first).toMatchObject({ device: expect.stringMatching(/^[A-Za-z0-9_-]{16}$/), client: { name: "test" }, flush: 50 });
    expect(first).not.toHaveProperty("resume");
    w.net.last.end();
    await w.clock.advance(1_000);
    const second = await w.net.last.welcome();
    expect(second["device"]).toBe(first["device"]);
    expect(second["attempt"]).toBeGreaterThan(first["attempt"] as number);
    expect(second["resume"]).toEqual({ epoch: "e1", cursors: {} });
  });

  test("attempt grows although the clock goes back, also in the next life", async () => {
    const w = await liveWorld();
    await w.parley.close();
    const clock = new FakeClock();
    await clock.advance(-60_000);
    const again = await world({ storage: w.storage, clock });
    const hello = await again.net.last.welcome();
    expect(hello["attempt"]).toBe(1_800_000_000_001);
  });

  test("back-off doubles up to 30 s, with full jitter, and starts again after a success", async () => {
    const w = await world();
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      w.net.last.end();
      const state = w.parley.connection.value;
      if (state.phase !== "waiting") throw new Error(state.phase);
      expect(state.attempt).toBe(i + 1);
      waits.push(state.retryAt - w.clock.now());
      await w.clock.advance(state.retryAt - w.clock.now());
    }
    expect(waits).toEqual([499, 999, 1999, 3999, 7999, 15999, 29999, 29999, 29999]);
    await w.net.last.welcome();
    await w.clock.advance(5_000);
    w.net.last.end();
    expect(w.parley.connection.value).toMatchObject({ phase: "waiting", retryAt: w.clock.now() + 499 });
  });

  test("a jitter of nothing waits for nothing", async () => {
    const w = await world({ random: () => 0 });
    w.net.last.end();
    expect(w.parley.connection.value).toMatchObject({ phase: "waiting", retryAt: w.clock.now() });
  });

  test("no welcome in 10 s ends the try", async () => {
    const w = await world();
    w.net.last.open();
    await w.clock.advance(10_000);
    expect(w.parley.connection.value.phase).toBe("waiting");
    expect(w.net.last.closedWith).toBe(1000);
  });

  test("silence is asked about, and ends the connection when it goes on", async () => {
    const w = await liveWorld();
    await w.clock.advance(24_999);
    expect(w.net.last.take("ping")).toEqual([]);
    await w.clock.advance(1);
    expect(w.net.last.take("ping")).toHaveLength(1);
    w.net.last.tell({ type: "pong", time: at(1) });
    await w.clock.advance(25_000);
    expect(w.net.last.take("ping")).toHaveLength(1);
    await w.clock.advance(9_999);
    expect(w.parley.connection.value.phase).toBe("live");
    await w.clock.advance(1);
    expect(w.parley.connection.value.phase).toBe("waiting");
  });

  test("goaway: the socket is used until its time has come, then another is made at once", async () => {
    const w = await liveWorld();
    w.net.last.tell({ type: "goaway", reconnect_ms: 2_000 });
    await w.clock.advance(1_000);
    w.parley.direct("bob").send({ text: "meanwhile" });
    await settle();
    expect(w.net.sockets[0]!.take("send")).toHaveLength(1);
    await w.clock.advance(999);
    expect(w.net.sockets).toHaveLength(1);
    await w.clock.advance(1);
    expect(w.net.sockets).toHaveLength(2);
    expect(w.net.sockets[0]!.closedWith).toBe(1000);
  });

  test.each([
    ["the same host", "http://parley.test/v1/ws", undefined, "ws://parley.test/v1/ws"],
    ["the same host by its port, with TLS", "wss://parley.test:80/", undefined, "wss://parley.test:80/v1/ws"],
    ["another host", "http://other", undefined, "ws://parley.test/v1/ws"],
    ["another port", "http://parley.test:8080", undefined, "ws://parley.test/v1/ws"],
    ["another one that is allowed", "https://other.test/chat", ["https://other.test/chat"], "wss://other.test/chat/v1/ws"],
    ["another one that is not", "https://evil.example", ["https://other.test"], "ws://parley.test/v1/ws"],
    ["a host that only looks like it", "http://parley.test@evil.example/", undefined, "ws://parley.test/v1/ws"],
    ["no address", "javascript:alert(1)", undefined, "ws://parley.test/v1/ws"],
  ])("goaway to %s", async (_name, url, allowed, to) => {
    const asked: string[] = [];
    const mayMoveTo = (u: string) => (asked.push(u), allowed?.includes(u) === true);
    const w = await liveWorld({ mayMoveTo });
    w.net.last.tell({ type: "goaway", reconnect_ms: 1_000, url });
    await w.clock.advance(1_000);
    expect(w.net.last.url).toBe(to);
    // It was for one try: whatever became of it, the next one goes to the server that was given.
    w.net.last.end(1006);
    await w.clock.advance(1_000);
    expect(w.net.sockets.map((s) => s.url)).toEqual(["ws://parley.test/v1/ws", to, "ws://parley.test/v1/ws"]);
    expect(asked.every((u) => !u.includes("@") && u.startsWith("http"))).toBe(true);
  });

  test("goaway never sends the token in the clear where it was not", async () => {
    const w = await liveWorld({ url: "https://parley.test", mayMoveTo: () => true });
    for (const url of ["http://parley.test", "ws://other"]) {
      w.net.last.tell({ type: "goaway", reconnect_ms: 1_000, url });
      await w.clock.advance(1_000);
      expect(w.net.last.url).toBe("wss://parley.test/v1/ws");
      await w.net.last.welcome();
    }
  });

  test("goaway and a close before its time: back at its time", async () => {
    const w = await liveWorld();
    w.net.last.tell({ type: "goaway", reconnect_ms: 5_000 });
    w.net.last.end(1012);
    expect(w.parley.connection.value).toMatchObject({ phase: "waiting", retryAt: w.clock.now() + 5_000 });
  });

  test.each([
    [1001, "waiting", 1_000],
    [1012, "waiting", 1_000],
    [1006, "waiting", 500],
    [1009, "waiting", 500],
    [1011, "waiting", 500],
    [1013, "waiting", 500],
    [4429, "waiting", 30_000],
    [4508, "waiting", 500],
    [4401, "waiting", 500],
    [4777, "waiting", 500],
    [4400, "ended", "protocol"],
    [4403, "ended", "banned"],
    [4409, "ended", "elsewhere"],
  ])("close code %i", async (code, phase, what) => {
    const w = await liveWorld();
    w.net.last.end(code);
    const state = w.parley.connection.value;
    expect(state.phase).toBe(phase);
    if (state.phase === "ended") {
      expect(state.reason).toBe(what);
      await w.clock.advance(120_000);
      expect(w.net.sockets).toHaveLength(1);
    } else if (state.phase === "waiting") expect(state.retryAt - w.clock.now()).toBeLessThanOrEqual(what as number);
  });

  test("elsewhere: retryNow takes the device back", async () => {
    const w = await liveWorld();
    w.net.last.end(4409);
    w.parley.retryNow();
    await settle();
    await w.net.last.welcome();
    expect(w.parley.connection.value.phase).toBe("live");
  });

  test("offline tells the truth: a live connection stays, a dead one ends soon", async () => {
    const w = await liveWorld();
    w.parley.setOnline(false);
    expect(w.net.last.take("ping")).toHaveLength(1);
    w.net.last.tell({ type: "pong", time: at(1) });
    await w.clock.advance(5_000);
    expect(w.parley.connection.value.phase).toBe("live");
    w.parley.setOnline(false);
    await w.clock.advance(3_000);
    expect(w.parley.connection.value.phase).toBe("offline");
    w.parley.setOnline(true);
    await settle();
    expect(w.net.sockets).toHaveLength(2);
    expect(w.parley.connection.value.phase).toBe("connecting");
  });
});

describe("tokens", () => {
  test("a new one is said before the old one ends", async () => {
    const clock = new FakeClock();
    const s = Math.floor(clock.now() / 1000);
    let n = 0;
    const token = () => Promise.resolve(jwt({ iat: s + n * 540, exp: s + n++ * 540 + 600 }));
    const w = await liveWorld({ clock, token });
    w.net.pongs = true;
    await clock.advance(539_000);
    expect(w.net.last.take("auth")).toEqual([]);
    await clock.advance(1_000);
    expect(w.net.last.take("auth")).toEqual([{ type: "auth", token: jwt({ iat: s + 540, exp: s + 1140 }) }]);
    expect(w.net.sockets).toHaveLength(1);
  });

  test("after 4401 another one is fetched", async () => {
    let n = 0;
    const w = await liveWorld({ token: () => Promise.resolve(jwt({ n: ++n })) });
    w.net.last.end(4401);
    await w.clock.advance(500);
    expect(w.net.last.protocols[1]).toBe("bearer." + jwt({ n: 2 }));
  });

  test("the refused one again ends it", async () => {
    const w = await liveWorld();
    w.net.last.end(4401);
    await w.clock.advance(500);
    expect(w.parley.connection.value).toMatchObject({ phase: "ended", reason: "signed_out" });
  });

  test("a callback that fails is asked again; one that says so ends it", async () => {
    let calls = 0;
    const w = await world({
      token: () => (++calls === 1 ? Promise.reject(new Error("no network")) : Promise.reject(new ParleyError("unauthenticated", "signed out"))),
    });
    expect(w.parley.connection.value.phase).toBe("waiting");
    await w.clock.advance(500);
    expect(w.parley.connection.value).toEqual({ phase: "ended", reason: "signed_out", message: "signed out" });
  });

  test("another user's token is not used", async () => {
    const w = await world({ token: () => Promise.resolve(jwt({ sub: "mallory" })) });
    expect(w.parley.connection.value).toMatchObject({ phase: "ended", reason: "signed_out" });
    expect(w.net.sockets).toHaveLength(0);
  });
});

describe("cursors", () => {
  test("what has come is acknowledged together, and resumed from", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(3), message(1), message(2), message(3));
    await w.clock.advance(100);
    expect(w.net.last.take("recv")).toEqual([{ type: "recv", conv, seq: 3 }]);
    await w.clock.advance(500);
    w.net.last.end();
    await w.clock.advance(500);
    const hello = await w.net.last.welcome();
    expect(hello["resume"]).toEqual({ epoch: "e1", cursors: { [conv]: 3 } });
    await w.clock.advance(100);
    expect(w.net.last.take("recv")).toEqual([{ type: "recv", conv, seq: 3 }]); // the last one may be lost
  });

  test("a gap is filled by history, and what came behind it is held", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(1), message(1), message(4), message(5), message(3), message(4));
    const asked = w.net.last.take("history");
    expect(asked).toEqual([{ type: "history", ref: expect.any(String), conv, after: 1, limit: 200 }]);
    expect(w.parley.conversation(conv)!.info.value.head).toBe(1);
    w.net.last.tell({ type: "page", ref: asked[0]!["ref"], conv, items: [message(2), message(3)], head: 5, floor: 1, more_before: true, more_after: true });
    expect(w.parley.conversation(conv)!.info.value).toMatchObject({ head: 5, unread: 5 });
    w.net.last.tell(message(6), message(2));
    expect(w.parley.conversation(conv)!.info.value).toMatchObject({ head: 6, unread: 6 });
    expect(w.net.last.take("history")).toEqual([]);
  });

  test("history that is refused or late is asked again; what may not be read is left out", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(1), message(1), message(4));
    let [asked] = w.net.last.take("history");
    w.net.last.tell({ type: "error", ref: asked!["ref"], code: "unavailable", message: "busy", retry_after_ms: 50 });
    await w.clock.advance(50);
    [asked] = w.net.last.take("history");
    await w.clock.advance(10_000);
    expect(w.net.last.take("history")).toEqual([asked]);
    w.net.last.tell({ type: "error", ref: asked!["ref"], code: "not_found", message: "no such conversation" });
    expect(w.parley.conversation(conv)!.info.value.head).toBe(4);
  });

  test("reset says where it goes on", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(1), message(1), { type: "reset", conv, epoch: "e1", floor: 1, next: 90 }, conversation(90), message(90));
    expect(w.net.last.take("history")).toEqual([]);
    await w.clock.advance(600);
    w.net.last.end();
    await w.clock.advance(500);
    expect((await w.net.last.welcome())["resume"]).toEqual({ epoch: "e1", cursors: { [conv]: 90 } });
  });

  test("another epoch drops all cursors, here and in storage", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(7), message(7));
    await w.clock.advance(600);
    w.net.last.end();
    await w.clock.advance(500);
    await w.net.last.welcome({ ...welcome, epoch: "e2" }, false);
    w.net.last.tell({ type: "reset", epoch: "e2" }, conversation(2), message(1), message(2), { type: "synced", time: at(1) });
    expect(w.parley.conversation(conv)!.info.value).toMatchObject({ head: 2, unread: 2 });
    await w.parley.close();
    const again = await world({ storage: w.storage });
    expect((await again.net.last.welcome())["resume"]).toEqual({ epoch: "e2", cursors: { [conv]: 2 } });
  });

  test("read is told again until a receipt confirms it, and survives a reload", async () => {
    const w = await liveWorld();
    w.net.last.tell(conversation(2), message(1), message(2));
    w.parley.conversation(conv)!.markRead(2);
    expect(w.parley.totals.value.unread).toBe(0);
    expect(w.net.last.take("read")).toEqual([{ type: "read", conv, seq: 2 }]);
    await w.parley.close();
    const again = await liveWorld({ storage: w.storage, network: w.net, clock: w.clock });
    expect(again.net.last.texts.filter((t) => t.includes('"read"'))).toEqual([JSON.stringify({ type: "read", conv, seq: 2 })]);
    again.net.last.tell({ type: "receipt", conv, user: "alice", delivered: 2, read: 2, time: at(3) });
    again.net.last.end();
    await again.clock.advance(1_000);
    await again.net.last.welcome();
    expect(again.net.last.take("read")).toEqual([]);
    expect(await again.storage.list("u/alice/read/")).toEqual([]);
  });
});

test("presence is watched while somebody looks, within the server's limit", async () => {
  const w = await liveWorld();
  const stops = ["bob", "carol", "dave", "erin"].map((u) => w.parley.presence(u).subscribe(() => {}));
  await w.clock.advance(50);
  expect(w.net.last.take("watch")).toEqual([{ type: "watch", users: ["erin", "dave", "carol"] }]);
  w.net.last.tell({ type: "presence", user: "dave", online: true });
  expect(w.parley.presence("dave").value).toEqual({ online: true });
  stops[3]!();
  await w.clock.advance(5_000);
  expect(w.net.last.take()).toEqual([]);
  await w.clock.advance(5_100);
  expect(w.net.last.take().map((f) => [f.type, f["users"]])).toEqual([["unwatch", ["erin"]], ["watch", ["bob"]]]);
  w.net.last.end();
  expect(w.parley.presence("dave").value).toBeUndefined();
});

test("typing is said every three seconds while it lasts, and believed for seven", async () => {
  const w = await liveWorld();
  w.net.last.tell(conversation(1), message(1));
  const c = w.parley.conversation(conv)!;
  for (let i = 0; i < 5; i++) {
    c.setTyping(true);
    await w.clock.advance(1_000);
  }
  expect(w.net.last.take("typing")).toHaveLength(2);
  await w.clock.advance(5_000);
  expect(w.net.last.take("typing")).toEqual([{ type: "typing", conv, on: false }]);
  w.net.last.tell({ type: "typing", conv, user: "bob", on: true });
  expect(c.typing.value).toEqual(["bob"]);
  await w.clock.advance(7_000);
  expect(c.typing.value).toEqual([]);
});
