// What a tab says that led, stood still and was replaced, before it hears of that.

import { expect, test } from "vitest";
import { memoryStorage } from "../src/index.js";
import { seeded } from "./support/cutter.js";
import { FakeClock, FakeProfile, jwt } from "./support/fake.js";
import { Machine } from "./support/machine.js";
import { ModelServer } from "./support/model.js";

/** Two tabs of alice: the first one led, stands still, and the other one leads. */
async function replaced(messages: number) {
  const clock = new FakeClock();
  const server = new ModelServer(clock, seeded(1));
  server.faults.on = false;
  const c = server.direct("alice", "bob");
  for (let i = 0; i < messages; i++) server.stranger(c, "bob", { type: "send", body: { text: "hello" } });
  const profile = new FakeProfile();
  const storage = memoryStorage();
  const token = () => Promise.resolve(jwt({ exp: clock.now() / 1000 + 36_000 }));
  const open = (name: string) => new Machine(name, { server, storage, user: "alice", tabsPort: profile.tab(name), token });
  const [old, next] = [open("old"), open("next")];
  await clock.advance(1_000);
  old.freeze();
  next.parley.setVisible(true);
  await clock.advance(22_000);
  return { clock, server, c, old, next, open };
}

test("what is read in it reaches the server", async () => {
  const w = await replaced(5);
  w.old.parley.conversation(w.c.id)!.markRead(3);
  w.old.thaw();
  await w.clock.advance(2_000);
  expect(w.c.read.get("alice")).toBe(3);
  for (const m of [w.old, w.next]) expect(m.parley.conversation(w.c.id)!.info.value).toMatchObject({ read: 3, unread: 2, exact: true });
});
