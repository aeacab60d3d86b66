// What every component can reach: the client, the settings, where the user is, and
// ways to say and ask something. One object per chat on the page; no globals.

import { createContext, type ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Parley } from "@parley-chat/client";
import type { Texts } from "../i18n/index.ts";
import { dayNumber, times, type Times } from "../format/time.ts";
import { KeptViews } from "./kept.ts";
import type { Prefs } from "./prefs.ts";
import type { Router } from "./router.ts";

/** A question with a yes and a no; `text` lets the user type something. */
export interface Question {
  title: string;
  why?: string;
  yes: string;
  danger?: boolean;
  field?: { label: string; value: string; max: number };
}

export interface Asked extends Question {
  answer(value: string | undefined): void;
}

/** A small window at a place: a menu, the emoji picker, who has seen a message. */
export interface PopupAt {
  label: string;
  /** The element that it belongs to. */
  anchor: Element;
  content: (close: () => void) => ComponentChildren;
}

export interface Gallery {
  pictures: readonly { id: string; name: string; size: number }[];
  index: number;
}

export interface SearchState {
  q: string;
  conv: string | undefined;
}

/** A place in a thread that is to be shown; a new object each time. */
export interface Jump {
  conv: string;
  seq: number;
}

export type Width = "narrow" | "medium" | "wide";

export interface Chat {
  readonly parley: Parley;
  readonly prefs: Prefs;
  readonly router: Router;
  readonly now: () => number;
  /** Dates and times in the user's language. */
  readonly times: ReadonlySignal<Times>;
  readonly width: Signal<Width>;
  /** The system's wish for dark. */
  readonly dark: Signal<boolean>;
  readonly visible: Signal<boolean>;
  readonly toast: Signal<string | undefined>;
  /** What a screen reader should say. */
  readonly spoken: Signal<string>;
  readonly asked: Signal<Asked | undefined>;
  readonly popup: Signal<PopupAt | undefined>;
  readonly gallery: Signal<Gallery | undefined>;
  readonly search: Signal<SearchState>;
  readonly jump: Signal<Jump | undefined>;
  /** The local day, which ends while the page is open. */
  readonly today: Signal<number>;
  /** What lies unfinished in conversations. */
  readonly kept: KeptViews;
  /** Ends the chat on this browser; absent if that is the embedding page's business. */
  readonly signOut?: (() => Promise<void>) | undefined;
}

/** Makes the state of a view, without anything running. */
export function newChat(given: Pick<Chat, "parley" | "prefs" | "router" | "now" | "signOut">): Chat {
  const { prefs, now } = given;
  const today = signal(dayNumber(now()));
  return {
    ...given,
    today,
    kept: new KeptViews(),
    // One for all rows: making the formatters takes longer than all else of a row.
    times: computed(() => {
      void today.value; // what was today is yesterday then
      return times(regional(prefs.texts.value.lang, navigator.languages), prefs.texts.value, now);
    }),
    width: signal<Width>("wide"),
    dark: signal(false),
    visible: signal(true),
    toast: signal<string | undefined>(undefined),
    spoken: signal(""),
    asked: signal<Asked | undefined>(undefined),
    popup: signal<PopupAt | undefined>(undefined),
    gallery: signal<Gallery | undefined>(undefined),
    search: signal<SearchState>({ q: "", conv: undefined }),
    jump: signal<Jump | undefined>(undefined),
  };
}

export const ChatContext = createContext<Chat | undefined>(undefined);

export function useChat(): Chat {
  const chat = useContext(ChatContext);
  if (chat === undefined) throw new Error("not inside a chat");
  return chat;
}

/** The texts in the user's language. */
export const useTexts = (): Texts => useChat().prefs.texts.value;

/** How dates and times are written in the user's language. */
export const useTimes = (): Times => useChat().times.value;

/** The user's own variety of a language, for how dates are written: en-GB rather than en. */
export const regional = (lang: string, wanted: readonly string[]): string => wanted.find((w) => w.split("-")[0] === lang.split("-")[0]) ?? lang;

/** Asks; resolves to undefined for no, else to what was typed (or ""). */
export function ask(chat: Chat, q: Question): Promise<string | undefined> {
  return new Promise((resolve) => {
    chat.asked.peek()?.answer(undefined);
    chat.asked.value = {
      ...q,
      answer(value) {
        chat.asked.value = undefined;
        resolve(value);
      },
    };
  });
}

/** What to tell the user of a failure. */
export function problemText(chat: Chat, err: unknown): string {
  const t = chat.prefs.texts.peek();
  const code = typeof err === "object" && err !== null && "code" in err ? String(err.code) : "";
  const cut = code === "unavailable" && chat.parley.connection.peek().phase !== "live";
  return t.problem[cut ? "offline" : code] ?? t.problemOther;
}

/** Waits for a request, and says what went wrong, if something did. */
export async function attempt<T>(chat: Chat, request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (err) {
    chat.toast.value = problemText(chat, err);
    return undefined;
  }
}
