// Defaults for the ports, made of what is global where there is something. Nothing
// is touched before it is needed, and there is no DOM here.

import type { Clock, HttpRequest, HttpResponse, Network } from "./ports.js";

interface WebSocketLike {
  send(text: string): void;
  close(code?: number): void;
  onopen: (() => void) | null;
  onmessage: ((m: { data: unknown }) => void) | null;
  onclose: ((c: { code: number; reason: string }) => void) | null;
  onerror: ((e: unknown) => void) | null;
}
/** A WebSocket class: a browser's, React Native's, or that of Node's package `ws`. */
export type WebSocketClass = new (url: string, protocols?: string[]) => unknown;

interface Abort {
  readonly signal: unknown;
  abort(): void;
}
interface Globals {
  WebSocket?: WebSocketClass;
  fetch?: (url: string, init: Record<string, unknown>) => Promise<HttpResponse>;
  AbortController?: new () => Abort;
  crypto?: { getRandomValues(into: Uint8Array): Uint8Array };
  setTimeout(call: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}
const globals = globalThis as unknown as Globals;

/** More is done at once by setTimeout. Who asks for more looks at the time when called. */
const longestTimer = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, call) {
    const timer = globals.setTimeout(call, Math.min(ms, longestTimer));
    return () => globals.clearTimeout(timer);
  },
};

export function systemBytes(n: number): Uint8Array {
  if (globals.crypto === undefined) throw new Error("no crypto.getRandomValues: give randomBytes");
  return globals.crypto.getRandomValues(new Uint8Array(n));
}

const noWebSocket = "no WebSocket: give a network, for instance systemNetwork(WebSocket of the package ws)";

/** Throws where the default network has nothing to open sockets with. */
export function needWebSocket(): void {
  if (globals.WebSocket === undefined) throw new Error(noWebSocket);
}

/** Sockets of a WebSocket class (default: the global one), and HTTP by the global fetch. */
export function systemNetwork(webSocket?: WebSocketClass): Network {
  return {
    open(url, protocols, on) {
      const Class = webSocket ?? globals.WebSocket;
      if (Class === undefined) throw new Error(noWebSocket);
      const ws = new Class(url, [...protocols]) as WebSocketLike;
      ws.onopen = () => on.opened();
      ws.onmessage = (m) => on.message(typeof m.data === "string" ? m.data : undefined);
      ws.onclose = (c) => on.closed(c.code, c.reason);
      ws.onerror = () => {}; // close follows, and says as much
      return { send: (text) => ws.send(text), close: (code) => ws.close(code) };
    },
    request: fetchRequest,
  };
}

async function fetchRequest(r: HttpRequest): Promise<HttpResponse> {
  if (globals.fetch === undefined) throw new Error("no fetch: give a network");
  if (r.signal?.aborted) throw new Error("the request was given up");
  const abort = globals.AbortController === undefined ? undefined : new globals.AbortController();
  r.signal?.addEventListener("abort", () => abort?.abort());
  const cancel = r.timeout_ms === undefined ? () => {} : systemClock.after(r.timeout_ms, () => abort?.abort());
  try {
    const answer = await globals.fetch(r.url, {
      method: r.method,
      headers: r.headers,
      ...(r.body !== undefined && { body: r.body }),
      ...(abort !== undefined && { signal: abort.signal }),
      credentials: "omit",
    });
    const text = await answer.text();
    return { status: answer.status, text: () => Promise.resolve(text) };
  } finally {
    cancel();
  }
}
