// Conversations: what is known of one, and what can be done in it.

import type { ReadonlySignal, Signal } from "@preact/signals-core";
import type { Attachment, MembersItem, OutgoingMessage, Thread } from "./thread.js";

export type Role = "owner" | "admin" | "member" | "muted";

/** The `conversation` shape as of now: kept up with entries and receipts. */
export interface ConversationInfo {
  readonly conv: string;
  readonly kind: "direct" | "group";
  readonly title?: string | undefined;
  readonly peer?: string | undefined;
  readonly role: Role;
  readonly members: number;
  /** Last entry of one's part of the log; 0: it is not at the server yet. */
  readonly head: number;
  readonly floor: number;
  readonly count: number;
  readonly joined: number;
  /** Where one's part ended: only to be read any more. */
  readonly left?: number | undefined;
  readonly read: number;
  readonly delivered: number;
  readonly unread: number;
  readonly exact: boolean;
  readonly mentions: number;
  readonly muted: boolean;
  readonly pinned: boolean;
  readonly archived: boolean;
  /** For how long messages are kept, such as `720h`; absent: for ever. */
  readonly keep?: string | undefined;
  readonly peers?: readonly Position[] | undefined;
  readonly last?: LastMessage | undefined;
  /** What happened to the group, where that is later than `last`. */
  readonly event?: LastEvent | undefined;
}

/** The latest message as it was last edited, cut short for lists. */
export interface LastMessage {
  readonly seq: number;
  readonly from: string;
  readonly time: string;
  readonly text: string;
  /** Its content was taken away. */
  readonly gone?: boolean | undefined;
  readonly files?: LastFiles | undefined;
}

export interface LastFiles {
  readonly count: number;
  /** Of the first of them. */
  readonly name?: string | undefined;
  /** Of the first of them; absent where they are not all pictures, all videos, … */
  readonly type?: string | undefined;
}

/** The latest change of who is in a group, or of its title. */
export interface LastEvent {
  readonly seq: number;
  readonly from: string;
  readonly time: string;
  readonly change: MembersItem["change"];
  /** The first whom it concerns; `from` is not counted where it concerns others. */
  readonly user?: string | undefined;
  readonly role?: Role | undefined;
  /** How many it concerns. */
  readonly users?: number | undefined;
}

export interface Position {
  readonly user: string;
  readonly read: number;
  readonly delivered: number;
}

/** How far one message is with another member. */
export interface Seen {
  readonly user: string;
  readonly delivered: boolean;
  readonly read: boolean;
}

export interface Member extends Position {
  readonly role: Role;
  readonly joined: number;
}

export interface Draft {
  text?: string;
  attachments?: readonly Attachment[];
  data?: unknown;
  /** seq of the message that is replied to. */
  replyTo?: number;
  /** Users, or `["*"]` for everybody. */
  mentions?: readonly string[];
  silent?: boolean;
}

export interface Conversation {
  readonly id: string;
  readonly kind: "direct" | "group";
  readonly info: ReadonlySignal<ConversationInfo>;
  readonly thread: Thread;
  /** Who types, without oneself, oldest first. */
  readonly typing: ReadonlySignal<readonly string[]>;
  /** The text of the composer; kept in storage. */
  readonly draft: Signal<string>;
  /** Undefined until `loadMembers` has answered; then kept up with entries and receipts. */
  readonly members: ReadonlySignal<readonly Member[] | undefined>;

  /**
   * Queues a message. It is in storage before it goes out, keeps its cmid for ever,
   * and is in `thread.outgoing` until its entry is in the thread. Throws `full`.
   */
  send(d: Draft): OutgoingMessage;
  /** Resolves when the message is stored; rejects when it has failed for good. */
  stored(cmid: string): Promise<Stored>;
  /** A failed message again, as a new one; also pressed in several tabs it is one. Undefined: there is none to be sent. */
  retry(cmid: string): OutgoingMessage | undefined;
  /** Drops a failed message. */
  discard(cmid: string): void;

  // These go through the same outbox; the thread shows them at once.
  edit(seq: number, text: string): Promise<Stored>;
  recall(seq: number): Promise<Stored>;
  react(seq: number, emoji: string, on: boolean): Promise<Stored>;

  /** The user has read up to `seq`. Never goes back; survives a reload. */
  markRead(seq: number): void;
  /** Call it at each keystroke: it is throttled. */
  setTyping(on: boolean): void;

  loadMembers(): Promise<readonly Member[]>;
  add(user: string, role?: Role): Promise<void>;
  remove(user: string): Promise<void>;
  setRole(user: string, role: Role): Promise<void>;
  muteMember(user: string, muted: boolean): Promise<void>;
  rename(title: string): Promise<void>;
  leave(): Promise<void>;
  /** For the owner: ends the group for everybody. */
  close(): Promise<void>;
  settings(s: { muted?: boolean; pinned?: boolean; archived?: boolean }): Promise<void>;
  /** Who of the others got or read a message, at most 2,000. */
  seenBy(seq: number): Promise<readonly Seen[]>;
  /** The first message at or after a time (ms since 1970), or undefined. A binary search in the log. */
  seqAt(time: number): Promise<number | undefined>;
}

export interface Stored {
  readonly conv: string;
  readonly seq: number;
  readonly cmid: string;
}
