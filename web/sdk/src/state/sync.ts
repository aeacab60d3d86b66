import type { ConversationFrame } from "../protocol/frames.js";
import type { Rest } from "../net/rest.js";
import type { State } from "./state.js";

const perPage = 200;
/** Conversations that are listed without being asked for. */
const listed = 1_000;

interface ListPage {
  readonly items: readonly ConversationFrame[];
  readonly next?: string;
}

/**
 * Reads the list of conversations: all of it (up to a bound) once, and its newest part
 * after each reconnect. What changes while it is read comes on the socket.
 */
export class ListSync {
  private cursor: string | undefined;
  private complete: number | undefined; // in which life of the logs it was read to its end
  private under: { life: number; done: Promise<void> } | undefined;

  constructor(
    private readonly rest: Rest,
    private readonly state: State,
    private readonly now: () => number,
  ) {}

  /** After `synced`. In another epoch all of it is read once more, whatever is under way. */
  refresh(): Promise<void> {
    const { life } = this.state;
    if (this.under?.life === life) return this.under.done;
    const under = { life, done: this.read(life).finally(() => this.under === under && (this.under = undefined)) };
    this.under = under;
    return under.done;
  }

  /** The next part of a long list. */
  async more(): Promise<void> {
    if (this.cursor === undefined) return;
    await this.page(this.cursor);
  }

  private async read(life: number): Promise<void> {
    if (this.complete === life) return this.learn((await this.ask(undefined))?.items ?? []);
    const before = [...this.state.list.all()];
    const seen = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await this.page(cursor);
      if (life !== this.state.life) return;
      for (const conv of page) seen.add(conv);
      cursor = this.cursor;
    } while (cursor !== undefined && seen.size < listed);
    this.complete = life;
    if (cursor === undefined) for (const c of before) if (!seen.has(c.id)) this.state.missing(c);
    this.state.loaded.value = true;
  }

  private async page(cursor: string | undefined): Promise<string[]> {
    const page = await this.ask(cursor);
    if (page === undefined) return [];
    this.learn(page.items);
    this.cursor = page.next;
    this.state.list.more.value = page.next !== undefined;
    return page.items.map((f) => f.conv);
  }

  /** The list is in the order of the heads' times, which the shapes do not tell. */
  private learn(items: readonly ConversationFrame[]): void {
    let at = this.now();
    for (const f of items) {
      const shown = f.event ?? f.last;
      at = Math.min(at, Date.parse(shown?.time ?? "") || at);
      this.state.learn(f, shown === undefined ? at : 0);
    }
  }

  /** Undefined: it was asked for in another epoch, whose numbers mean nothing now. */
  private async ask(cursor: string | undefined): Promise<ListPage | undefined> {
    const { life } = this.state;
    const page = await this.rest.get<ListPage>("/v1/conversations", { cursor, limit: perPage });
    return life === this.state.life ? page : undefined;
  }
}
