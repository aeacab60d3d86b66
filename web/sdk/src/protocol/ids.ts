import { sha256 } from "./sha256.js";

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const base32 = "abcdefghijklmnopqrstuvwxyz234567";

/** Writes bytes with an alphabet of 2^bits characters, without padding. */
function radix(bytes: Uint8Array, alphabet: string, bits: number): string {
  let out = "";
  let have = 0;
  let left = 0;
  for (const b of bytes) {
    have = ((have << 8) | b) & 0xffff;
    left += 8;
    while (left >= bits) {
      left -= bits;
      out += alphabet[(have >> left) & ((1 << bits) - 1)];
    }
  }
  if (left > 0) out += alphabet[(have << (bits - left)) & ((1 << bits) - 1)];
  return out;
}

/** A cmid, or any id that nobody else makes: 96 random bits. */
export function newID(randomBytes: (n: number) => Uint8Array): string {
  return radix(randomBytes(12), base64url, 6);
}

/** The id of the direct conversation of two users of a tenant. */
export function directID(ns: string, one: string, other: string): string {
  const [a, b] = one < other ? [one, other] : [other, one]; // user ids are ASCII
  const text = `${ns}\0${a}\0${b}`;
  return "d_" + radix(sha256(Uint8Array.from(text, (c) => c.charCodeAt(0))), base32, 5).slice(0, 26);
}

export interface Claims {
  readonly user: string;
  readonly ns: string;
  /** ms since 1970; undefined: the token does not say. */
  readonly expires: number | undefined;
  readonly issued: number | undefined;
}

/** What a JWT says, unchecked: that is the server's part. Undefined: it is no JWT. */
export function readToken(token: string): Claims | undefined {
  try {
    const claims = JSON.parse(utf8(fromBase64url(token.split(".")[1] ?? ""))) as Record<string, unknown>;
    if (typeof claims["sub"] !== "string") return undefined;
    const ms = (name: string) => (typeof claims[name] === "number" ? claims[name] * 1000 : undefined);
    return { user: claims["sub"], ns: typeof claims["ns"] === "string" ? claims["ns"] : "_", expires: ms("exp"), issued: ms("iat") };
  } catch {
    return undefined;
  }
}

function fromBase64url(text: string): number[] {
  const out: number[] = [];
  let have = 0;
  let left = 0;
  for (const c of text) {
    const v = base64url.indexOf(c);
    if (v < 0) continue;
    have = ((have << 6) | v) & 0xffff;
    left += 6;
    if (left >= 8) {
      left -= 8;
      out.push((have >> left) & 0xff);
    }
  }
  return out;
}

function utf8(bytes: readonly number[]): string {
  return decodeURIComponent(bytes.map((b) => "%" + b.toString(16).padStart(2, "0")).join(""));
}
