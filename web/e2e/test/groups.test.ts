// Groups, mentions and search.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { Person } from "../src/person.js";

let cluster: Cluster;
let browser: Browser;

beforeAll(async () => {
  [cluster, browser] = await Promise.all([Cluster.start({ gateways: 2 }), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await cluster?.remove();
});

test("a group is made, renamed, added to, and one is removed from it", async () => {
  const [ada, bob, cid] = await Promise.all([
    Person.signIn(browser, cluster, "ada"),
    Person.signIn(browser, cluster, "bob", { gateway: 1 }),
    Person.signIn(browser, cluster, "cid", { gateway: 1 }),
  ]);
  await ada.page.getByRole("button", { name: "New conversation" }).first().click();
  await ada.page.getByRole("radio", { name: "Group" }).check();
  await ada.page.getByLabel("Title of the group").fill("Book club");
  await ada.page.getByLabel("Members", { exact: true }).fill("bob");
  await ada.page.getByLabel("Members", { exact: true }).press("Enter");
  await ada.page.getByRole("button", { name: "Make the group" }).click();
  await ada.write("what do we read next?");

  await bob.open("Book club");
  await bob.sees("what do we read next?");
  await bob.page.getByText("ada made the group “Book club”").waitFor();

  await ada.page.getByRole("button", { name: /^Book club .*About$/ }).click();
  await ada.page.getByRole("button", { name: "Add a person" }).click();
  await ada.page.getByLabel("Add a person").fill("cid");
  await ada.page.getByLabel("Add a person").press("Enter");
  await ada.page.getByRole("button", { name: "Add", exact: true }).click();
  await bob.page.locator(".scroller").getByText("ada added cid").waitFor();
  await bob.inList("Book club").getByText("ada added cid").waitFor();
  await ada.page.keyboard.press("Escape");

  await cid.open("Book club");
  await bob.page.getByRole("textbox", { name: "Message Book club" }).pressSequentially("@ci");
  await bob.page.getByRole("option", { name: /cid/ }).click();
  await bob.page.getByRole("textbox", { name: "Message Book club" }).pressSequentially("you choose");
  await bob.page.keyboard.press("Enter");
  await cid.sees("@cid you choose");
  expect(await cid.message("what do we read next?").count()).toBe(0); // written before cid joined

  await ada.page.getByRole("button", { name: /^Book club .*About$/ }).click();
  await ada.page.getByRole("button", { name: "Rename" }).click();
  await ada.page.getByRole("dialog").getByLabel("Title of the group").fill("Book club 2");
  await ada.page.getByRole("button", { name: "Save" }).click();
  await cid.inList("Book club 2").waitFor();

  await ada.page.getByRole("button", { name: "Actions for cid" }).click();
  await ada.page.getByRole("menuitem", { name: "Remove from the group" }).click();
  await ada.page.locator("dialog.ask").getByRole("button", { name: "Remove from the group" }).click();
  await cid.page.getByText("You are not in this group any more.").waitFor();
  await ada.page.keyboard.press("Escape");
  await ada.write("without cid now");
  await bob.sees("without cid now");
  expect(await cid.message("without cid now").count()).toBe(0);
  for (const p of [ada, bob, cid]) await p.leave();
});

test("what was written is found, and jumped to, in English and Chinese", async () => {
  const token = await cluster.token("sue");
  for (const [i, text] of ["the quick brown fox jumps", "我们明天下午去北京开会", "nothing of interest"].entries()) {
    await cluster.post("/v1/messages", { to: "tom", cmid: `search-${i}`, body: { text } }, token);
  }
  await cluster.indexed("tom", "brown fox");
  await cluster.indexed("tom", "北京"); // the page asks once
  const tom = await Person.signIn(browser, cluster, "tom");
  const field = tom.page.getByRole("searchbox", { name: "Search" });
  for (const [words, text, mark] of [["brown fox", "the quick brown fox jumps", "brown"], ["北京", "我们明天下午去北京开会", "北京"]] as const) {
    await field.fill(words);
    const hit = tom.page.getByRole("navigation").getByRole("button").or(tom.page.getByRole("navigation").getByRole("link")).filter({ has: tom.page.locator("mark", { hasText: mark }) });
    await hit.first().click();
    await tom.sees(text);
    await field.fill("");
  }
  await tom.leave();
});

test("a conversation in the background says how many are unread, and who mentions one", async () => {
  const vic = await Person.signIn(browser, cluster, "vic");
  const token = await cluster.token("una");
  for (let i = 1; i <= 3; i++) await cluster.post("/v1/messages", { to: "vic", cmid: `unread-${i}`, body: { text: `ping ${i}` } }, token);
  await vic.inList("una").getByText("3 unread").waitFor({ state: "attached" });
  await expect.poll(() => vic.page.title()).toBe("(3) Parley");
  await vic.open("una");
  await vic.page.getByText("New messages", { exact: true }).first().waitFor();
  await expect.poll(() => vic.page.title()).toBe("Parley");
  await vic.leave();
});
