import { expect, test } from "vitest";
import { follows, groupGap, newDay, type Grouped } from "../src/format/grouping.ts";
import { badge, bytes, byteLength } from "../src/format/size.ts";
import { dayNumber, times } from "../src/format/time.ts";

const now = new Date(2026, 10, 21, 15, 30).getTime();
const words = { today: "Today", yesterday: "Yesterday" };
const day = 86_400_000;

test("days are those of the calendar, not of 24 hours", () => {
  const t = times("en-GB", words, () => now);
  expect(t.day(new Date(2026, 10, 21, 0, 1).getTime())).toBe("Today");
  expect(t.day(new Date(2026, 10, 20, 23, 59).getTime())).toBe("Yesterday");
  expect(t.day(now - 3 * day)).toBe("Wednesday");
  expect(t.day(now - 30 * day)).toBe("22 October");
  expect(t.day(now - 400 * day)).toBe("17 October 2025");
  expect(t.day(now + 2 * day)).toBe("23 November");
  expect(t.brief(now - 60_000)).toBe("15:29");
  expect(t.brief(now - 30 * day)).toBe("22 Oct");
});

test("dates are written as the language writes them", () => {
  expect(times("zh-CN", { today: "今天", yesterday: "昨天" }, () => now).day(now - 400 * day)).toBe("2025年10月17日");
  expect(times("en-US", words, () => now).time(now)).toMatch(/^3:30\sPM$/);
});

test("a day has one number, whatever the clock does", () => {
  expect(dayNumber(new Date(2026, 2, 29, 0, 30).getTime())).toBe(dayNumber(new Date(2026, 2, 29, 23, 30).getTime()));
  expect(dayNumber(new Date(2026, 2, 30, 0, 30).getTime()) - dayNumber(new Date(2026, 2, 29, 0, 30).getTime())).toBe(1);
});

test("messages of one sender stand together for some minutes", () => {
  const m = (from: string, time: number, kind: Grouped["kind"] = "message"): Grouped => ({ from, time, kind });
  expect(follows(m("a", now), m("a", now + groupGap - 1))).toBe(true);
  expect(follows(m("a", now), m("a", now + groupGap))).toBe(false);
  expect(follows(m("a", now), m("b", now))).toBe(false);
  expect(follows(m("a", now, "members"), m("a", now))).toBe(false);
  expect(follows(undefined, m("a", now))).toBe(false);
  const midnight = new Date(2026, 10, 21).getTime();
  expect(follows(m("a", midnight - 1000), m("a", midnight))).toBe(false);
  expect(newDay(m("a", midnight - 1000), m("a", midnight))).toBe(true);
  expect(newDay(m("a", midnight), m("a", midnight + 1000))).toBe(false);
  expect(newDay(undefined, m("a", now))).toBe(true);
});

test("sizes and counts are short", () => {
  expect([0, 999, 1023, 1536, 88_123, 104_857_600].map((n) => bytes(n, "en"))).toEqual(["0 B", "999 B", "1 KB", "1.5 KB", "86 KB", "100 MB"]);
  expect([badge(3, true), badge(3, false), badge(99, true), badge(100, true)]).toEqual(["3", "3+", "99", "99+"]);
  expect(byteLength("é🎉")).toBe(6);
});
