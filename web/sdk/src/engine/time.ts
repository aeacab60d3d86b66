import type { Clock } from "../ports.js";

/** The earliest of some times; what is no time does not count. */
export function earliest(...times: (string | number | object | undefined)[]): number | undefined {
  const known = times.filter((t) => typeof t === "number");
  return known.length === 0 ? undefined : Math.min(...known);
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
