// How smoothly a thread of 100,000 messages scrolls, beside a page that does nothing
// but scroll as many plain rows: `npm run bench:scroll -w @parley-chat/e2e`. It
// prints times and asserts nothing about them.
import type { Browser, Page } from "playwright-core";
import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launch } from "../src/browser.js";
import { Cluster } from "../src/cluster.js";
import { fill } from "../src/fill.js";
import { Person } from "../src/person.js";

const n = Number(process.env.PARLEY_MESSAGES ?? 100_000);
let cluster: Cluster;
let browser: Browser;

beforeAll(async () => {
  [cluster, browser] = await Promise.all([Cluster.start({ flags: ["--search=false", "--sends-per-user=0"] }), launch()]);
  const begun = Date.now();
  await fill(cluster, "quinn", "ruth", n);
  console.log(`${n} messages written in ${((Date.now() - begun) / 1000).toFixed(1)} s`);
}, 600_000);
afterAll(async () => {
  await browser?.close();
  await cluster?.remove();
});

interface Frames {
  frames: number;
  median: number;
  p95: number;
  worst: number;
  over50: number;
  blank: number;
}

/** Scrolls `selector` by `step` pixels in each of 300 frames, and takes the time between frames. */
function scroll(page: Page, selector: string, step: number): Promise<Frames> {
  return page.evaluate(
    ({ selector, step }) =>
      new Promise<Frames>((resolve) => {
        const box = document.querySelector(selector) as HTMLElement;
        const times: number[] = [];
        let blank = 0;
        let last = performance.now();
        const tick = (now: number) => {
          times.push(now - last);
          last = now;
          const view = box.getBoundingClientRect();
          const under = document.elementFromPoint(view.left + view.width / 2, view.top + view.height / 2);
          if (under?.closest(".skeleton") !== null) blank++;
          box.scrollTop += step;
          if (times.length < 300) {
            requestAnimationFrame(tick);
            return;
          }
          const sorted = times.slice(1).sort((a, b) => a - b);
          const at = (p: number) => sorted[Math.floor((sorted.length - 1) * p)] ?? 0;
          resolve({ frames: sorted.length, median: at(0.5), p95: at(0.95), worst: at(1), over50: sorted.filter((t) => t > 50).length, blank });
        };
        requestAnimationFrame(tick);
      }),
    { selector, step },
  );
}

/** Takes a CPU profile while something runs, and says which functions cost most, if PARLEY_PROFILE names a folder. */
async function profiled<T>(page: Page, name: string, run: () => Promise<T>): Promise<T> {
  const dir = process.env.PARLEY_PROFILE;
  if (!dir) return run();
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Profiler.enable");
  await cdp.send("Profiler.start");
  const out = await run();
  const { profile } = await cdp.send("Profiler.stop");
  await cdp.detach();
  await mkdir(dir, { recursive: true });
  await writeFile(`${dir}/${name}.cpuprofile`, JSON.stringify(profile)); // for the DevTools
  const self = new Map<number, number>();
  profile.samples?.forEach((id, i) => self.set(id, (self.get(id) ?? 0) + (profile.timeDeltas?.[i] ?? 0) / 1000));
  const sums = new Map<string, number>();
  for (const node of profile.nodes) {
    const { functionName, url, lineNumber, columnNumber } = node.callFrame;
    const where = `${functionName || "(anonymous)"} ${url.replace(/.*\//, "")}:${lineNumber + 1}:${columnNumber + 1}`;
    sums.set(where, (sums.get(where) ?? 0) + (self.get(node.id) ?? 0));
  }
  const top = [...sums].sort((a, b) => b[1] - a[1]).slice(0, 25);
  console.log(`${name}, ms of its own:\n${top.map(([where, ms]) => `${ms.toFixed(0).padStart(7)} ${where}`).join("\n")}`);
  return out;
}

const line = (name: string, f: Frames) =>
  `${name.padEnd(44)} median ${f.median.toFixed(1)} ms  p95 ${f.p95.toFixed(1)}  worst ${f.worst.toFixed(1)}  over 50 ms: ${f.over50}/${f.frames}  frames with a row still loading: ${f.blank}`;

test("scrolling", async () => {
  const bare = await browser.newPage({ viewport: { width: 1200, height: 800 } });
  await bare.setContent(`<div id=box style="height:800px;overflow-y:scroll"></div>`);
  await bare.evaluate((n) => {
    const box = document.getElementById("box") as HTMLElement;
    for (let i = 0; i < n; i++) {
      const row = document.createElement("div");
      row.textContent = `message ${i}`;
      row.style.cssText = "height:40px;contain:content";
      box.append(row);
    }
  }, 3_000);
  const ruth = await Person.signIn(browser, cluster, "ruth");
  await ruth.open("quinn");
  await ruth.page.locator(".scroller [data-seq]:not(.skeleton)").first().waitFor();
  const rows = await ruth.page.locator(".scroller [data-seq]").count();
  const out: string[] = [];
  for (const step of [40, 400]) out.push(line(`3,000 plain rows, ${step} px a frame`, await scroll(bare, "#box", step)));
  for (const [where, part] of [["from the start", 0], ["from the middle", 0.5]] as const) {
    await ruth.page.locator(".scroller").evaluate((box, p) => (box.scrollTop = box.scrollHeight * p), part);
    await expect.poll(() => ruth.page.locator(".scroller [data-seq]:not(.skeleton)").count(), { timeout: 20_000 }).toBeGreaterThan(5);
    for (const step of [40, 400]) {
      const frames = await profiled(ruth.page, `${where.replaceAll(" ", "-")}-${step}`, () => scroll(ruth.page, ".scroller", step));
      out.push(line(`${n} messages, ${where}, ${step} px a frame`, frames));
    }
  }
  const heap = await ruth.page.evaluate("performance.memory ? performance.memory.usedJSHeapSize / 1048576 : 0");
  console.log(`\n${out.join("\n")}\nrows in the page: ${rows}; JavaScript heap after it: ${Number(heap).toFixed(1)} MiB\n`);
  await ruth.leave();
}, 300_000);
