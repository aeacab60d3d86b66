// What goes over HTTP, against a real server.

import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { Conversation, MessageItem, Parley } from "../src/index.js";
import { live, realClient, until } from "./support/real.js";

let ann: Parley;
let ben: Parley;
let cat: Parley;
const all = () => [ann, ben, cat];

beforeAll(async () => {
  [ann, ben, cat] = ["ann", "ben", "cat"].map((user) => realClient(inject("server"), "social-" + user)) as [Parley, Parley, Parley];
  for (const p of all()) p.start();
  await Promise.all(all().map(live));
});

afterAll(() => Promise.all(all().map((p) => p.close())));

const seen = async (p: Parley, c: Conversation): Promise<Conversation> => {
  await until("the conversation", () => p.conversation(c.id) !== undefined && p.conversation(c.id)!.info.value.head > 0);
  return p.conversation(c.id)!;
};

describe("groups", () => {
  test("members, roles, mutes, title, leaving and closing", async () => {
    const a = await ann.createGroup({ title: "Tea", members: ["social-ben"], history: "all" });
    expect(a.info.value).toMatchObject({ kind: "group", title: "Tea", role: "owner", members: 2 });
    const b = await seen(ben, a);
    expect((await a.loadMembers()).map((m) => [m.user, m.role]).sort()).toEqual([["social-ann", "owner"], ["social-ben", "member"]]);
    await expect(b.rename("Coffee")).rejects.toMatchObject({ code: "forbidden" });
    await a.setRole("social-ben", "admin");
    await until("ben's role", () => b.info.value.role === "admin");
    await b.rename("Coffee");
    await until("the title", () => a.info.value.title === "Coffee");
    await b.add("social-cat");
    const c = await seen(cat, a);
    await until("three", () => a.members.value?.length === 3 && a.info.value.members === 3);
    await a.muteMember("social-cat", true);
    await until("cat's role", () => c.info.value.role === "muted");
    const refused = c.send({ text: "let me speak" });
    await expect(c.stored(refused.cmid)).rejects.toMatchObject({ code: "forbidden" });
    expect(c.thread.outgoing.value).toMatchObject([{ state: "failed" }]);
    await a.muteMember("social-cat", false);
    await until("cat's role", () => c.info.value.role === "member");
    const again = c.retry(refused.cmid)!;
    const { seq } = await c.stored(again.cmid);
    await until("nothing outgoing", () => c.thread.outgoing.value.length === 0);

    await until("ben has it", () => b.info.value.head >= seq);
    await b.thread.load(1, seq);
    const kinds = Array.from({ length: b.thread.rows.value.length }, (_, i) => b.thread.item(b.thread.rows.value.seqAt(i)!)!.kind);
    expect(kinds).toEqual(["members", "members", "members", "members", "members", "members", "message"]);
    b.markRead(seq);
    await until("who has seen it", () => (c.info.value.peers ?? []).some((p) => p.user === "social-ben" && p.read >= seq));
    expect((await c.seenBy(seq)).find((p) => p.user === "social-ben")).toEqual({ user: "social-ben", delivered: true, read: true });

    await expect(a.leave()).rejects.toMatchObject({ code: "forbidden" });
    await c.leave();
    await until("cat is out", () => c.info.value.left !== undefined && a.info.value.members === 2);
    await a.remove("social-ben");
    await until("ben is out", () => b.info.value.left !== undefined);
    await a.close();
    expect(a.info.value.left).toBeDefined();
  });

  test("settings reach one's other conversations' list", async () => {
    const a = await ann.createGroup({ title: "Quiet", members: ["social-ben"] });
    await a.settings({ muted: true, pinned: true });
    expect(a.info.value).toMatchObject({ muted: true, pinned: true, archived: false });
    expect(ann.conversations.value[0]).toBe(a);
    await expect(ann.open("g_aaaaaaaaaaaaaaaaaaaaaaaaaa")).rejects.toMatchObject({ code: "not_found" });
    expect(await ann.open(a.id)).toBe(a);
  });
});

test("blocks", async () => {
  const stop = ben.blocks.subscribe(() => {});
  await ben.block("social-ann");
  await until("the block is known", () => ben.blocks.value?.has("social-ann") === true);
  const a = ann.direct("social-ben");
  const m = a.send({ text: "are you there?" });
  await expect(a.stored(m.cmid)).rejects.toMatchObject({ code: "forbidden" });
  await ben.unblock("social-ann");
  a.retry(m.cmid);
  await until("it goes through", () => a.info.value.head === 1 && a.thread.outgoing.value.length === 0);
  stop();
});

test("devices and read positions that are hidden", async () => {
  const dan = realClient(inject("server"), "social-dan"); // whoever hides is not shown what the other tests look at
  dan.start();
  await live(dan);
  expect(await dan.devices()).toEqual([{ device: dan.me.value!.device, seen: expect.any(String), own: true }]);
  expect(await dan.profile()).toEqual({ user: "social-dan", hide_read: false });
  expect(await dan.setProfile({ hide_read: true })).toEqual({ user: "social-dan", hide_read: true });
  await dan.close();
});

test("search, and a jump to what was found", async () => {
  const a = ann.direct("social-cat");
  const m = a.send({ text: "the zebra crosses the road" });
  const { seq } = await a.stored(m.cmid);
  let hits = (await ann.search({ q: "zebra" })).items;
  const deadline = Date.now() + 60_000; // the index is behind by half a second as a rule
  while (hits.length === 0 && Date.now() < deadline) hits = (await ann.search({ q: "zebra", conv: a.id })).items;
  expect(hits).toMatchObject([{ conv: a.id, seq, from: "social-ann" }]);
  const { text, highlights } = hits[0]!.snippet;
  expect(highlights.map(([from, to]) => text.slice(from, to))).toEqual(["zebra"]);
  await a.thread.around(seq);
  expect(a.thread.item(seq)).toMatchObject({ body: { text: "the zebra crosses the road" } });
  const item = a.thread.item(seq) as MessageItem;
  expect(await a.seqAt(Date.parse(item.time))).toBe(seq);
});

test("a file: upload, send, and fetch it as the other one", async () => {
  const a = ann.direct("social-cat");
  const content = new TextEncoder().encode("a small file");
  const progress: number[] = [];
  const file = await ann.upload({ name: "notes.txt", type: "text/plain", size: content.length, content }, a.id, { onProgress: (p) => progress.push(p) });
  expect(file).toMatchObject({ name: "notes.txt", size: content.length });
  expect(progress.at(-1)).toBe(1);
  const { seq } = await a.stored(a.send({ attachments: [file] }).cmid);
  const c = await seen(cat, a);
  await until("the entry", () => c.info.value.head >= seq);
  await c.thread.load(seq, seq);
  const got = (c.thread.item(seq) as MessageItem).body!.attachments![0]!;
  const answer = await fetch(await cat.attachmentURL(got.id));
  expect(await answer.text()).toBe("a small file");
  await expect(ben.attachmentURL(got.id)).rejects.toMatchObject({ code: "not_found" });
});
