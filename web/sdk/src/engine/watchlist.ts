import type { PresenceFrame } from "../protocol/frames.js";

/** Most users in one frame: it has room for 64 KiB. */
const most = 200;

/** Whom the server tells the presence of, and whom it should. */
export class WatchList {
  private wanted: readonly string[] = [];
  private readonly told = new Map<string, PresenceFrame | undefined>(); // and what was heard

  /** All users that are to be watched; those at the end are left out where there are too many. */
  want(users: readonly string[]): void {
    this.wanted = users;
  }

  /** The frame that brings the server nearer to what is wanted. */
  next(limit: number): { type: "watch" | "unwatch"; users: string[] } | undefined {
    const wanted = new Set(this.wanted.slice(0, limit));
    const off = [...this.told.keys()].filter((u) => !wanted.has(u)).slice(0, most);
    if (off.length > 0) {
      for (const u of off) this.told.delete(u);
      return { type: "unwatch", users: off };
    }
    const on = [...wanted].filter((u) => !this.told.has(u)).slice(0, most);
    if (on.length === 0) return undefined;
    for (const u of on) this.told.set(u, undefined);
    return { type: "watch", users: on };
  }

  heard(f: PresenceFrame): void {
    if (this.told.has(f.user)) this.told.set(f.user, f);
  }

  known(users: readonly string[]): PresenceFrame[] {
    return users.flatMap((u) => this.told.get(u) ?? []);
  }

  disconnected(): void {
    this.told.clear();
  }
}
