/** Conversations whose `recv` is told once more on the next connection. */
const mostAgain = 200;

/** How far the user is in one conversation, and what the server was told. */
interface Mark {
  recv: number;
  recvTold: number;
  read: number;
  readTold: number;
  readSure: number; // a receipt confirmed it
}

/**
 * Coalesces `recv` and `read`: at most one of each waits per conversation. Neither has
 * an answer, so what the last connection was told is told again on the next one.
 */
export class Marks {
  private readonly byConv = new Map<string, Mark>();
  private readonly recvs = new Set<string>();
  private readonly reads = new Set<string>();
  private readonly told = new Set<string>(); // recv, on this connection: the latest last
  private due = 0;

  /** `delay`: ms for which `recv` is held back, so that one speaks for many entries. */
  constructor(private readonly delay: number) {}

  private of(conv: string): Mark {
    let m = this.byConv.get(conv);
    if (m === undefined) this.byConv.set(conv, (m = { recv: 0, recvTold: 0, read: 0, readTold: 0, readSure: 0 }));
    return m;
  }

  /** This device has everything up to `seq`. */
  have(conv: string, seq: number, now: number): void {
    const m = this.of(conv);
    m.recv = Math.max(m.recv, seq);
    if (m.recv <= m.recvTold || this.recvs.has(conv)) return;
    if (this.recvs.size === 0) this.due = now + this.delay;
    this.recvs.add(conv);
  }

  /** The user has read up to `seq`. False: that was known. */
  markRead(conv: string, seq: number): boolean {
    const m = this.of(conv);
    if (seq <= m.read || seq <= m.readSure) return false;
    m.read = seq;
    this.reads.add(conv);
    return true;
  }

  /** A receipt about ourselves. True: nothing that was read is unconfirmed. */
  confirm(conv: string, read: number): boolean {
    const m = this.of(conv);
    m.readSure = Math.max(m.readSure, read);
    return m.readSure >= m.read;
  }

  /** The frame to write now, or when there will be one. */
  next(now: number): { type: "recv" | "read"; conv: string; seq: number } | number | undefined {
    for (const conv of this.reads) {
      this.reads.delete(conv);
      const m = this.of(conv);
      if (m.read <= m.readTold) continue;
      m.readTold = m.read;
      return { type: "read", conv, seq: m.read };
    }
    if (this.recvs.size === 0) return undefined;
    if (this.due > now) return this.due;
    for (const conv of this.recvs) {
      this.recvs.delete(conv);
      const m = this.of(conv);
      if (m.recv <= m.recvTold) continue;
      m.recvTold = m.recv;
      this.note(conv);
      return { type: "recv", conv, seq: m.recv };
    }
    return undefined;
  }

  /** Of many, those that were told first have long arrived. */
  private note(conv: string): void {
    this.told.delete(conv);
    this.told.add(conv);
    const oldest = this.told.values().next().value;
    if (this.told.size > mostAgain && oldest !== undefined) this.told.delete(oldest);
  }

  disconnected(): void {
    for (const conv of this.told) {
      const m = this.of(conv);
      m.recvTold = 0;
      if (m.recv > 0) this.recvs.add(conv);
    }
    this.told.clear();
    for (const [conv, m] of this.byConv) {
      m.readTold = m.readSure;
      if (m.read > m.readTold) this.reads.add(conv);
    }
  }

  /** The server has less than we thought: takes back what is above `seq`. */
  limit(conv: string, seq: number): void {
    const m = this.byConv.get(conv);
    if (m === undefined) return;
    for (const name of ["recv", "recvTold", "read", "readTold", "readSure"] as const) m[name] = Math.min(m[name], seq);
  }

  forget(): void {
    this.byConv.clear();
    this.recvs.clear();
    this.reads.clear();
    this.told.clear();
  }
}
