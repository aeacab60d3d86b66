import type { ConversationInfo, ThreadItem } from "../api.js";

/** The end of a thread, as it is kept for an instant start. Null: an entry without a row. */
export interface CachedThread {
  readonly folded: number;
  readonly items: readonly (readonly [number, ThreadItem | null])[];
  /** When the server was last asked whether all of it is still there, in ms since 1970. */
  readonly proved?: number;
}

/** A conversation as it is kept, and when something last happened in it. */
export type KeptConversation = ConversationInfo & { readonly at: number };

/** Entries of a thread that are kept. */
export const cachedEntries = 60;
/** Threads that are kept. */
export const cachedThreads = 40;
/** Threads that keep what they loaded in memory. */
export const loadedThreads = 20;
/** Conversations that are kept. */
export const cachedConversations = 500;
