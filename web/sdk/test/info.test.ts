import { describe, expect, test } from "vitest";
import type { ConversationInfo } from "../src/api.js";
import { emptyInfo, withEntry } from "../src/state/info.js";
import type { Entry } from "../src/protocol/frames.js";

const group: ConversationInfo = {
  ...emptyInfo("g_1", "group"),
  head: 5,
  members: 3,
  peers: [
    { user: "bea", read: 4, delivered: 5 },
    { user: "cy", read: 0, delivered: 0 },
  ],
};

function members(change: string, users: Record<string, string>, title?: string): Entry {
  const list = Object.entries(users).map(([user, role]) => ({ user, role }));
  return { type: "members", conv: "g_1", seq: 6, id: "g_1-6", from: "bea", time: "2026-11-21T00:00:00.000Z", cmid: "m", count: 0, change, users: list, title } as Entry;
}

describe("what a members entry changes", () => {
  const after = (e: Entry) => withEntry(group, e, "ann", undefined);

  test("somebody joins", () => {
    expect(after(members("added", { dee: "member" }))).toMatchObject({ members: 4, head: 6, peers: [...group.peers!, { user: "dee", read: 0, delivered: 0 }] });
  });
  test("somebody goes", () => {
    const now = after(members("removed", { cy: "member" }));
    expect(now).toMatchObject({ members: 2, peers: [group.peers![0]] });
    expect(now.left).toBeUndefined();
  });
  test("one is removed, or leaves", () => {
    for (const change of ["removed", "left"]) expect(after(members(change, { ann: "member" }))).toMatchObject({ left: 6, members: 2 });
  });
  test("one gets another role", () => {
    expect(after(members("role", { ann: "muted" })).role).toBe("muted");
    expect(after(members("role", { cy: "admin" })).role).toBe("member");
  });
  test("the group is renamed and closed", () => {
    expect(after(members("renamed", {}, "New")).title).toBe("New");
    expect(after(members("closed", {})).left).toBe(6);
  });
  test("an old entry changes nothing", () => {
    expect(withEntry({ ...group, head: 6 }, members("removed", { ann: "member" }), "ann", undefined).left).toBeUndefined();
  });
});

describe("what an edit changes", () => {
  const last = { seq: 4, from: "bea", time: "2026-11-21T00:00:00.000Z", text: "as sent" };
  const edited = (seq: number, target: number, text: string): Entry =>
    ({ type: "edited", conv: "g_1", seq, id: `g_1-${seq}`, from: "bea", time: last.time, cmid: `e${seq}`, count: 2, target, body: { text } }) as Entry;
  const after = (...list: Entry[]) => list.reduce<ConversationInfo>((info, e) => withEntry(info, e, "ann", undefined), { ...group, last }).last;

  test("the list shows it, if it is of the latest message", () => {
    expect(after(edited(6, 4, "new"), edited(7, 3, "of another"))).toEqual({ ...last, text: "new" });
    expect(after(edited(6, 4, "new"), edited(7, 4, "x".repeat(200)))).toEqual({ ...last, text: "x".repeat(160) });
  });
  test("what the server's picture includes changes nothing", () => {
    expect(after(edited(5, 4, "old"))).toEqual(last);
  });
});
