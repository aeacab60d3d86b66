import type { StorageOp } from "../ports.js";
import type { Command } from "./command.js";

/** By cmid, when (ms since 1970) a message that was refused was dropped, or sent again as another. */
export const droppedPrefix = "dropped/";

/** So many are remembered, and so many that were dropped. */
const most = 500;

/**
 * Commands that were refused for good: a tab that has not heard of it may order them
 * again. Of those that the user has dropped since, or sent again as another, no trace
 * is left in the outbox; that they are not to be sent is remembered on its own.
 */
export class Refused {
  private readonly byCMID = new Map<string, Command>();
  private readonly dropped = new Set<string>();

  /** Takes what is in storage, and tells which of it is too much, the oldest. */
  restore(dropped: readonly (readonly [key: string, at: number])[]): StorageOp[] {
    const byTime = [...dropped].sort(([, a], [, b]) => a - b);
    for (const [key] of byTime) this.drop(key.slice(droppedPrefix.length));
    return byTime.slice(0, Math.max(0, byTime.length - most)).map(([key]) => ({ op: "delete", key }));
  }

  note(command: Command): void {
    this.byCMID.set(command.cmid, command);
    const oldest = this.byCMID.keys().next().value;
    if (this.byCMID.size > most && oldest !== undefined) this.byCMID.delete(oldest);
  }

  drop(cmid: string): void {
    this.dropped.add(cmid);
    const oldest = this.dropped.values().next().value;
    if (this.dropped.size > most && oldest !== undefined) this.dropped.delete(oldest);
  }

  get(cmid: string): Command | undefined {
    return this.byCMID.get(cmid);
  }

  isDropped(cmid: string): boolean {
    return this.dropped.has(cmid);
  }
}
