// What is copied when several messages are selected: who said what and when, without
// the buttons and lines between.

import type { ThreadItem } from "@parley-chat/client";

export interface Copied {
  readonly name: string;
  readonly time: string;
  readonly text: string;
}

/** Several messages as plain text. One alone is only its text. */
export function copiedText(list: readonly Copied[]): string {
  if (list.length === 1) return list[0]!.text;
  return list.map((m) => `${m.name}, ${m.time}\n${m.text}`).join("\n\n");
}

/**
 * The selected parts of the messages in a log: of each row that the selection touches,
 * what of its text is selected. A message without text, a picture, is named by `words`.
 */
export function selectedMessages(box: Element, selection: Selection, item: (seq: number) => ThreadItem | undefined, words: (item: ThreadItem) => Copied): Copied[] {
  const out: Copied[] = [];
  if (selection.rangeCount === 0) return out;
  const range = selection.getRangeAt(0);
  for (const row of box.querySelectorAll("[data-seq]")) {
    if (!range.intersectsNode(row)) continue;
    const it = item(Number(row.getAttribute("data-seq")));
    if (it?.kind !== "message") continue;
    const text = row.querySelector(".text");
    const whole = words(it);
    if (text === null) {
      if (range.comparePoint(row, 0) === 0) out.push(whole);
      continue;
    }
    const part = document.createRange();
    part.selectNodeContents(text);
    const meta = text.querySelector(".meta");
    if (meta !== null) part.setEndBefore(meta);
    const cut = part.cloneRange();
    if (range.compareBoundaryPoints(Range.START_TO_START, part) > 0) cut.setStart(range.startContainer, range.startOffset);
    if (range.compareBoundaryPoints(Range.END_TO_END, part) < 0) cut.setEnd(range.endContainer, range.endOffset);
    if (cut.collapsed) continue;
    const all = cut.toString() === part.toString();
    out.push(all ? whole : { ...whole, text: cut.toString() });
  }
  return out;
}

/** The selection in the tree that an element is in: inside another page that is a shadow root. */
export function selectionAt(el: Element): Selection | null {
  const root = el.getRootNode() as Document & { getSelection?: () => Selection | null };
  return (root.getSelection?.bind(root) ?? document.getSelection.bind(document))();
}
