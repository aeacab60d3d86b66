// Messages that were refused for good: how many are kept, and that nothing else goes.
import { expect, test } from "vitest";
import type { Parley } from "../src/index.js";
import { ackOf, FakeProfile, liveWorld, settle, world, type World } from "./support/fake.js";

const most = 500;

/** Sends messages to bob that the server refuses, in portions: no more than 1,000 may wait. */
async function refuse(w: World, texts: readonly string[], by: Parley = w.parley): Promise<void> {
  const c = by.direct("bob");
  for (let i = 0; i < texts.length; i += 50) {
    for (const text of texts.slice(i, i + 50)) c.send({ text });
    await settle();
    w.net.last.tell(...w.net.last.take("send").map((f) => ({ type: "error", ref: f["cmid"], code: "forbidden", message: "blocked" })));
    await settle();
  }
}

const numbered = (from: number, n: number) => Array.from({ length: n }, (_, i) => `refused ${from + i}`);
const outgoing = (p: Parley) => p.direct("bob").thread.outgoing.value;
const texts = (p: Parley) => outgoing(p).map((m) => m.body.text);
const kept = async (w: World) => (await w.storage.list("u/alice/outbox/")).length;

test("500 are kept, in storage too; of more the oldest go, and that is told", async () => {
  const w = await liveWorld();
  await refuse(w, numbered(0, most));
  expect(texts(w.parley)).toEqual(numbered(0, most));
  expect(w.errors).toEqual([]);
  await refuse(w, numbered(most, 20));
  expect(texts(w.parley)).toEqual(numbered(20, most));
  expect(await kept(w)).toBe(most);
  expect(new Set(w.errors)).toEqual(new Set(["full: too many messages were refused and kept: the oldest are dropped"]));
  await w.parley.close();
  const again = await liveWorld({ storage: w.storage });
  expect(texts(again.parley)).toEqual(numbered(20, most));
});

test("what waits is not dropped, however old it is; nor is what is stored and has not come back", async () => {
  const w = await liveWorld();
  const c = w.parley.direct("bob");
  for (const text of ["waits", "stored"]) c.send({ text });
  await settle();
  const [waits, stored] = w.net.last.take("send");
  w.net.last.tell(ackOf(stored!, 1));
  await refuse(w, numbered(0, most + 30));
  expect(texts(w.parley).slice(0, 3)).toEqual(["waits", "stored", "refused 30"]);
  expect(outgoing(w.parley).filter((m) => m.state === "failed")).toHaveLength(most);
  expect(await kept(w)).toBe(most + 1);
  w.net.last.tell(ackOf(waits!, 2));
  expect(await c.stored(waits!["cmid"] as string)).toMatchObject({ seq: 2 });
});

test("one that is tried again and again takes nobody's place", async () => {
  const w = await liveWorld();
  await refuse(w, ["first", "second"]);
  const c = w.parley.direct("bob");
  for (let i = 0; i < most + 10; i++) {
    const last = outgoing(w.parley).at(-1)!;
    c.retry(last.cmid);
    await settle();
    w.net.last.tell(...w.net.last.take("send").map((f) => ({ type: "error", ref: f["cmid"], code: "forbidden", message: "blocked" })));
  }
  expect(texts(w.parley)).toEqual(["first", "second"]);
  expect(w.errors).toEqual([]);
});

test("all tabs keep the same", async () => {
  const profile = new FakeProfile();
  const w = await liveWorld({ tabs: "shared", tabsPort: profile.tab("a") });
  const other = await world({ clock: w.clock, network: w.net, storage: w.storage, tabs: "shared", tabsPort: profile.tab("b") });
  await refuse(w, numbered(0, 300));
  await w.clock.advance(1_000); // what is said later is later by the clock
  await refuse(w, numbered(300, 230), other.parley);
  for (const p of [w.parley, other.parley]) expect(texts(p)).toEqual(numbered(30, most));
  expect(await kept(w)).toBe(most);
});
