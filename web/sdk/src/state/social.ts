import type { ReadonlySignal, Signal } from "@preact/signals-core";
import { signal } from "@preact/signals-core";
import type { DeviceInfo, NewGroup, Profile, SearchPage, SearchQuery } from "../api.js";
import type { Rest } from "../net/rest.js";
import type { ConversationFrame } from "../protocol/frames.js";

/** Blocks that are read; the server keeps 1,000 at most. */
const mostBlocks = 1_000;

/** What concerns the user and not one conversation: HTTP alone. */
export class Social {
  readonly blocks: ReadonlySignal<ReadonlySet<string>>;
  private readonly blocked: Signal<ReadonlySet<string>>;
  private readonly changed = new Set<string>(); // users whose block was changed here since the list was asked for
  private asked = false;

  constructor(
    private readonly rest: Rest,
    private readonly newID: () => string,
    private readonly failed: (err: unknown) => void,
  ) {
    this.blocks = this.blocked = signal<ReadonlySet<string>>(new Set(), { watched: () => this.readBlocks() });
  }

  async block(user: string): Promise<void> {
    await this.rest.send("PUT", "/v1/blocks/" + encodeURIComponent(user));
    this.changed.add(user);
    this.blocked.value = new Set([...this.blocked.peek(), user]);
  }

  async unblock(user: string): Promise<void> {
    await this.rest.send("DELETE", "/v1/blocks/" + encodeURIComponent(user));
    this.changed.add(user);
    this.blocked.value = new Set([...this.blocked.peek()].filter((u) => u !== user));
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

  private readBlocks(): void {
    if (this.asked) return;
    this.asked = true;
    this.readAll().catch((err: unknown) => {
      this.asked = false;
      this.failed(err);
    });
  }

  private async readAll(): Promise<void> {
    this.changed.clear();
    const all = new Set<string>();
    for (let cursor: string | undefined; all.size < mostBlocks; ) {
      const part = await this.rest.get<{ items: { user: string }[]; next?: string }>("/v1/blocks", { cursor, limit: 200 });
      for (const b of part.items) all.add(b.user);
      cursor = part.next;
      if (cursor === undefined) break;
    }
    // The answer may be older than what was changed meanwhile.
    for (const user of this.changed) all.delete(user);
    this.blocked.value = new Set([...all, ...this.blocked.peek()]);
  }
}
