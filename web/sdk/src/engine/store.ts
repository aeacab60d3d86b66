import type { Clock, StorageAdapter, StorageOp } from "../ports.js";
import { Timely } from "./timely.js";

/** How long changes that may be lost wait for others, in ms. */
const writeDelay = 500;

/**
 * The part of a storage that belongs to one user. Writes are in order; what may be lost
 * is written together with what follows within half a second.
 */
export class Store {
  private readonly lazy = new Map<string, StorageOp>();
  private waiting: (() => void) | undefined;
  private prefix = "";
  private abandoned = false;
  private opened = () => {};
  private readonly ready: Promise<void>;
  private last: Promise<void>;
  private readonly timely: Timely;
  private next: StorageOp[] | undefined; // what is handed over in this turn

  constructor(
    private readonly storage: StorageAdapter,
    private readonly clock: Clock,
    private readonly failed: (err: unknown) => void,
  ) {
    this.timely = new Timely(clock);
    this.last = this.ready = new Promise((resolve) => (this.opened = resolve));
  }

  /** Says whose part it is. Until then everything waits. */
  open(prefix: string): void {
    this.prefix = prefix;
    this.opened();
  }

  async get<T>(key: string): Promise<T | undefined> {
    await this.ready;
    try {
      return (await this.timely.do(() => this.storage.get(this.prefix + key), undefined)) as T | undefined;
    } catch (err) {
      this.failed(err);
      return undefined;
    }
  }

  async list<T>(prefix: string): Promise<(readonly [string, T])[]> {
    await this.ready;
    try {
      const found = await this.timely.do(() => this.storage.list(this.prefix + prefix), []);
      return found.map(([key, value]) => [key.slice(this.prefix.length), value as T] as const);
    } catch (err) {
      this.failed(err);
      return [];
    }
  }

  /**
   * Done when it, and all before it, is in storage. It is handed over at once, with what
   * else is written in this turn of the event loop: a page that is about to go does not
   * wait for an earlier write. A failure is reported and does not reject, and neither does
   * no answer: the client then works as one without storage does.
   */
  write(...ops: StorageOp[]): Promise<void> {
    if (this.abandoned) return this.last;
    const mine = (op: StorageOp): StorageOp => (op.op === "clear" ? { ...op, prefix: this.prefix + op.prefix } : { ...op, key: this.prefix + op.key });
    if (this.next === undefined) {
      const batch: StorageOp[] = [];
      this.next = batch;
      const written = this.ready
        .then(() => {
          this.next = undefined;
          return this.timely.do(() => this.storage.write(batch.map(mine)), undefined);
        })
        .catch((err: unknown) => this.failed(err));
      const before = this.last;
      this.last = written.then(() => before);
    }
    this.next.push(...ops);
    return this.last;
  }

  /** Nothing is written any more, and what is there goes. */
  async abandon(): Promise<void> {
    this.abandoned = true;
    this.waiting?.();
    this.lazy.clear();
    await this.last; // a write that is under way
    const { prefix } = this;
    await this.timely.do(() => this.storage.write([{ op: "clear", prefix }]), undefined).catch((err: unknown) => this.failed(err));
  }

  put(key: string, value: unknown): Promise<void> {
    return this.write({ op: "put", key, value });
  }

  /** Writes some time soon; a later value replaces an earlier one. */
  later(key: string, value: unknown): void {
    if (this.abandoned) return;
    this.lazy.set(key, value === undefined ? { op: "delete", key } : { op: "put", key, value });
    this.waiting ??= this.clock.after(writeDelay, () => void this.flush());
  }

  /** Forgets what waits to be written under a prefix, and what is there. */
  clear(prefix: string): Promise<void> {
    for (const key of [...this.lazy.keys()]) if (key.startsWith(prefix)) this.lazy.delete(key);
    return this.write({ op: "clear", prefix });
  }

  /** Closes the storage. Everything else is done. */
  async close(): Promise<void> {
    await this.timely.do(() => this.storage.close(), undefined).catch((err: unknown) => this.failed(err));
  }

  /** Done when everything is in storage. */
  flush(): Promise<void> {
    this.waiting?.();
    this.waiting = undefined;
    const ops = [...this.lazy.values()];
    this.lazy.clear();
    return ops.length === 0 ? this.last : this.write(...ops);
  }
}
