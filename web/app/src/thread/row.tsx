// One row of the log: a day, a line before what is new, and a message or a note of
// what happened to the group.

import type { ThreadItem } from "@parley-chat/client";
import { follows, newDay, type Grouped } from "../format/grouping.ts";
import { useChat, useTexts, useTimes } from "../state/chat.ts";
import { openActions } from "./actions.tsx";
import { MessageBody, messageText } from "./bubble.tsx";
import { useThread } from "./context.ts";
import { membersText } from "./system.ts";

const grouped = (item: ThreadItem): Grouped => ({
  kind: item.kind === "message" && !item.gone ? "message" : "members",
  from: item.from,
  time: Date.parse(item.time),
});

/** The rows around a seq, where they are known. */
function useNeighbours(seq: number): { before: Grouped | undefined | "unknown"; after: Grouped | undefined } {
  const { thread } = useThread().c;
  const rows = thread.rows.value;
  const index = rows.indexOf(seq);
  const at = (i: number): ThreadItem | undefined | "none" => {
    const s = i < 0 ? undefined : rows.seqAt(i);
    return s === undefined ? "none" : thread.item(s);
  };
  const before = at(index - 1);
  const after = at(index + 1);
  let next: Grouped | undefined;
  if (after === "none") {
    const out = thread.outgoing.value[0];
    if (out !== undefined) next = { kind: "message", from: "", time: out.time };
  } else if (after !== undefined) next = grouped(after);
  return { before: before === "none" ? undefined : before === undefined ? "unknown" : grouped(before), after: next };
}

export function LogRow({ seq }: { seq: number }) {
  const item = useThread().c.thread.item(seq);
  if (item === undefined) return <Skeleton seq={seq} />;
  return <KnownRow seq={seq} item={item} />;
}

function Skeleton({ seq }: { seq: number }) {
  const t = useTexts();
  return (
    <div class={seq % 7 < 3 ? "row skeleton end" : "row skeleton"} data-seq={seq} role="article" aria-label={t.loadingMessage}>
      <i style={{ "--w": `${25 + ((seq * 37) % 40)}%` }} />
    </div>
  );
}

function KnownRow({ seq, item }: { seq: number; item: ThreadItem }) {
  const chat = useChat();
  const t = useTexts();
  const times = useTimes();
  const view = useThread();
  const me = chat.parley.me.value?.user ?? "";
  const { before, after } = useNeighbours(seq);
  const self = grouped(item);
  const day = before !== "unknown" && newDay(before, self);
  const isNew = view.newLine.value === seq;
  const first = day || isNew || before === "unknown" || !follows(before, self);
  const last = after === undefined || !follows(self, item.kind === "message" && item.own && after.from === "" ? { ...after, from: self.from } : after);
  const active = view.active.value === seq || (view.active.value === 0 && seq === view.scroller.sight.value.to);
  const flash = view.flash.value === seq;
  const name = item.from === me ? t.you : item.from;
  const label =
    item.kind === "message"
      ? `${t.says(name, times.full(self.time), messageText(t, item, me))}${item.own ? `. ${t.state[item.state]}` : ""}`
      : membersText(t, item, me);
  return (
    <div
      class={flash ? "row flash" : "row"}
      data-seq={seq}
      role="article"
      tabIndex={active ? 0 : -1}
      aria-label={label}
      onFocus={(e) => {
        if (e.target === e.currentTarget) view.active.value = seq;
      }}
      onContextMenu={(e) => {
        if (item.kind !== "message" || (e.target instanceof Element && e.target.closest("a, .picture") !== null) || hasSelection()) return;
        e.preventDefault();
        openActions(chat, view, item, e.currentTarget.querySelector(".bubble") ?? e.currentTarget);
      }}
    >
      {day && (
        <div class="day">
          <span>{times.day(self.time)}</span>
        </div>
      )}
      {isNew && (
        <div class="new-line">
          <span>{t.newMessages}</span>
        </div>
      )}
      {item.kind === "members" ? (
        <div class="system">
          <span dir="auto">{membersText(t, item, me)}</span>
        </div>
      ) : (
        <MessageBody item={item} first={first} last={last} tab={active ? 0 : -1} />
      )}
    </div>
  );
}

function hasSelection(): boolean {
  const s = document.getSelection();
  return s !== null && !s.isCollapsed;
}
