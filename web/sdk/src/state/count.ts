import type { ReadonlySignal } from "@preact/signals-core";
import type { ConversationInfo } from "../api.js";
import type { Context } from "./context.js";

/** How long the server is left alone before it is asked again what is unread, in ms. */
const first = 1_000;
const longest = 60_000;

interface Unread {
  readonly unread: number;
  readonly exact: boolean;
  readonly mentions?: number;
  readonly head: number;
  readonly read: number;
}

/** Asks the server what is unread in one conversation, where that cannot be told from what came. */
export class Count {
  private cancel: (() => void) | undefined;
  private life = 0; // of the log: an answer to an earlier one means nothing

  constructor(
    private readonly ctx: Context,
    private readonly info: ReadonlySignal<ConversationInfo>,
    private readonly set: (info: ConversationInfo) => void,
  ) {}

  /** Asks soon, and once more, less often, where the conversation moved on meanwhile. */
  later(delay = first): void {
    this.cancel ??= this.ctx.clock.after(delay, () => {
      this.cancel = undefined;
      const { life } = this;
      this.ctx.rest
        .get<Unread>(`/v1/conversations/${this.info.peek().conv}/unread`)
        .then((u) => {
          if (life !== this.life) return;
          const info = this.info.peek();
          if (info.read >= info.head) return;
          if (u.head !== info.head || u.read < info.read) return this.later(Math.min(2 * delay, longest));
          this.set({ ...info, unread: u.unread, mentions: u.mentions ?? 0, exact: u.exact });
        })
        .catch(() => {}); // it stays marked as not exact
    });
  }

  /** Another epoch. */
  forget(): void {
    this.life++;
    this.close();
  }

  close(): void {
    this.cancel?.();
    this.cancel = undefined;
  }
}
