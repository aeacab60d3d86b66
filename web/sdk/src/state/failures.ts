import type { Command } from "../engine/command.js";
import { bySubmission, maxFailed } from "../engine/command.js";
import type { Pending } from "./pending.js";

/** What was refused for good and is too much to be kept: nobody but the user would ever take it away. */
export function tooManyFailed(conversations: Iterable<{ readonly pending: Pending }>): readonly Command[] {
  const failed = [...conversations].flatMap((c) => c.pending.list.filter((command) => command.failed !== undefined));
  return failed.length <= maxFailed ? [] : failed.sort(bySubmission).slice(0, failed.length - maxFailed);
}
