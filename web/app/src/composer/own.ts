// One's own messages, for changing them.

import { untracked } from "@preact/signals";
import type { Conversation } from "@parley-chat/client";

/** What a message says now. */
export function textOf(c: Conversation, seq: number): string {
  const item = untracked(() => c.thread.item(seq));
  return item?.kind === "message" ? (item.body?.text ?? "") : "";
}

/** One's own latest message, if it is among the last fifty rows. */
export function lastOwn(c: Conversation): number | undefined {
  const rows = c.thread.rows.value;
  for (let i = rows.length - 1; i >= Math.max(0, rows.length - 50); i--) {
    const seq = rows.seqAt(i);
    const item = seq === undefined ? undefined : c.thread.item(seq);
    if (item?.kind === "message" && item.own && !item.gone && item.body?.text !== undefined) return item.seq;
  }
  return undefined;
}
