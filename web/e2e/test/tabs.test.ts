// Two tabs of one profile, and what becomes of a client that has ended.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, launch, newTab } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { patience } from "../src/patience.js";
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

test("two tabs share one connection: both are live, and one goes on when the other is closed", async () => {
  const one = await Person.signIn(browser, cluster, "tara");
  const two = await one.anotherTab();
  const devices = async () => (await cluster.get<{ items: unknown[] }>("/v1/devices", await cluster.token("tara"))).items.length;
  await expect.poll(devices).toBe(1);
  await one.openNew("uwe");
  await one.write("from the first tab");
  await two.open("uwe");
  await two.is("from the first tab", "Sent");
  await two.write("from the second tab");
  await one.is("from the second tab", "Sent");
  await one.page.close();
  await two.live();
  await two.write("and now alone");
  await two.is("and now alone", "Sent");
  await expect.poll(() => two.texts()).toEqual(["from the first tab", "from the second tab", "and now alone"]);
  await expect.poll(devices).toBe(1);
  await two.leave();
});

test("who is kicked by the same device elsewhere is told, and may take it back", async () => {
  const p = await Person.signIn(browser, cluster, "vera");
  // A copy of the profile, as a backup or another computer has it.
  const copy = await browser.newContext({ storageState: await p.tab.context.storageState({ indexedDB: true }), locale: "en-GB" });
  copy.setDefaultTimeout(patience);
  const other = await copy.newPage();
  await other.goto(cluster.url());
  await other.locator('[data-phase="live"]').waitFor();
  await p.page.getByText("The chat was opened somewhere else with this device.").waitFor();
  await expectAccessible(p.page);
  await p.page.getByRole("button", { name: "Use it here" }).click();
  await p.live();
  await other.getByText("The chat was opened somewhere else with this device.").waitFor();
  await copy.close();
  await p.leave();
});

test("the sign-in screen says what is wrong with a name", async () => {
  const tab = await newTab(browser);
  await tab.page.goto(cluster.url());
  await tab.page.getByLabel("Your name").fill("not a name");
  await expect.poll(() => tab.page.getByRole("button", { name: "Sign in" }).isDisabled()).toBe(true);
  await expect.poll(() => tab.page.getByLabel("Your name").getAttribute("aria-invalid")).toBe("true");
  await expectAccessible(tab.page);
  await tab.context.close();
});
