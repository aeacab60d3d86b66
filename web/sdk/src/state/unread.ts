import type { ConversationInfo } from "../api.js";
import type { Left } from "./info.js";
import { mentions } from "./info.js";
import type { Pages } from "./pages.js";

/** More entries than this are not looked at. */
const mostLooked = 1_000;

/** Unread messages behind a position, if all up to the head are loaded. */
export function countUnread(pages: Pages, read: number, head: number, me: string): Left | undefined {
  if (head - read > mostLooked) return undefined;
  let unread = 0;
  let mentioned = 0;
  for (let seq = read + 1; seq <= head; seq++) {
    const slot = pages.peek(seq);
    if (slot === undefined) return undefined;
    const { item } = slot;
    if (item?.kind !== "message" || item.own || item.recalled !== undefined) continue;
    unread++;
    if (mentions(item.mentions, me)) mentioned++;
  }
  return { unread, mentions: mentioned };
}

/** The first unread message, or where it may be. Its reader learns when that changes. */
export function findUnread(pages: Pages, info: ConversationInfo, first: number): number | undefined {
  const { read, head, unread, exact } = info;
  if (read >= head || (unread === 0 && exact)) return undefined;
  for (let seq = Math.max(read + 1, first); seq <= head; seq++) {
    const slot = pages.read(seq);
    if (slot === undefined) return seq;
    if (slot.item?.kind === "message" && !slot.item.own && !slot.item.gone) return seq;
  }
  return undefined;
}
