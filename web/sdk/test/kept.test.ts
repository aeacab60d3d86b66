// What is kept for the next start, and was taken away before that, goes at the next connect.
import { expect, test } from "vitest";
import type { MessageItem, StorageAdapter } from "../src/index.js";
import { memoryStorage } from "../src/index.js";
import { at, conv, conversation, FakeClock, FakeNetwork, message, settle, world } from "./support/fake.js";

const day = 24 * 3_600_000;

/** Messages 1 to head of bob; those in `gone` have no content any more. */
function network(head: number, gone: readonly number[] = [], more: object = {}): FakeNetwork {
  const net = new FakeNetwork();
  const items = Array.from({ length: head }, (_, i) => ({ ...message(i + 1), state: "stored", delivered_by: 0, read_by: 0, ...(gone.includes(i + 1) && { gone: true, body: undefined }) }));
  const shape = conversation(head, { last: { seq: head, from: "bob", time: at(head), text: "", gone: true }, ...more });
  net.answer = (path) => ({
    status: 200,
    body: path.startsWith("/v1/conversations?") ? { items: [shape] } : { conv, items: path.includes("/messages") ? items : [], head, floor: 1, more_before: false, more_after: false },
  });
  return net;
}

/** A storage with messages 1 to 5, of a client that is gone, and the clock at that time. */
async function kept(): Promise<{ storage: StorageAdapter; clock: FakeClock }> {
  const storage = memoryStorage();
  const w = await world({ storage, network: network(5) });
  await w.net.last.welcome();
  await settle();
  await w.parley.conversation(conv)!.thread.load(1, 5);
  await w.parley.close();
  expect(await pages(storage)).toContain("text 3");
  return { storage, clock: w.clock };
}

const pages = async (storage: StorageAdapter) => JSON.stringify(await storage.list("u/alice/page/"));

for (const when of ["before", "after"] as const) {
  test(`content that was erased while this client was away goes from a thread that is looked at ${when} it is live`, async () => {
    const k = await kept();
    const w = await world({ ...k, network: network(5, [2, 3]) });
    const { thread } = w.parley.conversation(conv)!;
    const bodies = () => [1, 2, 3, 4, 5].map((seq) => (thread.item(seq) as MessageItem).body?.text);
    expect(bodies()[2]).toBe("text 3"); // offline it is what it was
    if (when === "before") await thread.load(1, 5);
    await w.net.last.welcome();
    await settle();
    if (when === "after") await thread.load(1, 5);
    await settle();
    expect(bodies()).toEqual(["text 1", undefined, undefined, "text 4", "text 5"]);
    expect(thread.item(3)).toMatchObject({ gone: true });
    await w.clock.advance(3_000);
    expect(await pages(k.storage)).not.toContain("text 3");
    expect(await pages(k.storage)).toContain("text 4");
  });
}

test("and once a day from threads that nobody looks at", async () => {
  const k = await kept();
  const asked = (net: FakeNetwork) => net.requests.filter((r) => r.url.includes("/messages")).length;
  const soon = await world({ ...k, network: network(5, [3]) });
  await soon.net.last.welcome();
  await soon.clock.advance(3_000);
  expect(asked(soon.net)).toBe(0);
  await soon.parley.close();
  k.clock.sleep(day + 1);
  const later = await world({ ...k, network: network(5, [3]) });
  await later.net.last.welcome();
  await later.clock.advance(3_000);
  expect(asked(later.net)).toBe(1);
  expect(await pages(k.storage)).not.toContain("text 3");
  await later.parley.close();
  const again = await world({ ...k, network: network(5, [3]) });
  await again.net.last.welcome();
  await again.clock.advance(3_000);
  expect(asked(again.net)).toBe(0);
});

test("what is below the floor is not kept", async () => {
  const k = await kept();
  const w = await world({ ...k, network: network(5, [], { floor: 4 }) });
  await w.net.last.welcome();
  await w.clock.advance(3_000);
  expect(await pages(k.storage)).not.toContain("text 3");
  expect(await pages(k.storage)).toContain("text 4");
});

test("a thread that has moved on too far to be caught up with is not kept", async () => {
  const k = await kept();
  const w = await world({ ...k, network: network(700) });
  await w.net.last.welcome();
  await w.clock.advance(3_000);
  expect(await pages(k.storage)).toBe("[]");
});
