// The scrolling part of a conversation.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { effect, untracked, useSignal } from "@preact/signals";
import type { ThreadItem } from "@parley-chat/client";
import { titleOf } from "../list/title.ts";
import { useChat, useTexts, type Chat } from "../state/chat.ts";
import { Bubbles } from "../ui/icons.tsx";
import { messageText } from "./bubble.tsx";
import { openActions } from "./actions.tsx";
import { useThread, type ThreadView } from "./context.ts";
import { copiedText, selectedMessages, selectionAt } from "./copying.ts";
import { FloatingDay, ToEnd } from "./floating.tsx";
import { keepFocus, onLogKey } from "./keys.ts";
import { loadWindows } from "./loading.ts";
import { OutgoingRow } from "./outgoing.tsx";
import { watchPresses } from "./press.ts";
import { reading } from "./reading.ts";
import { LogRow } from "./row.tsx";

export function Log() {
  const chat = useChat();
  const t = useTexts();
  const view = useThread();
  const { c, scroller } = view;
  const outer = useRef<HTMLDivElement>(null);
  const space = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const within = useSignal(false);

  useLayoutEffect(() => {
    if (outer.current === null || space.current === null || box.current === null) return;
    return scroller.attach(outer.current, space.current, box.current);
  }, [scroller]);
  useLayoutEffect(
    () =>
      effect(() => {
        const first = c.thread.first.value;
        const head = c.thread.head.value;
        untracked(() => scroller.resize(first, head));
      }),
    [c, scroller],
  );
  useEffect(
    () =>
      effect(() => {
        void c.thread.rows.value;
        untracked(() => scroller.refresh());
      }),
    [c, scroller],
  );
  useEffect(() => loadWindows(chat, c, scroller), [c, scroller]);
  useEffect(() => reading(chat, view), [view]);
  useEffect(() => (outer.current === null ? undefined : watchPresses(outer.current, (at) => openAt(chat, view, at))), [chat, view]);

  const w = scroller.window.value;
  const thread = c.thread;
  const head = thread.head.value;
  const outgoing = thread.outgoing.value;
  void thread.rows.value;
  const rows: { key: string; seq: number }[] = [];
  const inLog = new Set<string>();
  // What is at the end and has not come yet may be what stands below as outgoing: an empty row would push that down.
  const held = head - outgoing.length;
  untracked(() => {
    for (let seq = w.from; seq <= w.to; seq++) {
      const item = thread.item(seq);
      if (item === undefined && (thread.has(seq) || seq > held)) continue;
      const own = item?.kind === "message" && item.own;
      if (own) inLog.add(item.cmid);
      rows.push({ key: own ? item.cmid : String(seq), seq });
    }
  });
  const atHead = w.to >= head;
  const tail = outgoing.filter((o) => !inLog.has(o.cmid));
  useLayoutEffect(() => {
    scroller.commit(w);
    if (outer.current !== null) keepFocus(outer.current, within.peek());
  });

  const me = chat.parley.me.value?.user ?? "";
  const copy = (e: ClipboardEvent) => {
    const selection = outer.current === null ? null : selectionAt(outer.current);
    if (outer.current === null || selection === null || e.clipboardData === null) return;
    const words = (item: ThreadItem) => ({
      name: item.from,
      time: chat.times.peek().stamp(Date.parse(item.time)),
      text: item.kind === "message" ? messageText(t, item, me) : "",
    });
    const list = selectedMessages(outer.current, selection, (seq) => untracked(() => thread.item(seq)), words);
    if (list.length < 2) return;
    e.preventDefault();
    e.clipboardData.setData("text/plain", copiedText(list));
  };
  const name = titleOf(c.info.value, me, t);
  const empty = head < thread.first.value && tail.length === 0;
  return (
    <div class={c.kind === "direct" ? "log direct" : "log"}>
      <div
        ref={outer}
        class="scroller"
        role="feed"
        tabIndex={0}
        aria-label={t.messagesWith(name)}
        onKeyDown={(e) => onLogKey(e, chat, view)}
        onCopy={copy}
        onFocusIn={() => (within.value = true)}
        onFocusOut={(e) => {
          const left = e.target as Node;
          queueMicrotask(() => {
            if (left.isConnected) within.value = false; // else its row went out of the window
          });
        }}
      >
        <div ref={space} class="space">
          <div ref={box} class="rows">
            {rows.map((r) => (
              <LogRow key={r.key} seq={r.seq} />
            ))}
            {atHead && tail.map((o, i) => <OutgoingRow key={o.cmid} message={o} before={tail[i - 1]} />)}
          </div>
        </div>
      </div>
      {empty && (
        <div class="empty-log">
          <div class="blank">
            <Bubbles size={40} />
            <h2>{t.noMessages}</h2>
            <p dir="auto">{t.sayHello(name)}</p>
          </div>
        </div>
      )}
      <FloatingDay />
      <ToEnd />
    </div>
  );
}

/** Opens the menu of the message that an element belongs to. */
function openAt(chat: Chat, view: ThreadView, at: Element): void {
  const bubble = at.closest(".bubble");
  const seq = Number(bubble?.closest("[data-seq]")?.getAttribute("data-seq") ?? 0);
  const item = seq > 0 ? untracked(() => view.c.thread.item(seq)) : undefined;
  if (bubble !== null && item?.kind === "message") openActions(chat, view, item, bubble);
}
