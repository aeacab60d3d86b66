import type { ReadonlySignal } from "@preact/signals-core";
import type * as api from "./api.js";
import { Engine } from "./engine/engine.js";
import { Store } from "./engine/store.js";
import { withTimeout } from "./engine/time.js";
import { Tokens } from "./engine/tokens.js";
import { Backoff } from "./engine/verdict.js";
import { ParleyError } from "./errors.js";
import { Files } from "./net/files.js";
import { Rest } from "./net/rest.js";
import { baseURL } from "./net/url.js";
import { systemBytes, systemClock, systemNetwork } from "./platform.js";
import { newID, readToken } from "./protocol/ids.js";
import { Commands } from "./state/commands.js";
import type { Context } from "./state/context.js";
import { PresenceBoard } from "./state/presence.js";
import { Social } from "./state/social.js";
import { State } from "./state/state.js";
import { ListSync } from "./state/sync.js";
import { memoryStorage } from "./storage/memory.js";
import { Hub } from "./tabs/hub.js";

type Defaulted = "storage" | "network" | "clock" | "random" | "randomBytes";
type Options = api.ParleyOptions & { [K in Defaulted]-?: NonNullable<api.ParleyOptions[K]> };

/** What a client is made of, wired together. It does nothing until `boot`. */
export class Client {
  readonly o: Options;
  readonly state: State;
  readonly rest: Rest;
  readonly files: Files;
  readonly social: Social;
  readonly sync: ListSync;
  readonly presence: PresenceBoard;
  private readonly urls: { http: string; socket: string };
  private readonly tokens: Tokens;
  private readonly store: Store;
  private readonly commands: Commands;
  private readonly listeners = new Map<string, Set<(e: never) => void>>();
  private hub: Hub | undefined;
  private user: string | undefined;
  private online = true;
  private phase: "new" | "running" | "closed" = "new";

  constructor(options: api.ParleyOptions) {
    this.o = {
      ...options,
      storage: options.storage ?? memoryStorage(),
      network: options.network ?? systemNetwork(),
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
      randomBytes: options.randomBytes ?? systemBytes,
    };
    const { clock, network, random } = this.o;
    const failed = (err: unknown) => this.failed(err);
    const newCMID = () => newID(this.o.randomBytes);
    this.urls = baseURL(this.o.url);
    this.tokens = new Tokens(this.o.token, clock);
    this.store = new Store(this.o.storage, clock, (err) => failed(new ParleyError("storage", "storage failed: " + String(err))));
    this.rest = new Rest({ base: this.urls.http, tokens: this.tokens, network, clock, random });
    this.files = new Files({ rest: this.rest, network, clock, newID: newCMID });
    this.social = new Social(this.rest, newCMID, failed);
    this.presence = new PresenceBoard(clock, (users) => this.hub?.watch(users));
    this.commands = new Commands({ clock, store: this.store, newID: newCMID, submit: (c) => this.hub?.submit(c), count: () => this.state.unsettled().length });
    this.state = new State(this.context(newCMID), this.presence);
    this.sync = new ListSync(this.rest, this.state, () => clock.now());
  }

  start(): void {
    if (this.phase !== "new") return;
    this.phase = "running";
    this.boot().catch((err: unknown) => this.failed(err));
  }

  /** Finds out who this is, shows what was kept, and connects. */
  private async boot(): Promise<void> {
    const user = await this.whoIsIt();
    if (user === undefined || this.phase !== "running") return;
    this.user = user;
    this.store.open(`u/${user}/`);
    await this.state.restore();
    if (this.phase !== "running") return;
    this.commands.after(this.state.unsettled());
    this.hub = this.makeHub(user);
    this.hub.start();
    if (!this.online) this.hub.setOnline(false);
    if (this.presence.wanted.length > 0) this.hub.watch(this.presence.wanted);
  }

  /** The user of the options, or of a token. */
  private async whoIsIt(): Promise<string | undefined> {
    if (this.o.user !== undefined) return this.o.user;
    const backoff = new Backoff(500, 30_000, this.o.random);
    while (this.phase === "running") {
      this.state.take({ e: "connection", state: { phase: "connecting" } });
      try {
        const claims = readToken(await this.tokens.get());
        if (claims !== undefined) return claims.user;
        return this.ended("signed_out", "the token is no JWT");
      } catch (err) {
        if (err instanceof Error && (err as Partial<ParleyError>).code === "unauthenticated") return this.ended("signed_out", err.message);
        const pause = backoff.next();
        this.state.take({ e: "connection", state: { phase: "waiting", retryAt: this.o.clock.now() + pause, attempt: backoff.attempt } });
        await new Promise<void>((done) => void this.o.clock.after(pause, done));
      }
    }
    return undefined;
  }

  private makeHub(user: string): Hub {
    const { network, clock, random, randomBytes } = this.o;
    return new Hub({
      port: this.o.tabs === "shared" ? this.o.tabsPort : undefined,
      name: `parley ${this.urls.http} ${user}`,
      id: newID(randomBytes),
      clock,
      engine: (emit) =>
        new Engine({ url: this.urls.socket, mayMoveTo: this.o.mayMoveTo, user, tokens: this.tokens, network, clock, random, randomBytes, store: this.store, device: this.o.device, client: this.o.client, emit }),
      take: (ev) => {
        if (this.phase === "closed") return;
        this.state.take(ev);
        // A tab that joins late hears "live" and not "synced".
        if (ev.e === "connection" && ev.state.phase === "live") this.listNow();
      },
      unsettled: () => this.state.unsettled(),
      signedOut: () => void this.close("signed_out", "signed out in another tab"),
    });
  }

  private listNow(): void {
    this.sync.refresh().catch((err: unknown) => this.failed(err));
  }

  private context(newCMID: () => string): Context {
    const client = this;
    return {
      clock: this.o.clock,
      rest: this.rest,
      store: this.store,
      core: {
        submit: (c) => this.hub?.submit(c),
        markRead: (conv, seq) => this.hub?.markRead(conv, seq),
        typing: (conv, on) => this.hub?.typing(conv, on),
        watch: (users) => this.hub?.watch(users),
        retryNow: () => this.hub?.retryNow(),
        setOnline: (on) => this.hub?.setOnline(on),
        probe: () => this.hub?.probe(),
      },
      get me() {
        return client.state.me as ReadonlySignal<api.Me | undefined>;
      },
      get limits() {
        return client.state.limits;
      },
      get live() {
        return client.state.live;
      },
      has: (feature) => this.state.features.peek().has(feature),
      keep: (key, value) => this.hub?.leading && this.store.later(key, value),
      newID: newCMID,
      submit: (conv, frame) => this.commands.submit(conv, frame),
      tell: (ev) => (this.hub === undefined ? this.state.take(ev) : this.hub.tell(ev)),
      changed: () => this.state.list.changed(),
      used: (conv, looked) => this.state.used(conv, looked),
      arrived: (conv, item) => this.arrived(conv, item),
      failed: (err) => this.failed(err),
    };
  }

  get core(): Hub | undefined {
    return this.hub;
  }

  setVisible(visible: boolean): void {
    if (visible) this.hub?.probe();
    else void this.store.flush(); // a hidden page may never be heard of again
  }

  setOnline(online: boolean): void {
    this.online = online;
    this.hub?.setOnline(online);
  }

  private arrived(conv: string, item: api.MessageItem): void {
    const conversation = this.state.get(conv);
    const me = this.state.me.peek()?.user ?? "";
    if (conversation === undefined || conversation.info.peek().muted) return;
    const mentioned = item.mentions.includes(me) || item.mentions.includes("*");
    this.emit("message", { conversation, item, mentioned, lead: this.hub?.leading ?? false });
  }

  on<K extends keyof api.ParleyEvents>(event: K, listener: (e: api.ParleyEvents[K]) => void): () => void {
    let set = this.listeners.get(event);
    if (set === undefined) this.listeners.set(event, (set = new Set()));
    set.add(listener as (e: never) => void);
    return () => set.delete(listener as (e: never) => void);
  }

  private emit<K extends keyof api.ParleyEvents>(event: K, e: api.ParleyEvents[K]): void {
    for (const listener of this.listeners.get(event) ?? []) (listener as (e: api.ParleyEvents[K]) => void)(e);
  }

  private failed(err: unknown): void {
    if (this.phase === "closed") return;
    this.emit("error", err instanceof ParleyError ? err : new ParleyError("internal", String(err)));
  }

  private ended(reason: api.EndReason, message: string): undefined {
    this.state.connection.value = { phase: "ended", reason, message };
    return undefined;
  }

  /** Ends this object. What was told is in storage when it resolves. */
  async close(reason: api.EndReason, message: string): Promise<void> {
    if (this.phase === "closed") return;
    this.state.close();
    this.phase = "closed";
    this.rest.stop();
    this.ended(reason, message);
    const settled = () => {
      if (this.user === undefined) return Promise.resolve();
      return reason === "signed_out" ? this.store.abandon() : this.store.flush();
    };
    if (this.hub === undefined) await settled();
    else await this.hub.stop(settled);
    await this.o.storage.close();
  }

  /** Ends all tabs' objects, and forgets what is kept. */
  async signOut(): Promise<void> {
    const device = this.state.me.peek()?.device;
    const forget = this.state.features.peek().has("devices") && device !== undefined;
    this.hub?.signOut();
    await this.close("signed_out", "signed out");
    if (forget) {
      const request = () => new Rest({ base: this.urls.http, tokens: this.tokens, network: this.o.network, clock: this.o.clock, random: this.o.random }).send("DELETE", "/v1/devices/" + device);
      await withTimeout(this.o.clock, 3_000, request).catch(() => {}); // it ends by itself after 60 days
    }
  }
}
