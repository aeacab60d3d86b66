// What people do all day without thinking of it: they leave things half done, go to
// another conversation and come back, copy, paste, and keep the page open over night.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch, newTab } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { fill } from "../src/fill.js";
import { resting } from "../src/log.js";
import { Person } from "../src/person.js";
import { landscape, upload } from "../src/picture.js";

let cluster: Cluster;
let browser: Browser;
let n = 0;
beforeAll(async () => {
  [cluster, browser] = await Promise.all([Cluster.start(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await cluster?.remove();
});

async function say(from: string, to: string | { conv: string }, body: object): Promise<{ conv: string; seq: number }> {
  const where = typeof to === "string" ? { to } : to;
  return (await cluster.post("/v1/messages", { ...where, cmid: `daily-${++n}`, body }, await cluster.token(from))) as { conv: string; seq: number };
}

/** The first row that begins in sight, and how far below the upper edge, when nothing moves any more. */
async function place(p: Person): Promise<{ seq: number; y: number }> {
  return (await resting(p.page)).find((row) => row.y >= 0) ?? { seq: 0, y: 0 };
}

test("the list says what was sent and what happened, without reading a message", async () => {
  const tab = await newTab(browser);
  const jpeg = { type: "image/jpeg", content: await landscape(tab.page, 40, 30) };
  await tab.context.close();
  const { conv } = await say("bob", "ann", { text: "first" });
  const pictures = await Promise.all(["a.jpg", "b.jpg"].map((name) => upload(cluster, "bob", conv, { name, ...jpeg })));
  await say("bob", "ann", { attachments: pictures.map((id) => ({ id })) });
  const other = await say("cid", "ann", { text: "to be taken back" });
  await cluster.write("DELETE" as "PUT", `/v1/conversations/${other.conv}/messages/${other.seq}?cmid=daily-${++n}`, undefined, await cluster.token("cid"));
  const group = ((await cluster.post("/v1/conversations", { title: "Tea", members: ["ann"], cmid: "tea" }, await cluster.token("dee"))) as { conv: string }).conv;
  await say("dee", { conv: group }, { text: "hello" });
  await cluster.write("PUT", `/v1/conversations/${group}/members/eve`, { role: "member", cmid: `daily-${++n}` }, await cluster.token("dee"));

  for (const [locale, words] of [
    ["en-GB", { bob: "2 pictures", cid: "This message was deleted", Tea: "dee added eve" }],
    ["zh-CN", { bob: "2 张图片", cid: "此消息已删除", Tea: "dee添加了eve" }],
  ] as const) {
    const ann = await newTab(browser, { locale });
    const read: string[] = [];
    await ann.context.route(/\/v1\/conversations\/[^?]*\/(messages|entries)/, (route) => {
      read.push(route.request().url());
      return route.abort();
    });
    await ann.page.goto(cluster.url());
    await ann.page.locator("input").fill("ann");
    await ann.page.locator("form button").click();
    for (const [title, text] of Object.entries(words)) {
      const row = ann.page.locator(".list .entry").filter({ has: ann.page.locator(".name").getByText(title, { exact: true }) });
      await row.locator(".preview").getByText(text).waitFor();
    }
    expect(read).toEqual([]);
    expect(ann.errors).toEqual([]);
    await ann.context.unrouteAll({ behavior: "wait" });
    await ann.context.close();
  }
});

test("who goes to another conversation and comes back finds everything as it was left", async () => {
  await fill(cluster, "gus", "fay", 300);
  await say("hal", "fay", { text: "from hal" });
  const fay = await Person.signIn(browser, cluster, "fay");
  await fay.open("gus");
  await fay.page.locator(".scroller [data-seq]:not(.skeleton)").first().waitFor();
  await fay.page.locator(".scroller").evaluate((e) => (e.scrollTop = e.scrollHeight));
  await fay.page.locator('[data-seq="300"]').waitFor();
  await fay.inList("gus").getByText("unread").waitFor({ state: "detached" });
  await resting(fay.page);
  await fay.page.locator(".scroller").evaluate((e) => (e.scrollTop -= 5000));
  const seq = (await place(fay)).seq + 3;
  const row = fay.page.locator(`.scroller [data-seq="${seq}"]`);
  await row.hover();
  await row.getByRole("button", { name: "Reply" }).click();
  await fay.page.locator('input[type="file"]').setInputFiles({ name: "plan.txt", mimeType: "text/plain", buffer: Buffer.from("a plan") });
  await fay.page.locator(".upload").waitFor();
  await fay.page.locator("textarea").fill("half a sen");
  const before = await place(fay);

  await fay.open("hal");
  await expect.poll(() => fay.page.locator("textarea").inputValue()).toBe("");
  await expect.poll(() => fay.page.locator(".upload, .context").count()).toBe(0);
  await fay.inList("gus").getByText("half a sen").waitFor();
  await say("gus", "fay", { text: "meanwhile" });
  await fay.inList("gus").getByText("1 unread").waitFor();

  await fay.open("gus");
  await expect
    .poll(async () => {
      const now = await place(fay);
      return now.seq === before.seq && Math.abs(now.y - before.y) < 3;
    })
    .toBe(true);
  await expect.poll(() => fay.page.locator("textarea").inputValue()).toBe("half a sen");
  await fay.page.locator(".context").getByText("Reply to gus").waitFor();
  await fay.page.locator("textarea").fill("half a sentence");
  await fay.page.getByRole("button", { name: "Send", exact: true }).click();
  const sent = await fay.sees("half a sentence · 1 file");
  // It is pointed out for a moment only: whoever looks afterwards may come too late.
  await fay.page.locator(".scroller").evaluate((box) => {
    const flashed = new Promise<string | null>((resolve) => {
      const look = () => {
        const row = box.querySelector(".row.flash");
        if (row !== null) resolve(row.getAttribute("data-seq"));
      };
      new MutationObserver(look).observe(box, { childList: true, subtree: true, attributes: true });
    });
    Object.assign(window, { flashed });
  });
  await sent.locator("button.quote").click();
  expect(await fay.page.evaluate("flashed")).toBe(String(seq));

  // A change that is not done yet.
  await fay.open("hal");
  await fay.write("rigt");
  await fay.act("rigt", "Edit");
  const change = fay.page.getByRole("textbox", { name: "Change the message" });
  await change.fill("right");
  await fay.open("gus");
  await fay.open("hal");
  await expect.poll(() => change.inputValue()).toBe("right");
  await change.press("Enter");
  const changed = await fay.sees("right");
  await changed.getByText("edited").waitFor();
  await fay.leave();
});

test("messages that take long to come are read when they are there", async () => {
  await say("rex", "ria", { text: "slowly" });
  const ria = await Person.signIn(browser, cluster, "ria");
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await ria.page.route(/\/v1\/conversations\/[^?]*\/messages\?/, async (route) => {
    await held;
    await route.continue();
  });
  await ria.open("rex");
  await ria.page.locator(".scroller .skeleton").first().waitFor();
  const from = await ria.page.evaluate(() => performance.now());
  await ria.page.waitForFunction((t) => performance.now() > t + 1000, from); // longer than a message has to be in sight
  release();
  await ria.sees("slowly");
  await ria.inList("rex").getByText("unread").waitFor({ state: "detached" });
  await ria.page.unrouteAll({ behavior: "wait" });
  await ria.leave();
});

test("a file that is dropped beside its place does not take the page away, and text from an office program stays text", async () => {
  await say("bob", "ina", { text: "hi" });
  const ina = await Person.signIn(browser, cluster, "ina");
  await ina.open("bob");
  const refused = await ina.page.locator(".side").evaluate((side) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(["x"], "x.txt", { type: "text/plain" }));
    return ["dragover", "drop"].map((type) => !side.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true })));
  });
  expect(refused).toEqual([true, true]);
  const taken = await ina.page.locator("textarea").evaluate((area) => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File(["x"], "cells.png", { type: "image/png" }));
    clipboardData.setData("text/plain", "A1\tB1");
    return !area.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  });
  expect(taken).toBe(false); // the browser pastes it
  expect(await ina.page.locator(".upload").count()).toBe(0);
  await ina.leave();
});

test("keys: composing sends nothing, a change to the same is none, and who writes in the log writes in the composer", async () => {
  const kim = await Person.signIn(browser, cluster, "kim");
  await kim.openNew("leo");
  const box = kim.page.getByRole("textbox", { name: "Message leo" });
  const cdp = await kim.tab.context.newCDPSession(kim.page);
  await box.focus();
  await cdp.send("Input.imeSetComposition", { text: "ni", selectionStart: 2, selectionEnd: 2 });
  const enter = { key: "Enter", code: "Enter", windowsVirtualKeyCode: 229 };
  await cdp.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...enter });
  await cdp.send("Input.dispatchKeyEvent", { type: "keyUp", ...enter });
  await cdp.send("Input.insertText", { text: "你" });
  await expect.poll(() => box.inputValue()).toBe("你");
  expect(await kim.page.locator(".scroller .bubble").count()).toBe(0);
  await box.press("Enter");
  await kim.sees("你");

  await kim.act("你", "Edit");
  await kim.page.getByRole("textbox", { name: "Change the message" }).press("Enter");
  await box.waitFor();
  await kim.write("after it");
  await kim.is("after it", "Sent");
  expect(await kim.page.getByText("edited").count()).toBe(0);

  const row = await kim.sees("after it");
  await row.focus();
  await kim.page.keyboard.type("to the composer");
  await expect.poll(() => box.inputValue()).toBe("to the composer");
  await kim.leave();
});

test("the first message of a conversation does not flicker on its way into the log", async () => {
  const [lil, max] = await Promise.all(["lil", "max"].map((user) => Person.signIn(browser, cluster, user)));
  await lil!.openNew("max");
  await max!.openNew("lil");
  for (const p of [lil!, max!]) {
    await p.page.locator(".scroller").evaluate((box) => {
      const seen: string[] = [];
      (window as { seen?: string[] }).seen = seen;
      const look = () => seen.push([...box.querySelectorAll(".row")].map((r) => (r.classList.contains("skeleton") ? "nothing" : (r.querySelector(".text")?.firstChild?.textContent ?? ""))).join());
      new MutationObserver(look).observe(box, { childList: true, subtree: true, attributes: true });
    });
  }
  await lil!.write("hello");
  await max!.sees("hello");
  await lil!.is("hello", "Read");
  for (const p of [lil!, max!]) {
    const seen = await p.page.evaluate(() => (window as { seen?: string[] }).seen ?? []);
    expect([...new Set(seen.slice(seen.indexOf("hello")))]).toEqual(["hello"]);
    if (p === lil) expect(seen.find((rows) => rows !== "")).toBe("hello");
    await p.leave();
  }
});

test("several messages are copied as who said what when, and code as it was written", async () => {
  await say("bob", "mia", { text: "one" });
  await say("bob", "mia", { text: "See:\n```js\nif (a) {\n\tb();\n}\n```" });
  await say("bob", "mia", { text: "three" });
  const mia = await Person.signIn(browser, cluster, "mia");
  await mia.open("bob");
  await mia.sees("three");
  expect(await mia.page.locator(".bubble pre").textContent()).toBe("if (a) {\n\tb();\n}");
  const copied = await mia.page.locator(".scroller").evaluate((box) => {
    const texts = [...box.querySelectorAll(".text")];
    const [from, to] = [texts[0]?.firstChild, texts[2]?.firstChild];
    if (!from || !to) return "";
    getSelection()?.setBaseAndExtent(from, 0, to, 2);
    const clipboardData = new DataTransfer();
    box.dispatchEvent(new ClipboardEvent("copy", { clipboardData, bubbles: true, cancelable: true }));
    return clipboardData.getData("text/plain");
  });
  const when = "bob, \\d+ \\w+ \\d{4}, \\d+:\\d\\d";
  expect(copied).toMatch(new RegExp(`^${when}\none\n\n${when}\nSee:\n\`\`\`js\nif \\(a\\) \\{\n\tb\\(\\);\n\\}\n\`\`\`\n\n${when}\nth$`));
  await mia.leave();
});

test("over midnight what was today is yesterday", async () => {
  await say("bob", "ned", { text: "late" });
  // Where it is about noon: the day does not end by itself in the middle of the test.
  const west = new Date().getUTCHours() - 12; // hours of Greenwich
  const tab = await newTab(browser, { timezoneId: `Etc/GMT${west < 0 ? west : `+${west}`}` });
  await tab.context.addInitScript(() => {
    const now = Date.now;
    Date.now = () => now() + Number((window as { later?: number }).later ?? 0);
  });
  const ned = await Person.signInAt(tab, cluster, "ned");
  await ned.open("bob");
  await ned.page.locator(".day").getByText("Today").waitFor();
  await ned.page.evaluate(() => {
    (window as { later?: number }).later = 86_400_000;
    window.dispatchEvent(new Event("focus"));
  });
  await ned.page.locator(".day").getByText("Yesterday").waitFor();
  await ned.inList("bob").getByText("Yesterday").waitFor();
  await ned.leave();
});

test("of many people the ones in sight are seen to be online", async () => {
  const all = Array.from({ length: 270 }, (_, i) => `peer-${i}`);
  const rest = [...all];
  const worker = async () => {
    for (let peer = rest.pop(); peer !== undefined; peer = rest.pop()) await say(peer, "ora", { text: "hi" });
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  await say("pat", "ora", { text: "the latest" });
  const pat = await Person.signIn(browser, cluster, "pat");
  const ora = await Person.signIn(browser, cluster, "ora");
  await ora.inList("peer-0").waitFor({ state: "attached" });
  await ora.inList("pat").locator(".avatar .dot").waitFor();
  await ora.open("pat");
  await ora.page.locator(".main .bar").getByText("online").waitFor();
  await pat.leave();
  await ora.leave();
});
