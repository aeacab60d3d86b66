import { inject, expect, test } from "vitest";
import { live, realClient, until } from "./support/real.js";

test("two people chat: send, ack, entry, ticks, edit, react, recall, history", async () => {
  const server = inject("server");
  const alice = realClient(server, "walk-alice");
  const bob = realClient(server, "walk-bob");
  const errors: string[] = []; // what a listener throws fails no test
  for (const p of [alice, bob]) p.on("error", (e) => void errors.push(String(e)));
  alice.start();
  bob.start();
  await Promise.all([live(alice), live(bob)]);
  expect(alice.me.value?.user).toBe("walk-alice");
  expect([...alice.features.value]).toContain("react");

  const a = alice.direct("walk-bob");
  const sent = a.send({ text: "Hello, Bob" });
  expect(sent.state).toBe("pending");
  const stored = await a.stored(sent.cmid);
  expect(stored).toMatchObject({ conv: a.id, seq: 1, cmid: sent.cmid });
  await until("bob's entry", () => bob.conversation(a.id) !== undefined || bob.conversations.value.length > 0);
  const b = bob.conversation(a.id)!;
  await until("unread", () => b.info.value.unread === 1);
  expect(bob.totals.value).toEqual({ unread: 1, mentions: 0, exact: true });
  await b.thread.load(1, 1);
  expect(b.thread.item(1)).toMatchObject({ kind: "message", body: { text: "Hello, Bob" }, own: false });

  await a.thread.load(1, 1);
  const state = () => {
    const item = a.thread.item(1);
    return item?.kind === "message" ? item.state : undefined;
  };
  await until("delivered", () => state() === "delivered");
  b.markRead(1);
  expect(b.info.value.unread).toBe(0);
  await until("read", () => state() === "read");

  await b.react(1, "👍", true);
  await until("reaction", () => {
    const item = a.thread.item(1);
    return item?.kind === "message" && item.reactions.length === 1;
  });
  await a.edit(1, "Hello, dear Bob");
  await until("edit", () => {
    const item = b.thread.item(1);
    return item?.kind === "message" && item.body?.text === "Hello, dear Bob";
  });
  // That somebody types is told without any promise: he goes on until she sees it.
  const keys = setInterval(() => b.setTyping(true), 100);
  await until("typing", () => a.typing.value.includes("walk-bob")).finally(() => clearInterval(keys));
  await a.recall(1);
  await until("recall", () => {
    const item = b.thread.item(1);
    return item?.kind === "message" && item.gone && item.body === undefined;
  });
  expect(b.info.value.last).toMatchObject({ gone: true });
  expect(a.thread.rows.value.length).toBe(1);
  await until("alice's own copy of it", () => a.thread.head.value === 4);

  const group = await alice.createGroup({ title: "Tea", members: ["walk-bob"] });
  group.send({ text: "In the group", mentions: ["walk-bob"] });
  await until("group", () => bob.conversation(group.id)?.info.value.mentions === 1);
  await group.rename("Coffee");
  await until("rename", () => bob.conversation(group.id)?.info.value.title === "Coffee");
  const seen: string[] = [];
  const stop = alice.presence("walk-bob").subscribe((p) => void seen.push(String(p?.online)));
  await until("presence", () => alice.presence("walk-bob").value?.online === true);
  stop();

  const found = await bob.devices();
  expect(found.filter((d) => d.own)).toHaveLength(1);
  await Promise.all([alice.close(), bob.close()]);
  expect(alice.connection.value).toMatchObject({ phase: "ended", reason: "closed" });
  expect(errors).toEqual([]);
});
