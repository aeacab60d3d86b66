// Holds a log's rows in place on the screen. The window that it asks for is rendered
// by the component; heights come back, and the scroll position follows the anchor
// before anything is painted.

import { signal } from "@preact/signals";
import { Layout, type Anchor, type Window } from "./window.ts";

/** A guess at a row's height, in pixels. */
const estimate = 56;
/** What is rendered beyond the viewport, and when to render anew, in pixels. */
const ahead = 900;
const margin = 300;

export class Scroller {
  readonly window = signal<Window>({ from: 1, to: 0 });
  readonly atEnd = signal(true);
  /** The first and the last row in sight. */
  readonly sight = signal<Window>({ from: 1, to: 0 });
  /** Counts scrolling by the user. */
  readonly moved = signal(0);

  private readonly layout: Layout;
  private outer: HTMLElement | undefined;
  private space: HTMLElement | undefined;
  private box: HTMLElement | undefined;
  private rendered: Window = { from: 1, to: 0 };
  private height = ""; // of the space, as last set
  private position = 0; // of the viewport, as last seen or set here
  private observer: ResizeObserver | undefined;

  constructor(hidden: (seq: number) => boolean) {
    this.layout = new Layout(estimate, hidden);
  }

  /** Begins to work on elements: the scrolling one, the tall one in it, and the box of the rows. */
  attach(outer: HTMLElement, space: HTMLElement, box: HTMLElement): () => void {
    this.outer = outer;
    this.space = space;
    this.box = box;
    this.layout.view = outer.clientHeight;
    this.observer = new ResizeObserver(() => {
      this.layout.view = outer.clientHeight;
      this.measure();
    });
    this.observer.observe(outer);
    this.observer.observe(box);
    const onScroll = () => this.onScroll();
    outer.addEventListener("scroll", onScroll, { passive: true });
    this.height = "";
    this.settle();
    return () => {
      outer.removeEventListener("scroll", onScroll);
      this.observer?.disconnect();
      this.outer = this.space = this.box = undefined;
    };
  }

  /** The log has another beginning or end. */
  resize(first: number, head: number): void {
    if (first === this.layout.first && head === this.layout.head) return;
    this.follow();
    this.layout.first = first;
    this.layout.head = head;
    this.settle();
  }

  /** Some entries turned out to have no row, or came to be known. */
  refresh(): void {
    this.show(true);
  }

  /** The component has rendered a window. */
  commit(w: Window): void {
    this.rendered = w;
    this.measure();
  }

  /** Shows a row, its top `dy` pixels below the upper edge. */
  show(force?: boolean): void;
  show(at: { seq: number; dy: number }): void;
  show(at: boolean | { seq: number; dy: number } = false): void {
    if (typeof at === "object") {
      this.layout.anchor = { at: "row", ...at };
      this.settle();
    } else this.update(at);
  }

  toEnd(): void {
    this.layout.anchor = { at: "end" };
    this.settle();
  }

  /** What is held in its place. */
  get place(): Anchor {
    this.follow();
    return this.layout.anchor;
  }

  /** How far below the upper edge of the viewport a row begins. */
  top(seq: number): number {
    return this.layout.y(seq) - this.position;
  }

  /** Height of the viewport. */
  get view(): number {
    return this.layout.view;
  }

  /** Scrolls as little as shows the whole row. */
  reveal(seq: number): void {
    const el = this.outer;
    if (el === undefined) return;
    const top = this.layout.y(seq);
    const bottom = this.layout.y(seq + 1);
    if (top < el.scrollTop + 48) this.show({ seq, dy: 48 });
    else if (bottom > el.scrollTop + this.layout.view - 16) this.show({ seq, dy: Math.max(48, this.layout.view - (bottom - top) - 16) });
  }

  /** Has the user scrolled, be it since the last event? */
  touched(): boolean {
    this.follow();
    return this.moved.peek() > 0;
  }

  private onScroll(): void {
    this.follow();
    this.update(false, this.position);
  }

  /** Scrolled by the user? The event may come later than a reason to settle. */
  private follow(): void {
    const top = this.outer?.scrollTop ?? this.position;
    if (Math.abs(top - this.position) <= 1) return;
    this.position = top;
    this.layout.look(top);
    this.moved.value++;
  }

  private measure(): void {
    const { box, layout, rendered } = this;
    if (box === undefined) return;
    this.follow();
    const seen: [number, number][] = [];
    let tail = 0;
    for (const row of box.children) {
      const height = row.getBoundingClientRect().height;
      const seq = Number(row.getAttribute("data-seq") ?? 0);
      if (seq > 0) seen.push([seq, height]);
      else tail += height;
    }
    for (let seq = rendered.from, i = 0; seq <= rendered.to; seq++) {
      const row = seen[i];
      if (row?.[0] === seq) i++;
      layout.setHeight(seq, row?.[0] === seq ? row[1] : 0); // what has no element has no row
    }
    if (rendered.to >= layout.head) layout.tail = tail;
    this.settle();
  }

  private settle(): void {
    const { outer, space, box, layout } = this;
    if (outer === undefined || space === undefined || box === undefined) return;
    const height = `${Math.max(layout.total, layout.view)}px`;
    if (height !== this.height) space.style.height = this.height = height;
    const top = layout.scrollTop();
    // Reading scrollTop after a write lays everything out: once is enough.
    let now = outer.scrollTop;
    if (Math.abs(now - top) > 0.5) {
      outer.scrollTop = top;
      now = outer.scrollTop;
    }
    this.position = now;
    this.update(false, now);
    box.style.transform = `translateY(${layout.y(this.rendered.from)}px)`;
  }

  private update(force: boolean, at?: number): void {
    const { outer, layout } = this;
    if (outer === undefined) return;
    const top = at ?? outer.scrollTop;
    if (force || !layout.covers(this.window.peek(), top, margin)) {
      const next = layout.rows(top, ahead, ahead);
      const now = this.window.peek();
      if (next.from !== now.from || next.to !== now.to) this.window.value = next;
    }
    const from = layout.seqAt(top);
    const to = layout.seqAt(top + layout.view - 1);
    const sight = this.sight.peek();
    if (sight.from !== from || sight.to !== to) this.sight.value = { from, to };
    this.atEnd.value = layout.anchor.at === "end" || top >= layout.total - layout.view - 80;
  }
}
