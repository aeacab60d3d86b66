import { effect, signal, untracked } from "@preact/signals";
import type { Conversation } from "@parley-chat/client";
import type { Chat } from "../state/chat.ts";
import type { Scroller } from "./scroller.ts";
import type { Window } from "./window.ts";

/** Entries that are loaded together, at least. */
const chunk = 120;
/** So many rows beyond a window are loaded, too, before one scrolls there. */
const reserve = 30;

/** What in and around a window is not there, widened to a chunk; undefined: nothing is missing. */
export function missing(w: Window, first: number, head: number, has: (seq: number) => boolean): Window | undefined {
  if (w.to < w.from) return undefined;
  const last = Math.min(head, w.to + reserve);
  let from = Math.max(first, w.from - reserve);
  while (from <= last && has(from)) from++;
  if (from > last) return undefined;
  let to = last;
  while (to > from && has(to)) to--;
  const more = Math.max(0, chunk - (to - from + 1));
  // Widened to the side where nothing is known yet.
  const up = from > first && !has(from - 1);
  const down = to < head && !has(to + 1);
  if (up) from = Math.max(first, from - (down ? more >> 1 : more));
  if (down) to = Math.min(head, to + (up ? more >> 1 : more));
  return { from, to: Math.min(to, from + 999) };
}

/** Loads what a scroller wants to show, one request at a time, and again after a failure once there is a connection. */
export function loadWindows(chat: Chat, c: Conversation, scroller: Scroller): () => void {
  const busy = signal(false);
  const failed = signal(false);
  const stop = effect(() => {
    const w = scroller.window.value;
    const live = chat.parley.connection.value.phase === "live";
    if (busy.value || (failed.value && !live)) return;
    untracked(() => {
      const { thread } = c;
      const part = missing(w, thread.first.value, thread.head.value, (seq) => thread.has(seq));
      if (part === undefined) return;
      busy.value = true;
      thread.load(part.from, part.to).then(
        () => settle(false),
        () => settle(true),
      );
    });
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const settle = (wrong: boolean) => {
    failed.value = wrong;
    // A pause after a failure, so that an unwilling server is not asked without end.
    if (wrong) timer = setTimeout(() => (busy.value = false), 2000);
    else busy.value = false;
  };
  return () => {
    stop();
    clearTimeout(timer);
  };
}
