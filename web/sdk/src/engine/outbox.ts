import { encode } from "../protocol/codec.js";
import type { Command } from "./command.js";
import { bySubmission } from "./command.js";

/** How long an answer may take before it counts as lost, in ms. */
export const answerWithin = 10_000;

/** A command on its way. */
interface Sent {
  readonly command: Command;
  readonly text: string;
  readonly lane: Lane;
  writes: number; // how often it was written
  flying: boolean; // written on this connection and not answered
}

/**
 * The commands of one conversation that have no outcome yet, in order of submission.
 * What is before `next` was written on this connection.
 */
interface Lane {
  readonly conv: string;
  items: Sent[];
  next: number;
  notTill: number; // the server asked to wait; 0: it did not
}

/**
 * Keeps commands until their outcome is known. Conversations take turns; inside one
 * the order of submission is kept, also when one must be repeated: then all that
 * follow it are repeated with it.
 */
export class Outbox {
  private readonly byCMID = new Map<string, Sent>();
  private readonly lanes = new Map<string, Lane>(); // in the order of their turns
  private flight: { item: Sent; write: number; at: number }[] = [];
  private flying = 0;

  constructor(private readonly random: () => number) {}

  get size(): number {
    return this.byCMID.size;
  }

  /** Takes a command; one that is here already stays as it is. Returns the one that is here now. */
  add(command: Command): Command {
    const known = this.byCMID.get(command.cmid);
    if (known !== undefined) return known.command;
    let lane = this.lanes.get(command.conv);
    if (lane === undefined) this.lanes.set(command.conv, (lane = { conv: command.conv, items: [], next: 0, notTill: 0 }));
    const item: Sent = { command, text: encode(command.frame), lane, writes: 0, flying: false };
    // In order, but behind what was ever written: those of another tab may be older, and until the
    // server sees again what it put off, it puts off the rest of the conversation.
    let at = lane.items.length;
    while (at > 0 && lane.items[at - 1]!.writes === 0 && bySubmission(lane.items[at - 1]!.command, command) > 0) at--;
    lane.items.splice(at, 0, item);
    this.byCMID.set(command.cmid, item);
    return command;
  }

  get(cmid: string): Command | undefined {
    return this.byCMID.get(cmid)?.command;
  }

  /** The text to write now; `window` bounds what has no answer yet. */
  next(now: number, window: number): string | undefined {
    if (this.flying >= window) return undefined;
    for (const [conv, lane] of this.lanes) {
      if (lane.notTill > now) continue;
      lane.notTill = 0;
      const item = lane.items[lane.next];
      if (item === undefined) continue;
      lane.next++;
      item.flying = true;
      item.writes++;
      this.flying++;
      this.flight.push({ item, write: item.writes, at: now });
      this.lanes.delete(conv); // to the end of the queue
      this.lanes.set(conv, lane);
      return item.text;
    }
    return undefined;
  }

  /** When there will be something to do: a lane may go on, or an answer counts as lost. */
  wake(): number | undefined {
    let at = this.flight[0] === undefined ? Infinity : this.flight[0].at + answerWithin;
    for (const lane of this.lanes.values()) {
      if (lane.notTill > 0 && lane.next < lane.items.length) at = Math.min(at, lane.notTill);
    }
    return at === Infinity ? undefined : at;
  }

  /** Rewinds the lanes whose oldest command has had no answer for too long. */
  expire(now: number): void {
    for (let w = this.flight[0]; w !== undefined; w = this.flight[0]) {
      if (w.item.flying && w.item.writes === w.write) {
        if (w.at + answerWithin > now) return;
        this.rewind(w.item.lane, w.item.lane.items.indexOf(w.item));
      }
      this.flight.shift();
    }
  }

  /** Repeats a command after the time that the server named, and all later ones of its conversation with it. */
  retryLater(cmid: string, now: number, after: number | undefined): boolean {
    const item = this.byCMID.get(cmid);
    if (item === undefined) return false;
    if (!item.flying) return true; // it is to be repeated already
    const wait = after ?? this.random() * Math.min(answerWithin, 100 * 2 ** Math.min(item.writes, 7));
    item.lane.notTill = now + Math.max(1, Math.ceil(wait));
    this.rewind(item.lane, item.lane.items.indexOf(item));
    return true;
  }

  /** Ends a command. */
  settle(cmid: string): Command | undefined {
    const item = this.byCMID.get(cmid);
    if (item === undefined) return undefined;
    const { lane } = item;
    const at = lane.items.indexOf(item);
    lane.items.splice(at, 1);
    if (at < lane.next) lane.next--;
    if (item.flying) this.flying--;
    item.flying = false;
    this.byCMID.delete(cmid);
    if (lane.items.length === 0) this.lanes.delete(lane.conv);
    return item.command;
  }

  /** Everything without an outcome is to be written again. */
  disconnected(): void {
    for (const lane of this.lanes.values()) {
      this.rewind(lane, 0);
      lane.notTill = 0;
    }
    this.flight = [];
  }

  /** Commands whose text is longer than a server takes. */
  tooLarge(fits: (text: string) => boolean): Command[] {
    return [...this.byCMID.values()].filter((s) => !fits(s.text)).map((s) => s.command);
  }

  /** The biggest command under way: if some frame was too large, it was this one. */
  largest(): Command | undefined {
    let most: Sent | undefined;
    for (const { item } of this.flight) {
      if (item.flying && (most === undefined || item.text.length > most.text.length)) most = item;
    }
    return most?.command;
  }

  private rewind(lane: Lane, from: number): void {
    for (const item of lane.items.slice(from)) {
      if (item.flying) this.flying--;
      item.flying = false;
    }
    lane.next = Math.min(lane.next, from);
  }
}
