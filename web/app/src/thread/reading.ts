import { effect, untracked } from "@preact/signals";
import type { Chat } from "../state/chat.ts";
import type { ThreadView } from "./context.ts";

/** So long a message has to be in sight, and so often it is looked whether it has come; in milliseconds. */
const pause = 250;

/** Marks as read what is in sight while somebody looks. */
export function reading(chat: Chat, view: ThreadView): () => void {
  const { c, scroller } = view;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const mark = (to: number) => {
    if (!chat.visible.peek()) return; // looked at again when somebody comes
    if (untracked(() => c.thread.has(to))) c.markRead(to);
    else timer = setTimeout(() => mark(to), pause); // it is still on its way
  };
  const stopMark = effect(() => {
    const head = c.thread.head.value;
    const to = scroller.atEnd.value ? head : scroller.sight.value.to;
    if (!chat.visible.value || to < 1 || to <= c.info.value.read) return;
    clearTimeout(timer);
    timer = setTimeout(() => mark(to), pause);
  });
  // What comes while somebody looks at the end is not new to them.
  let known = c.thread.head.peek();
  let line: number | undefined;
  const stopSeen = effect(() => {
    const head = c.thread.head.value;
    void view.newLine.value;
    untracked(() => {
      if (head > known && line === undefined && chat.visible.value && scroller.atEnd.value) view.readBefore.value = head;
    });
    known = head;
    line = view.newLine.peek();
  });
  const stopLooked = effect(() => {
    const at = view.newLine.value ?? 0;
    const sight = scroller.sight.value;
    if (chat.visible.value && at >= sight.from && at <= sight.to) view.lineSeen.value = at;
  });
  // Who comes back to the page finds a line before what came meanwhile.
  const stopLine = effect(() => {
    if (!chat.visible.value) view.readBefore.value = c.thread.head.peek();
  });
  return () => {
    clearTimeout(timer);
    stopMark();
    stopSeen();
    stopLooked();
    stopLine();
  };
}
