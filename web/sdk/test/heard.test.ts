// What a tab makes of what others say, where each thing is said by hand.

import { expect, test } from "vitest";
import type { TabsPort } from "../src/index.js";
import { conv, settle, world } from "./support/fake.js";

type Said = { t: string; events?: { e: string }[] };

async function tab() {
  const said: Said[] = [];
  const one = { lead: () => {}, lost: (): void => {}, hear: (_: unknown): void => {} };
  const tabsPort: TabsPort = {
    elect: (_name, lead, lost) => {
      Object.assign(one, { lead, lost });
      return () => {};
    },
    channel: (_name, receive) => {
      one.hear = receive;
      return { post: (m) => void said.push(m as Said), close: () => {} };
    },
  };
  const w = await world({ tabs: "shared", tabsPort });
  return { ...w, ...one, events: () => said.flatMap((m) => m.events ?? []).map((ev) => ev.e) };
}

const command = { cmid: "c1", conv, serial: 1, time: 1, frame: { type: "send", to: "bob", ref: "c1", cmid: "c1", body: { text: "one" } } };

test("a tab that leads for a moment only says nothing of what it was ordered", async () => {
  const w = await tab();
  w.lead();
  w.hear({ t: "order", from: "other", order: { do: "submit", command } });
  w.lost();
  await settle();
  expect(w.events()).toEqual([]);
  expect(w.parley.conversation(conv)?.thread.outgoing.value ?? []).toEqual([]);
});

test("what another tab took for ordered, in the belief that it leads, the one that leads sees to", async () => {
  const w = await tab();
  w.lead();
  await settle();
  await w.net.last.welcome();
  w.hear({ t: "events", by: "other", events: [{ e: "added", command }] });
  expect(w.parley.direct("bob").thread.outgoing.value).toMatchObject([{ cmid: "c1", state: "pending" }]);
  expect(w.net.last.take("send")).toEqual([command.frame]);
});
