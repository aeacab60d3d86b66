// An open conversation: who it is with, the log, and where one writes.

import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { computed, signal, untracked, useSignal } from "@preact/signals";
import type { Conversation } from "@parley-chat/client";
import { Composer } from "../composer/composer.tsx";
import { useDrop } from "../composer/drop.ts";
import { Uploads } from "../composer/uploads.ts";
import { useChat, useTexts } from "../state/chat.ts";
import type { Kept } from "../state/kept.ts";
import { ThreadContext, type ThreadView } from "./context.ts";
import { Head } from "./head.tsx";
import { Log } from "./log.tsx";
import { Scroller } from "./scroller.ts";

/** How long a message that was jumped to is pointed out, in milliseconds. */
const flashTime = 1600;

function newView(c: Conversation, kept: Kept): ThreadView {
  const { thread } = c;
  const scroller = new Scroller((seq) => thread.has(seq) && untracked(() => thread.item(seq)) === undefined);
  const readBefore = signal(c.info.peek().read);
  const flash = signal(0);
  return {
    c,
    scroller,
    active: signal(0),
    wanted: signal(0),
    flash,
    readBefore,
    newLine: computed(() => firstAfter(c, readBefore.value)),
    lineSeen: signal(0),
    replyTo: kept.replyTo,
    editing: kept.editing,
    changed: kept.changed,
    focusComposer: { run: () => {} },
    goTo(seq) {
      scroller.show({ seq, dy: Math.round(scroller.view / 3) });
      flash.value = seq;
      setTimeout(() => {
        if (flash.peek() === seq) flash.value = 0;
      }, flashTime);
    },
  };
}

/** The first message of somebody else behind a seq, if it is among the next hundred rows. */
function firstAfter(c: Conversation, line: number): number | undefined {
  const { thread } = c;
  if (line >= thread.head.value) return undefined;
  const rows = thread.rows.value;
  const start = rows.indexOf(line + 1);
  for (let i = start; i < Math.min(rows.length, start + 100); i++) {
    const seq = rows.seqAt(i);
    const item = seq === undefined ? undefined : thread.item(seq);
    if (item === undefined) return undefined;
    if (item.kind === "message" && !item.own && !item.gone) return item.seq;
  }
  return undefined;
}

/** So often the place of the first unread message is looked for further on. */
const mostGuesses = 3;

export function Pane({ c }: { c: Conversation }) {
  const chat = useChat();
  const t = useTexts();
  const kept = useMemo(() => chat.kept.of(c.id, () => new Uploads(chat, c)), [chat, c]);
  const view = useMemo(() => newView(c, kept), [c, kept]);
  const { uploads } = kept;
  const settled = useSignal(kept.place !== undefined);
  useLayoutEffect(() => {
    if (kept.place !== undefined) view.scroller.show(kept.place);
    return () => {
      const place = view.scroller.place;
      kept.place = place.at === "row" ? place : undefined;
    };
  }, [view, kept]);

  // Opened at the first unread message; where that is may become known a little later.
  const guess = c.thread.firstUnread.value;
  const line = view.newLine.value;
  const guesses = useRef(0);
  useEffect(() => {
    if (settled.peek() || view.scroller.touched() || c.info.peek().unread === 0) return;
    const seq = line ?? guess;
    if (seq === undefined) return;
    // Behind the read position may be thousands of one's own: they are not leafed through.
    if (line === undefined && ++guesses.current > mostGuesses) {
      settled.value = true;
      return;
    }
    view.scroller.show({ seq, dy: 72 });
    if (line !== undefined) settled.value = true; // what is read from now on moves nothing
  }, [view, line, guess]);

  const jump = chat.jump.value;
  useEffect(() => {
    if (jump === undefined || jump.conv !== c.id) return;
    settled.value = true;
    view.goTo(jump.seq);
    chat.jump.value = undefined;
  }, [jump, view]);

  const drop = useDrop((files) => uploads.add(files), () => chat.parley.features.peek().has("attachments"));
  return (
    <ThreadContext.Provider value={view}>
      <section class="main" aria-label={t.messages} {...drop.handlers}>
        <Head />
        <Log />
        <Composer uploads={uploads} />
        {drop.over.value && <div class="drop">{t.dropHere}</div>}
      </section>
    </ThreadContext.Provider>
  );
}
