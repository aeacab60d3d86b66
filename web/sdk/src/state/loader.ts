import type { ThreadItem } from "../api.js";
import type { Rest } from "../net/rest.js";
import type { Entry, FoldedMessage, Page } from "../protocol/frames.js";
import { membersItem, messageItem } from "./fold.js";

/** A stretch of a log as the server has it: every seq from `from` to `to`. */
export interface Stretch {
  readonly items: ReadonlyMap<number, ThreadItem>;
  readonly to: number;
  /** Effects up to this seq are in the items. */
  readonly asOf: number;
  readonly floor: number;
}

/**
 * Reads a stretch: folded messages, and what else has a row. The server may cut it
 * short, by its size; it ends at the part's end.
 */
export async function loadStretch(rest: Rest, conv: string, kind: "direct" | "group", from: number, to: number, me: string): Promise<Stretch> {
  const path = `/v1/conversations/${conv}/`;
  const query = { after: from - 1, limit: to - from + 1 };
  const messages = rest.get<Page<FoldedMessage>>(path + "messages", query);
  // A direct conversation has nothing else that has a row.
  const log = kind === "group" ? rest.get<Page<Entry>>(path + "entries", query) : undefined;
  const [folded, raw] = await Promise.all([messages, log]);
  const items = new Map<number, ThreadItem>();
  for (const m of folded.items) items.set(m.seq, messageItem(m, me));
  for (const e of raw?.items ?? []) if (e.type === "members") items.set(e.seq, membersItem(e));
  const end = Math.min(to, folded.head, raw === undefined ? to : reach(raw, to), reach(folded, to));
  return { items, to: end, asOf: folded.head, floor: folded.floor };
}

/** Which messages of a stretch have no content any more, and up to where that is known. */
export async function loadGone(rest: Rest, conv: string, from: number, to: number): Promise<{ readonly gone: readonly number[]; readonly to: number }> {
  const page = await rest.get<Page<FoldedMessage>>(`/v1/conversations/${conv}/messages`, { after: from - 1, limit: to - from + 1 });
  return { gone: page.items.flatMap((m) => (m.gone ? [m.seq] : [])), to: reach(page, to) };
}

/** The seq up to which a page tells everything. */
function reach(p: Page<{ seq: number }>, to: number): number {
  return p.more_after ? (p.items[p.items.length - 1]?.seq ?? 0) : to;
}

const logPage = 200;

/** Reads the raw log behind a seq, one page. */
export async function loadLog(rest: Rest, conv: string, after: number): Promise<Page<Entry>> {
  return rest.get<Page<Entry>>(`/v1/conversations/${conv}/entries`, { after, limit: logPage });
}
