import { expect, test } from "vitest";
import { missing } from "../src/thread/loading.ts";
import { edge, Layout } from "../src/thread/window.ts";

function layout(head: number, hidden: (seq: number) => boolean = () => false): Layout {
  const l = new Layout(50, hidden);
  l.head = head;
  l.view = 500;
  return l;
}

test("a log that is shorter than the viewport stands at its lower edge", () => {
  const l = layout(3);
  expect(l.total).toBe(150 + 2 * edge);
  expect(l.scrollTop()).toBe(0);
  expect(l.y(1)).toBe(500 - 150 - edge);
  expect(l.rows(0, 900, 900)).toEqual({ from: 1, to: 3 });
});

test("an empty log has no rows", () => {
  const l = layout(0);
  expect(l.rows(0, 900, 900)).toEqual({ from: 1, to: 0 });
  expect(l.covers({ from: 1, to: 0 }, 0, 100)).toBe(true);
});

test("at the end it stays at the end, whatever grows", () => {
  const l = layout(1000);
  const before = l.scrollTop();
  l.setHeight(5, 250);
  expect(l.scrollTop()).toBe(before + 200);
  l.head = 1001;
  expect(l.scrollTop()).toBe(before + 250);
  l.tail = 70;
  expect(l.scrollTop()).toBe(before + 320);
});

test("the row that is looked at stays where it is, whatever grows above it", () => {
  const l = layout(100_000);
  l.look(2_500_000);
  const at = l.anchor;
  expect(at.at).toBe("row");
  if (at.at !== "row") return;
  const onScreen = l.y(at.seq) - l.scrollTop();
  for (let seq = at.seq - 40; seq < at.seq; seq++) l.setHeight(seq, 130);
  l.setHeight(at.seq + 1, 10);
  expect(l.y(at.seq) - l.scrollTop()).toBeCloseTo(onScreen, 6);
});

test("the anchor is the first row that begins inside, so that the one above it grows upwards", () => {
  const l = layout(1000);
  l.look(edge + 50 * 10 + 20);
  expect(l.anchor).toEqual({ at: "row", seq: 12, dy: 30 });
});

test("entries without a row take no space, and the window reaches beyond them", () => {
  const l = layout(1000, (seq) => seq > 100 && seq <= 400);
  l.look(edge + 50 * 95);
  const w = l.rows(l.scrollTop(), 0, 0);
  expect(w.from).toBe(96);
  expect(w.to).toBeGreaterThan(400);
  expect(l.y(401) - l.y(101)).toBe(0);
});

test("a window covers what is in sight and a margin", () => {
  const l = layout(1000);
  l.look(20_000);
  const top = l.scrollTop();
  const w = l.rows(top, 900, 900);
  expect(l.covers(w, top, 300)).toBe(true);
  expect(l.covers(w, top + 500, 300)).toBe(true);
  expect(l.covers(w, top + 700, 300)).toBe(false);
  expect(l.covers(w, top - 700, 300)).toBe(false);
  expect(w.to - w.from).toBeLessThan(60);
});

test("the beginning of the log can be in the middle of the numbers", () => {
  const l = layout(2000);
  l.first = 1501;
  expect(l.total).toBe(500 * 50 + 2 * edge);
  expect(l.seqAt(0)).toBe(1501);
  expect(l.seqAt(1e9)).toBe(2000);
});

test("what is missing is asked for with more around it, where nothing is known", () => {
  const known = (from: number, to: number) => (seq: number) => seq >= from && seq <= to;
  expect(missing({ from: 500, to: 540 }, 1, 1000, known(1, 1000))).toBeUndefined();
  expect(missing({ from: 1, to: 0 }, 1, 0, () => false)).toBeUndefined();
  // Scrolling up: all of the chunk lies above.
  expect(missing({ from: 480, to: 540 }, 1, 1000, known(500, 1000))).toEqual({ from: 380, to: 499 });
  // After a jump: to both sides, within the log.
  const jump = missing({ from: 5, to: 45 }, 1, 1000, () => false);
  expect(jump?.from).toBe(1);
  expect(jump?.to).toBeGreaterThanOrEqual(75);
  // Rows a little beyond the window are fetched before they are reached.
  expect(missing({ from: 510, to: 540 }, 1, 1000, known(500, 1000))?.to).toBe(499);
});
