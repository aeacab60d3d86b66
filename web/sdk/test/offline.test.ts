// A client that begins without a network, or without its server.
import { describe, expect, test } from "vitest";
import { createParley, memoryStorage } from "../src/index.js";
import { conv, conversation, FakeClock, FakeNetwork, FakeProfile, message, settle, world } from "./support/fake.js";

const noNetwork = () => Promise.reject(new Error("no network"));

/** A client that was live, has two messages in a thread, and is gone. */
async function before() {
  const common = { clock: new FakeClock(), network: new FakeNetwork(), storage: memoryStorage() };
  const { parley } = await world(common);
  await common.network.last.welcome();
  common.network.last.tell(conversation(2), message(1), message(2));
  await settle();
  return { ...common, parley };
}

describe("a start without a network", () => {
  test("is offline, in a tab that must be elected first, too", async () => {
    const clock = new FakeClock();
    for (const tabs of [{}, { tabs: "shared", tabsPort: new FakeProfile().tab("a") }] as const) {
      const parley = createParley({ url: "http://parley.test", user: "alice", token: noNetwork, clock, network: new FakeNetwork(), ...tabs });
      parley.setOnline(false);
      parley.start();
      await settle();
      expect(parley.connection.value).toEqual({ phase: "offline" });
    }
  });

  test("shows what was kept as the page was hidden", async () => {
    const w = await before();
    w.parley.setVisible(false);
    await settle(); // nobody closes a client whose page goes
    const again = await world({ storage: w.storage, token: noNetwork });
    expect(again.parley.loaded.value).toBe(true);
    const c = again.parley.conversation(conv);
    expect(c?.info.value).toMatchObject({ head: 2, unread: 2 });
    expect([1, 2].map((seq) => c?.thread.item(seq))).toMatchObject([{ body: { text: "text 1" } }, { body: { text: "text 2" } }]);
  });
});
