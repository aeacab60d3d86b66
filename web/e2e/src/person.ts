// What a person does with the chat, in the words of the page: everything is found by
// its role and its name, as somebody with a screen reader finds it.
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { type Tab, newTab, tabIn } from "./browser.js";
import type { Cluster } from "./cluster.js";

export class Person {
  private constructor(
    readonly name: string,
    readonly url: string,
    readonly tab: Tab,
  ) {}

  /** Opens the chat of a gateway in a browser profile of its own, and signs in. */
  static async signIn(browser: Browser, cluster: Cluster, name: string, options: { gateway?: number; context?: BrowserContextOptions } = {}): Promise<Person> {
    return Person.signInAt(await newTab(browser, options.context), cluster, name, options.gateway);
  }

  /** The same in a tab that has been made ready. */
  static async signInAt(tab: Tab, cluster: Cluster, name: string, gateway = 0): Promise<Person> {
    const person = new Person(name, cluster.url(gateway), tab);
    await person.page.goto(person.url);
    await person.page.getByLabel("Your name").fill(name);
    await person.page.getByRole("button", { name: "Sign in" }).click();
    await person.live();
    return person;
  }

  /** Another tab of the same profile. */
  async anotherTab(): Promise<Person> {
    const other = new Person(this.name, this.url, await tabIn(this.tab.context));
    await other.page.goto(this.url);
    await other.live();
    return other;
  }

  get page(): Page {
    return this.tab.page;
  }

  /** Waits until the chat is up to date. */
  async live(): Promise<void> {
    await this.page.locator('[data-phase="live"]').waitFor();
  }

  async openNew(user: string): Promise<void> {
    await this.page.getByRole("button", { name: "New conversation" }).first().click();
    await this.page.getByLabel("Name of the person").fill(user);
    await this.page.getByRole("button", { name: "Start", exact: true }).click();
    await this.page.getByRole("textbox", { name: `Message ${user}` }).waitFor();
  }

  /** Opens a conversation of the list. */
  async open(title: string): Promise<void> {
    await this.inList(title).click();
    await this.page.getByRole("feed", { name: `Messages with ${title}` }).waitFor();
  }

  inList(title: string): Locator {
    return this.page.getByRole("navigation", { name: "Conversations" }).getByRole("link").filter({ has: this.page.locator(".name").getByText(title, { exact: true }) });
  }

  async write(text: string): Promise<void> {
    const box = this.page.getByRole("textbox", { name: /^(Message |Change the message)/ });
    await box.fill(text);
    await box.press("Enter");
  }

  /** The row of a message, by its text. */
  message(text: string): Locator {
    const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return this.page.getByRole("article", { name: new RegExp(`: ${escaped}(\\. (Waiting to be sent|Sent|Delivered|Read|Not sent))?$`) });
  }

  async sees(text: string): Promise<Locator> {
    const row = this.message(text);
    await row.waitFor(); // fails where there are two
    let n = 0;
    await expect.poll(async () => (n = await row.count())).toBeGreaterThan(0); // it may just be loaded anew
    expect(n).toBe(1);
    return row;
  }

  /** Waits until one's own message is as far as that. */
  async is(text: string, state: "Waiting to be sent" | "Sent" | "Delivered" | "Read" | "Not sent"): Promise<void> {
    await this.message(text).and(this.page.locator(`[aria-label$=". ${state}"]`)).waitFor();
  }

  /** Chooses from a message's menu. */
  async act(text: string, what: string): Promise<void> {
    // Not while it is on its way: it becomes another row then, under the pointer or not.
    const row = (await this.sees(text)).and(this.page.locator("[data-seq]"));
    await row.hover();
    await row.getByRole("button", { name: "Message actions" }).click();
    await this.page.getByRole("menuitem", { name: what }).click();
  }

  /** The texts of the messages on the page, in order. */
  async texts(): Promise<string[]> {
    return this.page.locator(".scroller .bubble .text").evaluateAll((list) =>
      list.map((e) => {
        const copy = e.cloneNode(true) as HTMLElement;
        for (const meta of copy.querySelectorAll(".meta")) meta.remove();
        return copy.textContent?.trim() ?? "";
      }),
    );
  }

  async leave(): Promise<void> {
    await this.tab.context.close();
    expect(this.tab.errors).toEqual([]);
  }
}
