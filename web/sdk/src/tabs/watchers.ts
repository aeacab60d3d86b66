import type { Clock } from "../ports.js";

/** A tab that does not say again whom it watches is forgotten after so long, in ms. */
const lasts = 200_000;

/** Whom the tabs of a profile watch. */
export class Watchers {
  private readonly byTab = new Map<string, { users: readonly string[]; at: number }>();

  constructor(private readonly clock: Clock) {}

  set(tab: string, users: readonly string[]): void {
    this.byTab.set(tab, { users, at: this.clock.now() });
  }

  delete(tab: string): void {
    this.byTab.delete(tab);
  }

  clear(): void {
    this.byTab.clear();
  }

  /** All of them; `own` is the tab that need not say it again. */
  users(own: string): string[] {
    const since = this.clock.now() - lasts;
    for (const [tab, w] of this.byTab) if (w.at < since && tab !== own) this.byTab.delete(tab);
    return [...new Set([...this.byTab.values()].flatMap((w) => w.users))];
  }
}
