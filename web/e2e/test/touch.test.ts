// What fingers do, and what a mouse goes on doing.
import type { Browser, CDPSession, Locator } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, launch } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { fill } from "../src/fill.js";
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

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, reducedMotion: "reduce" } as const;

interface Spot {
  x: number;
  y: number;
}

/** The middle of what stands still and can be touched. */
async function spotOf(at: Locator): Promise<Spot> {
  await at.tap({ trial: true });
  const box = await at.boundingBox();
  if (box === null) throw new Error("it is not on the page");
  return { x: Math.round(box.x + box.width / 2), y: Math.round(box.y + box.height / 2) };
}

const touch = (cdp: CDPSession, type: "touchStart" | "touchMove" | "touchEnd", ...touchPoints: Spot[]) => cdp.send("Input.dispatchTouchEvent", { type, touchPoints });

test("a finger that rests on a message opens its menu, where the browser does not say `contextmenu`; one that moves scrolls", async () => {
  await fill(cluster, "noa", "mia", 60); // of her own: nothing is unread, and the end is shown
  await cluster.post("/v1/messages", { to: "noa", cmid: "last-one", body: { text: "the last one" } }, await cluster.token("mia"));
  const noa = await Person.signIn(browser, cluster, "noa", { context: phone });
  // As on iOS.
  await noa.page.evaluate(() => window.addEventListener("contextmenu", (e) => (e.preventDefault(), e.stopImmediatePropagation()), true));
  await noa.open("mia");
  const last = await noa.sees("the last one");
  const cdp = await noa.tab.context.newCDPSession(noa.page);
  const menu = noa.page.getByRole("menu", { name: "Message actions" });
  const log = noa.page.getByRole("feed");

  const spot = await spotOf(last.locator(".bubble"));
  await touch(cdp, "touchStart", spot);
  await menu.waitFor();
  await touch(cdp, "touchEnd");
  await expectAccessible(noa.page);
  await noa.page.getByRole("menuitem", { name: "Reply" }).tap(); // still there, and nothing was chosen by lifting the finger
  await noa.page.getByRole("button", { name: "Do not reply" }).tap();

  const top = () => log.evaluate((e) => e.scrollTop);
  const before = await top();
  const start = await spotOf(log);
  await touch(cdp, "touchStart", start);
  for (let dy = 20; dy <= 200; dy += 20) await touch(cdp, "touchMove", { x: start.x, y: start.y + dy });
  await touch(cdp, "touchEnd");
  await expect.poll(top).toBeLessThan(before - 50);
  expect(await menu.count()).toBe(0);

  // And there is a button, without hovering.
  const row = noa.page.getByRole("article").filter({ has: noa.page.getByRole("button", { name: "Message actions" }) }).last();
  await row.getByRole("button", { name: "Message actions" }).tap();
  await menu.waitFor();
  await noa.leave();
});

test("a mouse selects text as ever, however long it is pressed", async () => {
  await cluster.post("/v1/messages", { to: "pia", cmid: "to-pia", body: { text: "a sentence that somebody would like to quote from" } }, await cluster.token("oda"));
  const pia = await Person.signIn(browser, cluster, "pia");
  await pia.open("oda");
  const bubble = (await pia.sees("a sentence that somebody would like to quote from")).locator(".text");
  const box = await bubble.boundingBox();
  if (box === null) throw new Error("it is not on the page");
  const y = box.y + 10;
  await pia.page.evaluate((ms) => {
    const rested = new Promise<void>((done) => window.addEventListener("mousedown", () => setTimeout(done, ms), { once: true, capture: true }));
    Object.assign(window, { rested });
  }, 600);
  await pia.page.mouse.move(box.x + 4, y);
  await pia.page.mouse.down();
  await pia.page.evaluate("window.rested"); // longer than a finger rests
  await pia.page.mouse.move(box.x + 120, y, { steps: 5 });
  await pia.page.mouse.up();
  expect(await pia.page.evaluate(() => document.getSelection()?.toString() ?? "")).toMatch(/^a? ?sentence/);
  expect(await pia.page.getByRole("menu").count()).toBe(0);
  await pia.leave();
});
