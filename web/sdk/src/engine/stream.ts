import type { Entry } from "../protocol/frames.js";

/** How many entries of a conversation wait for a gap to be filled. `history` has the rest. */
const maxHeld = 1024;

/** What an entry of the socket is: the next one, one that was here, or one behind a gap. */
export type Arrival = "fits" | "duplicate" | "ahead" | "newGap";

/** What has come of one conversation: everything up to the cursor. */
export class Stream {
  cursor: number | undefined;
  filling = false;
  /** When it last moved; larger is later. */
  touched = 0;
  private seen = 0;
  private held = new Map<number, Entry>();

  constructor(cursor?: number) {
    this.cursor = cursor;
  }

  /** Judges an entry. Where it fits, the caller hands it out, and then what `unhold` gives. */
  arrive(e: Entry): Arrival {
    this.cursor ??= e.seq - 1;
    if (e.seq <= this.cursor) return "duplicate";
    if (e.seq === this.cursor + 1) {
      this.cursor++;
      return "fits";
    }
    this.seen = Math.max(this.seen, e.seq);
    if (this.held.has(e.seq)) return "duplicate";
    if (this.held.size < maxHeld) this.held.set(e.seq, e);
    if (this.filling) return "ahead";
    this.filling = true;
    return "newGap";
  }

  /** Takes the held entry that is next now. */
  unhold(): Entry | undefined {
    const next = (this.cursor ?? 0) + 1;
    const e = this.held.get(next);
    if (e === undefined) return undefined;
    this.held.delete(next);
    this.cursor = next;
    return e;
  }

  /**
   * Takes a page that was asked for with `after: cursor`, and gives what is new of it.
   * Where it does not begin at cursor+1, what is missing is not in this user's part.
   */
  fill(items: readonly Entry[]): Entry[] {
    const fresh: Entry[] = [];
    for (const e of items) {
      if (e.seq <= (this.cursor ?? 0)) continue;
      this.cursor = e.seq;
      this.held.delete(e.seq);
      fresh.push(e);
    }
    if (fresh.length === 0 && this.held.size > 0) this.cursor = Math.min(...this.held.keys()) - 1;
    if (fresh.length === 0 && this.held.size === 0) this.seen = 0; // the server has nothing there: the next entry tells more
    for (let e = this.unhold(); e !== undefined; e = this.unhold()) fresh.push(e);
    return fresh;
  }

  /** Is something missing still, below what was seen? */
  get gap(): boolean {
    return this.seen > (this.cursor ?? 0);
  }

  /** The server says where the stream goes on. */
  reset(next: number | undefined): void {
    this.forgetGap();
    this.cursor = next === undefined ? undefined : next - 1;
  }

  /** The next connection's flush begins at cursor+1 anyway. */
  forgetGap(): void {
    this.filling = false;
    this.seen = 0;
    this.held.clear();
  }
}

/** A hello holds at most so many, less where frames are smaller: an id with its seq has less than 70 bytes. */
const maxCursors = 700;
const cursorBytes = 70;
const helloBytes = 2_048; // of what else is in it

/** The cursors of one device. */
export class Streams {
  private readonly byConv = new Map<string, Stream>();
  private clock = 0;

  of(conv: string): Stream {
    let s = this.byConv.get(conv);
    if (s === undefined) this.byConv.set(conv, (s = new Stream()));
    s.touched = ++this.clock;
    return s;
  }

  restore(conv: string, cursor: number): void {
    this.byConv.set(conv, new Stream(cursor));
  }

  /**
   * The cursors for a hello in a frame of so many bytes: all, or those that moved last. For the rest the server's
   * own are nearly as good: they may be older, then entries come again.
   */
  resume(frame: number): Record<string, number> {
    const most = Math.min(maxCursors, Math.max(0, Math.floor((frame - helloBytes) / cursorBytes)));
    const known = [...this.byConv].filter(([, s]) => s.cursor !== undefined);
    if (known.length > most) known.sort(([, a], [, b]) => b.touched - a.touched);
    return Object.fromEntries(known.slice(0, most).map(([conv, s]) => [conv, s.cursor!]));
  }

  forget(): void {
    this.byConv.clear();
  }

  disconnected(): void {
    for (const s of this.byConv.values()) s.forgetGap();
  }
}
