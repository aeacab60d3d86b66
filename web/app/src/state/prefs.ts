// What this browser remembers of how the chat should look and behave.

import { effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { defaultTexts, languages, loadTexts, pickLanguage, type Language, type Texts } from "../i18n/index.ts";

export type Theme = "system" | "light" | "dark";

export interface Prefs {
  readonly theme: Signal<Theme>;
  readonly language: Signal<Language>;
  /** The texts of the language; the last ones until they have come. */
  readonly texts: ReadonlySignal<Texts>;
  readonly notify: Signal<boolean>;
  readonly enterSends: Signal<boolean>;
  readonly recentEmoji: Signal<readonly string[]>;
}

/** A place for small settings; `localStorage` is one. Both may throw. */
export interface Shelf {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

interface Kept {
  theme?: unknown;
  language?: unknown;
  notify?: unknown;
  enterSends?: unknown;
  recentEmoji?: unknown;
}

const key = "parley.prefs";

function read(shelf: Shelf): Kept {
  try {
    const kept: unknown = JSON.parse(shelf.getItem(key) ?? "{}");
    return typeof kept === "object" && kept !== null ? kept : {};
  } catch {
    return {}; // no storage, or not ours: the defaults do
  }
}

const isTheme = (v: unknown): v is Theme => v === "system" || v === "light" || v === "dark";
const isLanguage = (v: unknown): v is Language => typeof v === "string" && Object.hasOwn(languages, v);
const strings = (v: unknown) => (Array.isArray(v) ? v.filter((s): s is string => typeof s === "string") : []);

export interface OpenPrefs {
  readonly prefs: Prefs;
  /** Resolves when the texts of the first language are there. */
  readonly ready: Promise<void>;
  stop(): void;
}

/** Reads the settings and keeps them up to date on the shelf until `stop`. */
export function openPrefs(shelf: Shelf, wanted: readonly string[]): OpenPrefs {
  const kept = read(shelf);
  const texts = signal(defaultTexts);
  const prefs: Prefs = {
    theme: signal(isTheme(kept.theme) ? kept.theme : "system"),
    language: signal(isLanguage(kept.language) ? kept.language : pickLanguage(wanted)),
    texts,
    notify: signal(kept.notify === true),
    enterSends: signal(kept.enterSends !== false),
    recentEmoji: signal(strings(kept.recentEmoji).slice(0, 24)),
  };
  let ready = Promise.resolve();
  const stopTexts = effect(() => {
    const language = prefs.language.value;
    ready = loadTexts(language).then(
      (loaded) => {
        if (prefs.language.peek() === language) texts.value = loaded;
      },
      () => {}, // it could not be fetched: the language stays as it is
    );
  });
  let first = true;
  const stopKeeping = effect(() => {
    const now: Required<Kept> = {
      theme: prefs.theme.value,
      language: prefs.language.value,
      notify: prefs.notify.value,
      enterSends: prefs.enterSends.value,
      recentEmoji: prefs.recentEmoji.value,
    };
    if (first) {
      first = false; // a language that nobody chose goes on following the browser's
      return;
    }
    try {
      shelf.setItem(key, JSON.stringify(now));
    } catch {
      // a browser that keeps nothing forgets this, too
    }
  });
  return {
    prefs,
    ready,
    stop() {
      stopTexts();
      stopKeeping();
    },
  };
}
