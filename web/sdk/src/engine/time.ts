import type { Clock } from "../ports.js";

/** The earliest of some times; what is no time does not count. */
export function earliest(...times: (string | number | object | undefined)[]): number | undefined {
  const known = times.filter((t) => typeof t === "number");
  return known.length === 0 ? undefined : Math.min(...known);
}

/** Longer timers ring early. */
const longestTimer = 2 ** 30;

/**
 * A clock that nobody sets back: then it stands still until a timer rings. For what is
 * over after so long: on one that was set back by an hour it would take an hour more.
 */
export function steadyClock(clock: Clock): Clock {
  let last = clock.now();
  let behind = 0;
  const now = (): number => {
    const time = clock.now();
    if (time < last) behind += last - time;
    last = time;
    return time + behind;
  };
  const after = (ms: number, call: () => void): (() => void) => {
    const wait = Math.min(ms, longestTimer);
    const due = now() + wait;
    return clock.after(wait, () => {
      const missing = due - now(); // so much time has passed at least
      if (missing > 0) behind += missing;
      call();
    });
  };
  return { now, after };
}

/** A clock whose timers end together. */
export interface EndingClock extends Clock {
  /** Takes back what waits; nothing is called any more. */
  end(): void;
}

export function endingClock(clock: Clock): EndingClock {
  const waiting = new Set<() => void>();
  let over = false;
  return {
    now: () => clock.now(),
    after(ms, call) {
      if (over) return () => {};
      const cancel = clock.after(ms, () => {
        waiting.delete(cancel);
        call();
      });
      waiting.add(cancel);
      return () => {
        waiting.delete(cancel);
        cancel();
      };
    },
    end() {
      over = true;
      for (const cancel of waiting) cancel();
      waiting.clear();
    },
  };
}

/** Rejects where the work takes longer. */
export function withTimeout<T>(clock: Clock, ms: number, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new Error("no answer in time")));
    Promise.resolve()
      .then(work)
      .then(resolve, reject)
      .finally(cancel);
  });
}
