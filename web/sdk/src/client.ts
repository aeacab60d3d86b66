import type { ReadonlySignal } from "@preact/signals-core";
import type * as api from "./api.js";
import { Engine } from "./engine/engine.js";
import { Store } from "./engine/store.js";
import type { EndingClock } from "./engine/time.js";
import { endingClock, withTimeout } from "./engine/time.js";
import { Tokens } from "./engine/tokens.js";
import { ParleyError } from "./errors.js";
import { Identity } from "./identity.js";
import { Listeners } from "./listeners.js";
import { Files } from "./net/files.js";
import { Rest } from "./net/rest.js";
import { baseURL } from "./net/url.js";
import { needWebSocket, systemBytes, systemClock, systemNetwork } from "./platform.js";
import { newID } from "./protocol/ids.js";
import { Commands } from "./state/commands.js";
import type { Context } from "./state/context.js";
import { PresenceBoard } from "./state/presence.js";
import { Social } from "./state/social.js";
import { State } from "./state/state.js";
import { ListSync } from "./state/sync.js";
import { memoryStorage } from "./storage/memory.js";
import { Hub } from "./tabs/hub.js";

type Defaulted = "storage" | "network" | "clock" | "random" | "randomBytes";
type Options = api.ParleyOptions & { [K in Defaulted]-?: NonNullable<api.ParleyOptions[K]> } & { clock: EndingClock };

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
  readonly events = new Listeners();
  private readonly identity: Identity;
  private hub: Hub | undefined;
  private user: string | undefined;
  private online = true;
  private phase: "new" | "running" | "closed" = "new";

  constructor(private readonly given: api.ParleyOptions) {
    const options = given;
    this.o = {
      ...options,
      storage: options.storage ?? memoryStorage(),
      network: options.network ?? systemNetwork(),
      clock: endingClock(options.clock ?? systemClock), // no timer of this object outlives it
      random: options.random ?? Math.random,
      randomBytes: options.randomBytes ?? systemBytes,
    };
    const { clock, network, random } = this.o;
    const failed = (err: unknown) => this.events.failed(err);
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
    const said = (state: api.ConnectionState) => {
      if (this.phase === "running") this.events.guard(() => this.state.take({ e: "connection", state }));
    };
    this.identity = new Identity(this.tokens, clock, random, said);
    this.sync = new ListSync(this.rest, this.state, () => clock.now());
  }

  start(): void {
    if (this.phase !== "new") return;
    // What is missing here will be missing at every try: better said at once.
    if (this.given.network === undefined) needWebSocket();
    this.o.randomBytes(1);
    this.phase = "running";
    this.run();
  }

  private run(): void {
    this.boot().catch((err: unknown) => this.events.failed(err));
  }

  /** Finds out who this is, shows what was kept, and connects. */
  private async boot(): Promise<void> {
    const user = this.o.user ?? (await this.identity.find());
    if (user === undefined || this.phase !== "running") return;
    this.user = user;
    this.store.open(`u/${user}/`);
    // Before anybody sees it: who sends at once, sends behind what waits.
    await this.state.restore((waiting) => this.commands.after(waiting)).catch((err: unknown) => this.events.threw(err));
    if (this.phase !== "running") return;
    this.hub = this.makeHub(user);
    this.hub.start();
    if (!this.online) this.hub.setOnline(false);
    if (this.presence.wanted.length > 0) this.hub.watch(this.presence.wanted);
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
        if (ev.e === "welcome") this.tokens.behind = ev.welcome.behind ?? 0;
        this.events.guard(() => this.state.take(ev));
        // A tab that joins late hears "live" and not "synced".
        if (ev.e !== "connection" || ev.state.phase !== "live") return;
        this.listNow();
        this.social.connected();
      },
      epoch: () => this.state.epoch,
      unsettled: () => this.state.unsettled(),
      signedOut: () => void this.close("signed_out", "signed out in another tab"),
    });
  }

  /** Without the list nothing can be shown at the first start: it is asked for until it comes. */
  private listNow(again = 2_000): void {
    this.sync.refresh().catch((err: unknown) => {
      this.events.failed(err);
      this.o.clock.after(again, () => this.state.live.peek() && this.listNow(Math.min(2 * again, 60_000)));
    });
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
      get life() {
        return client.state.life;
      },
      has: (feature) => this.state.features.peek().has(feature),
      keep: (key, value) => this.hub?.leading && this.store.later(key, value),
      leads: () => this.hub?.leading ?? false,
      newID: newCMID,
      submit: (conv, frame) => this.commands.submit(conv, frame),
      tell: (ev) => (this.hub === undefined ? this.events.guard(() => this.state.take(ev)) : this.hub.tell(ev)),
      guard: (change) => this.events.guard(change),
      changed: () => this.state.list.changed(),
      used: (conv, looked) => this.state.used(conv, looked),
      arrived: (conv, item) => this.arrived(conv, item),
      failed: (err) => this.events.failed(err),
    };
  }

  setVisible(visible: boolean): void {
    this.hub?.setVisible(visible);
    if (visible) return;
    this.state.keepNow();
    void this.store.flush(); // a hidden page may never be heard of again
  }

  /** Before it is known who this is there is no engine to ask. */
  retryNow(): void {
    if (this.hub !== undefined) return this.hub.retryNow();
    if (this.phase === "running" && !this.identity.wake() && this.state.connection.peek().phase === "ended") this.run();
  }

  setOnline(online: boolean): void {
    this.online = online;
    if (online) this.identity.wake();
    this.hub?.setOnline(online);
  }

  private arrived(conv: string, item: api.MessageItem): void {
    const conversation = this.state.get(conv);
    const me = this.state.me.peek()?.user ?? "";
    if (conversation === undefined || conversation.info.peek().muted) return;
    const mentioned = item.mentions.includes(me) || item.mentions.includes("*");
    this.events.emit("message", { conversation, item, mentioned, lead: this.hub?.leading ?? false });
  }

  private ended(reason: api.EndReason, message: string): undefined {
    this.events.guard(() => (this.state.connection.value = { phase: "ended", reason, message }));
    return undefined;
  }

  /** Ends this object. What was told is in storage when it resolves. */
  async close(reason: api.EndReason, message: string): Promise<void> {
    if (this.phase === "closed") return;
    this.events.guard(() => this.state.close());
    this.phase = "closed";
    this.events.close();
    this.commands.close();
    this.rest.stop();
    this.ended(reason, message);
    const settled = () => {
      if (this.user === undefined) return Promise.resolve();
      return reason === "signed_out" ? this.store.abandon() : this.store.flush();
    };
    if (this.hub === undefined) await settled();
    else await this.hub.stop(settled);
    await this.store.close();
    this.o.clock.end();
  }

  /** Ends all tabs' objects, and forgets what is kept. */
  async signOut(): Promise<void> {
    const device = this.state.me.peek()?.device;
    const forget = this.state.features.peek().has("devices") && device !== undefined;
    this.hub?.signOut();
    await this.close("signed_out", "signed out");
    if (forget) {
      const { token, network, random } = this.o;
      const clock = endingClock(this.given.clock ?? systemClock);
      const rest = new Rest({ base: this.urls.http, tokens: new Tokens(token, clock), network, clock, random });
      await withTimeout(clock, 3_000, () => rest.send("DELETE", "/v1/devices/" + device)).catch(() => {}); // it ends by itself after 60 days
      rest.stop();
      clock.end();
    }
  }
}
