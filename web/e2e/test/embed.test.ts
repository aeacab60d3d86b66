// The chat in a page of another origin: the example that the documentation shows.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, extname } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectAccessible, launch, newTab } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { Person } from "../src/person.js";

const types: Record<string, string> = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };
let pages: Server;
let cluster: Cluster;
let browser: Browser;
let origin = "";

beforeAll(async () => {
  pages = createServer((req, res) => {
    const name = basename(new URL(req.url ?? "/", "http://x").pathname);
    readFile(new URL(`../../app/examples/${name}`, import.meta.url)).then(
      (body) => res.writeHead(200, { "content-type": types[extname(name)] ?? "text/plain" }).end(body),
      () => res.writeHead(404).end(),
    );
  });
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  [cluster, browser] = await Promise.all([Cluster.start({ flags: ["--allowed-origins", origin] }), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await cluster?.remove();
  pages?.close();
});

test("<parley-chat> on another origin: two people write, and the page opens a conversation", async () => {
  const tab = await newTab(browser);
  await tab.page.goto(`${origin}/embed.html?server=${encodeURIComponent(cluster.url())}&user=alice`);
  await tab.page.locator('[data-phase="live"]').waitFor();
  await expectAccessible(tab.page);
  await tab.page.getByRole("button", { name: "Ask the workshop" }).click();
  const box = tab.page.getByRole("textbox", { name: "Message workshop" });
  await box.fill("Is it ready?");
  await box.press("Enter");
  const shop = await Person.signIn(browser, cluster, "workshop");
  await shop.open("alice");
  await shop.sees("Is it ready?");
  await shop.write("It is.");
  await tab.page.getByRole("article", { name: /: It is\.$/ }).waitFor();
  await expectAccessible(tab.page);
  await tab.page.getByRole("button", { name: /^workshop.*About$/ }).click();
  // It slides in; then it lies in the part of the page that the chat has.
  const edges = (part: string) =>
    tab.page.locator(part).evaluate((e) => {
      const { left, right, top, bottom } = e.getBoundingClientRect();
      return [left, right, top, bottom];
    });
  const apart = async () => {
    const [chat, panel] = [await edges("parley-chat"), await edges("dialog")];
    return Math.max(...chat.map((edge, i) => Math.abs(edge - panel[i]!)));
  };
  await expect.poll(apart).toBeLessThanOrEqual(2);
  expect(tab.errors).toEqual([]);
  await tab.context.close();
  await shop.leave();
});
