// What is kept of a user who was erased: nothing, wherever it is.

import { expect, test } from "vitest";
import type { MessageItem } from "../src/index.js";
import { memoryStorage } from "../src/index.js";
import { at, conv, conversation, FakeNetwork, liveWorld, message, settle, world } from "./support/fake.js";

const folded = (seq: number, from: string): object => ({ ...message(seq, from), state: "stored", delivered_by: 0, read_by: 0 });

/** Messages 1 to head, the even ones alice's. */
function network(head: number): FakeNetwork {
  const net = new FakeNetwork();
  const items = Array.from({ length: head }, (_, i) => folded(i + 1, i % 2 === 1 ? "alice" : "bob"));
  const shape = conversation(head, { last: { seq: head, from: "bob", time: at(head), text: `text ${head}` } });
  net.answer = (path) => ({
    status: 200,
    body: path.startsWith("/v1/conversations?") ? { items: [shape] } : { conv, items, head, floor: 1, more_before: false, more_after: false },
  });
  return net;
}

const erased = (seq: number): object => ({ type: "erased", conv, user: "bob", seq });

test("bodies go, in the thread, in the preview and in what is kept; those of others and later ones stay", async () => {
  const storage = memoryStorage();
  const w = await liveWorld({ network: network(5), storage });
  await settle();
  const c = w.parley.conversation(conv)!;
  await c.thread.load(1, 5);
  const item = (seq: number) => c.thread.item(seq) as MessageItem;
  w.net.last.tell(erased(3));
  expect([1, 2, 3, 4, 5].map((seq) => item(seq).body?.text)).toEqual([undefined, "text 2", undefined, "text 4", "text 5"]);
  expect(item(1)).toMatchObject({ gone: true, recalled: undefined });
  expect(c.info.value.last?.text).toBe("text 5");
  w.net.last.tell(erased(5));
  expect([item(5).body, c.info.value.last?.text]).toEqual([undefined, ""]);
  await w.clock.advance(1_000);
  const kept = JSON.stringify([await storage.list("")]);
  for (const seq of [1, 3, 5]) expect(kept).not.toContain(`text ${seq}"`);
  expect(kept).toContain("text 4");
  await w.parley.close();

  const again = await world({ storage, network: network(5), clock: w.clock });
  const thread = again.parley.conversation(conv)!.thread;
  expect([thread.item(5), thread.item(4)]).toMatchObject([{ gone: true }, { body: { text: "text 4" } }]);
});

test("what was on its way does not come back", async () => {
  const w = await liveWorld({ network: network(5) });
  await settle();
  const c = w.parley.conversation(conv)!;
  const loading = c.thread.load(1, 5); // the answer was made before
  w.net.last.tell(erased(6));
  await loading;
  w.net.last.tell(message(6), message(7));
  expect([1, 5, 6].map((seq) => (c.thread.item(seq) as MessageItem).body)).toEqual([undefined, undefined, undefined]);
  expect(c.thread.item(7)).toMatchObject({ body: { text: "text 7" } });
});

test("what is kept and not loaded goes, too", async () => {
  const storage = memoryStorage();
  const w = await liveWorld({ network: network(5), storage });
  await settle();
  await w.parley.conversation(conv)!.thread.load(1, 5);
  await w.clock.advance(3_000);
  await w.parley.close();
  const again = await world({ storage, network: network(5), clock: w.clock });
  await again.net.last.welcome();
  again.net.last.tell(erased(5));
  await again.clock.advance(1_000);
  expect(JSON.stringify(await storage.list(""))).not.toContain("text 3");
});
