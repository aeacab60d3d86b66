// Frames to and from text.

import type { ClientFrame, Entry, ServerFrame } from "./frames.js";

export const subprotocol = "parley.v1";

/** The fields of each client frame in the order in which the server writes them, too. */
const order: { readonly [T in ClientFrame["type"]]: readonly string[] } = {
  hello: ["token", "device", "attempt", "resume", "flush", "features", "client"],
  auth: ["token"],
  send: ["conv", "to", "cmid", "body", "reply_to", "mentions", "silent"],
  edit: ["conv", "target", "cmid", "body"],
  recall: ["conv", "target", "cmid"],
  react: ["conv", "target", "cmid", "emoji", "on"],
  recv: ["conv", "seq"],
  read: ["conv", "seq"],
  typing: ["conv", "on"],
  watch: ["users"],
  unwatch: ["users"],
  history: ["conv", "before", "after", "around", "limit"],
  ping: [],
};

/**
 * Writes a frame. The same frame is the same text always, so that a repeat is
 * unchanged; fields that are undefined are left out.
 */
export function encode(f: ClientFrame): string {
  const fields = f as unknown as Record<string, unknown>;
  const out: Record<string, unknown> = { type: f.type };
  for (const name of ["ref", ...order[f.type]]) if (fields[name] !== undefined) out[name] = fields[name];
  return JSON.stringify(out);
}

/** What a frame must have, besides `type`, to be of use: names and their types. */
const shapes: { readonly [T in ServerFrame["type"]]?: Readonly<Record<string, string>> } = {
  welcome: { user: "string", device: "string", epoch: "string", features: "object", limits: "object" },
  conversation: { conv: "string", kind: "string", head: "number", floor: "number", count: "number", read: "number", unread: "number" },
  ack: { conv: "string", seq: "number", cmid: "string" },
  receipt: { conv: "string", user: "string" },
  typing: { conv: "string", user: "string", on: "boolean" },
  presence: { user: "string", online: "boolean" },
  erased: { conv: "string", user: "string", seq: "number" },
  page: { conv: "string", items: "object", head: "number", floor: "number" },
  synced: {},
  reset: { epoch: "string" },
  goaway: { reconnect_ms: "number" },
  error: { code: "string", message: "string" },
  pong: {},
};

const entryShape = { conv: "string", seq: "number", id: "string", from: "string", time: "string", cmid: "string", count: "number" };

const entryShapes: { readonly [T in Entry["type"]]?: Readonly<Record<string, string>> } = {
  message: {},
  edited: { target: "number" },
  recalled: { target: "number" },
  reacted: { target: "number", emoji: "string", on: "boolean" },
  members: { change: "string" },
};

/**
 * Reads a frame of the server. Undefined: a type that this version does not know,
 * to be ignored. Throws where the text is no frame at all.
 */
export function decode(text: string): ServerFrame | undefined {
  const f = JSON.parse(text) as unknown;
  if (!isRecord(f) || typeof f["type"] !== "string") throw new Error("a frame is an object with a type");
  const type = f["type"];
  if (typeof f["count"] === "number" && !Object.hasOwn(shapes, type)) return decodeEntry(f);
  const shape = Object.hasOwn(shapes, type) ? shapes[type as keyof typeof shapes] : undefined;
  if (shape === undefined) return undefined;
  check(f, shape);
  if (type === "page") return { ...f, items: decodeEntries(f["items"]) } as unknown as ServerFrame;
  return f as unknown as ServerFrame;
}

/** The items of a page of the raw log. */
export function decodeEntries(items: unknown): Entry[] {
  if (!Array.isArray(items)) throw new Error("a page has items");
  return items.map((item) => decodeEntry(item as unknown));
}

function decodeEntry(f: unknown): Entry {
  if (!isRecord(f)) throw new Error("an entry is an object");
  check(f, entryShape);
  const shape = Object.hasOwn(entryShapes, f["type"] as string) ? entryShapes[f["type"] as Entry["type"]] : undefined;
  if (shape === undefined) return { ...f, type: "entry" } as unknown as Entry;
  check(f, shape);
  return f as unknown as Entry;
}

function check(f: Record<string, unknown>, shape: Readonly<Record<string, string>>): void {
  for (const name in shape) {
    if (typeof f[name] !== shape[name] || f[name] === null) throw new Error(`${String(f["type"])} without a valid ${name}`);
  }
}

export function isRecord(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

export function isEntry(f: ServerFrame): f is Entry {
  return "count" in f && f.type !== "conversation";
}

/** Bytes of a text in UTF-8. */
export function byteLength(text: string): number {
  let n = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x80) n += 1;
    else if (c < 0x800) n += 2;
    else if (c >= 0xd800 && c < 0xdc00 && i + 1 < text.length) {
      n += 4;
      i++;
    } else n += 3;
  }
  return n;
}
