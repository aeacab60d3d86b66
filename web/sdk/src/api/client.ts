// The client, and what concerns the user and not one conversation.

import type { ReadonlySignal } from "@preact/signals-core";
import type { ConnectionState, Limits, Me, ParleyErrorShape } from "./connection.js";
import type { Conversation } from "./conversation.js";
import type { Attachment, MessageItem } from "./thread.js";

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
  /** Asked for when somebody begins to look, and at each connect while somebody does; undefined until there is an answer. */
  readonly blocks: ReadonlySignal<ReadonlySet<string> | undefined>;
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

  /** Connects, and goes on until `close`. Throws where the platform lacks what no option gives: WebSocket, random bytes. */
  start(): void;
  /** Connects at once, also after `elsewhere`. */
  retryNow(): void;
  /** What the platform says of the network. `false` stops eager reconnecting, `true` connects. */
  setOnline(online: boolean): void;
  /**
   * `true` makes sure that the connection is alive, after a sleep for instance; `false`
   * writes at once what else would be written within half a second, such as drafts.
   */
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
