import type { OutgoingMessage } from "@parley-chat/client";
import { dayNumber } from "../format/time.ts";
import { groupGap } from "../format/grouping.ts";
import { useTexts, useTimes } from "../state/chat.ts";
import { Ticks } from "../ui/icons.tsx";
import { Attachments } from "./attachments.tsx";
import { bodyText } from "./bubble.tsx";
import { useThread } from "./context.ts";
import { Quote } from "./quote.tsx";
import { MessageText, textClass } from "./text.tsx";

/** One's own message that is not in the log yet: on its way, or refused. */
export function OutgoingRow({ message, before }: { message: OutgoingMessage; before: OutgoingMessage | undefined }) {
  const t = useTexts();
  const times = useTimes();
  const { c } = useThread();
  const last = before === undefined ? lastOwn(c.thread) : before.time;
  const first = last === undefined || message.time - last > groupGap;
  const day = before === undefined && c.thread.head.value >= c.thread.first.value && lastDay(c.thread) !== undefined && lastDay(c.thread) !== dayNumber(message.time);
  const text = message.body.text ?? "";
  const files = message.body.attachments ?? [];
  const failed = message.state === "failed";
  const state = message.state === "stored" ? "stored" : failed ? "failed" : "pending";
  const meta = (
    <span class="meta">
      <time>{times.time(message.time)}</time>
      <span class={state} role="img" aria-label={t.state[state]} title={t.state[state]}>
        <Ticks state={state} />
      </span>
    </span>
  );
  return (
    <div class="row" data-cmid={message.cmid} role="article" tabIndex={-1} aria-label={`${t.says(t.you, times.time(message.time), bodyText(t, message.body))}. ${t.state[state]}`}>
      {day && (
        <div class="day">
          <span>{times.day(message.time)}</span>
        </div>
      )}
      <div class={`msg own${first ? " first" : ""}${failed ? " failed" : state === "pending" ? " waiting" : ""}`}>
        <div class="stack">
          <div class="line-up">
            <div class="bubble">
              {message.reply_to !== undefined && <Quote seq={message.reply_to} tab={-1} />}
              {files.length > 0 && <Attachments list={files} tab={-1} />}
              {text !== "" && (
                <div class={textClass(text)} dir="auto">
                  <MessageText text={text} mentions={message.mentions} tab={-1} />
                  {meta}
                </div>
              )}
              {text === "" && meta}
            </div>
          </div>
          {failed && (
            <div class="failed-note" role="alert">
              <span>
                {t.notSent} {t.problem[message.error?.code ?? ""] ?? ""}
              </span>
              <button type="button" class="link" onClick={() => c.retry(message.cmid)}>
                {t.retry}
              </button>
              <button type="button" class="link" onClick={() => c.discard(message.cmid)}>
                {t.discard}
              </button>
            </div>
          )}
        </div>
      </div>
    </div>
  );
}

type ThreadOf = ReturnType<typeof useThread>["c"]["thread"];

function lastItem(thread: ThreadOf) {
  const rows = thread.rows.value;
  const seq = rows.seqAt(rows.length - 1);
  return seq === undefined ? undefined : thread.item(seq);
}

function lastOwn(thread: ThreadOf): number | undefined {
  const item = lastItem(thread);
  return item?.kind === "message" && item.own && !item.gone ? Date.parse(item.time) : undefined;
}

function lastDay(thread: ThreadOf): number | undefined {
  const item = lastItem(thread);
  return item === undefined ? undefined : dayNumber(Date.parse(item.time));
}
