// Sends that are refused, groups that change hands and end, and a walk without a mouse.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch } from "../src/browser.js";
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

test("a send that is refused says why, is tried again, and discarded", async () => {
  const token = await cluster.token("yan");
  const block = (method: string) => fetch(`${cluster.url()}/v1/blocks/xia`, { method, headers: { authorization: `Bearer ${token}` } });
  const xia = await Person.signIn(browser, cluster, "xia");
  await xia.openNew("yan");
  await xia.write("hello");
  await xia.is("hello", "Sent");
  expect((await block("PUT")).ok).toBe(true);
  await xia.write("do you hear me?");
  await xia.is("do you hear me?", "Not sent");
  await xia.write("and this?");
  await xia.is("and this?", "Not sent");
  const note = (text: string) => xia.message(text).getByRole("alert");
  await expect.poll(() => note("and this?").textContent()).toContain("Not sent. That is not allowed here.");
  await note("and this?").getByRole("button", { name: "Discard" }).click();
  await xia.message("and this?").waitFor({ state: "detached" });
  await xia.page.reload();
  await xia.live();
  await xia.is("do you hear me?", "Not sent"); // it is kept until somebody decides
  expect(await xia.message("and this?").count()).toBe(0);
  expect((await block("DELETE")).ok).toBe(true);
  await note("do you hear me?").getByRole("button", { name: "Try again" }).click();
  await xia.is("do you hear me?", "Sent");
  await expect.poll(() => xia.texts()).toEqual(["hello", "do you hear me?"]);
  await xia.leave();
});

test("a group gets another owner, who closes it", async () => {
  const [ann, ben] = await Promise.all([Person.signIn(browser, cluster, "ann"), Person.signIn(browser, cluster, "ben")]);
  await cluster.post("/v1/conversations", { title: "Choir", members: ["ben"], cmid: "choir" }, await cluster.token("ann"));
  await ann.open("Choir");
  await ben.open("Choir");
  await ann.page.getByRole("button", { name: /^Choir .*About$/ }).click();
  await ann.page.getByRole("button", { name: "Actions for ben" }).click();
  await ann.page.getByRole("menuitem", { name: "Make owner" }).click();
  await ann.page.locator("dialog.ask").getByRole("button", { name: "Make owner" }).click();
  await ann.page.getByRole("button", { name: "Leave the group" }).waitFor(); // ann could only close it before
  await ben.page.getByRole("button", { name: /^Choir .*About$/ }).click();
  await ben.page.getByRole("button", { name: "Close the group" }).click();
  await ben.page.locator("dialog.ask").getByRole("button", { name: "Close the group" }).click();
  await ann.page.keyboard.press("Escape");
  for (const p of [ann, ben]) {
    await p.page.getByText("ben closed the group").or(p.page.getByText("You closed the group")).first().waitFor();
    expect(await p.page.getByRole("textbox", { name: /^Message / }).count()).toBe(0);
    await p.leave();
  }
});

test("everything is done with the keyboard", async () => {
  const token = await cluster.token("kit");
  for (const [i, text] of ["first", "second", "third"].entries()) await cluster.post("/v1/messages", { to: "lea", cmid: `kit-${i}`, body: { text } }, token);
  const lea = await Person.signIn(browser, cluster, "lea");
  const { keyboard } = lea.page;
  const focus = () => lea.page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
  await lea.inList("kit").waitFor();
  for (let i = 0; i < 20 && !(await focus()).startsWith("kit") && !(await lea.inList("kit").evaluate((e) => e === document.activeElement)); i++) await keyboard.press("Tab");
  await keyboard.press("Enter");
  await lea.sees("third");
  await expect.poll(focus).toBe("Message kit"); // one writes at once
  for (let i = 0; i < 10 && !(await focus()).includes(": third"); i++) await keyboard.press("Shift+Tab");
  await expect.poll(focus).toContain(": third");
  await keyboard.press("ArrowUp");
  await expect.poll(focus).toContain(": second");
  await keyboard.press("Enter");
  await lea.page.getByRole("menu").waitFor();
  await expect.poll(() => lea.page.evaluate(() => document.activeElement?.closest("[role=menu]") !== null)).toBe(true);
  for (let i = 0; i < 10 && (await focus()) !== "Reply"; i++) await keyboard.press("ArrowDown");
  await keyboard.press("Enter");
  await lea.page.getByText("Reply to kit").first().waitFor();
  await expect.poll(focus).toBe("Message kit");
  await keyboard.type("an answer");
  await keyboard.press("Enter");
  await lea.is("an answer", "Sent");
  await expect.poll(() => lea.message("an answer").locator(".quote").textContent()).toContain("second");
  for (let i = 0; i < 10 && !(await focus()).includes(": second"); i++) await keyboard.press("Shift+Tab");
  await keyboard.press("End");
  await expect.poll(focus).toContain(": an answer");
  await keyboard.press("Escape");
  await expect.poll(focus).toBe("Message kit");
  await lea.leave();
});

test("with text of twice the size nothing is cut on a phone", async () => {
  const token = await cluster.token("max");
  await cluster.post("/v1/messages", { to: "uli", cmid: "max-1", body: { text: "Shall we go by train or by car? ".repeat(4) } }, token);
  const p = await Person.signIn(browser, cluster, "uli", { context: { viewport: { width: 390, height: 844 }, reducedMotion: "reduce" } });
  await p.page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
  const out = () => p.page.evaluate(() => {
    const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1 && e.closest("svg, .hidden") === null);
    return wide.map((e) => `${e.tagName} ${e.className} ${e.getAttribute("aria-label") ?? ""} ${Math.round(e.getBoundingClientRect().right)}`);
  });
  await expect.poll(out).toEqual([]); // a panel slides in
  await p.open("max");
  await expect.poll(out).toEqual([]); // a panel slides in
  await p.page.getByRole("button", { name: /^max.*About$/ }).click();
  await p.page.getByRole("switch", { name: "Pin" }).waitFor();
  await expect.poll(out).toEqual([]); // a panel slides in
  await p.leave();
});
