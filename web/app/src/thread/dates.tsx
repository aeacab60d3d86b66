import { useSignal } from "@preact/signals";
import { attempt, useChat, useTexts, type Chat } from "../state/chat.ts";
import type { ThreadView } from "./context.ts";

/** Asks for a day and goes to its first message. */
export function openDates(chat: Chat, view: ThreadView, anchor: Element): void {
  const t = chat.prefs.texts.peek();
  chat.popup.value = { label: t.goToDate, anchor, content: (close) => <Dates view={view} close={close} /> };
}

function Dates({ view, close }: { view: ThreadView; close: () => void }) {
  const chat = useChat();
  const t = useTexts();
  const day = useSignal("");
  const busy = useSignal(false);
  const go = async (e: Event) => {
    e.preventDefault();
    const [y, m, d] = day.peek().split("-").map(Number);
    if (y === undefined || m === undefined || d === undefined) return;
    busy.value = true;
    const found = await attempt(chat, view.c.seqAt(new Date(y, m - 1, d).getTime()).then((seq) => ({ seq })));
    close();
    if (found === undefined) return; // the toast says why
    if (found.seq === undefined) view.scroller.toEnd();
    else view.goTo(found.seq);
  };
  return (
    <form class="dates" onSubmit={(e) => void go(e)}>
      <div class="field">
        <label for="go-to-date">{t.goToDate}</label>
        <input id="go-to-date" class="input" type="date" autofocus required value={day.value} onInput={(e) => (day.value = e.currentTarget.value)} />
      </div>
      <button type="submit" class="button primary" disabled={busy.value || day.value === ""}>
        {t.go}
      </button>
    </form>
  );
}
