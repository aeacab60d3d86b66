// Every screen, in both languages and themes and at three sizes: nothing that axe
// objects to, nothing wider than the window, and no error in the console.
import type { Browser, BrowserContextOptions } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { axe, launch, newTab } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { resting } from "../src/log.js";
import { Person } from "../src/person.js";
import { attacks, world } from "../src/world.js";

let cluster: Cluster;
let browser: Browser;
const me = "rosa";

beforeAll(async () => {
  [cluster, browser] = await Promise.all([Cluster.start(), launch()]);
  await world(cluster, me);
  await cluster.indexed(me, "pan");
});
afterAll(async () => {
  await browser?.close();
  await cluster?.remove();
});

const sizes = { phone: { width: 390, height: 844 }, tablet: { width: 820, height: 1180 }, desktop: { width: 1440, height: 900 } };

async function check(p: Person, screen: string): Promise<void> {
  expect(await axe(p.page), screen).toEqual([]);
  const [inner, outer] = await p.page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  expect(inner, `${screen} is wider than the window`).toBeLessThanOrEqual(outer ?? 0);
  const dir = process.env.PARLEY_SCREENSHOTS;
  if (dir) await p.page.screenshot({ path: `${dir}/${screen}.png` });
}

for (const [size, viewport] of Object.entries(sizes)) {
  for (const colorScheme of ["light", "dark"] as const) {
    test(`${size}, ${colorScheme}`, async () => {
      const context: BrowserContextOptions = { viewport, colorScheme, reducedMotion: "reduce" };
      const phone = size === "phone";
      const at = (screen: string) => `${size}-${colorScheme}-${screen}`;
      const empty = await newTab(browser, context);
      await empty.page.goto(cluster.url());
      await empty.page.getByRole("button", { name: "Sign in" }).waitFor();
      expect(await axe(empty.page), "sign-in").toEqual([]);
      await empty.context.close();

      const nobody = await Person.signIn(browser, cluster, `nobody-${size}-${colorScheme}`, { context });
      await nobody.page.getByText("No conversations yet").waitFor();
      await check(nobody, at("empty"));
      await nobody.leave();

      const p = await Person.signIn(browser, cluster, me, { context });
      await p.inList("Kitchen").waitFor();
      await check(p, at("list"));
      await p.open("Kitchen");
      await p.sees("Found it. Thanks!");
      await check(p, at("group"));

      await p.message("Found it. Thanks!").hover();
      await p.message("Found it. Thanks!").getByRole("button", { name: "Message actions" }).click();
      await p.page.getByRole("menu").waitFor();
      await check(p, at("actions"));
      await p.page.keyboard.press("Escape");

      await p.page.getByRole("button", { name: "Emoji" }).click();
      await p.page.getByRole("textbox", { name: "Search emoji" }).or(p.page.getByRole("searchbox", { name: "Search emoji" })).waitFor();
      await check(p, at("emoji"));
      await p.page.keyboard.press("Escape");

      await p.page.getByRole("button", { name: /^Kitchen .*About$/ }).click();
      await p.page.getByRole("button", { name: "Actions for noor" }).waitFor();
      await check(p, at("about"));
      await p.page.keyboard.press("Escape");
      if (phone) await p.page.getByRole("button", { name: "Back" }).click();

      await p.page.getByRole("button", { name: "New conversation" }).first().click();
      await p.page.getByRole("radio", { name: "Group" }).check();
      await check(p, at("new"));
      await p.page.keyboard.press("Escape");

      await p.page.getByRole("button", { name: "Settings" }).click();
      await p.page.getByText("this one").waitFor();
      await check(p, at("settings"));
      await p.page.keyboard.press("Escape");

      await p.page.getByRole("searchbox", { name: "Search" }).fill("pan");
      await p.page.locator("mark").first().waitFor();
      await check(p, at("search"));
      await p.page.getByRole("searchbox", { name: "Search" }).fill("");

      await p.open("layla");
      await resting(p.page);
      await check(p, at("rtl"));
      if (phone) await p.page.getByRole("button", { name: "Back" }).click();
      await p.open("a-name.that_is-quite-as-long+as@names-may-be-in-this-protocol-ok");
      await resting(p.page);
      await check(p, at("long"));
      await p.leave();
    });
  }
}

test("in Chinese", async () => {
  const tab = await newTab(browser, { locale: "zh-CN", viewport: sizes.desktop });
  await tab.page.goto(cluster.url());
  await tab.page.getByRole("textbox").fill(me);
  await tab.page.getByRole("button", { name: "登录" }).click();
  await tab.page.locator('[data-phase="live"]').waitFor();
  await tab.page.getByRole("link").filter({ hasText: "Kitchen" }).click();
  await tab.page.getByRole("feed").waitFor();
  await resting(tab.page);
  await expect.poll(() => tab.page.locator("[lang]").last().getAttribute("lang")).toMatch(/^zh/);
  expect(await axe(tab.page)).toEqual([]);
  // No English words are left in what the chat itself says.
  const names = await tab.page.locator("button:not(.quote)").evaluateAll((l) => l.map((e) => e.getAttribute("aria-label") ?? e.textContent ?? ""));
  for (const name of names.filter((n) => !/Kitchen|noor|layla|xiaoming|rosa|evil|a-name/.test(n))) expect(name).not.toMatch(/[A-Za-z]{3,}/);
  if (process.env.PARLEY_SCREENSHOTS) await tab.page.screenshot({ path: `${process.env.PARLEY_SCREENSHOTS}/desktop-light-chinese.png` });
  expect(tab.errors).toEqual([]);
  await tab.context.close();
});

describe("what somebody else writes", () => {
  test("stays text, and links go nowhere but to the web and mail", async () => {
    const p = await Person.signIn(browser, cluster, me);
    await p.open("evil");
    for (const text of attacks.slice(0, 9)) await expect.poll(() => p.page.locator(".scroller").evaluate((e, t) => (e.textContent ?? "").includes(t), text), { message: text }).toBe(true);
    expect(await p.page.evaluate("window.hacked")).toBeUndefined();
    expect(await p.page.locator(".scroller").locator("script, img[src=x], svg[onload], b:text('not bold'), style").count()).toBe(0);
    const links = await p.page.locator(".scroller a").evaluateAll((l) => (l as HTMLAnchorElement[]).map((a) => ({ href: a.protocol, rel: a.rel, target: a.target })));
    expect(links.length).toBeGreaterThan(0);
    for (const a of links) {
      expect(["http:", "https:", "mailto:"]).toContain(a.href);
      expect(a.rel).toContain("noopener");
    }
    await p.leave();
  });

  test("could not run if it were not text: the policy refuses it", async () => {
    const p = await Person.signIn(browser, cluster, me);
    const refused = await p.page.evaluate(() => {
      const el = document.createElement("div");
      try {
        el.innerHTML = "<b>x</b>";
        return "taken";
      } catch (e) {
        return String(e);
      }
    });
    expect(refused).toContain("TrustedHTML");
    const ran = await p.page.evaluate(() => {
      const s = document.createElement("script");
      try {
        s.textContent = "window.hacked = 1";
        document.head.append(s);
      } catch {
        return "refused";
      }
      return (window as { hacked?: number }).hacked === undefined ? "refused" : "ran";
    });
    expect(ran).toBe("refused");
    await p.tab.context.close(); // its console has the refusals
  });
});
