import type { ErrorCode } from "../api.js";
import type { Tokens } from "../engine/tokens.js";
import { ParleyError, repeatable } from "../errors.js";
import type { Clock, HttpRequest, Network } from "../ports.js";
import { isRecord } from "../protocol/codec.js";

/** A request is tried so often, with waits between. Every write has a cmid, so that a repeat is harmless. */
const tries = 4;
const answerWithin = 15_000;
const longestWait = 5_000;

export type Query = Readonly<Record<string, string | number | undefined>>;

/** HTTP to the server: JSON in, JSON out, errors as ParleyError. */
export class Rest {
  private stopped = false;
  private readonly open = new Set<() => void>(); // gives up what is asked

  constructor(
    private readonly o: { base: string; tokens: Tokens; network: Network; clock: Clock; random: () => number },
  ) {}

  get<T>(path: string, query: Query = {}): Promise<T> {
    return this.ask<T>("GET", path + encodeQuery(query), undefined);
  }

  /** A write: `body` or the query carries the cmid. */
  send<T>(method: string, path: string, body?: object): Promise<T> {
    return this.ask<T>(method, path, body === undefined ? undefined : JSON.stringify(body));
  }

  /** Requests that are under way are given up; later ones are refused. */
  stop(): void {
    this.stopped = true;
    for (const giveUp of [...this.open]) giveUp();
  }

  /** What a path means, relative to the server. */
  resolve(path: string): string {
    return /^[a-z]+:/i.test(path) ? path : this.o.base.replace(/^(\w+:\/\/[^/]+).*$/, "$1") + path;
  }

  private ask<T>(method: string, path: string, body: string | undefined): Promise<T> {
    const closed = () => new ParleyError("closed", "the client has ended");
    if (this.stopped) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(closed());
      this.open.add(giveUp);
      this.tryOften<T>(method, path, body)
        .then(resolve, reject)
        .finally(() => this.open.delete(giveUp));
    });
  }

  private async tryOften<T>(method: string, path: string, body: string | undefined): Promise<T> {
    let refreshed = false;
    for (let n = 1; ; n++) {
      let failure: ParleyError;
      try {
        const token = await this.token();
        const answer = await this.once(method, path, body, token);
        if (answer.status === 401 && !refreshed) {
          refreshed = true;
          this.o.tokens.refuse(token);
          continue;
        }
        const value = parse(answer.text);
        if (answer.status < 300) return value as T;
        failure = problem(answer.status, value);
      } catch (err) {
        failure = err instanceof ParleyError ? err : new ParleyError("unavailable", "the server cannot be reached");
      }
      if (this.stopped || !repeatable(failure.code) || n >= tries) throw failure;
      await this.pause(failure.retry_after_ms ?? this.o.random() * 300 * 2 ** n);
    }
  }

  private async token(): Promise<string> {
    const token = await this.o.tokens.get();
    if (this.o.tokens.wasRefused(token)) throw new ParleyError("unauthenticated", "the token was refused, and there is no other");
    return token;
  }

  private async once(method: string, path: string, body: string | undefined, token: string): Promise<{ status: number; text: string }> {
    const headers: Record<string, string> = { Authorization: "Bearer " + token };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const abort = aborter();
    const r: HttpRequest = { method, url: this.o.base + path, headers, timeout_ms: answerWithin, signal: abort.signal };
    if (body !== undefined) r.body = body;
    this.open.add(abort.now);
    try {
      const answer = await this.o.network.request(r);
      return { status: answer.status, text: await answer.text() };
    } finally {
      this.open.delete(abort.now);
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((done) => void this.o.clock.after(Math.min(ms, longestWait), done));
  }
}

/** What an AbortController is, which is not everywhere. */
function aborter(): { signal: NonNullable<HttpRequest["signal"]>; now: () => void } {
  const listeners: (() => void)[] = [];
  let aborted = false;
  const signal = {
    get aborted() {
      return aborted;
    },
    addEventListener: (_: "abort", listener: () => void) => void listeners.push(listener),
  };
  const now = () => {
    aborted = true;
    for (const listener of listeners.splice(0)) listener();
  };
  return { signal, now };
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

const codes: Readonly<Record<number, ErrorCode>> = {
  401: "unauthenticated",
  403: "forbidden",
  404: "not_found",
  409: "cmid_conflict",
  413: "too_large",
  429: "rate_limited",
  500: "internal",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
};

/** The error that an answer is; one without a problem in it comes from something in between. */
export function problem(status: number, value: unknown): ParleyError {
  const p = isRecord(value) ? value : {};
  const code = typeof p["code"] === "string" ? (p["code"] as ErrorCode) : (codes[status] ?? "bad_request");
  const text = typeof p["detail"] === "string" ? p["detail"] : `the server answered with ${status}`;
  return new ParleyError(code, text, typeof p["retry_after_ms"] === "number" ? p["retry_after_ms"] : undefined);
}

function encodeQuery(q: Query): string {
  const parts = Object.entries(q).flatMap(([name, v]) => (v === undefined ? [] : [`${name}=${encodeURIComponent(String(v))}`]));
  return parts.length === 0 ? "" : "?" + parts.join("&");
}
