import { expect, test } from "vitest";
import { en } from "../src/i18n/en.ts";
import { loadTexts, pickLanguage } from "../src/i18n/index.ts";
import { plurals } from "../src/i18n/plural.ts";
import { zh } from "../src/i18n/zh.ts";

/** Every text, by its path, with made-up values where it takes some. */
function all(table: object, path = ""): [string, string][] {
  return Object.entries(table).flatMap(([key, value]): [string, string][] => {
    const at = `${path}/${key}`;
    if (typeof value === "string") return [[at, value]];
    if (typeof value === "function") {
      const lists = key === "names" || key === "moreUsers";
      const call = value as (...v: unknown[]) => string;
      return [[at, lists ? call(["a", "b"], 2) : call("a", "b", "c")]];
    }
    return all(value as object, at);
  });
}

test("no text is empty, and none has lost a value", () => {
  for (const table of [en, zh]) {
    for (const [at, text] of all(table)) {
      expect(text, at).not.toBe("");
      expect(text, at).not.toMatch(/undefined|NaN|\$\{/);
    }
  }
});

test("both languages have the same keys, those of records too", () => {
  expect(all(zh).map(([at]) => at)).toEqual(all(en).map(([at]) => at));
});

test("Chinese texts are Chinese", () => {
  const same = all(zh).filter(([, text], i) => text === all(en)[i]?.[1]).map(([at]) => at);
  expect(same).toEqual(["/app", "/newFrom", "/bytes", "/titleUnread"].filter((at) => same.includes(at)));
  const latinPunctuation = all(zh).filter(([at, text]) => at !== "/newFrom" && /[\u4e00-\u9fff][,:;?!]/.test(text));
  expect(latinPunctuation).toEqual([]);
});

test("plurals follow the language's rules", () => {
  expect([en.memberCount(1), en.memberCount(2), en.memberCount(0)]).toEqual(["1 member", "2 members", "0 members"]);
  expect(zh.memberCount(1)).toBe("1 位成员");
  const polish = plurals("pl");
  const forms = { one: "plik", few: "pliki", many: "plików", other: "pliku" };
  expect([1, 2, 5, 22, 1.5].map((n) => polish(n, forms))).toEqual(["plik", "pliki", "plików", "pliki", "pliku"]);
});

test("the browser's first language that there is", async () => {
  expect(pickLanguage(["de-AT", "zh-Hans-CN", "en"])).toBe("zh");
  expect(pickLanguage(["fr"])).toBe("en");
  expect(pickLanguage(["constructor"])).toBe("en");
  expect((await loadTexts("zh")).settings).toBe("设置");
});
