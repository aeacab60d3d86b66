// What the settings change, and what the page says outside of itself.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, launch, newTab } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { Person } from "../src/person.js";

let cluster: Cluster;
let browser: Browser;

beforeAll(async () => {
  [cluster, browser] = await Promise.all([Cluster.start(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await cluster?.remove();
});

let n = 0;
async function say(from: string, to: string, text: string): Promise<void> {
  await cluster.post("/v1/messages", { to, cmid: `settings-${++n}`, body: { text } }, await cluster.token(from));
}

/** Switches it, as a finger does. */
async function flip(p: Person, name: string): Promise<void> {
  await p.page.getByRole("switch", { name }).click();
}

test("the language is switched without a reload, there and back, and is kept", async () => {
  const p = await Person.signIn(browser, cluster, "lina");
  await p.page.getByRole("button", { name: "Settings" }).click();
  await p.page.getByRole("radio", { name: "简体中文" }).check();
  await p.page.getByRole("heading", { name: "设置" }).waitFor();
  await expect.poll(() => p.page.locator("html").getAttribute("lang")).toMatch(/^zh/);
  await expectAccessible(p.page);
  await p.page.reload();
  await p.live();
  await p.page.getByRole("heading", { name: "设置" }).waitFor(); // it is in the address
  await p.page.getByRole("radio", { name: "English" }).check();
  await p.page.getByRole("heading", { name: "Settings" }).waitFor();
  await expect.poll(() => p.page.locator("html").getAttribute("lang")).toMatch(/^en/);
  await p.leave();
});

test("the look is switched, and is kept", async () => {
  const p = await Person.signIn(browser, cluster, "otto", { context: { colorScheme: "light" } });
  const ground = () => p.page.evaluate(() => {
    const [r = 0, g = 0, b = 0] = getComputedStyle(document.querySelector("[data-phase]") as Element).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    return r + g + b > 382 ? "light" : "dark";
  });
  await expect.poll(ground).toBe("light");
  await p.page.getByRole("button", { name: "Settings" }).click();
  await p.page.getByRole("radio", { name: "Dark" }).check();
  await expect.poll(ground).toBe("dark");
  await expectAccessible(p.page);
  await p.page.reload();
  await p.live();
  await expect.poll(ground).toBe("dark");
  await p.page.getByRole("radio", { name: "Like the system" }).check();
  await expect.poll(ground).toBe("light");
  await p.page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(ground).toBe("dark");
  await p.leave();
});

test("a message that nobody looks at is told of by a notification, the title and the icon", async () => {
  const tab = await newTab(browser, { permissions: ["notifications"] });
  await tab.context.addInitScript(() => {
    const shown: string[] = [];
    class Noted {
      static readonly permission = "granted";
      static requestPermission = () => Promise.resolve("granted");
      onclick: (() => void) | null = null;
      constructor(title: string, o: { body: string }) {
        shown.push(`${title}: ${o.body}`);
        Object.assign(window, { note: this });
      }
      close() {}
    }
    Object.assign(window, { Notification: Noted, shown });
    // A page of a headless browser is always in sight.
    let hidden = false;
    Object.defineProperty(document, "visibilityState", { get: () => (hidden ? "hidden" : "visible") });
    Object.defineProperty(document, "hidden", { get: () => hidden });
    document.hasFocus = () => !hidden;
    Object.assign(window, {
      look: (at: boolean) => {
        hidden = !at;
        document.dispatchEvent(new Event("visibilitychange"));
        window.dispatchEvent(new Event(at ? "focus" : "blur"));
      },
    });
  });
  const p = await Person.signInAt(tab, cluster, "nils");
  await p.page.getByRole("button", { name: "Settings" }).click();
  const notify = p.page.getByRole("switch", { name: "Show notifications of new messages" });
  if (!(await notify.isChecked())) await notify.click();
  await p.page.keyboard.press("Escape");
  const icon = () => p.page.locator('link[rel="icon"]').getAttribute("href");
  const plain = await icon();
  await p.page.evaluate("look(false)");
  await say("olga", "nils", "are you there?");
  await expect.poll(() => p.page.evaluate("shown")).toEqual(["olga: are you there?"]);
  await expect.poll(() => p.page.title()).toBe("(1) Parley");
  await expect.poll(icon).not.toBe(plain);
  await p.page.evaluate("look(true); note.onclick()");
  await p.sees("are you there?");
  await expect.poll(() => p.page.title()).toBe("Parley");
  await expect.poll(icon).toBe(plain);
  await say("olga", "nils", "good"); // somebody looks: no notification
  await p.sees("good");
  expect(await p.page.evaluate("shown.length")).toBe(1);
  await p.leave();
});

test("a conversation is muted, pinned and archived", async () => {
  const p = await Person.signIn(browser, cluster, "petra");
  await say("first", "petra", "one");
  await p.inList("first").waitFor(); // of two in the same millisecond none is the newer one
  await say("second", "petra", "two");
  await p.inList("second").waitFor();
  const titles = () => p.page.getByRole("navigation", { name: "Conversations" }).locator(".name").allTextContents();
  await expect.poll(titles).toEqual(["second", "first"]);
  await p.open("first");
  await p.page.getByRole("button", { name: /^first.*About$/ }).click();
  await flip(p, "Pin");
  await expect.poll(titles).toEqual(["first", "second"]);
  await flip(p, "Mute notifications");
  await p.inList("first").getByText("Muted").waitFor({ state: "attached" });
  await flip(p, "Archive");
  await expect.poll(titles).toEqual(["second"]);
  await flip(p, "Archive");
  await expect.poll(titles).toEqual(["first", "second"]);
  await p.leave();
});

test("who hides what they have read is not seen to read", async () => {
  const [eva, max] = await Promise.all([Person.signIn(browser, cluster, "eva"), Person.signIn(browser, cluster, "max")]);
  await eva.openNew("max");
  await eva.write("before");
  await max.open("eva");
  await eva.is("before", "Read");
  await max.page.getByRole("button", { name: "Settings" }).click();
  const hide = max.page.getByRole("switch", { name: "Hide what I have read" });
  const saved = max.page.waitForResponse((r) => r.url().endsWith("/v1/me") && r.request().method() === "PATCH");
  await hide.click();
  expect((await saved).status()).toBe(200);
  await max.page.keyboard.press("Escape");
  await eva.write("after");
  await max.sees("after");
  await max.write("I have read it");
  await eva.sees("I have read it");
  await eva.is("after", "Delivered");
  await Promise.all([eva.leave(), max.leave()]);
});
