// Two people on two gateways.
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

/** Two people of new names, one on each gateway, with the conversation open on both sides. */
async function pair(a: string, b: string): Promise<[Person, Person]> {
  const [one, two] = await Promise.all([Person.signIn(browser, cluster, a, { gateway: 0 }), Person.signIn(browser, cluster, b, { gateway: 1 })]);
  await one.openNew(b);
  await one.write(`${a} says hello`);
  await two.open(a);
  await two.sees(`${a} says hello`);
  return [one, two];
}

test("they write to each other, and see how far a message is", async () => {
  const [ann, ben] = await pair("ann", "ben");
  await ben.write("hello from the other gateway");
  await ann.sees("hello from the other gateway");
  await ann.is("ann says hello", "Read");
  await ben.is("hello from the other gateway", "Read");
  // That somebody types is told without any promise: he goes on until she sees it.
  await expect
    .poll(async () => {
      await ben.page.getByRole("textbox", { name: "Message ann" }).pressSequentially("typ ");
      return ann.page.getByText("typing…").count();
    })
    .toBeGreaterThan(0);
  await ann.leave();
  await ben.leave();
});

test("one goes offline, both write, and one comes back", async () => {
  const [cleo, dan] = await pair("cleo", "dan");
  await dan.tab.context.setOffline(true);
  await dan.page.evaluate("window.dispatchEvent(new Event('offline'))");
  await dan.page.getByText("You are offline. What you write is sent later.").waitFor();
  await dan.write("written offline 1");
  await dan.write("written offline 2");
  await dan.is("written offline 2", "Waiting to be sent");
  for (let i = 1; i <= 5; i++) await cleo.write(`while you were away ${i}`);
  await cleo.is("while you were away 5", "Sent");
  await dan.tab.context.setOffline(false);
  await dan.page.evaluate("window.dispatchEvent(new Event('online'))");
  await dan.sees("while you were away 5");
  await cleo.sees("written offline 2");
  await dan.is("written offline 2", "Read");
  const want = ["cleo says hello", ...[1, 2, 3, 4, 5].map((i) => `while you were away ${i}`), "written offline 1", "written offline 2"];
  await expect.poll(() => cleo.texts()).toEqual(want);
  await expect.poll(() => dan.texts()).toEqual(want);
  await cleo.leave();
  await dan.leave();
});

test("a reload in the middle of a send loses nothing and sends nothing twice", async () => {
  const [eva, finn] = await pair("eva", "finn");
  for (let i = 1; i <= 8; i++) await eva.write(`in a hurry ${i}`);
  await eva.page.reload(); // some are acknowledged by now, some are not
  await eva.live();
  await finn.sees("in a hurry 8");
  await eva.sees("in a hurry 8");
  await eva.is("in a hurry 8", "Read");
  const want = ["eva says hello", ...[1, 2, 3, 4, 5, 6, 7, 8].map((i) => `in a hurry ${i}`)];
  await expect.poll(() => finn.texts()).toEqual(want);
  await expect.poll(() => eva.texts()).toEqual(want);
  await eva.leave();
  await finn.leave();
});

test("two tabs of a browser are one device, and do not send each other away", async () => {
  const [gail, hugo] = await pair("gail", "hugo");
  const second = await gail.anotherTab();
  await second.open("hugo");
  await second.sees("gail says hello");
  await second.write("from the second tab");
  await gail.sees("from the second tab");
  await hugo.sees("from the second tab");
  await gail.page.close(); // perhaps the one that held the connection
  await second.live();
  await second.write("still here");
  await hugo.sees("still here");
  await second.leave();
  await hugo.leave();
});

test("a message is edited, answered, reacted to and deleted", async () => {
  const [ida, jon] = await pair("ida", "jon");
  await ida.write("helo wrold");
  await jon.sees("helo wrold");
  await ida.act("helo wrold", "Edit");
  await ida.page.getByRole("textbox", { name: "Change the message" }).waitFor();
  await ida.write("hello world");
  const edited = await jon.sees("hello world");
  await edited.getByText("edited").waitFor();

  await jon.act("hello world", "Reply");
  await jon.write("hello yourself");
  const answer = await ida.sees("hello yourself");
  await answer.getByRole("button", { name: /Go to the message that is answered/ }).waitFor();

  await jon.message("hello world").hover();
  await jon.message("hello world").getByRole("button", { name: "Message actions" }).click();
  await jon.page.getByRole("group", { name: "React" }).getByRole("button", { name: "👍" }).click();
  await ida.message("hello world").getByRole("button", { name: /👍 1 reaction/ }).click();
  await jon.message("hello world").getByRole("button", { name: /👍 2 reactions, one of them yours/ }).waitFor();

  await ida.act("hello world", "Delete for everyone");
  await ida.page.getByRole("dialog").getByRole("button", { name: "Delete for everyone" }).click();
  await jon.sees("This message was deleted");
  await ida.sees("You deleted this message");
  await expect.poll(() => jon.message("hello world").count()).toBe(0);
  await ida.leave();
  await jon.leave();
});

test("a message that was stored without an answer is shown once", async () => {
  const [kim, leo] = await pair("kim", "leo");
  // The same cmid again, as a client does that lost the answer.
  const token = await cluster.token("kim");
  const send = { to: "leo", cmid: "the-same-one", body: { text: "sent twice" } };
  await cluster.post("/v1/messages", send, token);
  const again = (await cluster.post("/v1/messages", send, token)) as { dup?: boolean };
  expect(again.dup).toBe(true);
  await leo.sees("sent twice");
  await kim.sees("sent twice");
  await kim.leave();
  await leo.leave();
});
