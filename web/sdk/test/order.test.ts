import { expect, test } from "vitest";
import type { Command } from "../src/engine/command.js";
import { Outbox } from "../src/engine/outbox.js";
import { conv } from "./support/fake.js";

const said = (serial: number): Command => ({ cmid: `c${serial}`, conv, serial, time: serial, frame: { type: "send", to: "bob", ref: `c${serial}`, cmid: `c${serial}`, body: { text: String(serial) } } });

function written(outbox: Outbox, now: number): string[] {
  const cmids: string[] = [];
  for (let text = outbox.next(now, 64); text !== undefined; text = outbox.next(now, 64)) cmids.push((JSON.parse(text) as { cmid: string }).cmid);
  return cmids;
}

test("what the server put off goes out before what was said earlier in another tab and is heard of late", () => {
  const outbox = new Outbox(() => 0.5);
  outbox.add(said(2));
  expect(written(outbox, 0)).toEqual(["c2"]);
  outbox.retryLater("c2", 0, 100); // till it sees c2 again the server puts off all of this conversation
  outbox.add(said(3));
  outbox.add(said(1));
  expect(written(outbox, 100)).toEqual(["c2", "c1", "c3"]);
});
