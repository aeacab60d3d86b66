import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { ConversationInfo } from "@parley-chat/client";
import { dayNumber } from "../format/time.ts";
import { badge } from "../format/size.ts";
import { useChat, useTexts, useTimes } from "../state/chat.ts";
import { Down, Up } from "../ui/icons.tsx";
import { useThread, type ThreadView } from "./context.ts";
import { openDates } from "./dates.tsx";

/** Of the part of a row that says the day, in pixels. */
const dayHeight = 40;

/** The day of what is in sight, while one scrolls. */
export function FloatingDay() {
  const chat = useChat();
  const times = useTimes();
  const t = useTexts();
  const view = useThread();
  const { scroller, c } = view;
  const on = useSignal(false);
  const moved = scroller.moved.value;
  useEffect(() => {
    if (moved === 0) return;
    on.value = true;
    const timer = setTimeout(() => (on.value = false), 1500);
    return () => clearTimeout(timer);
  }, [moved]);
  const item = c.thread.item(scroller.sight.value.from);
  if (item === undefined) return null;
  const label = times.day(Date.parse(item.time));
  const covered = showsDay(view, scroller.sight.value.from);
  return (
    <div class={on.value && !covered && !scroller.atEnd.value ? "floating-day on" : "floating-day"}>
      <button type="button" tabIndex={-1} aria-label={`${label}. ${t.goToDate}`} onClick={(e) => openDates(chat, view, e.currentTarget)}>
        {label}
      </button>
    </div>
  );
}

/** Would it lie over a day that stands in the log? */
function showsDay({ c, scroller }: ThreadView, from: number): boolean {
  const rows = c.thread.rows.value;
  for (let i = rows.indexOf(from), n = 0; n < 2; i++, n++) {
    const seq = rows.seqAt(i);
    const item = seq === undefined ? undefined : c.thread.item(seq);
    if (seq === undefined || item === undefined) return false;
    const above = i === 0 ? undefined : rows.seqAt(i - 1);
    const before = above === undefined ? undefined : c.thread.item(above);
    const day = i === 0 || (before !== undefined && dayNumber(Date.parse(before.time)) !== dayNumber(Date.parse(item.time)));
    const top = scroller.top(seq);
    if (day && top > -dayHeight && top < dayHeight) return true;
  }
  return false;
}

/** Leads to the first unread message, to a date, and to the end. */
export function ToEnd() {
  const t = useTexts();
  const view = useThread();
  const { c, scroller } = view;
  const first = view.newLine.value;
  const above = first !== undefined && first !== view.lineSeen.value && first < scroller.sight.value.from;
  if (scroller.atEnd.value && !above) return null;
  const info = c.info.value;
  return (
    <div class="to-end">
      {above && (
        <button type="button" class="float" aria-label={t.toUnread} title={t.toUnread} onClick={() => view.goTo(first)}>
          <Up />
        </button>
      )}
      {!scroller.atEnd.value && <LatestButton info={info} />}
    </div>
  );
}

function LatestButton({ info }: { info: ConversationInfo }) {
  const t = useTexts();
  const { scroller } = useThread();
  return (
    <button type="button" class="float" aria-label={info.unread > 0 ? `${t.toLatest}. ${t.unreadBelow(info.unread)}` : t.toLatest} title={t.toLatest} onClick={() => scroller.toEnd()}>
      <Down />
      {info.unread > 0 && (
        <span class="badge" aria-hidden="true">
          {badge(info.unread, info.exact)}
        </span>
      )}
    </button>
  );
}

