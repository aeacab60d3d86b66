import { expect, test } from "vitest";
import { openPrefs } from "../src/state/prefs.ts";
import { formatRoute, memoryRouter, parseRoute, type Route } from "../src/state/router.ts";

const conv = "d_q4fqph4ndinfot43lu4komvl4g";

test("a route survives the address", () => {
  const routes: Route[] = [{}, { conv }, { peer: "a.b+c@example.com" }, { panel: "settings" }, { conv, panel: "info" }, { peer: "bob", panel: "new" }];
  for (const r of routes) expect(parseRoute(formatRoute(r))).toEqual(r);
});

test("an address that makes no sense leads to the list", () => {
  for (const bad of ["#/c/", "#/c/../../x", "#/c/D_AAAA", "#/u/%E0%A4%A", "#/u/../../x", "#/u/%3Cb%3E", "#/nothing", "#", "", "#/c/javascript:alert(1)"]) expect(parseRoute(bad), bad).toEqual({});
});

test("inside another page, back goes through what was open", () => {
  const r = memoryRouter();
  r.go({ conv });
  r.go({ conv, panel: "info" });
  r.back({ conv });
  expect(r.route.value).toEqual({ conv });
  r.back({});
  expect(r.route.value).toEqual({});
  r.back({ panel: "new" });
  expect(r.route.value).toEqual({ panel: "new" });
});

test("settings are kept once somebody has changed them, and nonsense is not believed", async () => {
  const shelf = new Map<string, string>();
  const port = { getItem: (k: string) => shelf.get(k) ?? null, setItem: (k: string, v: string) => void shelf.set(k, v) };
  const first = openPrefs(port, ["zh-CN"]);
  await first.ready;
  expect(first.prefs.texts.value.lang).toBe("zh-CN");
  expect(shelf.size).toBe(0);
  first.prefs.theme.value = "dark";
  first.stop();
  const second = openPrefs(port, ["en"]);
  expect([second.prefs.theme.value, second.prefs.language.value]).toEqual(["dark", "zh"]);
  second.stop();
  shelf.set("parley.prefs", '{"theme":"<b>","language":"__proto__","recentEmoji":[1,"👍"],"notify":"yes"}');
  const third = openPrefs(port, ["en"]).prefs;
  expect([third.theme.value, third.language.value, third.notify.value, third.recentEmoji.value]).toEqual(["system", "en", false, ["👍"]]);
  const broken = openPrefs({ getItem: () => { throw new Error("no storage"); }, setItem: () => { throw new Error("no storage"); } }, ["en"]).prefs;
  broken.theme.value = "light";
  expect(broken.theme.value).toBe("light");
});
