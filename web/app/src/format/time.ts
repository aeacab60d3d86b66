// Dates and times in the reader's language and time zone. Formatters are made once
// per language: making one is a hundred times as slow as using it.

export interface Times {
  /** 14:05 */
  time(ms: number): string;
  /** Today, Yesterday, Monday, 3 March, 3 March 2024 */
  day(ms: number): string;
  /** What a list shows beside a name: a time today, else a day. */
  brief(ms: number): string;
  /** Date and time in full. */
  full(ms: number): string;
  /** 21 Nov 2026, 14:05 */
  stamp(ms: number): string;
}

export interface DayWords {
  today: string;
  yesterday: string;
}

/** A number that is the same for all times of a local day, and one more on the next. */
export function dayNumber(ms: number): number {
  const d = new Date(ms);
  return Math.floor(Date.UTC(d.getFullYear(), d.getMonth(), d.getDate()) / 86_400_000);
}

/** Times in one language; `now` is read at each call. */
export function times(lang: string, words: DayWords, now: () => number): Times {
  const clock = new Intl.DateTimeFormat(lang, { hour: "numeric", minute: "2-digit" });
  const weekday = new Intl.DateTimeFormat(lang, { weekday: "long" });
  const weekdayShort = new Intl.DateTimeFormat(lang, { weekday: "short" });
  const day = new Intl.DateTimeFormat(lang, { day: "numeric", month: "long" });
  const dayYear = new Intl.DateTimeFormat(lang, { day: "numeric", month: "long", year: "numeric" });
  const short = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short" });
  const shortYear = new Intl.DateTimeFormat(lang, { day: "2-digit", month: "2-digit", year: "2-digit" });
  const full = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "short" });
  const stamp = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" });
  const ago = (ms: number) => dayNumber(now()) - dayNumber(ms);
  const thisYear = (ms: number) => new Date(ms).getFullYear() === new Date(now()).getFullYear();
  return {
    time: (ms) => clock.format(ms),
    day(ms) {
      const days = ago(ms);
      if (days === 0) return words.today;
      if (days === 1) return words.yesterday;
      if (days > 1 && days < 7) return weekday.format(ms);
      return (thisYear(ms) ? day : dayYear).format(ms);
    },
    brief(ms) {
      const days = ago(ms);
      if (days <= 0) return clock.format(ms);
      if (days === 1) return words.yesterday;
      if (days < 7) return weekdayShort.format(ms);
      return (thisYear(ms) ? short : shortYear).format(ms);
    },
    full: (ms) => full.format(ms),
    stamp: (ms) => stamp.format(ms),
  };
}
