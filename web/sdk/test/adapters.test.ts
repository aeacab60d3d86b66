import "fake-indexeddb/auto";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { HttpResponse, Network, StorageAdapter } from "../src/index.js";
import { createParley, memoryStorage } from "../src/index.js";
import { browserTabs, indexedDBStorage } from "../src/browser/index.js";
import { Files } from "../src/net/files.js";
import { Rest } from "../src/net/rest.js";
import { baseURL } from "../src/net/url.js";
import { Store } from "../src/engine/store.js";
import { Tokens } from "../src/engine/tokens.js";
import { systemClock } from "../src/platform.js";
import { FakeClock, jwt, settle } from "./support/fake.js";

describe.each<[string, () => StorageAdapter]>([
  ["memory", memoryStorage],
  ["IndexedDB", () => indexedDBStorage(`test-${Math.random()}`)],
])("storage: %s", (_name, make) => {
  test("keeps values, in the order of their keys", async () => {
    const s = make();
    await s.write([
      { op: "put", key: "outbox/2", value: { text: "世界", list: [1, null] } },
      { op: "put", key: "outbox/1", value: 1 },
      { op: "put", key: "outboy", value: 2 },
      { op: "put", key: "outbox", value: 3 },
    ]);
    expect(await s.list("outbox/")).toEqual([["outbox/1", 1], ["outbox/2", { text: "世界", list: [1, null] }]]);
    expect(await s.get("outbox/2")).toEqual({ text: "世界", list: [1, null] });
    expect(await s.get("nothing")).toBeUndefined();
    await s.write([{ op: "delete", key: "outbox/1" }, { op: "put", key: "outbox/3", value: 3 }]);
    expect((await s.list("outbox/")).map(([key]) => key)).toEqual(["outbox/2", "outbox/3"]);
    await s.write([{ op: "clear", prefix: "outbox/" }]);
    expect((await s.list("")).map(([key]) => key)).toEqual(["outbox", "outboy"]);
    await s.close();
    expect(await s.get("outboy")).toBe(2); // opened again
    await s.close();
  });
});

test("IndexedDB: a write is all or nothing, and is there for another object", async () => {
  const [one, other] = [indexedDBStorage("shared"), indexedDBStorage("shared")];
  await one.write([{ op: "put", key: "a", value: 1 }]);
  await expect(one.write([{ op: "put", key: "a", value: 2 }, { op: "put", key: "b", value: () => {} }])).rejects.toThrow();
  expect(await other.list("")).toEqual([["a", 1]]);
  await Promise.all([one.close(), other.close()]);
});

describe("IndexedDB that goes away", () => {
  /** Runs `work` with what `indexedDB.open` gives made known. */
  async function opened(work: (databases: IDBDatabase[]) => Promise<void>): Promise<void> {
    const databases: IDBDatabase[] = [];
    const { open } = indexedDB;
    indexedDB.open = (name, version) => {
      const request = open.call(indexedDB, name, version);
      request.addEventListener("success", () => databases.push(request.result));
      return request;
    };
    try {
      await work(databases);
    } finally {
      indexedDB.open = open;
    }
  }

  test("is opened again after the browser closed it without a word, and writes stay in order", () =>
    opened(async (databases) => {
      const s = indexedDBStorage("closed");
      await s.write([{ op: "put", key: "a", value: 1 }]);
      databases[0]!.close();
      await Promise.all([2, 3].map((value) => s.write([{ op: "put", key: "a", value }])));
      expect(await s.list("")).toEqual([["a", 3]]);
      await s.close();
    }));

  test("deleted meanwhile, by another tab: it begins anew", async () => {
    const s = indexedDBStorage("deleted");
    await s.write([{ op: "put", key: "a", value: 1 }]);
    await new Promise((done) => (indexedDB.deleteDatabase("deleted").onsuccess = done));
    await s.write([{ op: "put", key: "b", value: 2 }]);
    expect(await s.list("")).toEqual([["b", 2]]);
    await s.close();
  });

  test("not to be had, as in some private windows: it says so, and is closed all the same", async () => {
    const { open } = indexedDB;
    indexedDB.open = () => {
      throw new DOMException("no", "SecurityError");
    };
    const s = indexedDBStorage("private");
    const written = s.write([{ op: "put", key: "a", value: 1 }]);
    const closed = s.close();
    await expect(written).rejects.toThrow("no");
    await closed;
    indexedDB.open = open;
  });
});

test("a client on IndexedDB finds its device again", async () => {
  const network: Network = { open: () => ({ send: () => {}, close: () => {} }), request: () => new Promise<never>(() => {}) };
  // A clock that stands still: by the machine's, a test that is stopped for five seconds finds that the storage gave no answer in time.
  const options = { url: "http://parley.test", user: "alice", token: () => Promise.resolve(jwt({})), network, clock: new FakeClock() };
  const p = createParley({ ...options, storage: indexedDBStorage("device") });
  p.start();
  const store = indexedDBStorage("device");
  let device: unknown;
  while (device === undefined) device = await store.get("u/alice/device");
  expect(device).toMatch(/^[A-Za-z0-9_-]{16}$/);
  await p.close();
});

test("without locks there are no tabs to share with", () => {
  expect(browserTabs()).toBeUndefined();
});

describe("where locks are refused, as all storage is in browsers that are told so", () => {
  afterEach(() => vi.unstubAllGlobals());

  test("each tab leads for itself, but not one that has taken its wish back", async () => {
    const request = () => Promise.reject(new DOMException("denied", "SecurityError"));
    vi.stubGlobal("navigator", { locks: { request } });
    const port = browserTabs()!;
    const led: string[] = [];
    port.elect("x", () => led.push("one"), () => led.push("lost"));
    port.elect("x", () => led.push("other"))();
    await settle();
    expect(led).toEqual(["one"]);
  });
});

test("addresses", () => {
  for (const url of ["http://h:1", "http://h:1/", "ws://h:1/v1/ws"]) expect(baseURL(url)).toEqual({ http: "http://h:1", socket: "ws://h:1/v1/ws" });
  expect(baseURL("https://h/chat")).toEqual({ http: "https://h/chat", socket: "wss://h/chat/v1/ws" });
  expect(() => baseURL("ftp://h")).toThrow(TypeError);
});

type Reply = { status: number; body?: object } | Error;

/** A REST client whose requests are answered one after the other. */
function rest(replies: Reply[]) {
  const clock = new FakeClock();
  const sent: { method: string; url: string; token: string | undefined; body: unknown }[] = [];
  const network: Network = {
    open: () => { throw new Error("no sockets here"); },
    request: (r): Promise<HttpResponse> => {
      sent.push({ method: r.method, url: r.url, token: r.headers["Authorization"], body: r.body });
      const reply = replies.shift();
      if (reply === undefined || reply instanceof Error) return Promise.reject(reply ?? new Error("no more replies"));
      return Promise.resolve({ status: reply.status, text: () => Promise.resolve(reply.body === undefined ? "" : JSON.stringify(reply.body)) });
    },
  };
  let n = 0;
  const tokens = new Tokens(() => Promise.resolve(jwt({ n: ++n })), clock);
  const r = new Rest({ base: "http://parley.test", tokens, network, clock, random: () => 0.5 });
  return { r, clock, sent, network };
}

describe("HTTP", () => {
  const problem = (status: number, code: string, more: object = {}) => ({ status, body: { status, code, detail: `it is ${code}`, ...more } });

  test("what is open is repeated unchanged, and no more than four times", async () => {
    const w = rest([new Error("reset"), problem(503, "unavailable", { retry_after_ms: 100 }), { status: 502 }, { status: 200, body: { ok: true } }]);
    const done = w.r.send("PUT", "/v1/x", { cmid: "c" });
    await w.clock.advance(10_000);
    expect(await done).toEqual({ ok: true });
    expect(w.sent).toHaveLength(4);
    expect(new Set(w.sent.map((s) => JSON.stringify(s))).size).toBe(1);

    const never = rest([1, 2, 3, 4, 5].map(() => ({ status: 503 })));
    const failed = expect(never.r.get("/v1/x")).rejects.toMatchObject({ code: "unavailable" });
    await never.clock.advance(60_000);
    await failed;
    expect(never.sent).toHaveLength(4);
  });

  test("what is final is not", async () => {
    const w = rest([problem(409, "cmid_conflict")]);
    await expect(w.r.get("/v1/x", { q: "a b", n: undefined })).rejects.toMatchObject({ code: "cmid_conflict", message: "it is cmid_conflict" });
    expect(w.sent).toEqual([expect.objectContaining({ method: "GET", url: "http://parley.test/v1/x?q=a%20b" })]);
  });

  test("a refused token is renewed once", async () => {
    const w = rest([problem(401, "unauthenticated"), { status: 204 }, problem(401, "unauthenticated"), problem(401, "unauthenticated")]);
    expect(await w.r.send("DELETE", "/v1/x")).toBeUndefined();
    expect(w.sent.map((s) => s.token)).toEqual([1, 2].map((n) => "Bearer " + jwt({ n })));
    await expect(w.r.get("/v1/x")).rejects.toMatchObject({ code: "unauthenticated" });
  });

  test("a file is announced, uploaded without the token, and looked at", async () => {
    const file = { id: "a_1", conv: "d_x", name: "tea.png", type: "image/png", size: 3, complete: true, w: 2, h: 1, thumb: "/v1/attachments/a_1/thumb" };
    const w = rest([
      { status: 201, body: { ...file, complete: false, upload: { method: "PUT", url: "/v1/blobs/up/x?s=1", headers: { "X-A": "b" }, expires: "" } } },
      { status: 200 },
      { status: 200, body: file },
      { status: 200, body: { url: "/v1/blobs/at/x", expires: "" } },
      { status: 200, body: { url: "/v1/blobs/at/y", expires: "" } },
    ]);
    const files = new Files({ rest: w.r, network: w.network, clock: w.clock, newID: () => "c1" });
    const parts: number[] = [];
    const content = new Uint8Array(3);
    const got = await files.upload({ name: "tea.png", type: "image/png", size: 3, content }, { to: "bob" }, { onProgress: (p) => parts.push(p) });
    expect(got).toEqual({ id: "a_1", name: "tea.png", type: "image/png", size: 3, w: 2, h: 1, thumb: "/v1/attachments/a_1/thumb" });
    expect(JSON.parse(w.sent[0]!.body as string)).toEqual({ to: "bob", name: "tea.png", type: "image/png", size: 3, cmid: "c1" });
    expect(w.sent[1]).toMatchObject({ method: "PUT", url: "http://parley.test/v1/blobs/up/x?s=1", token: undefined, body: content });
    expect(parts).toEqual([1]);
    expect(await Promise.all([files.url("a_1", "file"), files.url("a_1", "file")])).toEqual(["http://parley.test/v1/blobs/at/x", "http://parley.test/v1/blobs/at/x"]);
    await w.clock.advance(4 * 60_000);
    await settle();
    expect(await files.url("a_1", "file")).toBe("http://parley.test/v1/blobs/at/y");
  });
});

test("what is written is handed to the storage at once, not after what was written before", async () => {
  const under: string[] = [];
  const storage: StorageAdapter = {
    ...memoryStorage(),
    write: (ops) => {
      under.push(ops.map((o) => ("key" in o ? o.key : o.prefix)).join(" "));
      return new Promise(() => {}); // the page goes before this one is done
    },
  };
  const store = new Store(storage, systemClock, () => {});
  store.open("u/");
  void store.put("outbox/1", 1);
  void store.put("outbox/2", 2);
  await Promise.resolve();
  void store.put("outbox/3", 3);
  await Promise.resolve();
  expect(under).toEqual(["u/outbox/1 u/outbox/2", "u/outbox/3"]);
});

test("a storage that never answers is not handed more and more", async () => {
  const clock = new FakeClock();
  let asked = 0;
  let answer = () => {};
  const gate = new Promise<void>((done) => (answer = done));
  const failed: unknown[] = [];
  const store = new Store({ ...memoryStorage(), write: () => (asked++, gate) }, clock, (err) => failed.push(err));
  store.open("u/");
  void store.put("a", 0);
  await clock.advance(5_000);
  for (let i = 0; i < 2_000; i++) await store.put("a", i);
  expect(asked).toBe(1_000);
  answer();
  await settle();
  await store.put("a", 1);
  expect(asked).toBe(1_001);
  expect(failed).toHaveLength(1);
});
