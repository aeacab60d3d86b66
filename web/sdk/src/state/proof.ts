import type { LogThread } from "./thread.js";

/** Threads that nobody looks at are compared with the server's so often, in ms. */
const every = 24 * 3_600_000;

interface Kept {
  readonly id: string;
  readonly thread: LogThread;
}

/**
 * Finds out what of the kept threads was taken away while nobody listened: at once in those
 * that are looked at, once a day in the others, one after the other.
 */
export async function prove(all: Iterable<Kept>, looked: ReadonlySet<string>, leads: boolean, now: number): Promise<void> {
  const list = [...all];
  const first = list.filter((c) => looked.has(c.id) && c.thread.doubtful(Infinity));
  const rest = leads ? list.filter((c) => !looked.has(c.id) && c.thread.doubtful(now - every)) : [];
  for (const c of [...first, ...rest]) await c.thread.prove();
}
