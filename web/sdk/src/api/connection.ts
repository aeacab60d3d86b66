// What a client is made with, and the state of its connection.

import type { Clock, Network, StorageAdapter, TabsPort } from "../ports.js";

export interface ParleyOptions {
  /** Where Parley is: http(s) or ws(s), with or without a path in front of `/v1`. */
  url: string;
  /**
   * Gives a token that is good now. Asked at the first connect, before the last one
   * expires, and after one was refused. Throw a `ParleyError` with the code
   * `unauthenticated` to end the client as signed out; any other error is retried.
   */
  token: () => Promise<string>;
  /**
   * Whether the token may be sent to another server, which this one has named in
   * `goaway`: `http(s)://host[:port][/path]`. Default: to none but `url`'s own host and
   * port. One without TLS is never asked about where `url` has TLS.
   */
  mayMoveTo?: (url: string) => boolean;
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
  /** Not used: nothing is ordered by name here. */
  locale?: string;
}

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
