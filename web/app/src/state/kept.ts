// What one leaves lying in a conversation when one goes to another: it is there
// again when one comes back, until the page goes. Drafts outlive that; the client
// keeps them.

import { signal, type Signal } from "@preact/signals";
import type { Uploads } from "../composer/uploads.ts";
import type { Anchor } from "../thread/window.ts";

/** Conversations of which something is kept; the one left longest ago goes first. */
const most = 50;

export interface Kept {
  /** Where one was in the log; the end is no place. */
  place: Anchor & { at: "row" } | undefined;
  readonly replyTo: Signal<number | undefined>;
  /** The message that is being changed, and what it is to say. */
  readonly editing: Signal<number | undefined>;
  readonly changed: Signal<string>;
  readonly uploads: Uploads;
}

export class KeptViews {
  private readonly all = new Map<string, Kept>();

  /** What was left in a conversation, or nothing yet. */
  of(conv: string, uploads: () => Uploads): Kept {
    const kept = this.all.get(conv) ?? {
      place: undefined,
      replyTo: signal<number | undefined>(undefined),
      editing: signal<number | undefined>(undefined),
      changed: signal(""),
      uploads: uploads(),
    };
    this.all.delete(conv);
    this.all.set(conv, kept);
    const oldest = this.all.keys().next().value;
    if (this.all.size > most && oldest !== undefined) this.drop(oldest);
    return kept;
  }

  /** Ends what is under way. */
  stop(): void {
    for (const conv of [...this.all.keys()]) this.drop(conv);
  }

  private drop(conv: string): void {
    this.all.get(conv)?.uploads.stop();
    this.all.delete(conv);
  }
}
