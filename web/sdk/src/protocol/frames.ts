// The frames of PROTOCOL.md §5 and §6, as they are on the wire.

import type { Attachment, ErrorCode, LastEvent, LastMessage, Limits, Position, Role } from "../api.js";

export interface WireBody {
  text?: string;
  attachments?: readonly Attachment[];
  data?: unknown;
}

// ---------------------------------------------------------------- client to server

export interface Hello {
  type: "hello";
  ref?: string;
  token?: string;
  device?: string;
  attempt?: number;
  resume?: { epoch: string; cursors: Record<string, number> };
  flush?: number;
  features?: readonly string[];
  client?: { name: string; version: string; platform: string };
}
export type SendFrame = {
  type: "send";
  ref?: string;
  conv?: string;
  to?: string;
  cmid: string;
  body: WireBody;
  reply_to?: number;
  mentions?: readonly string[];
  silent?: boolean;
};
export type EditFrame = { type: "edit"; ref?: string; conv: string; target: number; cmid: string; body: WireBody };
export type RecallFrame = { type: "recall"; ref?: string; conv: string; target: number; cmid: string };
export type ReactFrame = { type: "react"; ref?: string; conv: string; target: number; cmid: string; emoji: string; on: boolean };

/** What has a cmid: it is stored as an entry, or refused for good. */
export type CommandFrame = SendFrame | EditFrame | RecallFrame | ReactFrame;

export type ClientFrame =
  | Hello
  | CommandFrame
  | { type: "auth"; ref?: string; token: string }
  | { type: "recv" | "read"; ref?: string; conv: string; seq: number }
  | { type: "typing"; ref?: string; conv: string; on: boolean }
  | { type: "watch" | "unwatch"; ref?: string; users: readonly string[] }
  | { type: "history"; ref?: string; conv: string; before?: number; after?: number; around?: number; limit?: number }
  | { type: "ping"; ref?: string };

// ---------------------------------------------------------------- server to client

export interface Welcome {
  type: "welcome";
  ref?: string;
  session: string;
  user: string;
  device: string;
  epoch: string;
  time: string;
  heartbeat_ms: number;
  server: string;
  features: readonly string[];
  url?: string;
  limits: Limits;
}

/** Every entry frame has these; `type` may be one that this version does not know. */
export interface EntryHead {
  conv: string;
  seq: number;
  id: string;
  from: string;
  time: string;
  cmid: string;
  count: number;
  via?: string;
}
export interface MessageEntry extends EntryHead {
  type: "message";
  body?: WireBody;
  reply_to?: number;
  mentions?: readonly string[];
  gone?: boolean;
}
export interface EditedEntry extends EntryHead {
  type: "edited";
  target: number;
  body?: WireBody;
  gone?: boolean;
}
export interface RecalledEntry extends EntryHead {
  type: "recalled";
  target: number;
}
export interface ReactedEntry extends EntryHead {
  type: "reacted";
  target: number;
  emoji: string;
  on: boolean;
}
export interface MembersEntry extends EntryHead {
  type: "members";
  change: "created" | "added" | "removed" | "left" | "role" | "renamed" | "closed";
  users?: readonly { user: string; role: Role }[];
  title?: string;
}
/** An entry of a later version: it moves the cursor and is not shown. */
export interface UnknownEntry extends EntryHead {
  type: "entry";
}
export type Entry = MessageEntry | EditedEntry | RecalledEntry | ReactedEntry | MembersEntry | UnknownEntry;

/** The `conversation` shape; from HTTP it has no `type`. */
export interface ConversationFrame {
  type: "conversation";
  conv: string;
  kind: "direct" | "group";
  title?: string;
  peer?: string;
  role: Role;
  members: number;
  head: number;
  floor: number;
  count: number;
  joined: number;
  left?: number;
  read: number;
  delivered: number;
  unread: number;
  exact: boolean;
  mentions?: number;
  muted?: boolean;
  pinned?: boolean;
  archived?: boolean;
  keep?: string;
  peers?: readonly Position[];
  last?: LastMessage;
  event?: LastEvent;
}
export interface Ack {
  type: "ack";
  ref?: string;
  conv: string;
  seq: number;
  cmid: string;
  id: string;
  time: string;
  dup?: boolean;
}
export interface Receipt {
  type: "receipt";
  conv: string;
  user: string;
  delivered?: number;
  read?: number;
  time: string;
}
export type TypingFrame = { type: "typing"; conv: string; user: string; on: boolean };
export type PresenceFrame = { type: "presence"; user: string; online: boolean; last_seen?: string };
/** A user was erased: nothing that they wrote up to `seq` has a body any more. */
export type Erased = { type: "erased"; conv: string; user: string; seq: number };
export interface Page<T> {
  type?: "page";
  ref?: string;
  conv: string;
  items: readonly T[];
  head: number;
  floor: number;
  more_before: boolean;
  more_after: boolean;
}
export type PageFrame = Page<Entry> & { type: "page" };
export type Reset = { type: "reset"; conv?: string; epoch: string; floor?: number; next?: number };
export type GoAway = { type: "goaway"; reconnect_ms: number; url?: string };
export type ErrorFrame = { type: "error"; ref?: string; code: ErrorCode; message: string; retry_after_ms?: number };

export type ServerFrame =
  | Welcome
  | Entry
  | ConversationFrame
  | Ack
  | Receipt
  | TypingFrame
  | PresenceFrame
  | Erased
  | PageFrame
  | { type: "synced"; time: string }
  | Reset
  | GoAway
  | ErrorFrame
  | { type: "pong"; ref?: string; time: string };

/** A message as `GET …/messages` gives it. */
export interface FoldedMessage extends MessageEntry {
  edited?: { seq: number; time: string };
  recalled?: { seq: number; by: string; time: string };
  reactions?: readonly { emoji: string; count: number; mine: boolean; users: readonly string[] }[];
  state: "stored" | "delivered" | "read";
  delivered_by: number;
  read_by: number;
}
