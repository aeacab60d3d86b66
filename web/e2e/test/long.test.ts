// A thread of 10,000 messages.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { fill } from "../src/fill.js";
import { resting } from "../src/log.js";
import { Person } from "../src/person.js";

const n = 10_000;
let cluster: Cluster;
let browser: Browser;
let conv: string;

beforeAll(async () => {
  [cluster, browser] = await Promise.all([Cluster.start({ flags: ["--search=false", "--sends-per-user=0"] }), launch()]);
  conv = await fill(cluster, "oda", "pit", n);
});
afterAll(async () => {
  await browser?.close();
  await cluster?.remove();
});

test("it opens at the first unread message, scrolls to any place, and keeps few rows", async () => {
  const pit = await Person.signIn(browser, cluster, "pit");
  await pit.inList("oda").getByText(`${n} unread`).waitFor({ state: "attached" }).catch(() => undefined);
  await pit.open("oda");
  await expect.poll(async () => (await resting(pit.page))[0]?.seq).toBe(1);

  const token = await cluster.token("pit");
  for (const part of [0.25, 0.5, 0.9, 1]) {
    await pit.page.locator(".scroller").evaluate((box, p) => (box.scrollTop = (box.scrollHeight - box.clientHeight) * p), part);
    // Rows come in; what they say is what the server has there, and the place is about right.
    const rows = await resting(pit.page);
    expect(rows.length).toBeGreaterThan(3);
    const middle = rows[Math.floor(rows.length / 2)];
    if (!middle) throw new Error("nothing is shown");
    expect(Math.abs(middle.seq / n - part)).toBeLessThan(0.08);
    const page = await cluster.get<{ items: { seq: number; body: { text: string } }[] }>(`/v1/conversations/${conv}/messages?around=${middle.seq}&limit=50`, token);
    const stored = page.items.find((m) => m.seq === middle.seq);
    expect(middle.text).toContain(stored?.body.text.trim().slice(0, 20));
    expect(rows.map((r) => r.seq)).toEqual(rows.map((_, i) => (rows[0]?.seq ?? 0) + i)); // without holes
    expect(await pit.page.locator(".scroller [data-seq]").count()).toBeLessThan(200);
  }
  await pit.leave();
});

test("it stays where one reads while new messages come, and goes to the end on request", async () => {
  const oda = await Person.signIn(browser, cluster, "oda");
  await oda.open("pit");
  await oda.page.locator(".scroller").evaluate((box) => (box.scrollTop = (box.scrollHeight - box.clientHeight) / 2));
  const before = (await resting(oda.page))[1];
  const token = await cluster.token("pit");
  await cluster.post("/v1/messages", { to: "oda", cmid: "late-1", body: { text: "a late one" } }, token);
  await oda.page.getByRole("button", { name: /1 new message below|To the latest message/ }).waitFor();
  expect((await resting(oda.page)).map((r) => r.seq)).toContain(before?.seq);
  await oda.page.getByRole("button", { name: /new message below|To the latest message/ }).click();
  await oda.sees("a late one");
  await oda.leave();
});
