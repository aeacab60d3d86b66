// What the tabs of a profile say to each other. Tabs of different versions of this package
// may be open together: fields are only added, and what is not known is ignored.

import type { Command } from "../engine/command.js";
import type { EngineEvent } from "../engine/events.js";

export type Order =
  | { do: "submit"; command: Command; again?: boolean }
  | { do: "read"; conv: string; seq: number }
  | { do: "typing"; conv: string; on: boolean }
  | { do: "watch"; users: readonly string[] }
  | { do: "retry" }
  | { do: "online"; online: boolean }
  | { do: "probe" };

/** `by` and `from` are ids of tabs; `by` is the one that leads. `epoch` is the server's, as the sender knows it: seqs mean nothing in another one. */
export type Message =
  | { t: "join"; from: string } // a tab wants to know how things are
  | { t: "lead"; by?: string } // a tab has the connection from now on
  | { t: "present"; to: string; by?: string; events: EngineEvent[] }
  | { t: "events"; by?: string; epoch?: string; events: EngineEvent[] } // without `by`: of a tab that does not lead
  | { t: "order"; from: string; epoch?: string; order: Order }
  | { t: "bye"; from: string }
  | { t: "signout" };

/** Is it what a tab that is no leader any more must not say? Its connection is not that of the others. */
export function ofLeader(ev: EngineEvent): boolean {
  return ev.e === "connection" || ev.e === "welcome" || ev.e === "forget";
}

/** Is it about seqs of a log? */
export function ofLog(ev: EngineEvent): boolean {
  return ev.e === "entry" || (ev.e === "told" && ev.frame.type !== "presence" && ev.frame.type !== "typing");
}
