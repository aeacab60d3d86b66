import { en, type Texts } from "./en.ts";
import { zh } from "./zh.ts";

export type { Texts } from "./en.ts";

/** The languages there are, each complete. */
export const languages = { en, zh } as const satisfies Record<string, Texts>;
export type Language = keyof typeof languages;

/** Picks the first of the wanted languages (BCP 47) that there is; English else. */
export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split("-")[0] ?? "";
    if (base in languages) return base as Language;
  }
  return "en";
}
