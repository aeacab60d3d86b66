// The keyboard in the log: arrows go from message to message, Enter opens what can
// be done with one.

import { untracked } from "@preact/signals";
import type { Chat } from "../state/chat.ts";
import { openActions } from "./actions.tsx";
import type { ThreadView } from "./context.ts";

export function onLogKey(e: KeyboardEvent, chat: Chat, view: ThreadView): void {
  if (e.altKey || e.ctrlKey || e.metaKey) return;
  const { scroller, c } = view;
  const box = e.currentTarget as HTMLElement;
  const onRow = e.target instanceof HTMLElement && (e.target === box || e.target.classList.contains("row"));
  const at = view.active.peek() || scroller.sight.peek().to;
  const rows = c.thread.rows.peek();
  const index = rows.indexOf(at);
  const go = (i: number) => {
    const seq = rows.seqAt(Math.min(Math.max(i, 0), rows.length - 1));
    if (seq !== undefined) focusRow(view, box, seq);
  };
  const page = Math.max(1, scroller.sight.peek().to - scroller.sight.peek().from - 1);
  switch (e.key) {
    case "ArrowUp":
      go(index - (onRow && e.target === box ? 0 : 1));
      break;
    case "ArrowDown":
      go(index + 1);
      break;
    case "PageUp":
      go(index - page);
      break;
    case "PageDown":
      go(index + page);
      break;
    case "Home":
      go(0);
      break;
    case "End":
      go(rows.length - 1);
      break;
    case "Escape":
      view.focusComposer.run();
      break;
    case "Enter":
    case " ": {
      if (!onRow) return;
      const item = untracked(() => c.thread.item(at));
      const row = box.querySelector(`[data-seq="${at}"]`);
      if (item?.kind !== "message" || row === null) return;
      openActions(chat, view, item, row.querySelector(".bubble") ?? row);
      break;
    }
    default:
      // Who begins to write means the composer; the key goes there, too.
      if (e.key.length === 1 || e.key === "Process") view.focusComposer.run();
      return;
  }
  e.preventDefault();
}

/** Puts the focus on a row, which may have to be rendered first. */
export function focusRow(view: ThreadView, box: HTMLElement, seq: number): void {
  view.active.value = seq;
  view.scroller.reveal(seq);
  const row = box.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
  if (row !== null) row.focus({ preventScroll: true });
  else {
    box.focus({ preventScroll: true });
    view.wanted.value = seq;
  }
}

/** Gives the focus to a row that has been rendered, if it waits for it and the user has not gone elsewhere. */
export function takeFocus(view: ThreadView, row: HTMLElement): void {
  const box = row.closest(".scroller");
  view.wanted.value = 0;
  if ((row.getRootNode() as Document | ShadowRoot).activeElement === box) row.focus({ preventScroll: true });
}

/** After rows have changed: takes the focus back from a row that is gone. */
export function keepFocus(box: HTMLElement, within: boolean): void {
  const root = box.getRootNode() as Document | ShadowRoot;
  const at = root.activeElement;
  const lost = at === null || at === document.body || (root instanceof ShadowRoot && at === root.host);
  if (lost && within) box.focus({ preventScroll: true });
}
