// What is left of a conversation after a user was erased.

import type { ConversationInfo, ThreadItem } from "../api.js";
import type { Entry } from "../protocol/frames.js";
import { withoutBody } from "./preview.js";
import type { CachedThread } from "./cache.js";

/** Up to where users of one conversation were erased. What is read late, or was kept, goes through it. */
export class Erasures {
  private readonly upTo = new Map<string, number>();

  note(user: string, seq: number): void {
    this.upTo.set(user, Math.max(seq, this.upTo.get(user) ?? 0));
  }

  /** An entry that was on its way when its author was erased. */
  entry(e: Entry): Entry {
    if ((e.type !== "message" && e.type !== "edited") || !this.has(e)) return e;
    const { body: _, ...rest } = e;
    return { ...rest, gone: true };
  }

  /** The same item if nothing of it is to go. */
  item<T extends ThreadItem | null | undefined>(item: T): T {
    if (item?.kind !== "message" || !this.has(item) || (item.gone && item.body === undefined)) return item;
    return { ...item, gone: true, body: undefined };
  }

  /** The preview of the list. */
  last(last: ConversationInfo["last"]): ConversationInfo["last"] {
    return last === undefined || last.gone || !this.has(last) ? last : withoutBody(last);
  }

  private has(e: { readonly from: string; readonly seq: number }): boolean {
    return e.seq <= (this.upTo.get(e.from) ?? 0);
  }
}

/** A thread as it is kept, without what is to go. */
export function withoutErased(c: CachedThread, erased: Erasures): CachedThread {
  return { ...c, items: c.items.map(([seq, item]) => [seq, erased.item(item)] as const) };
}
