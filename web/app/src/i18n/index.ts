import { en, type Texts } from "./en.ts";

export type { Texts } from "./en.ts";

/** The languages there are, each complete, by what they call themselves. */
export const languages = {
  en: { tag: "en", name: "English" },
  zh: { tag: "zh-CN", name: "简体中文" },
} as const;

export type Language = keyof typeof languages;

/** What is shown until another language has come. */
export const defaultTexts: Texts = en;

/** The texts of a language. English is always there, others are fetched. */
export async function loadTexts(language: Language): Promise<Texts> {
  switch (language) {
    case "en":
      return en;
    case "zh":
      return (await import("./zh.ts")).zh;
  }
}

/** Picks the first of the wanted languages (BCP 47) that there is; English else. */
export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split("-")[0] ?? "";
    if (Object.hasOwn(languages, base)) return base as Language;
  }
  return "en";
}
