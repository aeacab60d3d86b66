// The server's data are of a while ago, in another life: what was asked before that is no answer.

import { expect, test } from "vitest";
import type { HttpRequest } from "../src/index.js";
import { at, conv, conversation, FakeNetwork, message, settle, world } from "./support/fake.js";

/** Answers as things are when it is asked, and not before it is let go. */
class HeldNetwork extends FakeNetwork {
  private readonly held: (() => void)[] = [];

  override request(r: HttpRequest) {
    const answer = super.request(r);
    return new Promise<Awaited<typeof answer>>((done) => this.held.push(() => done(answer)));
  }

  /** What was asked until now is let go by the result alone. */
  hold(): () => void {
    const held = this.held.splice(0);
    return () => held.forEach((go) => go());
  }

  letGo(): void {
    for (const go of this.held.splice(0)) go();
  }
}

test("a list that was asked for before a restore does not stay", async () => {
  const net = new HeldNetwork();
  let head = 9;
  net.answer = (path) => ({ status: 200, body: { items: path.startsWith("/v1/conversations?") ? [conversation(head, { read: 8, unread: 1 })] : [] } });
  const w = await world({ network: net });
  await net.last.welcome();
  expect(net.requests).toHaveLength(1);
  net.last.end(1012);
  await w.clock.advance(5_000);
  head = 4;
  await net.last.welcome({ epoch: "e2" });
  net.letGo(); // what was asked before the restore
  await settle();
  net.letGo();
  await settle();
  expect(w.parley.conversation(conv)!.info.value).toMatchObject({ head: 4, unread: 1, exact: true });
  expect(w.parley.loaded.value).toBe(true);
});

test("what was counted before a restore does not stay", async () => {
  const net = new HeldNetwork();
  net.answer = (path) => ({ status: 200, body: path.endsWith("/unread") ? { unread: 1, exact: true, head: 4, read: 3 } : { items: [conversation(4, { read: 1, unread: 3 })] } });
  const w = await world({ network: net });
  await net.last.welcome();
  net.last.tell(conversation(3, { exact: false }), message(1), message(2), message(3));
  net.last.tell({ type: "recalled", conv, seq: 4, id: `${conv}-4`, from: "bob", time: at(4), cmid: "r", count: 3, target: 1 });
  await w.clock.advance(1_000);
  expect(net.requests.map((r) => r.url).filter((url) => url.endsWith("/unread"))).toHaveLength(1);
  net.last.end(1012);
  await w.clock.advance(5_000);
  await net.last.welcome({ epoch: "e2" });
  net.last.tell(conversation(4, { read: 1, unread: 3 }));
  net.letGo();
  await settle();
  expect(w.parley.conversation(conv)!.info.value).toMatchObject({ head: 4, read: 1, unread: 3 });
});

test("what is set, and what is opened, while the server is restored has the numbers of after it", async () => {
  const net = new HeldNetwork();
  const group = "g_tea0000000000000000";
  let head = 9;
  const shape = (of: string, more: object = {}) => ({ status: 200, body: { ...conversation(head, more), conv: of } });
  net.answer = (path, r) => {
    if (path.startsWith("/v1/conversations?")) return { status: 200, body: { items: [conversation(head)] } };
    if (path === `/v1/conversations/${group}`) return shape(group, { kind: "group" });
    return r.method === "PATCH" || path === `/v1/conversations/${conv}` ? shape(conv, { muted: true }) : { status: 200, body: { items: [] } };
  };
  const w = await world({ network: net });
  await net.last.welcome();
  net.letGo();
  await settle();
  const set = w.parley.conversation(conv)!.settings({ muted: true });
  const opened = w.parley.open(group);
  await settle();
  net.last.end(1012);
  await w.clock.advance(5_000);
  head = 4;
  await net.last.welcome({ epoch: "e2" });
  for (let i = 0; i < 3; i++) {
    net.letGo();
    await settle();
  }
  await set;
  expect((await opened).info.value).toMatchObject({ head: 4, unread: 4 });
  expect(w.parley.conversation(conv)!.info.value).toMatchObject({ head: 4, unread: 4, muted: true });
});

test("a thread that is being read on in the last epoch is read on in this one", async () => {
  const net = new HeldNetwork();
  let head = 9;
  const page = (path: string, fold: boolean) => {
    const after = Number(/after=(\d+)/.exec(path)![1]);
    const items = [];
    for (let seq = after + 1; seq <= head; seq++) items.push(fold ? { ...message(seq), state: "stored", delivered_by: 0, read_by: 0 } : message(seq));
    return { status: 200, body: { conv, items, head, floor: 1, more_before: false, more_after: false } };
  };
  net.answer = (path) =>
    path.includes("/messages") || path.includes("/entries") ? page(path, path.includes("/messages")) : { status: 200, body: { items: [conversation(head)] } };
  const w = await world({ network: net });
  const go = async () => {
    for (let i = 0; i < 5; i++) {
      net.letGo();
      await settle();
    }
  };
  await net.last.welcome();
  await go();
  const { thread } = w.parley.conversation(conv)!;
  const load = async (from: number, to: number) => {
    const loading = thread.load(from, to);
    await settle();
    await go();
    await loading;
  };
  await load(1, 9);
  net.last.tell(conversation(12)); // three are missing: they are asked for, and there is no answer yet
  await settle();
  const late = net.hold();
  net.last.end(1012);
  await w.clock.advance(5_000);
  head = 4;
  await net.last.welcome({ epoch: "e2" });
  await go();
  await load(1, 4);
  head = 6;
  net.last.tell(conversation(6));
  await settle();
  await go();
  late();
  await settle();
  await go();
  expect(thread.item(6)).toMatchObject({ body: { text: "text 6" } });
});

test("who was a member before a restore is asked for anew", async () => {
  const net = new HeldNetwork();
  let users = ["alice", "bob", "carol"];
  net.answer = (path) => {
    const items = path.includes("/members") ? users.map((user) => ({ user, role: "member", joined: 1, read: 0, delivered: 0 })) : [conversation(4)];
    return { status: 200, body: { items } };
  };
  const w = await world({ network: net });
  await net.last.welcome();
  net.letGo();
  await settle();
  const c = w.parley.conversation(conv)!;
  const loading = c.loadMembers();
  await settle();
  net.last.end(1012);
  await w.clock.advance(5_000);
  users = ["alice", "bob"];
  await net.last.welcome({ epoch: "e2" });
  for (let i = 0; i < 3; i++) {
    net.letGo();
    await settle();
  }
  expect((await loading).map((m) => m.user)).toEqual(users);
  expect(c.members.value?.map((m) => m.user)).toEqual(users);
  net.last.end(1012);
  await w.clock.advance(5_000);
  await net.last.welcome({ epoch: "e3" });
  expect(c.members.value).toBeUndefined();
});
