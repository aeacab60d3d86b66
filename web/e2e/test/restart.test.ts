// The server goes away in the middle of a conversation, politely and not.
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

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`the gateways end by ${signal} in the middle of a conversation`, async () => {
    const [a, b] = [`max${signal.toLowerCase()}`, `nina${signal.toLowerCase()}`];
    const [max, nina] = await Promise.all([Person.signIn(browser, cluster, a, { gateway: 0 }), Person.signIn(browser, cluster, b, { gateway: 1 })]);
    await max.openNew(b);
    await max.write("before");
    await nina.open(a);
    await nina.sees("before");
    for (let i = 1; i <= 3; i++) await max.write(`as it ends ${i}`);
    await cluster.down(signal);
    await max.page.getByRole("status").getByText(/No connection|Connecting/).first().waitFor();
    for (let i = 1; i <= 3; i++) {
      await max.write(`while it is away ${i}`);
    }
    await max.is("while it is away 3", "Waiting to be sent");
    await cluster.up();
    await Promise.all([max.live(), nina.live()]);
    await nina.sees("while it is away 3");
    await nina.write("there you are");
    await max.sees("there you are");
    await max.is("while it is away 3", "Read");
    const want = ["before", ...[1, 2, 3].map((i) => `as it ends ${i}`), ...[1, 2, 3].map((i) => `while it is away ${i}`), "there you are"];
    await expect.poll(() => max.texts()).toEqual(want);
    await expect.poll(() => nina.texts()).toEqual(want);
    await max.leave();
    await nina.leave();
  });
}
