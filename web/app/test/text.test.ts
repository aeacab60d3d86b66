import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { initials, isBig, pieces, safeURL, tone } from "../src/format/text.ts";

const links = (text: string) => pieces(text).flatMap((p) => (p.kind === "link" ? [p.href] : []));
const whole = (text: string, mentions: string[] = []) => pieces(text, mentions).map((p) => (p.kind === "code" ? `\`${p.text}\`` : p.text)).join("");

test("only http, https and mailto are links", () => {
  expect(safeURL("https://example.com/a?b#c")).toBe("https://example.com/a?b#c");
  expect(safeURL("HTTP://EXAMPLE.com")).toBe("http://example.com/");
  expect(safeURL("mailto:bob@example.com")).toBe("mailto:bob@example.com");
  for (const bad of [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "\u0001javascript:alert(1)", "data:text/html,<script>1</script>", "vbscript:x", "file:///etc/passwd",
    "blob:https://example.com/x", "ftp://example.com", "//example.com", "/relative", "", "https://", "https://user:password@example.com", "http://trusted.com@evil.com/",
  ]) expect(safeURL(bad), bad).toBeUndefined();
});

test("a link ends where its sentence goes on", () => {
  expect(links("See https://example.com/a, and (https://example.com/b). Then https://en.wikipedia.org/wiki/A_(b)!")).toEqual([
    "https://example.com/a", "https://example.com/b", "https://en.wikipedia.org/wiki/A_(b)",
  ]);
  expect(links("请看 https://example.com/路径。然后")).toEqual(["https://example.com/%E8%B7%AF%E5%BE%84"]);
  expect(links("www.example.com.")).toEqual(["https://www.example.com/"]);
  expect(links("xhttps://example.com javascript:alert(1)//https://example.com")).toEqual(["https://example.com/"]);
});

test("the pieces are the text, unchanged", () => {
  for (const text of ["", "plain", "a <b>bold</b> &amp; https://x.example/?q=<script>", "`code` and `unfinished", "@bob @nobody", "line\nline  \n", "\u202Ereversed https://example.com", "🎉"]) {
    expect(whole(text, ["bob"])).toBe(text);
  }
});

test("what stands between fences is a block of code", () => {
  const blocks = (text: string) => pieces(text, ["bob"]).map((p) => [p.kind, p.text]);
  expect(blocks("See:\n```go\nfunc main() {\n\t`x` @bob https://x.example\n}\n```\nThanks @bob")).toEqual([
    ["text", "See:"], ["block", "func main() {\n\t`x` @bob https://x.example\n}"], ["text", "Thanks "], ["mention", "@bob"],
  ]);
  expect(blocks("```one line```")).toEqual([["block", "one line"]]);
  expect(blocks("```a```b```c```")).toEqual([["block", "a"], ["text", "b"], ["block", "c"]]);
  expect(blocks("```\n  indented\n```")).toEqual([["block", "  indented"]]);
  for (const text of ["``````", "``` ```", "```unfinished", "a ``` b", "```\n\n```"]) expect(whole(text), text).toBe(text);
});

// Texts of sixteen times what a message may hold are done in a third of a second. What
// takes the square of a text's length takes minutes for them, on any machine: it does
// not come to an end within a patience that has nothing to do with how fast this one is.
test("no text takes the square of its length", { timeout: 600_000 }, () => {
  const whole = 16 * 16384;
  for (const [begin, part] of [["", "("], ["https://", ")"], ["@", "a."], ["", "`"], ["", "```\n"], ["", "```a\n   \n"], ["", "www."], ["", "http://a"]] as const) {
    const text = begin + part.repeat(whole / part.length);
    let done = 0;
    runInNewContext("run()", { run: () => (done = pieces(text, ["a"]).length) }, { timeout: 60_000 });
    expect(done, begin + part).toBeGreaterThan(0);
  }
});

test("those who are mentioned are marked, and nobody else", () => {
  const at = (text: string, mentions: string[]) => pieces(text, mentions, "bob").flatMap((p) => (p.kind === "mention" ? [[p.text, p.me]] : []));
  expect(at("@bob, ask @carol.m. Not @dave, nor x@bob", ["bob", "carol.m"])).toEqual([["@bob", true], ["@carol.m", false]]);
  expect(at("@bobby", ["bob"])).toEqual([]);
  expect(at("@all come", ["*"])).toEqual([["@all", true]]);
  expect(at("@all come", [])).toEqual([]);
});

test("up to three emoji and nothing else are large", () => {
  for (const text of ["🎉", "👍👍🏽", "❤️", "👨‍👩‍👧", "🇨🇳 🇩🇪", "😀 😀 😀"]) expect(isBig(text), text).toBe(true);
  for (const text of ["", "1", "12", "a", "🎉 a", "😀😀😀😀", "#", "©"]) expect(isBig(text), text).toBe(false);
});

test("initials and tones belong to a name", () => {
  expect([initials("alice"), initials("carlos.m"), initials("Spring fair"), initials("李明"), initials(""), initials("🎉 party")]).toEqual(["A", "CM", "SF", "李", "?", "🎉P"]);
  expect(tone("alice")).toBe(tone("alice"));
  expect(new Set(["alice", "bob", "carol", "dave", "erin", "frank", "gina", "hugo"].map(tone)).size).toBeGreaterThan(3);
  expect(new Set(Array.from({ length: 10 }, (_, i) => tone(`guest-${i}`))).size).toBeGreaterThan(3);
});
