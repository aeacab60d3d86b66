import type { ReadonlySignal, Signal } from "@preact/signals-core";
import { signal } from "@preact/signals-core";
import type { DeviceInfo, NewGroup, Profile, SearchPage, SearchQuery } from "../api.js";
import type { Rest } from "../net/rest.js";
import type { ConversationFrame } from "../protocol/frames.js";

/** Blocks that are read; the server keeps 1,000 at most. */
const mostBlocks = 1_000;

/** What concerns the user and not one conversation: HTTP alone. */
export class Social {
  readonly blocks: ReadonlySignal<ReadonlySet<string> | undefined>;
  private readonly blocked: Signal<ReadonlySet<string> | undefined>;
  private readonly changed = new Map<string, boolean>(); // whose block was changed here since the list was asked for
  private looked = false; // somebody subscribes to `blocks`
  private reads = 0;

  constructor(
    private readonly rest: Rest,
    private readonly newID: () => string,
    private readonly failed: (err: unknown) => void,
  ) {
    this.blocks = this.blocked = signal<ReadonlySet<string> | undefined>(undefined, {
      watched: () => {
        this.looked = true;
        void this.readBlocks();
      },
      unwatched: () => void (this.looked = false),
    });
  }

  /** What is looked at may not have been read, or have been changed elsewhere meanwhile. */
  connected(): void {
    if (this.looked) void this.readBlocks();
  }

  async block(user: string): Promise<void> {
    await this.rest.send("PUT", "/v1/blocks/" + encodeURIComponent(user));
    this.change(user, true);
  }

  async unblock(user: string): Promise<void> {
    await this.rest.send("DELETE", "/v1/blocks/" + encodeURIComponent(user));
    this.change(user, false);
  }

  async devices(own: string | undefined): Promise<readonly DeviceInfo[]> {
    const list = await this.rest.get<{ items: { device: string; seen: string }[] }>("/v1/devices");
    return list.items.map((d) => ({ ...d, own: d.device === own }));
  }

  async forgetDevice(device: string): Promise<void> {
    await this.rest.send("DELETE", "/v1/devices/" + encodeURIComponent(device));
  }

  profile(): Promise<Profile> {
    return this.rest.get<Profile>("/v1/me");
  }

  setProfile(p: { hide_read: boolean }): Promise<Profile> {
    return this.rest.send<Profile>("PATCH", "/v1/me", { hide_read: p.hide_read });
  }

  search(q: SearchQuery): Promise<SearchPage> {
    return this.rest.get<SearchPage>("/v1/search", { ...q });
  }

  createGroup(g: NewGroup): Promise<ConversationFrame> {
    return this.rest.send<ConversationFrame>("POST", "/v1/conversations", { ...g, cmid: this.newID() });
  }

  private change(user: string, blocked: boolean): void {
    this.changed.set(user, blocked);
    const known = this.blocked.peek();
    if (known !== undefined) this.blocked.value = this.withChanges(known);
  }

  private withChanges(users: Iterable<string>): ReadonlySet<string> {
    const all = new Set(users);
    for (const [user, blocked] of this.changed) blocked ? all.add(user) : all.delete(user);
    return all;
  }

  private async readBlocks(): Promise<void> {
    const read = ++this.reads;
    this.changed.clear();
    try {
      const users = await this.readAll();
      // The answer may be older than what was changed meanwhile.
      if (read === this.reads) this.blocked.value = this.withChanges(users);
    } catch (err) {
      if (read === this.reads) this.failed(err);
    }
  }

  private async readAll(): Promise<Set<string>> {
    const all = new Set<string>();
    for (let cursor: string | undefined; all.size < mostBlocks; ) {
      const part = await this.rest.get<{ items: { user: string }[]; next?: string }>("/v1/blocks", { cursor, limit: 200 });
      for (const b of part.items) all.add(b.user);
      cursor = part.next;
      if (cursor === undefined) break;
    }
    return all;
  }
}
