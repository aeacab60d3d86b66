import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { Conversation } from "@parley-chat/client";
import type { Scroller } from "./scroller.ts";

/** What the parts of an open conversation share. */
export interface ThreadView {
  readonly c: Conversation;
  readonly scroller: Scroller;
  /** The message that the keyboard is at; 0: the latest. */
  readonly active: Signal<number>;
  /** The message that gets the focus once it is rendered; 0: none. */
  readonly wanted: Signal<number>;
  /** The message to be pointed out. */
  readonly flash: Signal<number>;
  /** Everything up to here was read when the conversation was opened: a line is drawn after it. */
  readonly readBefore: Signal<number>;
  /** The message over which that line is. */
  readonly newLine: ReadonlySignal<number | undefined>;
  /** That message was in sight since. */
  readonly lineSeen: Signal<number>;
  readonly replyTo: Signal<number | undefined>;
  readonly editing: Signal<number | undefined>;
  /** What the message that is being changed is to say. */
  readonly changed: Signal<string>;
  /** Puts the cursor into the composer. */
  readonly focusComposer: { run: () => void };
  goTo(seq: number): void;
}

export const ThreadContext = createContext<ThreadView | undefined>(undefined);

export function useThread(): ThreadView {
  const view = useContext(ThreadContext);
  if (view === undefined) throw new Error("not inside a thread");
  return view;
}
