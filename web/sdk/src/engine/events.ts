import type { ConnectionState, ErrorCode, Limits, Me } from "../api.js";
import type { ConversationFrame, Entry, Erased, PresenceFrame, Receipt, Reset, TypingFrame } from "../protocol/frames.js";
import type { Command } from "./command.js";

/** What the engine tells its tab, and other tabs through a channel: plain JSON. */
export type EngineEvent =
  | { e: "connection"; state: ConnectionState }
  | { e: "welcome"; welcome: Session }
  | { e: "synced" } // what was missed has been told
  | { e: "forget" } // another epoch: whatever is known of any log is void
  | { e: "entry"; entry: Entry; live: boolean }
  | { e: "told"; frame: ConversationFrame | Receipt | TypingFrame | PresenceFrame | Erased | Reset }
  | { e: "added"; command: Command }
  | { e: "stored"; conv: string; cmid: string; seq: number }
  | { e: "failed"; command: Command }
  | { e: "dropped"; cmid: string }
  | { e: "draft"; conv: string; text: string } // of another tab
  | { e: "error"; code: ErrorCode; message: string };

/** What a welcome said. */
export interface Session {
  readonly me: Me;
  readonly ns: string;
  readonly epoch: string;
  readonly features: readonly string[];
  readonly limits: Limits;
  /** How far the clock here was behind the server's, in ms; other versions leave it out. */
  readonly behind?: number;
}

/** What the state of a tab asks of whoever has the connection. */
export interface Core {
  /** A command that is in storage. Again is harmless; if it may be known, `again` says so, and no other tab is told of it. */
  submit(command: Command, again?: boolean): void;
  markRead(conv: string, seq: number): void;
  typing(conv: string, on: boolean): void;
  /** All users whose presence this tab shows. */
  watch(users: readonly string[]): void;
  retryNow(): void;
  setOnline(online: boolean): void;
  /** Makes sure that the connection is alive. */
  probe(): void;
}
