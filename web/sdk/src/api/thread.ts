// Threads: the log of a conversation, as it is shown.

import type { ReadonlySignal } from "@preact/signals-core";
import type { ErrorCode } from "./connection.js";
import type { Role } from "./conversation.js";

/**
 * The log of a conversation, addressable by seq from `first` to `head`, of which
 * pages are loaded as they are asked for. What was not looked at for longest is
 * let go, above some thousand items.
 */
export interface Thread {
  /** First entry that can be read. */
  readonly first: ReadonlySignal<number>;
  /** Last one; less than `first` if there is none. */
  readonly head: ReadonlySignal<number>;
  /** Undefined: not loaded, or an entry without a row. Subscribes to this one item. */
  item(seq: number): ThreadItem | undefined;
  /** Is the entry known, be it with or without a row? */
  has(seq: number): boolean;
  /** What the view lists: all seqs without those that are known to have no row. */
  readonly rows: ReadonlySignal<Rows>;
  /** Makes sure of entries `from` to `to`, both inclusive; at most 1,000. Rejects if they cannot be had now. */
  load(from: number, to: number): Promise<void>;
  /** The same for half a page on either side. */
  around(seq: number): Promise<void>;
  /** One's own messages that are not in the log yet, in order; to be shown below it. */
  readonly outgoing: ReadonlySignal<readonly OutgoingMessage[]>;
  /** The first message of somebody else behind the read position; a guess while that is not loaded. */
  readonly firstUnread: ReadonlySignal<number | undefined>;
}

/** An ascending list of seqs that is not kept as one. */
export interface Rows {
  readonly length: number;
  seqAt(index: number): number | undefined;
  /** Index of the row with this seq, or of the first one behind it; `length` if there is none. */
  indexOf(seq: number): number;
}

export type MessageState = "pending" | "stored" | "delivered" | "read" | "failed";

export type ThreadItem = MessageItem | MembersItem;

export interface MessageItem {
  readonly kind: "message";
  readonly conv: string;
  readonly seq: number;
  readonly id: string;
  readonly from: string;
  readonly time: string;
  readonly cmid: string;
  /** Messages up to and including this one. */
  readonly count: number;
  readonly via?: string | undefined;
  readonly own: boolean;
  /** As it reads now. Absent if `gone`. */
  readonly body?: Body | undefined;
  readonly gone: boolean;
  readonly reply_to?: number | undefined;
  readonly mentions: readonly string[];
  readonly edited?: { readonly seq: number; readonly time: string } | undefined;
  readonly recalled?: { readonly seq: number; readonly by: string; readonly time: string } | undefined;
  readonly reactions: readonly Reaction[];
  /** How far it is, for all other members. Only meaningful for one's own. */
  readonly state: "stored" | "delivered" | "read";
  readonly delivered_by: number;
  readonly read_by: number;
  /** An edit, recall or reaction of one's own is shown that is not stored yet. */
  readonly pending: boolean;
}

export interface MembersItem {
  readonly kind: "members";
  readonly conv: string;
  readonly seq: number;
  readonly id: string;
  readonly from: string;
  readonly time: string;
  readonly change: "created" | "added" | "removed" | "left" | "role" | "renamed" | "closed";
  readonly users: readonly { readonly user: string; readonly role: Role }[];
  readonly title?: string | undefined;
}

export interface Reaction {
  readonly emoji: string;
  readonly count: number;
  readonly mine: boolean;
  /** At most 100. */
  readonly users: readonly string[];
}

export interface OutgoingMessage {
  readonly cmid: string;
  readonly conv: string;
  readonly body: Body;
  readonly reply_to?: number | undefined;
  readonly mentions: readonly string[];
  /** ms since 1970, of this device's clock. */
  readonly time: number;
  readonly state: "pending" | "stored" | "failed";
  readonly seq?: number | undefined; // stored
  readonly error?: { readonly code: ErrorCode; readonly message: string } | undefined; // failed
}

export interface Body {
  readonly text?: string | undefined;
  readonly attachments?: readonly Attachment[] | undefined;
  readonly data?: unknown;
}

export interface Attachment {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly w?: number | undefined;
  readonly h?: number | undefined;
  readonly ms?: number | undefined;
  /** A path at the server; `attachmentURL(id, "thumb")` makes a URL of it. */
  readonly thumb?: string | undefined;
}
