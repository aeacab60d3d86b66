// Pictures: pasted, dropped, seen by the other one, and looked at.
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, launch } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { Person } from "../src/person.js";
import { landscape } from "../src/picture.js";

let cluster: Cluster;
let browser: Browser;

beforeAll(async () => {
  [cluster, browser] = await Promise.all([Cluster.start(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await cluster?.remove();
});

/** Gives a picture to the page, as the clipboard or a file manager does. */
async function give(page: Page, how: "paste" | "drop", name: string, whole = true): Promise<void> {
  const base64 = (await landscape(page)).toString("base64");
  await page.evaluate(
    ({ how, name, base64 }) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type: "image/jpeg" }));
      const on = document.querySelector("textarea") as Element;
      const common = { bubbles: true, cancelable: true };
      if (how === "paste") on.dispatchEvent(new ClipboardEvent("paste", { ...common, clipboardData: data }));
      else for (const type of ["dragenter", "dragover", "drop"]) on.dispatchEvent(new DragEvent(type, { ...common, dataTransfer: data }));
    },
    { how, name, base64 },
  );
  await page.getByRole("button", { name: `Remove ${name}` }).waitFor();
  if (whole) await page.getByRole("progressbar").waitFor({ state: "detached" }); // it is sent when it is there
}

test("a picture that is pasted, and one that is dropped, are shown small to the other one, and large when asked", async () => {
  const [pia, ron] = await Promise.all([Person.signIn(browser, cluster, "pia"), Person.signIn(browser, cluster, "ron")]);
  await pia.openNew("ron");
  for (const how of ["paste", "drop"] as const) {
    await give(pia.page, how, `${how}.jpg`);
    await pia.write(`by ${how}`);
    if (how === "paste") await ron.open("pia");
    const open = ron.page.getByRole("button", { name: `Open the picture ${how}.jpg` });
    await open.waitFor();
    const shown = () => open.locator("img").evaluate((img) => ((img as HTMLImageElement).complete ? (img as HTMLImageElement).naturalWidth : 0)).catch(() => 0);
    await expect.poll(shown).toBeGreaterThan(0);
    expect(await shown()).toBeLessThan(800); // a thumbnail
  }
  await expectAccessible(ron.page);
  await ron.page.getByRole("button", { name: "Open the picture drop.jpg" }).click();
  const box = ron.page.getByRole("dialog", { name: "Picture" });
  await expect.poll(() => box.locator("img").evaluate((img) => (img as HTMLImageElement).naturalWidth).catch(() => 0)).toBe(800);
  await expectAccessible(ron.page);
  await ron.page.keyboard.press("Escape");
  await box.waitFor({ state: "detached" });
  await Promise.all([pia.leave(), ron.leave()]);
});

test("what is too much is said, and nothing is added", async () => {
  const p = await Person.signIn(browser, cluster, "sam");
  await p.openNew("ron");
  const said = p.page.getByText(/^At most \d+ files in a message\.$/).first().waitFor(); // it goes by itself
  await p.page.evaluate(() => {
    const data = new DataTransfer();
    for (let i = 0; i < 40; i++) data.items.add(new File(["x"], `${i}.txt`, { type: "text/plain" }));
    (document.querySelector("textarea") as Element).dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: data }));
  });
  await said;
  await p.leave();
});

test("Enter while a picture is on its way says so, and sends nothing without it", async () => {
  const ute = await Person.signIn(browser, cluster, "ute");
  await ute.openNew("vera");
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await ute.page.route("**/*", async (route) => {
    if (route.request().method() === "PUT") await held;
    await route.continue();
  });
  await give(ute.page, "paste", "slow.jpg", false);
  await ute.write("with a slow picture");
  await ute.page.getByText("The files are still on their way.").waitFor();
  expect(await ute.message("with a slow picture").count()).toBe(0);
  release();
  await ute.page.getByRole("progressbar").waitFor({ state: "detached" });
  await ute.page.getByRole("textbox", { name: "Message vera" }).press("Enter");
  await ute.page.getByRole("button", { name: "Open the picture slow.jpg" }).waitFor();
  await ute.page.unrouteAll({ behavior: "wait" }); // a request that is held when the page goes would fail
  await ute.leave();
});

test("a picture that could not be fetched is there after the next connect", async () => {
  const [wim, yan] = await Promise.all([Person.signIn(browser, cluster, "wim"), Person.signIn(browser, cluster, "yan")]);
  await wim.openNew("yan");
  await give(wim.page, "paste", "late.jpg");
  await wim.write("look");
  let away = true;
  await yan.tab.context.route("**/*", (route) => (away && route.request().resourceType() === "image" ? route.abort() : route.continue()));
  await yan.open("wim");
  const open = yan.page.getByRole("button", { name: "Open the picture late.jpg" });
  await open.locator(".broken").waitFor();
  await open.click();
  await yan.page.getByText("The picture could not be loaded.").waitFor();
  away = false;
  await yan.tab.context.setOffline(true);
  await yan.page.locator('[data-phase="offline"]').waitFor();
  await yan.tab.context.setOffline(false);
  const wide = (box: Locator) => box.locator("img").evaluate((img) => (img as HTMLImageElement).naturalWidth).catch(() => 0);
  await expect.poll(() => wide(yan.page.getByRole("dialog", { name: "Picture" }))).toBe(800);
  await yan.page.keyboard.press("Escape");
  await expect.poll(() => wide(open)).toBeGreaterThan(0);
  await yan.tab.context.unrouteAll({ behavior: "wait" });
  await Promise.all([wim.leave(), yan.leave()]);
});
