import { useEffect } from "preact/hooks";
import { tone } from "../format/text.ts";
import { useChat, useTexts } from "../state/chat.ts";
import { messageText } from "./bubble.tsx";
import { useThread } from "./context.ts";

/** The message that is answered, as a line that leads to it. */
export function Quote({ seq, tab }: { seq: number; tab: number }) {
  const { parley } = useChat();
  const t = useTexts();
  const view = useThread();
  const { thread } = view.c;
  const item = thread.item(seq);
  const me = parley.me.value?.user ?? "";
  const live = parley.connection.value.phase === "live";
  const known = item !== undefined || thread.has(seq) || seq < thread.first.value;
  useEffect(() => {
    if (known) return;
    void thread.load(seq, seq).catch(() => {}); // asked again when there is a connection
  }, [known, live, seq]);
  const message = item?.kind === "message" ? item : undefined;
  if (message === undefined) {
    return (
      <div class="quote">
        <b>{t.reply}</b>
        <span>{known ? t.gone : t.loading}</span>
      </div>
    );
  }
  return (
    <button type="button" class="quote" tabIndex={tab} aria-label={t.jumpToQuoted} style={{ "--name": `var(--name-${tone(message.from)})` }} onClick={() => view.goTo(seq)}>
      <b class="cut">{message.own ? t.you : message.from}</b>
      <span class="cut" dir="auto">
        {messageText(t, message, me)}
      </span>
    </button>
  );
}
