import { answerWithin } from "./outbox.js";

/** Questions for what is missing in conversations: at most one for each. */
export class Gaps {
  private readonly open = new Map<string, { conv: string; ref: string; notTill: number }>();
  private serial = 0;

  /** Asks, once the writer comes to it. */
  ask(conv: string, notTill = 0): void {
    this.open.set(conv, { conv, ref: `q:${++this.serial}`, notTill }); // ":" is in no cmid
  }

  /** The question to write now, or when there will be one. Without an answer for too long it is put again. */
  next(now: number): { conv: string; ref: string } | number | undefined {
    let at: number | undefined;
    for (const q of this.open.values()) {
      if (q.notTill <= now) {
        q.notTill = now + answerWithin;
        return q;
      }
      at = Math.min(at ?? Infinity, q.notTill);
    }
    return at;
  }

  /** Whose question this answers, and takes it off. */
  answered(ref: string | undefined): string | undefined {
    for (const q of this.open.values()) {
      if (q.ref !== ref) continue;
      this.open.delete(q.conv);
      return q.conv;
    }
    return undefined;
  }

  drop(conv: string): void {
    this.open.delete(conv);
  }

  forget(): void {
    this.open.clear();
  }
}
