import type { ErrorCode } from "../api.js";
import type { CommandFrame } from "../protocol/frames.js";

/** Something with a cmid that is to be stored: as it is kept in storage and passed between tabs. */
export interface Command {
  readonly cmid: string;
  readonly conv: string;
  /** Order of submission: a clock in ms that never stands still. */
  readonly serial: number;
  /** As it is written, the same at every repetition. */
  readonly frame: CommandFrame;
  /** ms since 1970. */
  readonly time: number;
  /** It was refused for good, and is kept to be shown. */
  readonly failed?: { readonly code: ErrorCode; readonly message: string };
}

/** Commands that wait, of one user on one device: more are refused as `full`. */
export const maxCommands = 1000;

/** Messages that were refused for good and are kept to be shown. Of more, those that were said first go. */
export const maxFailed = 500;

export const outboxPrefix = "outbox/";

/** Where a command is in storage: in the order of submission. */
export function outboxKey(c: Command): string {
  return `${outboxPrefix}${String(c.serial).padStart(16, "0")}-${c.cmid}`;
}

export function bySubmission(a: Command, b: Command): number {
  return a.serial - b.serial || (a.cmid < b.cmid ? -1 : a.cmid > b.cmid ? 1 : 0);
}
