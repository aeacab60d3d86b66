import type { ReadonlySignal } from "@preact/signals-core";
import type { Limits, MessageItem, Me } from "../api.js";
import type { Command } from "../engine/command.js";
import type { Core, EngineEvent } from "../engine/events.js";
import type { Store } from "../engine/store.js";
import type { Rest } from "../net/rest.js";
import type { Clock } from "../ports.js";
import type { CommandFrame } from "../protocol/frames.js";

/** What the parts of the state have in common. */
export interface Context {
  readonly clock: Clock;
  readonly rest: Rest;
  readonly store: Store;
  readonly core: Core;
  readonly me: ReadonlySignal<Me | undefined>;
  readonly limits: ReadonlySignal<Limits | undefined>;
  /** What was missed has come: what is known of heads is true. */
  readonly live: ReadonlySignal<boolean>;
  /** Grows whenever what is known of the logs is void, by another epoch. */
  readonly life: number;
  has(feature: string): boolean;
  /** Keeps a value for the next start, if this tab has the connection. */
  keep(key: string, value: unknown): void;
  /** Has this tab the connection? */
  leads(): boolean;
  newID(): string;
  /** Puts a command into storage, then on its way. Throws `full`. */
  submit(conv: string, frame: CommandFrame): Command;
  /** Tells this tab and the others of a change that no frame tells. */
  tell(ev: EngineEvent): void;
  /** A conversation changed in a way that the list or the totals show. */
  changed(): void;
  /** What is loaded of a thread has changed: it may be kept for the next start. */
  used(conv: string, looked: boolean): void;
  arrived(conv: string, item: MessageItem): void;
  failed(err: unknown): void;
  /** Does what changes signals: what their readers throw is told and goes no further. */
  guard(change: () => void): void;
}
