// The bodies of pkg/wire/testdata/rest, which the Go side reads and writes as well.

import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import type { MessageItem } from "../src/index.js";
import { problem } from "../src/net/rest.js";
import { decode, decodeEntries } from "../src/protocol/codec.js";
import type { ConversationFrame, FoldedMessage } from "../src/protocol/frames.js";
import { messageItem } from "../src/state/fold.js";
import { emptyInfo, withFrame } from "../src/state/info.js";
import { liveWorld } from "./support/fake.js";

const dir = resolve(import.meta.dirname, "../../../pkg/wire/testdata/rest");

type Body = Record<string, unknown>;
const golden = new Map(readdirSync(dir).map((file) => [file.replace(".json", ""), JSON.parse(readFileSync(resolve(dir, file), "utf8")) as Body] as const));

/** What an operator or a server of one's own asks and is told: no client does. */
const notOurs = /^(Ban|SetBan|Broadcast|NewBroadcast|Erasure|NewErasure|Job|JobList|RetryJob|Export|Retention|SetRetention|Revocation|Revoke|Token|TokenRequest|Trace|PostMessages?|EditMessage|BatchResult)/;

/** Answers with a body, whatever is asked; gives what was asked, too. */
async function asked<T>(body: Body, ask: (w: Awaited<ReturnType<typeof liveWorld>>) => Promise<T>): Promise<{ got: T; method: string; path: string; sent: Body | undefined }> {
  const w = await liveWorld();
  w.net.requests.length = 0;
  w.net.answer = () => ({ status: 200, body });
  const got = await ask(w);
  const r = w.net.requests[0]!;
  const sent = typeof r.body === "string" ? (JSON.parse(r.body) as Body) : undefined;
  return { got, method: r.method, path: new URL(r.url).pathname, sent };
}

/** One page, whatever it says of a next one. */
const lastPage = (body: Body): Body => ({ ...body, next: undefined });

const conversationBody = golden.get("Conversation-social")!;
const group = async (w: Awaited<ReturnType<typeof liveWorld>>) => (await w.parley.open(conversationBody["conv"] as string))!;

const readers: Record<string, (body: Body, name: string) => unknown> = {
  Ack: (body) => expect(decode(JSON.stringify(body))).toEqual(body),
  Message(body) {
    const item = messageItem(body as unknown as FoldedMessage, "bob");
    for (const field in body) if (field !== "type") expect((item as unknown as Body)[field], field).toEqual(body[field]);
    expect(item).toMatchObject({ kind: "message", own: body["from"] === "bob", gone: body["gone"] ?? false });
  },
  MessagePage(body) {
    expect(body["items"]).toBeInstanceOf(Array);
    for (const m of body["items"] as Body[]) readers["Message"]!(m, "");
  },
  EntryPage: (body) => expect(decodeEntries(body["items"])).toEqual(body["items"]),
  Conversation(body) {
    const f = body as unknown as ConversationFrame;
    const info = withFrame(emptyInfo(f.conv, f.kind), f);
    for (const field in body) expect((info as unknown as Body)[field], field).toEqual(body[field]);
  },
  ConversationList(body) {
    for (const f of body["items"] as Body[]) readers["Conversation"]!(f, "");
  },
  async Unread(body) {
    const w = await liveWorld();
    w.net.answer = (path) => ({ status: 200, body: path.endsWith("/unread") ? body : { items: [] } });
    const conv = body["conv"] as string;
    const frame = { ...conversationBody, type: "conversation", conv, head: body["head"], read: (body["read"] as number) - 1, unread: 50 };
    w.net.last.tell(frame);
    w.parley.conversation(conv)!.markRead(body["read"] as number);
    await w.clock.advance(1_000);
    const { unread, mentions, exact } = w.parley.conversation(conv)!.info.value;
    expect({ unread, mentions, exact }).toEqual({ unread: body["unread"], mentions: body["mentions"], exact: body["exact"] });
  },
  async MemberList(body) {
    const { got } = await asked(conversationBody, async (w) => {
      const c = await group(w);
      w.net.answer = () => ({ status: 200, body: lastPage(body) });
      return c.loadMembers();
    });
    expect(got).toEqual(body["items"]);
  },
  Member: (body) => readers["MemberList"]!({ items: [body] }, ""),
  async SeenList(body) {
    const { got } = await asked(conversationBody, async (w) => {
      const c = await group(w);
      w.net.answer = () => ({ status: 200, body: lastPage(body) });
      return c.seenBy(17);
    });
    expect(got).toEqual(body["items"]);
  },
  Seen: (body) => readers["SeenList"]!({ items: [body] }, ""),
  async SearchList(body) {
    const { got, path } = await asked(body, (w) => w.parley.search({ q: "x" }));
    expect([got, path]).toEqual([body, "/v1/search"]);
  },
  async DeviceInfoList(body) {
    const { got, path } = await asked(body, (w) => w.parley.devices());
    expect(path).toBe("/v1/devices");
    expect(got.map(({ own, ...d }) => (expect(own).toBe(false), d))).toEqual(body["items"]);
  },
  DeviceInfo: (body) => readers["DeviceInfoList"]!({ items: [body] }, ""),
  async BlockList(body) {
    const w = await liveWorld();
    w.net.answer = () => ({ status: 200, body: lastPage(body) });
    w.parley.blocks.subscribe(() => {});
    await w.clock.advance(0);
    expect([...w.parley.blocks.value!]).toEqual((body["items"] as Body[]).map((b) => b["user"]));
  },
  Block: (body) => readers["BlockList"]!({ items: [body] }, ""),
  async Profile(body) {
    const { got, path } = await asked(body, (w) => w.parley.profile());
    expect([got, path]).toEqual([body, "/v1/me"]);
  },
  async File(body, name) {
    const w = await liveWorld();
    const file = { name: body["name"] as string, type: body["type"] as string, size: body["size"] as number, content: new Uint8Array() };
    if (name === "File-url") {
      w.net.answer = () => ({ status: 200, body });
      expect(await w.parley.attachmentURL(body["id"] as string)).toMatch(new RegExp(`${body["url"] as string}$`));
      return;
    }
    const whole = golden.get("File")!;
    w.net.answer = (path, r) => ({ status: 200, body: r.method === "POST" ? (path.endsWith(whole["id"] as string) ? whole : body) : {} });
    const conv = w.parley.direct("bob").id;
    w.net.requests.length = 0;
    const { id, type, size, w: width, h, thumb } = whole;
    expect(await w.parley.upload(file, conv)).toMatchObject({ id, name: whole["name"], type, size, w: width, h, thumb });
    const upload = body["upload"] as { url: string; headers: object } | undefined;
    if (upload !== undefined) expect(w.net.requests[1]).toMatchObject({ method: "PUT", url: upload.url, headers: upload.headers });
  },
  Problem(body) {
    const err = problem(body["status"] as number, body);
    expect([err.code, err.message, err.retry_after_ms]).toEqual([body["code"], body["detail"], body["retry_after_ms"]]);
  },
};

/** What the client sends has the fields that the server reads. */
const writers: Record<string, (body: Body) => Promise<unknown>> = {
  NewGroup: async ({ cmid: _, ...body }) => (await asked(conversationBody, (w) => w.parley.createGroup(body as never))).sent,
  Rename: async (body) => (await inGroup((c) => c.rename(body["title"] as string))).sent,
  SetMe: async (body) => (await inGroup((c) => c.settings(body))).sent,
  SetMember: async (body) => (await inGroup((c) => c.setRole("bob", body["role"] as "admin"))).sent,
  SetProfile: async (body) => (await asked(golden.get("Profile")!, (w) => w.parley.setProfile(body as never))).sent,
  NewAttachment: async (body) => (await upload(body, async (w) => (await group(w)).id)).sent,
  "NewAttachment-to": async (body) => (await upload(body, async (w) => w.parley.direct(body["to"] as string).id)).sent,
};

const file = (body: Body) => ({ name: body["name"] as string, type: body["type"] as string, size: body["size"] as number, content: new Uint8Array() });

function upload(body: Body, to: (w: Awaited<ReturnType<typeof liveWorld>>) => Promise<string>) {
  return asked(conversationBody, async (w) => {
    const conv = await to(w);
    w.net.requests.length = 0;
    w.net.answer = () => ({ status: 200, body: golden.get("File")! });
    await w.parley.upload(file(body), conv);
  });
}

function inGroup(act: (c: Awaited<ReturnType<typeof group>>) => Promise<unknown>) {
  return asked(conversationBody, async (w) => {
    const c = await group(w);
    w.net.requests.length = 0;
    await act(c);
  });
}

test.each([...golden].filter(([name]) => !notOurs.test(name)))("%s", async (name, body) => {
  const write = writers[name];
  if (write === undefined) {
    const read = readers[name.split("-")[0]!];
    if (read === undefined) throw new Error("nobody reads it");
    await read(body, name);
    return;
  }
  const sent = (await write(body)) as Body;
  const { cmid, ...fields } = sent;
  const { cmid: like, ...want } = body;
  expect(fields).toEqual(want);
  expect(typeof cmid).toBe(typeof like);
});

test("a message that was taken back has no body", () => {
  const m: MessageItem = messageItem(golden.get("Message-gone") as unknown as FoldedMessage, "alice");
  expect([m.gone, m.body, m.recalled?.by]).toEqual([true, undefined, "alice@x.org"]);
});
