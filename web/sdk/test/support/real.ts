import { effect } from "@preact/signals-core";
import WebSocket from "ws";
import type { Parley, ParleyOptions } from "../../src/index.js";
import { createParley } from "../../src/index.js";
import { systemNetwork } from "../../src/platform.js";

/** A token of the server's for anybody. */
export async function devToken(server: string, user: string): Promise<string> {
  const answer = await fetch(server + "/dev/token", { method: "POST", body: JSON.stringify({ user }) });
  return ((await answer.json()) as { token: string }).token;
}

/** A client on a real server, not started. `socket` is where its sockets go. */
export function realClient(server: string, user: string, more: Partial<ParleyOptions> = {}): Parley {
  return createParley({ url: server, user, token: () => devToken(server, user), network: systemNetwork(WebSocket as never), ...more });
}

/** Resolves when a condition on signals holds; fails after a bound that only a defect meets: a client that lost its server comes back after up to 30 s. */
export function until(what: string, holds: () => boolean, within = 60_000): Promise<void> {
  return new Promise((done, failed) => {
    let stop: (() => void) | undefined;
    const timer = setTimeout(() => {
      stop?.();
      failed(new Error("not in time: " + what));
    }, within);
    let over = false;
    stop = effect(() => {
      if (over || !holds()) return;
      over = true;
      clearTimeout(timer);
      queueMicrotask(() => {
        stop?.();
        done();
      });
    });
  });
}

export const live = (p: Parley): Promise<void> => until("live", () => p.connection.value.phase === "live" && p.loaded.value);
