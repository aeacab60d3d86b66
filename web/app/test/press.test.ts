import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { restFor, watchPresses } from "../src/thread/press.ts";

/** A scroller as far as presses look at it: what is touched is the scroller itself. */
class Outer extends EventTarget {
  busy = false;
  isConnected = true;
  closest(): Outer | null {
    return this.busy ? this : null;
  }
}

let outer: Outer;
let opened: number;
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  outer = new Outer();
  opened = 0;
  stop = watchPresses(outer as unknown as HTMLElement, () => opened++);
});
afterEach(() => {
  stop();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Dispatches an event; false: its default was prevented. */
function happens(type: string, more: object = {}): boolean {
  const e = Object.assign(new Event(type, { cancelable: true }), { pointerType: "touch", isPrimary: true, clientX: 100, clientY: 100 }, more);
  return outer.dispatchEvent(e);
}

test("a finger that rests for half a second opens, once, and lifting it does nothing more", () => {
  happens("pointerdown");
  vi.advanceTimersByTime(restFor - 1);
  happens("pointermove", { clientX: 106, clientY: 107 }); // fingers are never still
  expect(opened).toBe(0);
  vi.advanceTimersByTime(1);
  expect(opened).toBe(1);
  vi.advanceTimersByTime(10 * restFor);
  expect(opened).toBe(1);
  happens("pointerup");
  expect(happens("touchend")).toBe(false);
  happens("pointerdown");
  expect(happens("touchend")).toBe(true); // a tap is one
});

describe("nothing is opened", () => {
  for (const [what, later] of [
    ["when it moves", () => happens("pointermove", { clientY: 111 })],
    ["when it is lifted", () => happens("pointerup")],
    ["when it becomes a scroll", () => happens("pointercancel")],
    ["when the message is gone", () => (outer.isConnected = false)],
    ["when the browser says so itself", () => happens("contextmenu")],
    ["when a second finger comes", () => happens("pointerdown", { isPrimary: false })],
    ["when the log is gone", () => stop()],
  ] as const) {
    test(what, () => {
      happens("pointerdown");
      vi.advanceTimersByTime(restFor - 1);
      later();
      vi.advanceTimersByTime(10 * restFor);
      expect(opened).toBe(0);
    });
  }

  for (const pointerType of ["mouse", "pen"]) {
    test(`by a ${pointerType}, which selects text`, () => {
      expect(happens("pointerdown", { pointerType })).toBe(true);
      vi.advanceTimersByTime(10 * restFor);
      expect(opened).toBe(0);
    });
  }

  test("on what does something of its own", () => {
    outer.busy = true;
    happens("pointerdown");
    vi.advanceTimersByTime(10 * restFor);
    expect(opened).toBe(0);
  });
});
