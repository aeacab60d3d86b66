import { expect, test } from "vitest";
import type { Entry } from "../src/protocol/frames.js";
import { emptyInfo, withEntry } from "../src/state/info.js";

const conv = "g_57ejx5rhhcqxo7yuw5bj6hxs5f";

function members(seq: number, more: object): Entry {
  return { type: "members", conv, seq, id: `${conv}-${seq}`, from: "ann", time: "2026-11-21T00:56:20.039Z", cmid: "k", count: 0, change: "removed", ...more } as Entry;
}

test("one's part ends with the entry that removes one, and with the one that closes the group", () => {
  const before = { ...emptyInfo(conv, "group"), head: 3 };
  expect(withEntry(before, members(4, { users: [{ user: "me", role: "member" }] }), "me", undefined).left).toBe(4);
  expect(withEntry(before, members(4, { change: "left", users: [{ user: "me", role: "member" }] }), "me", undefined).left).toBe(4);
  expect(withEntry(before, members(4, { change: "closed" }), "me", undefined).left).toBe(4);
  expect(withEntry(before, members(4, { users: [{ user: "bob", role: "member" }] }), "me", undefined).left).toBeUndefined();
  expect(withEntry(before, members(4, { change: "role", users: [{ user: "me", role: "admin" }] }), "me", undefined).left).toBeUndefined();
});
