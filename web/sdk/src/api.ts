// The whole public API of @parley-chat/client, as types. Names of fields are those
// of PROTOCOL.md. Nothing here runs.
//
// Signals are those of @preact/signals-core: read `.value` in a component or an
// effect to be told of changes, `.peek()` otherwise. What a signal holds is never
// changed in place: a new object takes its place.

import type { ReadonlySignal, Signal } from "@preact/signals-core";
import type { Clock, Network, StorageAdapter, TabsPort } from "./ports.js";

export type * from "./ports.js";
export type { ReadonlySignal, Signal } from "@preact/signals-core";

// ---------------------------------------------------------------- making one

export interface ParleyOptions {
  /** Where Parley is: http(s) or ws(s), with or without a path in front of `/v1`. */
  url: string;
  /**
   * Gives a token that is good now. Asked at the first connect, before the last one
   * expires, and after one was refused. Throw a `ParleyError` with the code
   * `unauthenticated` to end the client as signed out; any other error is retried.
   */
  token: () => Promise<string>;
  /** Whom the token is for, if known: lets the cache be shown before there is a token. */
  user?: string;
  /** Default: memory, so that nothing survives a reload. See `@parley-chat/client/browser`. */
  storage?: StorageAdapter;
  /** Default: the global `WebSocket` and `fetch`. */
  network?: Network;
  /** Default: `Date.now` and `setTimeout`. */
  clock?: Clock;
  /** Uniform in [0, 1): only for waits. Ids are made with `randomBytes`. Default `Math.random`. */
  random?: () => number;
  /** Random bytes that nobody can guess. Default `crypto.getRandomValues`. */
  randomBytes?: (n: number) => Uint8Array;
  /**
   * `shared`: all tabs of this origin are one device with one connection. `alone`
   * (default): this object is a device of its own, and must be the only one on its storage.
   */
  tabs?: "shared" | "alone";
  /** How tabs find each other. Default: Web Locks and BroadcastChannel; needed for `shared` only. */
  tabsPort?: TabsPort;
  /** The device id. Default: made once and kept in storage. */
  device?: string;
  /** Said in `hello`. */
  client?: { name: string; version: string; platform: string };
  /** BCP 47, for the order of names. Default: the order of code points. */
  locale?: string;
}

export type CreateParley = (options: ParleyOptions) => Parley;

// ---------------------------------------------------------------- the connection

export type ConnectionState =
  | { readonly phase: "idle" } // not started
  | { readonly phase: "connecting" }
  | { readonly phase: "syncing" } // welcomed; what was missed is coming
  | { readonly phase: "live" }
  | { readonly phase: "waiting"; readonly retryAt: number; readonly attempt: number } // ms of the clock
  | { readonly phase: "offline" } // `setOnline(false)` and no connection
  | { readonly phase: "ended"; readonly reason: EndReason; readonly message: string };

/**
 * `signed_out`: no good token; `banned`: 4403; `elsewhere`: this device has a newer
 * session (`retryNow` takes it back); `protocol`: 4400, a defect; `closed`: by `close`.
 */
export type EndReason = "signed_out" | "banned" | "elsewhere" | "protocol" | "closed";

export interface Me {
  readonly user: string;
  readonly device: string;
}

/** `welcome.limits`. */
export interface Limits {
  readonly frame: number;
  readonly text: number;
  readonly page: number;
  readonly pending: number;
  readonly sends_per_s: number;
  readonly watch: number;
  readonly devices: number;
  readonly members: number;
  readonly receipt_members: number;
  readonly attachment_bytes?: number;
  readonly attachments?: number;
  readonly attachment_types?: string;
}

export type ErrorCode =
  | "bad_frame"
  | "bad_request"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "cmid_conflict"
  | "too_large"
  | "rate_limited"
  | "unavailable"
  | "internal"
  | "full" // the outbox has its 1,000 commands
  | "closed" // the client has ended
  | "storage"; // storage failed: what is written now does not survive a reload

/** `Error` with a code. `message` is the server's and safe to show, in English. */
export interface ParleyErrorShape extends Error {
  readonly code: ErrorCode;
  readonly retry_after_ms?: number | undefined;
}

// ---------------------------------------------------------------- the client

export interface Parley {
  readonly connection: ReadonlySignal<ConnectionState>;
  readonly me: ReadonlySignal<Me | undefined>;
  /** `welcome.features`; those of the last session while there is none. */
  readonly features: ReadonlySignal<ReadonlySet<string>>;
  readonly limits: ReadonlySignal<Limits | undefined>;
  /** Pinned first, then newest first. Archived ones are in it, and flagged. */
  readonly conversations: ReadonlySignal<readonly Conversation[]>;
  /** There is a list to show: from the cache, or from the server. */
  readonly loaded: ReadonlySignal<boolean>;
  /** Without muted and archived conversations. `exact` false: at least so many. */
  readonly totals: ReadonlySignal<Totals>;
  /** The server has conversations that are not in the list; `loadMore` adds some. */
  readonly more: ReadonlySignal<boolean>;
  loadMore(): Promise<void>;

  /** Subscribes its reader, as a signal does, until the conversation is known. */
  conversation(id: string): Conversation | undefined;
  /** `conversation`, asked of the server if it is not known. `not_found` if it is not one's own. */
  open(id: string): Promise<Conversation>;
  /** The conversation with a user; it exists here before its first message. Needs `me`. */
  direct(user: string): Conversation;
  createGroup(g: NewGroup): Promise<Conversation>;

  /** Watched while somebody is subscribed to the signal, at most `limits.watch` at a time. */
  presence(user: string): ReadonlySignal<Presence | undefined>;

  search(q: SearchQuery): Promise<SearchPage>;
  /** Asked for at the first read. */
  readonly blocks: ReadonlySignal<ReadonlySet<string>>;
  block(user: string): Promise<void>;
  unblock(user: string): Promise<void>;
  devices(): Promise<readonly DeviceInfo[]>;
  forgetDevice(device: string): Promise<void>;
  profile(): Promise<Profile>;
  setProfile(p: { hide_read: boolean }): Promise<Profile>;

  /** Announces and uploads a file for one conversation. Progress is 0…1. */
  upload(file: Uploadable, conv: string, options?: UploadOptions): Promise<Attachment>;
  /** A URL that is good for some minutes, for `<img src>` or a download. Kept while it is good. */
  attachmentURL(id: string, what?: "file" | "thumb"): Promise<string>;

  on<K extends keyof ParleyEvents>(event: K, listener: (e: ParleyEvents[K]) => void): () => void;

  start(): void;
  /** Connects at once, also after `elsewhere`. */
  retryNow(): void;
  /** What the platform says of the network. `false` stops eager reconnecting, `true` connects. */
  setOnline(online: boolean): void;
  /** `true` makes sure that the connection is alive, after a sleep for instance. */
  setVisible(visible: boolean): void;
  /** Ends this object and leaves everything in storage. Resolves when storage is written. */
  close(): Promise<void>;
  /** Ends all tabs' objects, forgets this device at the server (best effort) and clears storage. */
  signOut(): Promise<void>;
}

export interface Totals {
  readonly unread: number;
  readonly mentions: number;
  readonly exact: boolean;
}

export interface ParleyEvents {
  /**
   * For notifications: somebody else's message that came while live, in a conversation
   * that is not muted. `lead`: this tab has the connection, so that only one tab notifies.
   */
  message: { conversation: Conversation; item: MessageItem; mentioned: boolean; lead: boolean };
  /** Something failed that no promise tells. The client goes on. */
  error: ParleyErrorShape;
}

export interface Presence {
  readonly online: boolean;
  readonly last_seen?: string;
}

export interface NewGroup {
  title: string;
  members: readonly string[];
  history?: "all";
}

// ---------------------------------------------------------------- conversations

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
  readonly peers?: readonly Position[] | undefined;
  readonly last?: LastMessage | undefined;
}

export interface LastMessage {
  readonly seq: number;
  readonly from: string;
  readonly time: string;
  readonly text: string;
  readonly gone?: boolean | undefined;
}

export interface Position {
  readonly user: string;
  readonly read: number;
  readonly delivered: number;
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
  /** A failed message again, as a new one. */
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
  seenBy(seq: number): Promise<readonly Position[]>;
  /** The first message at or after a time (ms since 1970), or undefined. A binary search in the log. */
  seqAt(time: number): Promise<number | undefined>;
}

export interface Stored {
  readonly conv: string;
  readonly seq: number;
  readonly cmid: string;
}

// ---------------------------------------------------------------- threads

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

// ---------------------------------------------------------------- the rest

/** A file, without the DOM: a browser's `File` and `Blob` have what is needed, with a name. */
export interface Uploadable {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  /** What is handed to the network as the body: a Blob, an ArrayBuffer or a Uint8Array. */
  readonly content: unknown;
}

export interface UploadOptions {
  onProgress?: (part: number) => void;
  /** Calls its listener once to give the upload up; an `AbortSignal` is one. */
  signal?: { readonly aborted: boolean; addEventListener(type: "abort", listener: () => void): void };
}

export interface SearchQuery {
  q: string;
  conv?: string;
  from?: string;
  /** RFC 3339, or a day. */
  before?: string;
  after?: string;
  sort?: "newest" | "best";
  cursor?: string;
  limit?: number;
}

export interface SearchPage {
  readonly items: readonly SearchHit[];
  readonly next?: string | undefined;
  readonly exact: boolean;
}

export interface SearchHit {
  readonly conv: string;
  readonly seq: number;
  readonly id: string;
  readonly from: string;
  readonly time: string;
  readonly edited?: { readonly seq: number; readonly time: string } | undefined;
  /** Plain text, with ranges [from, to) of it that matched. */
  readonly snippet: { readonly text: string; readonly highlights: readonly (readonly [number, number])[] };
}

export interface DeviceInfo {
  readonly device: string;
  readonly seen: string;
  readonly own: boolean;
}

export interface Profile {
  readonly user: string;
  readonly hide_read: boolean;
}
