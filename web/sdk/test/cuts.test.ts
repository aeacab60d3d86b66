// Two people on a real server, over a network that cuts every connection after some
// kilobytes, with a reload in the middle. Afterwards both have what the server has.

import { isDeepStrictEqual } from "node:util";
import WebSocket from "ws";
import { expect, inject, test } from "vitest";
import type { Conversation, MessageItem, Parley, StorageAdapter } from "../src/index.js";
import { memoryStorage } from "../src/index.js";
import { systemNetwork } from "../src/platform.js";
import { cutter, seeded } from "./support/cutter.js";
import { settle } from "./support/fake.js";
import { devToken, live, realClient, until } from "./support/real.js";

const each = 300; // messages of each person, in each of two conversations half
const together = 40; // that wait at a time

interface ServerItem {
  type: string;
  seq: number;
  from: string;
  cmid: string;
  count: number;
  body?: unknown;
  gone?: boolean;
  edited?: { seq: number };
  recalled?: { seq: number; by: string };
  reactions?: unknown[];
}

async function readAll(server: string, token: string, conv: string, what: string): Promise<ServerItem[]> {
  const all: ServerItem[] = [];
  for (let after = 0; ; ) {
    const answer = await fetch(`${server}/v1/conversations/${conv}/${what}?after=${after}&limit=200`, { headers: { Authorization: "Bearer " + token } });
    const page = (await answer.json()) as { items: ServerItem[]; more_after: boolean };
    all.push(...page.items);
    after = page.items[page.items.length - 1]?.seq ?? after;
    if (!page.more_after) return all;
  }
}

/** A client whose machine may lose power: then nothing more goes out, and nothing is written. */
function mortal(server: string, through: string, user: string, storage: StorageAdapter, random: () => number): { parley: Parley; die: () => void } {
  let dead = false;
  const net = systemNetwork(WebSocket as never);
  const never = new Promise<never>(() => {});
  const sockets = new Set<{ close(): void }>();
  const parley = realClient(server, user, {
    storage: { ...storage, write: (ops) => (dead ? never : storage.write(ops)) },
    random: () => random() * 0.02, // the waits are not what is tested
    network: {
      open: (_url, protocols, on) => {
        const s = net.open(through.replace("http", "ws") + "/v1/ws", protocols, {
          opened: () => dead || on.opened(),
          message: (text) => dead || on.message(text),
          closed: (code, reason) => dead || on.closed(code, reason),
        });
        sockets.add(s);
        return { send: (text) => dead || s.send(text), close: (code) => s.close(code) };
      },
      request: (r) => (dead ? never : net.request(r)),
    },
  });
  return {
    parley,
    die: () => {
      dead = true;
      for (const s of sockets) s.close();
    },
  };
}

/** Sends, edits, reacts and recalls by chance; no more than some wait at a time. Done when no change waits, except where the machine dies. */
async function chat(c: Conversation, name: string, from: number, to: number, random: () => number, sent: string[], dies = false): Promise<void> {
  const changes: Promise<unknown>[] = [];
  for (let i = from; i < to; i++) {
    sent.push(c.send({ text: `${name} ${i}` }).cmid);
    if (random() < 0.1) {
      const target = 1 + Math.floor(random() * Math.max(1, c.thread.head.peek()));
      const item = c.thread.item(target);
      if (item?.kind === "message" && !item.gone && !item.pending) {
        const what = random();
        const change = !item.own || what < 0.5 ? c.react(target, random() < 0.5 ? "👍" : "🎉", true) : what < 0.8 ? c.edit(target, `${name} changed ${i}`) : c.recall(target);
        changes.push(change.catch(() => {})); // it may have been recalled meanwhile
      }
    }
    await until("room in the outbox", () => c.thread.outgoing.value.filter((m) => m.state === "pending").length < together);
  }
  if (!dies) await Promise.all(changes);
}

const quiet = (p: Parley, convs: string[]): Promise<void> =>
  until("an empty outbox", () => convs.every((id) => (p.conversation(id)?.thread.outgoing.value.length ?? 0) === 0));

test("what was sent is stored once and in order, whatever is cut", async () => {
  const server = inject("server");
  const seed = Number(process.env["SEED"] ?? Date.now() % 100_000);
  console.log(`seed ${seed}`);
  const random = seeded(seed);
  const proxy = await cutter(server, random, 30_000);
  const [a, b] = [`cut-a-${seed}`, `cut-b-${seed}`];
  const stores = { a: memoryStorage(), b: memoryStorage() };
  let alice = mortal(server, proxy.url, a, stores.a, random);
  const bob = mortal(server, proxy.url, b, stores.b, random);
  alice.parley.start();
  bob.parley.start();
  await Promise.all([live(alice.parley), live(bob.parley)]);
  const group = await alice.parley.createGroup({ title: "Cuts", members: [b] });
  const direct = alice.parley.direct(b);
  const convs = [direct.id, group.id];
  await until("bob's group", () => bob.parley.conversation(group.id) !== undefined);
  const bobs = [bob.parley.direct(a), bob.parley.conversation(group.id)!];
  // From here on all that bob's threads have comes by the socket.
  for (const c of bobs) await c.thread.load(1, 1);

  const sent: Record<string, string[]> = { a0: [], a1: [], b0: [], b1: [] };
  const half = each / 4;
  const work = bobs.map((c, i) => chat(c, `${b}/${i}`, 0, each / 2, random, sent[`b${i}`]!));
  await Promise.all([direct, group].map((c, i) => chat(c, `${a}/${i}`, 0, half, random, sent[`a${i}`]!, true)));
  const waiting = [direct, group].flatMap((c) => c.thread.outgoing.peek()).length;
  await settle(); // what was sent is in storage
  alice.die();
  alice = mortal(server, proxy.url, a, stores.a, random);
  alice.parley.start();
  await until("the conversations of before", () => convs.every((id) => alice.parley.conversation(id) !== undefined));
  const alices = convs.map((id) => alice.parley.conversation(id)!);
  await Promise.all([...alices.map((c, i) => chat(c, `${a}/${i}`, half, each / 2, random, sent[`a${i}`]!)), ...work]);
  proxy.calm();
  await Promise.all([quiet(alice.parley, convs), quiet(bob.parley, convs)]);
  console.log(`${proxy.cuts()} cuts, ${waiting} messages waited when the power went`);
  expect(proxy.cuts()).toBeGreaterThan(4);

  const token = await devToken(server, a);
  for (const [i, conv] of convs.entries()) {
    const log = await readAll(server, token, conv, "entries");
    expect(log.map((e) => e.seq)).toEqual(log.map((_, n) => n + 1));
    const messages = log.filter((e) => e.type === "message");
    // Each once, in the order in which it was sent.
    expect(messages.filter((e) => e.from === a).map((e) => e.cmid)).toEqual(sent[`a${i}`]);
    expect(messages.filter((e) => e.from === b).map((e) => e.cmid)).toEqual(sent[`b${i}`]);

    const folded = new Map((await readAll(server, token, conv, "messages")).map((m) => [m.seq, m]));
    const head = log.length;
    for (const c of [alices[i]!, bobs[i]!]) {
      await until("the head", () => c.info.value.head === head);
      if (c === alices[i]) await c.thread.load(1, head); // what came before the reload
      // A list read over HTTP may name a head whose entries are on their way yet. What is still missing is named below.
      const same = (e: ServerItem) => e.type !== "message" || isDeepStrictEqual(shown(c.thread.item(e.seq) as MessageItem), shown(folded.get(e.seq)!));
      await until("the whole log", () => log.every((e) => c.thread.has(e.seq)) && log.every(same)).catch(console.log);
      expect(c.thread.rows.value.length).toBe(log.filter((e) => e.type === "message" || e.type === "members").length);
      for (const e of log) {
        expect(c.thread.has(e.seq), `${e.seq} of ${head}`).toBe(true);
        const item = c.thread.item(e.seq);
        expect(item?.kind).toBe(e.type === "message" || e.type === "members" ? e.type : undefined);
        if (e.type === "message") expect(shown(item as MessageItem)).toEqual(shown(folded.get(e.seq)!));
      }
      expect(c.info.value).toMatchObject({ head, count: messages.length });
    }
    // Unread like the server counts, and gone when it is read.
    for (const [p, c] of [[a, alices[i]!], [b, bobs[i]!]] as const) {
      const answer = await fetch(`${server}/v1/conversations/${conv}/unread`, { headers: { Authorization: "Bearer " + (await devToken(server, p)) } });
      const { unread } = (await answer.json()) as { unread: number };
      await until("the server's count", () => c.info.value.unread === unread);
      c.markRead(head);
      expect(c.info.value.unread).toBe(0);
    }
  }
  await Promise.all([alice.parley.close(), bob.parley.close()]);
  await proxy.close();
}, 300_000);

function shown(m: MessageItem | ServerItem): object {
  const { seq, from, cmid, count, body, gone, edited, recalled } = m;
  const reactions = (m.reactions ?? []).map((r) => {
    const { emoji, count: n, users } = r as { emoji: string; count: number; users: string[] };
    return { emoji, n, users: [...users].sort() };
  });
  return { seq, from, cmid, count, body, gone: gone ?? false, edited: edited?.seq, recalled: recalled?.seq, reactions };
}
