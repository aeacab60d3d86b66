import type { Signal } from "@preact/signals-core";
import type { Context } from "./context.js";

/** How long a draft must rest until the other tabs are told of it, in ms. */
const rest = 300;

interface Drafted {
  readonly id: string;
  readonly draft: Signal<string>;
}

/** What is written and not sent: kept in storage, and the same in all tabs. */
export class Drafts {
  private kept = new Map<string, string>();
  private readonly resting = new Map<string, () => void>();
  private readonly theirs = new Map<string, string>(); // as another tab told it last

  constructor(
    private readonly ctx: Context,
    private readonly find: (conv: string) => Drafted | undefined,
  ) {}

  restore(list: readonly (readonly [key: string, text: string])[]): void {
    this.kept = new Map(list.map(([key, text]) => [key.slice("draft/".length), text]));
  }

  /** What was kept of a conversation that is made now. */
  of(conv: string): string {
    return this.kept.get(conv) ?? "";
  }

  follow(c: Drafted): void {
    let first = true;
    c.draft.subscribe((text) => {
      if (!first && this.theirs.get(c.id) !== text) this.changed(c, text);
      first = false;
    });
  }

  /** Another tab's. What is being written here counts more. */
  heard(conv: string, text: string): void {
    this.kept.set(conv, text);
    const c = this.find(conv);
    if (c === undefined || this.resting.has(conv)) return;
    this.theirs.set(conv, text);
    c.draft.value = text;
  }

  close(): void {
    for (const cancel of this.resting.values()) cancel();
  }

  private changed(c: Drafted, text: string): void {
    this.theirs.delete(c.id);
    this.ctx.store.later("draft/" + c.id, text === "" ? undefined : text);
    this.resting.get(c.id)?.();
    const tell = () => {
      this.resting.delete(c.id);
      this.ctx.tell({ e: "draft", conv: c.id, text: c.draft.peek() });
    };
    this.resting.set(c.id, this.ctx.clock.after(rest, tell));
  }
}
