import type { Command } from "../engine/command.js";
import { maxCommands, outboxKey } from "../engine/command.js";
import type { Store } from "../engine/store.js";
import { ParleyError } from "../errors.js";
import type { Clock } from "../ports.js";
import type { CommandFrame } from "../protocol/frames.js";

/**
 * What is said is said: whatever becomes of the application's objects, each repeat is the
 * same. And what is no JSON is refused now, not by a storage or by the server.
 */
function copied(frame: CommandFrame): CommandFrame {
  try {
    return JSON.parse(JSON.stringify(frame)) as CommandFrame;
  } catch (err) {
    throw new ParleyError("bad_request", "this is no JSON: " + String(err));
  }
}

/** Makes commands of frames: in storage first, then on their way. */
export class Commands {
  private serial = 0;
  private closed = false;

  constructor(
    private readonly o: {
      clock: Clock;
      store: Store;
      newID: () => string;
      submit: (c: Command) => void;
      /** Commands without an outcome. */
      count: () => number;
    },
  ) {}

  /** What an earlier object left comes first. */
  after(commands: readonly Command[]): void {
    for (const c of commands) this.serial = Math.max(this.serial, c.serial);
  }

  /** What is said from now on would be lost. */
  close(): void {
    this.closed = true;
  }

  /** Throws `full`, and `closed` where the client has ended. A frame without a cmid gets a new one. */
  submit(conv: string, frame: CommandFrame): Command {
    if (this.closed) throw new ParleyError("closed", "the client has ended");
    if (this.o.count() >= maxCommands) throw new ParleyError("full", "too many messages wait to be sent");
    const content = copied(frame);
    const cmid = content.cmid || this.o.newID();
    const time = Math.floor(this.o.clock.now());
    this.serial = Math.max(this.serial + 1, time);
    const command: Command = { cmid, conv, serial: this.serial, time, frame: { ...content, ref: cmid, cmid } };
    void this.o.store.put(outboxKey(command), command).then(() => this.o.submit(command));
    return command;
  }
}
