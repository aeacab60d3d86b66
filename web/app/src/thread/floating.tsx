import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { badge } from "../format/size.ts";
import { useChat, useTexts, useTimes } from "../state/chat.ts";
import { Down } from "../ui/icons.tsx";
import { useThread } from "./context.ts";
import { openDates } from "./dates.tsx";

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
  return (
    <div class={on.value && !scroller.atEnd.value ? "floating-day on" : "floating-day"}>
      <button type="button" tabIndex={-1} aria-label={`${label}. ${t.goToDate}`} onClick={(e) => openDates(chat, view, e.currentTarget)}>
        {label}
      </button>
    </div>
  );
}

/** Leads to the first unread message, to a date, and to the end. */
export function ToEnd() {
  const t = useTexts();
  const { c, scroller } = useThread();
  if (scroller.atEnd.value) return null;
  const info = c.info.value;
  return (
    <div class="to-end">
      <button type="button" class="float" aria-label={info.unread > 0 ? `${t.toLatest}. ${t.unreadBelow(info.unread)}` : t.toLatest} title={t.toLatest} onClick={() => scroller.toEnd()}>
        <Down />
        {info.unread > 0 && (
          <span class="badge" aria-hidden="true">
            {badge(info.unread, info.exact)}
          </span>
        )}
      </button>
    </div>
  );
}

