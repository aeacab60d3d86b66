// The pictures of docs/web: `npm run screenshots -w @parley-chat/e2e` makes them anew.
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";
import { launch, newTab } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { Person } from "../src/person.js";
import { landscape, upload } from "../src/picture.js";

const dir = fileURLToPath(new URL("../../../docs/web/", import.meta.url));
const me = "maya";
let cluster: Cluster;
let browser: Browser;
let n = 0;

beforeAll(async () => {
  await mkdir(dir, { recursive: true });
  [cluster, browser] = await Promise.all([Cluster.start(), launch()]);
  await talk();
});
afterAll(async () => {
  await browser?.close();
  await cluster?.remove();
});

async function say(from: string, to: string | { conv: string }, text: string, more: object = {}): Promise<{ conv: string; seq: number }> {
  const where = typeof to === "string" ? { to } : to;
  const message = { ...where, cmid: `shot-${++n}`, body: { text }, ...more };
  return (await cluster.post("/v1/messages", message, await cluster.token(from))) as { conv: string; seq: number };
}

async function react(user: string, conv: string, seq: number, emoji: string): Promise<void> {
  const path = `/v1/conversations/${conv}/messages/${seq}/reactions/${encodeURIComponent(emoji)}?cmid=shot-${++n}`;
  await cluster.write("PUT", path, undefined, await cluster.token(user));
}

/** What the pictures show. */
async function talk(): Promise<void> {
  const group = async (title: string, members: string[]) =>
    ((await cluster.post("/v1/conversations", { title, members, cmid: `shot-${++n}` }, await cluster.token(me))) as { conv: string }).conv;
  await say("grandpa", me, "Thank you for the call yesterday. The tomatoes are ripe.");
  await say(me, "grandpa", "I'll come on Sunday!");
  await say("layla", me, "مساء الخير! هل وصلت إلى البيت؟");
  await say("xiaoming", me, "明天下午三点，我们在图书馆门口见，好吗？");
  await say(me, "xiaoming", "好的，明天见 👍");
  const club = await group("Book club", ["ines", "tom", "noor"]);
  await say("ines", { conv: club }, "Chapter five by Thursday, everybody.");
  await say("tom", { conv: club }, `@${me} it is your turn to choose the next one`, { mentions: [me] });
  const hike = await group("Weekend hike", ["jonas", "noor", "ines"]);
  await say("jonas", { conv: hike }, "The forecast for Saturday is good. Shall we take the ridge path?");
  const asked = await say("noor", { conv: hike }, "Yes! How long is it to the hut?");
  await say("jonas", { conv: hike }, "About four hours, with breaks. The last bus back goes at 18:40.", { reply_to: asked.seq });
  await say(me, { conv: hike }, "Then let's start early. I bring bread, cheese and the good thermos.");
  const tab = await newTab(browser);
  const picture = await landscape(tab.page);
  await tab.context.close();
  const id = await upload(cluster, "ines", hike, { name: "ridge.jpg", type: "image/jpeg", content: picture });
  const body = { text: "Last time, up there. Look at that light!", attachments: [{ id }] };
  const shown = await say("ines", { conv: hike }, "", { body });
  for (const [user, emoji] of [["jonas", "😍"], ["noor", "😍"], [me, "😍"], ["noor", "🏔️"]] as const) await react(user, hike, shown.seq, emoji);
  const early = await say(me, { conv: hike }, "Beautiful. 7:30 at the station?", { reply_to: shown.seq });
  await react("jonas", hike, early.seq, "👍");
  await say("noor", { conv: hike }, "I'll be there ☕");
  await say("kim", me, "Did you see the keys anywhere?");
  await say("kim", me, "Found them, they were in the fridge 🙈");
}

async function at(screen: string, context: BrowserContextOptions, ready: (p: Person) => Promise<void>): Promise<Buffer> {
  const p = await Person.signIn(browser, cluster, me, { context: { reducedMotion: "reduce", ...context } });
  await p.inList("Weekend hike").waitFor();
  await ready(p);
  await p.page.mouse.move(0, 0);
  await p.page.waitForFunction(() => [...document.images].every((i) => i.complete));
  const png = await p.page.screenshot(screen === "" ? {} : { path: `${dir}${screen}.png` });
  await p.leave();
  return png;
}

async function hike(p: Person): Promise<void> {
  await p.open("Weekend hike");
  await p.sees("I'll be there ☕");
  await p.page.locator(".picture img").waitFor();
  await p.page.locator(".scroller").evaluate((e) => (e.scrollTop = e.scrollHeight));
}

const desktop = { width: 1040, height: 700 };
const phone = { width: 360, height: 720 };

test("the pictures of the documentation", async () => {
  const friends = await Promise.all(["noor", "kim"].map((user) => Person.signIn(browser, cluster, user)));
  const reader = await Person.signIn(browser, cluster, me);
  for (const title of ["Weekend hike", "xiaoming", "layla", "grandpa"]) {
    await reader.open(title);
    await reader.page.locator(".scroller [data-seq]:not(.skeleton)").first().waitFor();
    await reader.page.locator(".scroller").evaluate((e) => (e.scrollTop = e.scrollHeight));
    await reader.inList(title).getByText("unread").waitFor({ state: "detached" });
  }
  await reader.leave();
  const list = await at("", { viewport: phone }, async () => {});
  const thread = await at("", { viewport: phone, colorScheme: "dark" }, hike);
  await at("desktop-light", { viewport: desktop }, hike);
  await at("desktop-dark", { viewport: desktop, colorScheme: "dark" }, hike);
  const { page, context } = await newTab(browser, { viewport: { width: 2 * phone.width + 24, height: phone.height } });
  const image = (png: Buffer) => `<img src="data:image/png;base64,${png.toString("base64")}">`;
  await page.setContent(`<body style="margin:0;display:flex;gap:24px;background:transparent">${image(list)}${image(thread)}`);
  await page.waitForFunction(() => [...document.images].every((i) => i.complete));
  await page.screenshot({ path: `${dir}phone.png`, omitBackground: true });
  await context.close();
  for (const f of friends) await f.leave();
});
