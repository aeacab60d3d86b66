import type { Command } from "./command.js";

/** So many are remembered. */
const most = 500;

/** Commands that were refused for good: a tab that has not heard of it may order them again. */
export class Refused {
  private readonly byCMID = new Map<string, Command>();

  note(command: Command): void {
    this.byCMID.set(command.cmid, command);
    const oldest = this.byCMID.keys().next().value;
    if (this.byCMID.size > most && oldest !== undefined) this.byCMID.delete(oldest);
  }

  get(cmid: string): Command | undefined {
    return this.byCMID.get(cmid);
  }
}
