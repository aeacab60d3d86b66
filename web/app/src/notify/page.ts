// What the browser shows outside of the page: the title, a dot on the icon, and
// notifications.

import { effect } from "@preact/signals";
import { titleOf } from "../list/title.ts";
import type { Chat } from "../state/chat.ts";
import { messageText } from "../thread/bubble.tsx";

/** Speaks at most once in this time, in milliseconds; what comes meanwhile is summed up. */
const pause = 3000;

/** Puts the number of unread messages into the title and a dot on the icon. */
export function badgePage(chat: Chat, icon: (unread: boolean) => void): () => void {
  const before = document.title;
  const stop = effect(() => {
    const { unread } = chat.parley.totals.value;
    const t = chat.prefs.texts.value;
    document.title = unread > 0 ? t.titleUnread(unread) : t.app;
    document.documentElement.lang = t.lang;
    icon(unread > 0);
  });
  return () => {
    stop();
    document.title = before;
  };
}

/** Tells of messages: by a notification while nobody looks, and to screen readers in the open conversation. */
export function tellMessages(chat: Chat): () => void {
  const { parley, prefs, router } = chat;
  let waiting: string[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const speak = () => {
    const t = prefs.texts.peek();
    const only = waiting.length === 1 ? waiting[0] : undefined;
    if (waiting.length > 0) chat.spoken.value = only ?? t.newMany(waiting.length);
    timer = waiting.length > 0 ? setTimeout(speak, pause) : undefined;
    waiting = [];
  };
  const stop = parley.on("message", ({ conversation: c, item, lead }) => {
    const t = prefs.texts.peek();
    const me = parley.me.peek()?.user ?? "";
    const text = messageText(t, item, me);
    const route = router.route.peek();
    const isOpen = route.conv === c.id || (route.peer !== undefined && route.peer === c.info.peek().peer);
    if (isOpen && chat.visible.peek()) {
      waiting.push(t.newFrom(item.from, text));
      if (timer === undefined) speak();
      return;
    }
    if (!lead || !prefs.notify.peek() || chat.visible.peek() || typeof Notification === "undefined" || Notification.permission !== "granted") return;
    const title = titleOf(c.info.peek(), me, t);
    try {
      const note = new Notification(title, { body: title === item.from ? text : t.newFrom(item.from, text), tag: c.id, icon: "/favicon.svg" });
      note.onclick = () => {
        window.focus();
        router.go({ conv: c.id });
        note.close();
      };
    } catch {
      // Chrome on Android makes notifications from service workers only
    }
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
}
