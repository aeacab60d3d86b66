// What a tab says that led, stood still and was replaced, before it hears of that.

import { expect, test } from "vitest";
import { memoryStorage } from "../src/index.js";
import { seeded } from "./support/cutter.js";
import { FakeClock, FakeProfile, jwt, settle } from "./support/fake.js";
import { Machine } from "./support/machine.js";
import { ModelServer, textOf } from "./support/model.js";

/** Two tabs of alice, the first of which leads. */
async function tabs() {
  const clock = new FakeClock();
  const server = new ModelServer(clock, seeded(1));
  server.faults.on = false;
  const log = server.direct("alice", "bob");
  for (let i = 0; i < 5; i++) server.stranger(log, "bob", { type: "send", body: { text: "hello" } });
  const profile = new FakeProfile();
  const storage = memoryStorage();
  const token = () => Promise.resolve(jwt({ exp: clock.now() / 1000 + 36_000 }));
  const open = (name: string) => new Machine(name, { server, storage, user: "alice", tabsPort: profile.tab(name), token });
  const kill = (m: Machine) => {
    m.die();
    profile.kill(m.name);
  };
  const [old, next] = [open("old"), open("next")];
  await clock.advance(1_000);
  /** The browser stops the first one, and the other one leads. */
  const replace = async () => {
    old.freeze();
    next.parley.setVisible(true);
    await clock.advance(22_000);
  };
  return { clock, server, storage, log, old, next, open, kill, replace, texts: () => log.log.map(textOf).filter((t) => t !== "hello") };
}

const outgoing = (m: Machine) => m.parley.direct("bob").thread.outgoing.value.map((o) => [o.body.text, o.state]);

test("what is read in it reaches the server", async () => {
  const w = await tabs();
  await w.replace();
  w.old.parley.direct("bob").markRead(3);
  w.old.thaw();
  await w.clock.advance(2_000);
  expect(w.log.read.get("alice")).toBe(3);
  for (const m of [w.old, w.next]) expect(m.parley.direct("bob").info.value).toMatchObject({ read: 3, unread: 2, exact: true });
});

test("a message that was refused, and is sent again in both tabs, is sent once", async () => {
  const w = await tabs();
  const m = w.old.parley.direct("bob").send({ text: "one" });
  w.server.refused.add(m.cmid);
  await w.clock.advance(1_000);
  expect([w.old, w.next].map(outgoing)).toEqual([[["one", "failed"]], [["one", "failed"]]]);
  await w.replace();
  const retried = w.next.parley.direct("bob").retry(m.cmid)!;
  await w.clock.advance(1_000);
  expect(w.texts()).toEqual(["one"]);
  expect(w.old.parley.direct("bob").retry(m.cmid)).toMatchObject({ cmid: retried.cmid });
  w.old.thaw();
  await w.clock.advance(2_000);
  expect(w.texts()).toEqual(["one"]);
  expect([w.old, w.next].map(outgoing)).toEqual([[], []]);
  expect(await w.storage.list("u/alice/outbox/")).toEqual([]);
});

test("a message that was sent again in both tabs and refused again is there once", async () => {
  const w = await tabs();
  const m = w.old.parley.direct("bob").send({ text: "one" });
  w.server.refused.add(m.cmid);
  await w.clock.advance(1_000);
  await w.replace();
  const retried = w.next.parley.direct("bob").retry(m.cmid)!;
  w.server.refused.add(retried.cmid);
  await w.clock.advance(1_000);
  w.old.parley.direct("bob").retry(m.cmid);
  w.old.thaw();
  await w.clock.advance(2_000);
  expect([w.old, w.next].map(outgoing)).toEqual([[["one", "failed"]], [["one", "failed"]]]);
  expect(await w.storage.list("u/alice/outbox/")).toMatchObject([[expect.anything(), { cmid: retried.cmid, failed: { code: "forbidden" } }]]);
});

test("a message is retried as often as one likes", async () => {
  const w = await tabs();
  let { cmid } = w.old.parley.direct("bob").send({ text: "one" });
  const cmids = new Set([cmid]);
  for (let i = 0; i < 60; i++) {
    w.server.refused.add(cmid);
    await w.clock.advance(100);
    cmid = w.old.parley.direct("bob").retry(cmid)!.cmid;
    expect(cmid).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    cmids.add(cmid);
  }
  await w.clock.advance(100);
  expect(cmids.size).toBe(61);
  expect(w.texts()).toEqual(["one"]);
});

test("a message that was sent again as another is not sent, nor shown, whoever has not heard of that", async () => {
  const w = await tabs();
  const m = w.old.parley.direct("bob").send({ text: "one" });
  w.server.refused.add(m.cmid);
  const stored = w.old.parley.direct("bob").stored(m.cmid).catch((err: unknown) => err);
  await settle();
  await w.replace(); // before the old one hears of anything
  expect(outgoing(w.next)).toEqual([["one", "failed"]]);
  const retried = w.next.parley.direct("bob").retry(m.cmid)!;
  await w.clock.advance(1_000);
  expect(w.texts()).toEqual(["one"]);
  w.server.refused.clear(); // whatever was wrong with it is right now
  const third = w.open("third");
  await w.clock.advance(1_000);
  w.kill(w.next);
  await w.clock.advance(1_000);
  w.old.thaw();
  await w.clock.advance(2_000);
  expect(w.texts()).toEqual(["one"]);
  expect(w.log.log.map((e) => e.cmid)).toContain(retried.cmid);
  const reloaded = w.open("reloaded");
  await w.clock.advance(1_000);
  for (const x of [w.old, third, reloaded]) expect(outgoing(x), x.name).toEqual([]);
  expect(await stored).toMatchObject({ code: "forbidden" });
  for (const x of [w.old, third]) w.kill(x); // what the old one wrote last goes when another one leads
  await w.clock.advance(1_000);
  expect(await w.storage.list("u/alice/outbox/")).toEqual([]);
});

test("what a tab leads with that has not heard of a refusal is not sent", async () => {
  const w = await tabs();
  const m = w.old.parley.direct("bob").send({ text: "one" });
  w.server.refused.add(m.cmid);
  await settle();
  await w.replace();
  expect(outgoing(w.next)).toEqual([["one", "failed"]]);
  w.server.refused.clear();
  w.kill(w.next);
  w.old.thaw();
  w.kill(w.old);
  const third = w.open("third");
  await w.clock.advance(2_000);
  expect(w.texts()).toEqual([]);
  expect(outgoing(third)).toEqual([["one", "failed"]]);
});

test("of what was dropped 500 are remembered", async () => {
  const w = await tabs();
  await w.storage.write(Array.from({ length: 600 }, (_, i) => ({ op: "put", key: `u/alice/dropped/${i}`, value: i })));
  w.open("third");
  for (const x of [w.old, w.next]) w.kill(x);
  await w.clock.advance(2_000);
  const left = await w.storage.list("u/alice/dropped/");
  expect(left).toHaveLength(500);
  expect(left.every(([, at]) => (at as number) >= 100)).toBe(true);
});

test("what it heard before a restore stays out of the numbers of after it", async () => {
  const w = await tabs();
  const third = w.open("third");
  await w.clock.advance(1_000);
  w.old.freeze();
  for (let i = 0; i < 8; i++) w.server.stranger(w.log, "bob", { type: "send", body: { text: "lost" } });
  await w.clock.advance(100); // it is on its way to the one that sleeps
  w.log.log.splice(5);
  w.server.restore();
  const head = w.log.log.length;
  await w.replace();
  const seen = new Set<number>();
  const off = [w.next, third].map((m) => m.parley.direct("bob").info.subscribe(({ head }) => seen.add(head)));
  w.old.thaw();
  await w.clock.advance(2_000);
  expect([...seen], "what the others show while the old one talks").toEqual([head]);
  w.server.stranger(w.log, "bob", { type: "send", body: { text: "new" } });
  await w.clock.advance(2_000);
  for (const m of [w.old, w.next, third]) expect(m.parley.direct("bob").info.value, m.name).toMatchObject({ head: head + 1, ...w.server.unread(w.log, "alice"), exact: true });
  for (const stop of off) stop();
});

test("its late answers lead nobody back to it", async () => {
  const w = await tabs();
  const third = w.open("third");
  await w.clock.advance(1_000);
  w.old.freeze();
  third.parley.setVisible(true); // it asks how things are
  third.parley.setVisible(false);
  w.server.restore();
  await w.replace();
  const seen: number[] = [];
  const off = third.parley.direct("bob").info.subscribe(({ head }) => seen.push(head));
  w.old.thaw();
  await w.clock.advance(2_000);
  expect(seen).toEqual([w.log.log.length]);
  off();
});
