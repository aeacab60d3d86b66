// The frames of pkg/wire/testdata, which the Go side reads as well.

import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { byteLength, decode, encode, isEntry } from "../src/protocol/codec.js";
import type { ClientFrame } from "../src/protocol/frames.js";
import { directID, newID, readToken } from "../src/protocol/ids.js";
import { sha256 } from "../src/protocol/sha256.js";

const testdata = resolve(import.meta.dirname, "../../../pkg/wire/testdata");

function golden(side: string): [name: string, text: string][] {
  const dir = resolve(testdata, side);
  return readdirSync(dir).map((file) => [file.replace(".json", ""), readFileSync(resolve(dir, file), "utf8").trimEnd()]);
}

describe("golden frames of clients", () => {
  const frames = golden("client");
  test.each(frames)("%s is written byte for byte", (_name, text) => {
    const fields = Object.entries(JSON.parse(text) as Record<string, unknown>).reverse(); // the order is the encoder's
    expect(encode(Object.fromEntries(fields) as unknown as ClientFrame)).toBe(text);
  });
  test("there is one of every type", () => {
    const types = new Set(frames.map(([, text]) => (JSON.parse(text) as { type: string }).type));
    expect([...types].sort()).toEqual(
      ["auth", "edit", "hello", "history", "ping", "react", "read", "recall", "recv", "send", "typing", "unwatch", "watch"],
    );
  });
});

describe("golden frames of servers", () => {
  const frames = golden("server");
  test.each(frames)("%s is read", (name, text) => {
    const f = decode(text);
    expect(f).toEqual(JSON.parse(text));
    const entries = ["message", "edited", "recalled", "reacted", "members"];
    expect(isEntry(f!)).toBe(entries.includes(name.split("-")[0]!));
  });
  test.each(frames)("%s without a field that it must have is refused, or is not one", (_name, text) => {
    const whole = JSON.parse(text) as Record<string, unknown>;
    for (const field of ["conv", "seq", "target", "user", "epoch", "items", "code", "reconnect_ms", "features"]) {
      if (whole[field] === undefined || (whole["type"] === "reset" && field === "conv")) continue;
      if (field === "user" && whole["type"] === "members") continue;
      const { [field]: _, ...without } = whole;
      expect(() => decode(JSON.stringify(without)), field).toThrow();
    }
  });
});

test("unknown types are ignored, unknown entries move the cursor", () => {
  expect(decode('{"type":"horoscope","sign":"leo"}')).toBeUndefined();
  expect(decode('{"type":"constructor"}')).toBeUndefined();
  const e = decode('{"type":"pinned","conv":"d_x","seq":4,"id":"d_x-4","from":"bob","time":"2026-01-02T03:04:05.006Z","cmid":"c","count":2,"target":1}');
  expect(e).toMatchObject({ type: "entry", seq: 4 });
  for (const text of ["", "[]", "null", '"x"', "{}", '{"type":1}']) expect(() => decode(text)).toThrow();
});

test("ids", () => {
  // FIPS 180-4 and PROTOCOL.md
  const hex = (b: Uint8Array) => Buffer.from(b).toString("hex");
  expect(hex(sha256(Buffer.from("abc")))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(hex(sha256(Buffer.from("a".repeat(119))))).toBe("31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb");
  expect(directID("_", "alice", "bob")).toBe("d_q4fqph4ndinfot43lu4komvl4g");
  expect(directID("_", "bob", "alice")).toBe("d_q4fqph4ndinfot43lu4komvl4g");
  expect(newID((n) => new Uint8Array(n).fill(255))).toBe("_".repeat(16));
});

test("tokens are read without being checked", () => {
  const part = (o: object) => Buffer.from(JSON.stringify(o)).toString("base64url");
  const token = `${part({ alg: "HS256" })}.${part({ sub: "zoë", ns: "shop", exp: 1000, iat: 400 })}.x`;
  expect(readToken(token)).toEqual({ user: "zoë", ns: "shop", expires: 1_000_000, issued: 400_000 });
  expect(readToken("no token")).toBeUndefined();
});

test("bytes of a text", () => {
  for (const text of ["", "abc", "é", "世界", "👋🏽", "\ud800x"]) expect(byteLength(text)).toBe(new TextEncoder().encode(text).length);
});
