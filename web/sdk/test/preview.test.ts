// What a list says of a conversation: from the server's shape, and from entries.

import { expect, test } from "vitest";
import type { ConversationInfo } from "../src/api.js";
import type { ConversationFrame, Entry } from "../src/protocol/frames.js";
import { emptyInfo, withEntry, withFrame } from "../src/state/info.js";

const time = "2026-11-21T00:00:00.000Z";
const head = (seq: number) => ({ conv: "g_1", seq, id: `g_1-${seq}`, from: "bea", time, cmid: `c${seq}`, count: 1 });
const file = (name: string, type: string) => ({ id: name, name, type, size: 1 });
const said = (seq: number, text?: string, ...attachments: ReturnType<typeof file>[]): Entry => ({
  type: "message",
  ...head(seq),
  body: { ...(text !== undefined && { text }), ...(attachments.length > 0 && { attachments }) },
});
const after = (...entries: Entry[]): ConversationInfo => entries.reduce((info, e) => withEntry(info, e, "ann", undefined), emptyInfo("g_1", "group"));
const told = (more: Partial<ConversationFrame>): ConversationFrame => ({ ...emptyInfo("g_1", "group"), type: "conversation", ...more }) as ConversationFrame;
const last = { seq: 1, from: "bea", time };

test("files of the latest message", () => {
  const picture = file("a.png", "image/png");
  expect(after(said(1, undefined, picture)).last).toEqual({ ...last, text: "", files: { count: 1, name: "a.png", type: "image/png" } });
  expect(after(said(1, "look", picture, file("b.jpg", "image/jpeg"))).last?.files).toEqual({ count: 2, name: "a.png", type: "image/png" });
  expect(after(said(1, "", picture, file("b.pdf", "application/pdf"))).last?.files).toEqual({ count: 2, name: "a.png" });
});

test("what is taken away is gone for good", () => {
  const recalled: Entry = { type: "recalled", ...head(2), target: 1 };
  const info = after(said(1, "secret", file("secret.png", "image/png")), recalled);
  expect(info.last).toEqual({ ...last, text: "", gone: true });
  // An answer that was made before.
  expect(withFrame(info, told({ head: 2, last: { ...last, text: "secret" } })).last).toEqual({ ...last, text: "", gone: true });
});

test("an edit takes the place of what was sent, files included", () => {
  const edited: Entry = { type: "edited", ...head(2), target: 1, body: { text: "right", attachments: [file("b.pdf", "application/pdf")] } };
  const info = after(said(1, "wrong", file("a.png", "image/png"), file("c.png", "image/png")), edited);
  const right = { ...last, text: "right", files: { count: 1, name: "b.pdf", type: "application/pdf" } };
  expect(info.last).toEqual(right);
  // An answer that was made before, and one that knows of a later edit.
  expect(withFrame(info, told({ head: 1, last: { ...last, text: "wrong" } })).last).toEqual(right);
  expect(withFrame(info, told({ head: 3, last: { ...last, text: "better" } })).last).toEqual({ ...last, text: "better" });
});

test("what happened since, until somebody writes", () => {
  const users = [{ user: "bea", role: "owner" }, { user: "cy", role: "member" }, { user: "dee", role: "member" }] as const;
  const created: Entry = { type: "members", ...head(1), change: "created", users };
  expect(after(created).event).toEqual({ ...last, change: "created", user: "cy", role: "member", users: 2 });
  const left: Entry = { type: "members", ...head(3), change: "left", users: [{ user: "bea", role: "member" }] };
  expect(after(created, said(2, "hi")).event).toBeUndefined();
  expect(after(created, said(2, "hi"), left)).toMatchObject({ last: { text: "hi" }, event: { seq: 3, change: "left", user: "bea", users: 1 } });
  const event = { ...last, change: "renamed" } as const;
  expect(withFrame(after(), told({ head: 1, event })).event).toEqual(event);
  expect(withFrame(after(created, left), told({ head: 4, last: { ...last, seq: 4, text: "x" } })).event).toBeUndefined();
});
