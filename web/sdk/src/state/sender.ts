import type { ReadonlySignal } from "@preact/signals-core";
import type { ConversationInfo, Draft, OutgoingMessage, Stored } from "../api.js";
import type { Command } from "../engine/command.js";
import { outboxKey } from "../engine/command.js";
import { droppedPrefix } from "../engine/refused.js";
import type { CommandFrame, SendFrame } from "../protocol/frames.js";
import type { Context } from "./context.js";
import type { Pending } from "./pending.js";
import type { LogThread } from "./thread.js";

const longestCMID = 64;

/**
 * The cmid of a message that is sent again after it was refused. It follows from the old one: whoever
 * presses that in two tabs, of which one has not heard of the other, sends one message. Empty: a new one.
 */
const again = (cmid: string): string => (cmid.length < longestCMID ? cmid + "r" : "");

/** Makes frames of what the user wants to say in one conversation. */
export class Sender {
  constructor(
    private readonly ctx: Context,
    private readonly info: ReadonlySignal<ConversationInfo>,
    private readonly thread: LogThread,
    private readonly pending: Pending,
    private readonly sent: (command: Command) => void,
  ) {}

  send(d: Draft): OutgoingMessage {
    const body: SendFrame["body"] = {};
    if (d.text !== undefined && d.text !== "") body.text = d.text;
    if (d.attachments !== undefined && d.attachments.length > 0) body.attachments = d.attachments;
    if (d.data !== undefined) body.data = d.data;
    const frame: Omit<SendFrame, "ref"> = { type: "send", ...this.address(), cmid: "", body };
    if (d.replyTo !== undefined) frame.reply_to = d.replyTo;
    if (d.mentions !== undefined && d.mentions.length > 0) frame.mentions = d.mentions;
    if (d.silent) frame.silent = true;
    return this.queue(frame);
  }

  /** A failed message again: other content may have become of the cmid, so it is a new one. */
  retry(cmid: string): OutgoingMessage | undefined {
    const old = this.pending.get(cmid);
    if (old?.failed === undefined || old.frame.type !== "send") return undefined;
    const { ref: _ref, ...frame } = old.frame;
    const next = again(cmid);
    const sent = this.pending.knows(next) ? this.pending.outgoing.peek().find((m) => m.cmid === next) : this.queue({ ...frame, cmid: next });
    this.discard(cmid);
    return sent;
  }

  discard(cmid: string): void {
    const old = this.pending.get(cmid);
    if (old?.failed === undefined) return;
    void this.ctx.store.write({ op: "delete", key: outboxKey(old) }, { op: "put", key: droppedPrefix + cmid, value: Math.floor(this.ctx.clock.now()) });
    this.ctx.tell({ e: "dropped", cmid });
  }

  /** Another text; what else the message has stays. */
  edit(seq: number, text: string): Promise<Stored> {
    const item = this.thread.peek(seq);
    const old = item?.kind === "message" ? item.body : undefined;
    const body: SendFrame["body"] = {};
    if (text !== "") body.text = text;
    if (old?.attachments !== undefined) body.attachments = old.attachments;
    if (old?.data !== undefined) body.data = old.data;
    return this.change({ type: "edit", conv: this.info.peek().conv, target: seq, cmid: "", body });
  }

  change(frame: CommandFrame): Promise<Stored> {
    const stored = this.pending.wait(this.submit(frame).cmid);
    stored.catch(() => {}); // not everybody waits
    return stored;
  }

  private queue(frame: Omit<SendFrame, "ref">): OutgoingMessage {
    const command = this.submit(frame);
    this.ctx.guard(() => this.sent(command));
    return this.pending.outgoing.peek().find((m) => m.cmid === command.cmid)!;
  }

  private submit(frame: CommandFrame): Command {
    const command = this.ctx.submit(this.info.peek().conv, frame);
    this.ctx.guard(() => this.pending.add(command)); // it is on its way, whatever is thrown now
    return command;
  }

  /** A direct conversation is addressed by its peer: the server makes it if need be. */
  private address(): { conv: string } | { to: string } {
    const { kind, peer, conv } = this.info.peek();
    return kind === "direct" && peer !== undefined ? { to: peer } : { conv };
  }
}
