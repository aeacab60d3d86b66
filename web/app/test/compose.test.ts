import { expect, test } from "vitest";
import { emojiGroups } from "../src/composer/emoji.ts";
import { candidates, complete, mentionedIn, unfinishedMention } from "../src/composer/mentions.ts";
import { allowedType, refusal } from "../src/composer/uploads.ts";

test("an @ at the beginning of a word asks for a name", () => {
  expect(unfinishedMention("hello @bo", 9)).toEqual({ at: 6, typed: "bo" });
  expect(unfinishedMention("@", 1)).toEqual({ at: 0, typed: "" });
  expect(unfinishedMention("你好@b", 4)).toEqual({ at: 2, typed: "b" });
  for (const text of ["ねえ@b", "안녕@b", "“@b", "line\n@b", "(@b", "é@b"]) expect(unfinishedMention(text, text.length)?.typed, text).toBe("b");
  expect(unfinishedMention("mail bob@example", 16)).toBeUndefined();
  expect(unfinishedMention("@bob ", 5)).toBeUndefined();
  expect(unfinishedMention("hello @bo there", 3)).toBeUndefined();
});

test("names that begin with it come first", () => {
  expect(candidates(["abby", "bo", "Bob", "rob"], "bo", 8)).toEqual(["bo", "Bob"]);
  expect(candidates(["abo", "bo"], "BO", 8)).toEqual(["bo", "abo"]);
  expect(candidates(["a1", "a2", "a3"], "", 2)).toEqual(["a1", "a2"]);
});

test("a chosen name takes the place of what was typed", () => {
  expect(complete("hi @bo there", 6, { at: 3, typed: "bo" }, "bob")).toEqual({ text: "hi @bob there", cursor: 8 });
  expect(complete("@", 1, { at: 0, typed: "" }, "bob")).toEqual({ text: "@bob ", cursor: 5 });
});

test("who is mentioned is who is a member and named", () => {
  const users = ["bob", "carol.m", "dave"];
  expect(mentionedIn("@bob, and @carol.m. Not dave, bob@dave or @bobby", users, false)).toEqual(["bob", "carol.m"]);
  expect(mentionedIn("@all hello @bob", users, true)).toEqual(["*"]);
  expect(mentionedIn("@all hello @bob", users, false)).toEqual(["bob"]);
  expect(mentionedIn(users.map((u) => `@${u}`).join(" "), Array.from({ length: 60 }, () => "bob"), false)).toHaveLength(50);
});

test("files are refused before they are uploaded", () => {
  expect(allowedType("image/png", "")).toBe(true);
  expect(allowedType("image/png", "image/*, application/pdf")).toBe(true);
  expect(allowedType("imagex/png", "image/*")).toBe(false);
  expect(refusal({ type: "image/png", size: 11 }, { attachment_bytes: 10 })).toBe("tooBig");
  expect(refusal({ type: "", size: 1 }, { attachment_types: "image/*" })).toBe("wrongType");
  expect(refusal({ type: "text/plain", size: 1 }, undefined)).toBeUndefined();
});

test("every emoji is there once, with a name in both languages", () => {
  const all = emojiGroups().flatMap((g) => g.items);
  expect(all.length).toBeGreaterThan(250);
  expect(new Set(all.map((e) => e.emoji)).size).toBe(all.length);
  for (const e of all) {
    expect(e.en, e.emoji).not.toBe("");
    expect(e.zh, e.emoji).toMatch(/[\u4e00-\u9fff]/);
    expect(new TextEncoder().encode(e.emoji).length, e.emoji).toBeLessThanOrEqual(64);
  }
});
