import type { ReadonlySignal, Signal } from "@preact/signals-core";
import { computed, signal } from "@preact/signals-core";
import type { MessageItem, OutgoingMessage, Stored } from "../api.js";
import type { Command } from "../engine/command.js";
import { bySubmission } from "../engine/command.js";
import { ParleyError } from "../errors.js";
import { withReaction } from "./fold.js";

interface One {
  readonly command: Command;
  readonly seq: number | undefined; // stored, and its entry has not come
}

interface Waiter {
  resolve(s: Stored): void;
  reject(err: ParleyError): void;
}

/** Outcomes of commands without a row that are remembered for whoever asks late. */
const maxOutcomes = 200;

/**
 * The commands of one conversation that its log does not show yet: new messages stand
 * below the thread, changes of messages lie over them.
 */
export class Pending {
  readonly outgoing: ReadonlySignal<readonly OutgoingMessage[]>;
  private readonly all: Signal<readonly One[]> = signal([]);
  private readonly waiters = new Map<string, Waiter[]>();
  private readonly outcomes = new Map<string, Stored | ParleyError>();

  constructor(
    private readonly conv: string,
    private readonly head: () => number,
  ) {
    this.outgoing = computed(() => this.all.value.flatMap((one) => outgoingOf(one) ?? []));
  }

  get(cmid: string): Command | undefined {
    return this.all.peek().find((o) => o.command.cmid === cmid)?.command;
  }

  /** Is it here, or was it, with an outcome? */
  knows(cmid: string): boolean {
    return this.get(cmid) !== undefined || this.outcomes.has(cmid);
  }

  get list(): readonly Command[] {
    return this.all.peek().map((o) => o.command);
  }

  /** Those of which no outcome is known. */
  get unsettled(): readonly Command[] {
    return this.all.peek().flatMap((o) => (o.seq === undefined && o.command.failed === undefined ? [o.command] : []));
  }

  add(command: Command): void {
    if (this.knows(command.cmid)) return;
    this.all.value = [...this.all.peek(), { command, seq: undefined }].sort((a, b) => bySubmission(a.command, b.command));
  }

  stored(cmid: string, seq: number): void {
    this.outcome(cmid, { conv: this.conv, seq, cmid });
    if (this.get(cmid) === undefined) return;
    this.all.value = this.all.peek().map((o) => (o.command.cmid === cmid ? { ...o, seq } : o));
    this.settle(this.head());
  }

  failed(command: Command): void {
    const why = command.failed!;
    this.outcome(command.cmid, new ParleyError(why.code, why.message));
    const keep = command.frame.type === "send";
    this.all.value = this.all.peek().flatMap((o) => (o.command.cmid !== command.cmid ? [o] : keep ? [{ command, seq: undefined }] : []));
  }

  drop(cmid: string): void {
    if (this.get(cmid) !== undefined && !this.outcomes.has(cmid)) this.outcome(cmid, new ParleyError("not_found", "it was refused, and dropped in another tab"));
    this.all.value = this.all.peek().filter((o) => o.command.cmid !== cmid);
  }

  /** Another epoch: what was stored under a seq is not awaited there. */
  forget(): void {
    this.all.value = this.all.peek().filter((o) => o.seq === undefined);
  }

  /** Entries up to `head` are in the log: what was stored there is shown there. */
  settle(head: number): void {
    const left = this.all.peek().filter((o) => o.seq === undefined || o.seq > head);
    if (left.length < this.all.peek().length) this.all.value = left;
  }

  /** Waits for the outcome. One that nobody heard of is not found. */
  async wait(cmid: string): Promise<Stored> {
    const known = this.outcomes.get(cmid);
    if (known instanceof ParleyError) throw known;
    if (known !== undefined) return known;
    if (this.get(cmid) === undefined) throw new ParleyError("not_found", "there is no such command");
    return new Promise((resolve, reject) => {
      this.waiters.set(cmid, [...(this.waiters.get(cmid) ?? []), { resolve, reject }]);
    });
  }

  /** Ends all waiting. */
  close(err: ParleyError): void {
    for (const list of this.waiters.values()) for (const w of list) w.reject(err);
    this.waiters.clear();
  }

  /** A message as it will be. */
  over(m: MessageItem, me: string): MessageItem {
    let now = m;
    for (const { command } of this.all.value) {
      const f = command.frame;
      if (f.type === "send" || f.target !== m.seq || command.failed !== undefined) continue;
      if (f.type === "edit" && !now.gone) now = { ...now, body: f.body, edited: now.edited ?? { seq: 0, time: m.time } };
      else if (f.type === "recall") now = { ...now, gone: true, body: undefined };
      else if (f.type === "react") now = withReaction(now, f.emoji, me, f.on, me);
      now = { ...now, pending: true };
    }
    return now;
  }

  private outcome(cmid: string, o: Stored | ParleyError): void {
    this.outcomes.set(cmid, o);
    const oldest = this.outcomes.keys().next().value;
    if (this.outcomes.size > maxOutcomes && oldest !== undefined) this.outcomes.delete(oldest);
    for (const w of this.waiters.get(cmid) ?? []) {
      if (o instanceof ParleyError) w.reject(o);
      else w.resolve(o);
    }
    this.waiters.delete(cmid);
  }
}

function outgoingOf({ command, seq }: One): OutgoingMessage | undefined {
  const f = command.frame;
  if (f.type !== "send") return undefined;
  return {
    cmid: command.cmid,
    conv: command.conv,
    body: f.body,
    reply_to: f.reply_to,
    mentions: f.mentions ?? [],
    time: command.time,
    state: command.failed !== undefined ? "failed" : seq === undefined ? "pending" : "stored",
    seq,
    error: command.failed,
  };
}
