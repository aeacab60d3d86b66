// The browser of the tests, and what every test asks of a page.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { type Browser, type BrowserContext, type BrowserContextOptions, type Page, chromium } from "playwright-core";
import { expect } from "vitest";
import { patience } from "./patience.js";
// @ts-expect-error a script without types, that make runs too
import { browserPath } from "../scripts/browser.mjs";

const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Starts a browser. Chromium itself ends with SIGSEGV at some of its starts (two of some thousand, on Debian 13): then once more. */
export async function launch(): Promise<Browser> {
  const executablePath = browserPath() as string | undefined;
  if (!executablePath) throw new Error("no browser: run `npm run browser -w @parley-chat/e2e`");
  for (let left = 3; ; left--) {
    try {
      return await chromium.launch({ executablePath, args: quiet, timeout: 2 * patience });
    } catch (err) {
      if (left === 0 || !/signal=SIG(SEGV|TRAP|ABRT)/.test(String(err))) throw err;
      console.log("the browser crashed at its start; it is started once more");
    }
  }
}

/** A page, with what went wrong in it: no test may leave an error in the console. */
export interface Tab {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly errors: string[];
}

export async function newTab(browser: Browser, options: BrowserContextOptions = {}): Promise<Tab> {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1200, height: 800 }, ...options });
  context.setDefaultTimeout(patience);
  return tabIn(context);
}

export async function tabIn(context: BrowserContext): Promise<Tab> {
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (e) => errors.push(String(e)));
  page.on("console", (m) => {
    // A socket that is refused while the server is down is what the test wants to see. A touchstart is cancelled
    // by nobody but Playwright, for trial taps; Chromium complains of that where something scrolls yet.
    if (m.type() === "error" && !/WebSocket|ERR_CONNECTION|Failed to load resource|cancel a touchstart event/.test(m.text())) errors.push(m.text());
  });
  return { context, page, errors };
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds against WCAG 2.2 A and AA in the page as it is, when what moves and fades has come to its end. */
export async function axe(page: Page): Promise<string[]> {
  await page.evaluate(async () => {
    const roots = [document, ...[...document.querySelectorAll("*")].flatMap((e) => e.shadowRoot ?? [])]; // an embedded chat is in one
    const ending = () => roots.flatMap((r) => r.getAnimations()).filter((a) => a.effect?.getComputedTiming().endTime !== Infinity && a.playState === "running");
    for (let list = ending(); list.length > 0; list = ending()) await Promise.all(list.map((a) => a.finished.catch(() => {}))); // one that is cancelled is over
  });
  if (!(await page.evaluate("typeof window.axe === 'object'"))) {
    await page.evaluate(axeSource); // not a script tag, which the CSP refuses
  }
  const result = (await page.evaluate(
    `window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] })`,
  )) as { violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[] };
  return result.violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.map((n) => `  ${n.html}\n  ${n.failureSummary ?? ""}`).join("\n")}`);
}

export async function expectAccessible(page: Page): Promise<void> {
  expect(await axe(page)).toEqual([]);
}
