import type { ParleyEvents } from "./api.js";
import { ParleyError } from "./errors.js";

/** Who listens to a client's events. Listeners are the application: what they throw stops nothing here. */
export class Listeners {
  private readonly byEvent = new Map<string, Set<(e: never) => void>>();
  private closed = false;

  on<K extends keyof ParleyEvents>(event: K, listener: (e: ParleyEvents[K]) => void): () => void {
    let set = this.byEvent.get(event);
    if (set === undefined) this.byEvent.set(event, (set = new Set()));
    set.add(listener as (e: never) => void);
    return () => set.delete(listener as (e: never) => void);
  }

  emit<K extends keyof ParleyEvents>(event: K, e: ParleyEvents[K]): void {
    for (const listener of [...(this.byEvent.get(event) ?? [])]) {
      try {
        (listener as (e: ParleyEvents[K]) => void)(e);
      } catch (err) {
        if (event !== "error") this.threw(err); // of one for errors there is nobody to tell
      }
    }
  }

  /** Does what changes signals: what their readers throw is told, and goes no further. */
  guard(change: () => void): void {
    try {
      change();
    } catch (err) {
      this.threw(err);
    }
  }

  threw(err: unknown): void {
    this.failed(new ParleyError("internal", "a listener threw: " + String(err)));
  }

  failed(err: unknown): void {
    if (!this.closed) this.emit("error", err instanceof ParleyError ? err : new ParleyError("internal", String(err)));
  }

  /** Nothing fails any more. */
  close(): void {
    this.closed = true;
  }
}
