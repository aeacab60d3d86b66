import type { ThreadItem } from "../api.js";

/** The end of a thread, as it is kept for an instant start. Null: an entry without a row. */
export interface CachedThread {
  readonly folded: number;
  readonly items: readonly (readonly [number, ThreadItem | null])[];
}

/** Entries of a thread that are kept. */
export const cachedEntries = 60;
/** Threads that are kept. */
export const cachedThreads = 40;
/** Conversations that are kept. */
export const cachedConversations = 500;
