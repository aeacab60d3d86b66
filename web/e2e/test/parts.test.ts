// The parts of the page that are not in its first load, and what is said of what is not known.
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

test("without a connection everything opens, and nothing is said that is not known", async () => {
  const p = await Person.signIn(browser, cluster, "ada");
  const { page } = p;
  await p.openNew("ben");
  await p.write("hello");
  await p.is("hello", "Sent");
  const fetched = () => page.evaluate(() => performance.getEntriesByType("resource").map((e) => /assets\/([a-z]+)-/.exec(e.name)?.[1] ?? ""));
  await expect.poll(fetched).toEqual(expect.arrayContaining(["info", "lightbox", "new", "picker", "results", "settings"]));
  await p.tab.context.setOffline(true);
  await page.getByText("You are offline.").waitFor();

  await page.getByRole("button", { name: "Settings" }).click();
  const settings = page.getByRole("dialog", { name: "Settings" });
  await expect.poll(() => settings.getByText("That needs a connection.").count()).toBe(2); // who is blocked, and devices
  expect(await settings.getByText("Nobody is blocked.").count()).toBe(0);
  await p.tab.context.setOffline(false);
  await settings.getByText("Nobody is blocked.").waitFor();
  await settings.getByText("this one").waitFor();
  await page.keyboard.press("Escape");

  await p.tab.context.setOffline(true);
  await page.getByText("You are offline.").waitFor();
  await page.getByRole("button", { name: "Emoji" }).click();
  await page.getByRole("button", { name: "grinning", exact: false }).first().waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /^ben.*About$/ }).click();
  await page.getByRole("dialog", { name: "About" }).getByText("Block").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "New conversation" }).first().click();
  await page.getByLabel("Name of the person").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("searchbox", { name: "Search" }).fill("hello");
  await page.getByRole("status").getByText("That needs a connection.").waitFor();
  await p.tab.context.setOffline(false);
  await p.live();
  await p.leave();
});

test("a part that cannot be fetched says so, and the rest goes on", async () => {
  const tab = await newTab(browser);
  await tab.context.route("**/assets/settings-*", (route) => route.abort());
  const p = await Person.signInAt(tab, cluster, "cyd");
  const { page } = p;
  await page.getByRole("button", { name: "Settings" }).click();
  const note = page.getByRole("dialog", { name: "Settings" }).getByText("This part of the page could not be loaded.");
  await note.waitFor();
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await note.waitFor({ state: "detached" });
  await p.openNew("dan");
  await p.write("all the same");
  await p.is("all the same", "Sent");
  await tab.context.unroute("**/assets/settings-*");
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Reload" }).click();
  await page.getByRole("heading", { name: "Devices" }).waitFor();
  await page.keyboard.press("Escape");
  await p.sees("all the same");
  await p.leave();
});
