// What the client needs of the world it runs in. Each has a default, and tests give
// their own.

/** Time in milliseconds. */
export interface Clock {
  now(): number;
  /** Calls back once after `ms`; the result takes that back. */
  after(ms: number, call: () => void): () => void;
}

/** How bytes get to the server and back. */
export interface Network {
  /** Begins to open a WebSocket. It must not call back before it has returned. */
  open(url: string, protocols: readonly string[], on: SocketEvents): Socket;
  /** One HTTP request. Rejects if there was no answer; a status is an answer. */
  request(r: HttpRequest): Promise<HttpResponse>;
}

export interface Socket {
  /** Only between `opened` and `closed`. */
  send(text: string): void;
  /** Begins to close; `closed` follows, or it may not for a dead network. */
  close(code?: number): void;
}

export interface SocketEvents {
  opened(): void;
  /** A text frame; a binary one as undefined. */
  message(text: string | undefined): void;
  /** Once, and last. 1006: no close frame came. */
  closed(code: number, reason: string): void;
}

export interface HttpRequest {
  method: string;
  url: string;
  headers: Readonly<Record<string, string>>;
  /** A string, or what `Uploadable.content` was. */
  body?: unknown;
  /** Bytes of the body that went out, for uploads. */
  onProgress?: ((sent: number, of: number) => void) | undefined;
  signal?: { readonly aborted: boolean; addEventListener(type: "abort", listener: () => void): void } | undefined;
  /** Rejects after so long without an answer. */
  timeout_ms?: number | undefined;
}

export interface HttpResponse {
  readonly status: number;
  text(): Promise<string>;
}

/**
 * A small ordered key-value store. Values are plain JSON. Several tabs may have one
 * open. `write` is all or nothing, and done when it resolves: a reload does not undo it.
 */
export interface StorageAdapter {
  get(key: string): Promise<unknown>;
  /** Those whose keys begin with `prefix`, in the order of their keys. */
  list(prefix: string): Promise<readonly (readonly [key: string, value: unknown])[]>;
  /** All of them or none. Several writes may be under way: they take effect in the order of the calls. */
  write(ops: readonly StorageOp[]): Promise<void>;
  close(): Promise<void>;
}

export type StorageOp =
  | { readonly op: "put"; readonly key: string; readonly value: unknown }
  | { readonly op: "delete"; readonly key: string }
  | { readonly op: "clear"; readonly prefix: string };

/** How the tabs of one browser profile find each other. */
export interface TabsPort {
  /**
   * Asks to be the one that leads `name`. `lead` is called once, when nobody else
   * does; the result gives it up, or takes the wish back. A tab that dies has given it up.
   * `lost` is called where another one took it away.
   */
  elect(name: string, lead: () => void, lost?: () => void): () => void;
  /**
   * Leads at once, and takes that away from whoever does: it was asked, and stands still.
   * Without it, one that stands still is waited for.
   */
  steal?(name: string, lead: () => void, lost: () => void): () => void;
  /** Messages among the open channels of `name`, without one's own; in order for one sender. */
  channel(name: string, receive: (message: unknown) => void): TabsChannel;
}

export interface TabsChannel {
  post(message: unknown): void;
  close(): void;
}
