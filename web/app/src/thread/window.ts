// Which rows of a log to render, and where. Arithmetic only: no DOM.

import { Heights } from "./heights.ts";

/** Rendered seqs, both inclusive; none if `to` < `from`. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** What stays where it is while heights change: the end, or the top of a row, `dy` below the upper edge. */
export type Anchor = { readonly at: "end" } | { readonly at: "row"; readonly seq: number; readonly dy: number };

/** Space above the first and below the last row, in pixels. */
export const edge = 12;

/** The rows of one log and the part of it that is looked at. All lengths are pixels. */
export class Layout {
  first = 1;
  head = 0;
  /** Height of what stands below the log: messages that are not in it yet. */
  tail = 0;
  /** Height of the viewport. */
  view = 0;
  anchor: Anchor = { at: "end" };

  private readonly heights: Heights;
  private readonly hidden: (seq: number) => boolean;

  /** `hidden` tells of entries that are known to have no row. */
  constructor(estimate: number, hidden: (seq: number) => boolean) {
    this.heights = new Heights(estimate);
    this.hidden = hidden;
  }

  get total(): number {
    const rows = this.head < this.first ? 0 : this.heights.offset(this.head + 1) - this.heights.offset(this.first);
    return rows + this.tail + 2 * edge;
  }

  /** How far a log that is shorter than the viewport is moved down. */
  get slack(): number {
    return Math.max(0, this.view - this.total);
  }

  /** Where a row begins. */
  y(seq: number): number {
    return this.slack + edge + this.heights.offset(seq) - this.heights.offset(this.first);
  }

  /** The row at a point; the nearest one above or below the log. */
  seqAt(y: number): number {
    const seq = this.heights.at(Math.max(0, y - this.slack - edge) + this.heights.offset(this.first));
    return Math.min(Math.max(seq, this.first), Math.max(this.first, this.head));
  }

  setHeight(seq: number, height: number): void {
    this.heights.set(seq, height);
  }

  /** Where the viewport has to be for the anchor to stay. */
  scrollTop(): number {
    const most = Math.max(0, this.total - this.view);
    if (this.anchor.at === "end") return most;
    return Math.min(most, Math.max(0, this.y(this.anchor.seq) - this.anchor.dy));
  }

  /** Takes what the user looks at as the new anchor. */
  look(scrollTop: number): void {
    if (scrollTop >= this.total - this.view - 2) {
      this.anchor = { at: "end" };
      return;
    }
    let seq = this.seqAt(scrollTop);
    // The first row that begins inside: if the one above it grows, it grows upwards.
    if (this.y(seq) < scrollTop && seq < this.head && this.y(seq + 1) < scrollTop + this.view) seq++;
    while (seq < this.head && this.hidden(seq)) seq++;
    this.anchor = { at: "row", seq, dy: this.y(seq) - scrollTop };
  }

  /** The rows from `above` over the viewport to `below` under it. */
  rows(scrollTop: number, above: number, below: number): Window {
    if (this.head < this.first) return { from: 1, to: 0 };
    const start = this.seqAt(scrollTop - above);
    let end = start;
    let height = 0;
    const need = scrollTop + this.view + below - this.y(start);
    for (;;) {
      if (this.hidden(end)) this.heights.set(end, 0);
      height += this.heights.get(end);
      if (end >= this.head || height > need || end - start > 2000) break;
      end++;
    }
    return { from: start, to: end };
  }

  /** Does the window hold all that is in sight, and a little more? */
  covers(w: Window, scrollTop: number, margin: number): boolean {
    if (this.head < this.first) return w.to < w.from;
    return w.from <= this.seqAt(scrollTop - margin) && w.to >= this.seqAt(scrollTop + this.view + margin) && w.from >= this.first && w.to <= this.head;
  }
}
