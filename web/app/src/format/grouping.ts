// Which messages stand together: those of one sender within some minutes of a day.

import { dayNumber } from "./time.ts";

/** What of an entry matters for grouping. */
export interface Grouped {
  kind: "message" | "members";
  from: string;
  time: number;
}

/** Messages further apart than this begin a new group, in milliseconds. */
export const groupGap = 5 * 60_000;

/** May the second be shown as going on after the first? */
export function follows(before: Grouped | undefined, item: Grouped): boolean {
  return (
    before !== undefined &&
    before.kind === "message" &&
    item.kind === "message" &&
    before.from === item.from &&
    item.time - before.time < groupGap &&
    dayNumber(before.time) === dayNumber(item.time)
  );
}

/** Does a new day begin between the two? `before` undefined: there is nothing before it. */
export function newDay(before: Grouped | undefined, item: Grouped): boolean {
  return before === undefined || dayNumber(before.time) !== dayNumber(item.time);
}
