// Parley inside another page: a custom element and a function. Everything is in a
// shadow root, so that neither page's styles reach the other.

import { begin, type Running } from "./chat.tsx";
import { browserOptions } from "./platform.ts";
import { pickLanguage } from "./i18n/index.ts";
import { openPrefs, type Theme } from "./state/prefs.ts";
import { memoryRouter, type Route } from "./state/router.ts";
import styles from "./style/index.css?inline";

export interface MountOptions {
  /** Where Parley is, for instance `https://chat.example.com`. That server must allow this page's origin. */
  url: string;
  /** Gives a token that is good now; asked again before it expires. Reject to end the chat. */
  token: () => Promise<string>;
  /** Whom the token is for. It names what is kept in this browser. */
  user: string;
  /** Default: like the system. */
  theme?: Theme;
  /** BCP 47. Default: the browser's. */
  language?: string;
  /** The user to write to, or the conversation to open, at first. */
  peer?: string;
  conversation?: string;
}

export interface Mounted {
  /** Opens the conversation with a user, or one by its id; without either the list. */
  open(what: { peer?: string; conversation?: string }): void;
  /** Takes the chat out of the element. What is stored stays for the next time. */
  unmount(): Promise<void>;
}

const routeOf = (o: { peer?: string | undefined; conversation?: string | undefined }): Route =>
  o.conversation !== undefined ? { conv: o.conversation } : o.peer !== undefined ? { peer: o.peer } : {};

/** Fills an element, which must have a size, with a chat. */
export function mount(el: HTMLElement, o: MountOptions): Mounted {
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`:host{display:block;height:100%}${styles}`);
  root.adoptedStyleSheets = [sheet];
  const { prefs, stop } = openPrefs(window.localStorage, o.language === undefined ? navigator.languages : [o.language]);
  if (o.theme !== undefined) prefs.theme.value = o.theme;
  if (o.language !== undefined) prefs.language.value = pickLanguage([o.language]);
  const router = memoryRouter(routeOf(o));
  const running: Running = begin(root, { options: { ...browserOptions(o.user), url: o.url, token: o.token, user: o.user }, prefs, router });
  return {
    open: (what) => router.go(routeOf(what)),
    async unmount() {
      stop();
      router.stop();
      await running.stop();
    },
  };
}

/**
 * `<parley-chat url="https://chat.example.com" user="alice">` with the property `token`,
 * a function that gives a token. It starts once it has all three and is in the page.
 */
export class ParleyChat extends HTMLElement {
  static readonly observedAttributes = ["url", "user"];
  private give: (() => Promise<string>) | undefined;
  private mounted: Mounted | undefined;

  get token(): (() => Promise<string>) | undefined {
    return this.give;
  }

  set token(token: (() => Promise<string>) | undefined) {
    this.give = token;
    this.restart();
  }

  connectedCallback(): void {
    this.restart();
  }

  disconnectedCallback(): void {
    void this.mounted?.unmount();
    this.mounted = undefined;
  }

  attributeChangedCallback(): void {
    this.restart();
  }

  /** See `Mounted.open`. */
  open(what: { peer?: string; conversation?: string }): void {
    this.mounted?.open(what);
  }

  private restart(): void {
    void this.mounted?.unmount();
    this.mounted = undefined;
    const url = this.getAttribute("url");
    const user = this.getAttribute("user");
    if (!this.isConnected || url === null || user === null || this.give === undefined) return;
    const theme = this.getAttribute("theme");
    this.mounted = mount(this, {
      url,
      user,
      token: this.give,
      ...(theme === "light" || theme === "dark" ? { theme } : {}),
      ...(this.lang === "" ? {} : { language: this.lang }),
      ...(this.hasAttribute("peer") ? { peer: this.getAttribute("peer") ?? "" } : {}),
      ...(this.hasAttribute("conversation") ? { conversation: this.getAttribute("conversation") ?? "" } : {}),
    });
  }
}

/** Makes `<parley-chat>` known; a second call does nothing. */
export function define(name = "parley-chat"): void {
  if (customElements.get(name) === undefined) customElements.define(name, ParleyChat);
}
