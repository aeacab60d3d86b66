import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { DeviceInfo } from "@parley-chat/client";
import { languages, type Language } from "../i18n/index.ts";
import { ask, attempt, useChat, useTexts, useTimes } from "../state/chat.ts";
import type { Theme } from "../state/prefs.ts";
import { UserAvatar } from "../ui/avatar.tsx";
import { Device, Exit } from "../ui/icons.tsx";
import { Sheet } from "../ui/dialogs.tsx";

export function Settings({ close }: { close: () => void }) {
  const chat = useChat();
  const { parley, prefs } = chat;
  const t = useTexts();
  const features = parley.features.value;
  const me = parley.me.value?.user ?? "";
  const signOut = async () => {
    if ((await ask(chat, { title: t.signOutAsk, why: t.signOutWhy, yes: t.signOut, danger: true })) !== undefined) await chat.signOut?.();
  };
  const themes: readonly Theme[] = ["system", "light", "dark"];
  return (
    <Sheet title={t.settings} close={close}>
      <div class="face">
        <UserAvatar user={me} />
        <h3>{me}</h3>
      </div>
      <section>
        <h3 id="set-theme">{t.theme}</h3>
        <div class="choice" role="radiogroup" aria-labelledby="set-theme">
          {themes.map((theme) => (
            <label key={theme}>
              <input type="radio" name="parley-theme" checked={prefs.theme.value === theme} onChange={() => (prefs.theme.value = theme)} />
              {t.themes[theme]}
            </label>
          ))}
        </div>
      </section>
      <section>
        <h3 id="set-language">{t.languageLabel}</h3>
        <div class="choice" role="radiogroup" aria-labelledby="set-language">
          {(Object.keys(languages) as Language[]).map((l) => (
            <label key={l} lang={languages[l].tag}>
              <input type="radio" name="parley-language" checked={prefs.language.value === l} onChange={() => (prefs.language.value = l)} />
              {languages[l].name}
            </label>
          ))}
        </div>
      </section>
      <section>
        <h3>{t.notifications}</h3>
        <div class="rows-card">
          <NotifySwitch />
          <label class="item">
            <span class="grow">
              {t.enterSends}
              <small>{t.enterSendsHint}</small>
            </span>
            <input type="checkbox" class="switch" role="switch" checked={prefs.enterSends.value} onChange={(e) => (prefs.enterSends.value = e.currentTarget.checked)} />
          </label>
        </div>
      </section>
      {features.has("hide_read") && <HideRead />}
      {features.has("blocks") && <Blocks />}
      {features.has("devices") && <Devices />}
      {chat.signOut !== undefined && (
        <div class="rows-card">
          <button type="button" class="item danger" onClick={() => void signOut()}>
            <Exit />
            <span class="grow">{t.signOut}</span>
          </button>
        </div>
      )}
    </Sheet>
  );
}

function NotifySwitch() {
  const { prefs } = useChat();
  const t = useTexts();
  const denied = useSignal(typeof Notification !== "undefined" && Notification.permission === "denied");
  if (typeof Notification === "undefined") return null;
  const change = async (on: boolean) => {
    if (on && Notification.permission === "default") await Notification.requestPermission();
    denied.value = Notification.permission === "denied";
    prefs.notify.value = on && Notification.permission === "granted";
  };
  return (
    <label class="item">
      <span class="grow">
        {t.notifyDesktop}
        {denied.value && <small>{t.notifyDenied}</small>}
      </span>
      <input type="checkbox" class="switch" role="switch" disabled={denied.value} checked={prefs.notify.value && !denied.value} onChange={(e) => void change(e.currentTarget.checked)} />
    </label>
  );
}

function HideRead() {
  const chat = useChat();
  const { parley } = chat;
  const t = useTexts();
  const on = useSignal<boolean | undefined>(undefined);
  const live = parley.connection.value.phase === "live";
  useEffect(() => {
    parley.profile().then(
      (p) => (on.value = p.hide_read),
      () => {}, // the switch stays off-limits until there is an answer
    );
  }, [parley, live]);
  const change = async (hide_read: boolean) => {
    const was = on.peek();
    on.value = hide_read;
    const p = await attempt(chat, parley.setProfile({ hide_read }));
    on.value = p?.hide_read ?? was;
  };
  return (
    <section>
      <h3>{t.privacy}</h3>
      <div class="rows-card">
        <label class="item">
          <span class="grow">
            {t.hideRead}
            <small>{t.hideReadHint}</small>
          </span>
          <input type="checkbox" class="switch" role="switch" disabled={on.value === undefined} checked={on.value === true} onChange={(e) => void change(e.currentTarget.checked)} />
        </label>
      </div>
    </section>
  );
}

/** In place of what the server has not said. */
function Unknown() {
  const t = useTexts();
  const live = useChat().parley.connection.value.phase === "live";
  return <p class="hint">{live ? t.loading : t.problem["offline"]}</p>;
}

function Blocks() {
  const chat = useChat();
  const { parley } = chat;
  const t = useTexts();
  const blocks = parley.blocks.value;
  const users = [...(blocks ?? [])].sort();
  return (
    <section>
      <h3>{t.blocked}</h3>
      {blocks === undefined ? (
        <Unknown />
      ) : users.length === 0 ? (
        <p class="hint">{t.noBlocks}</p>
      ) : (
        <div class="rows-card">
          {users.map((u) => (
            <div class="item" key={u}>
              <UserAvatar user={u} />
              <span class="grow">{u}</span>
              <button type="button" class="link" aria-label={`${t.unblock}: ${u}`} onClick={() => void attempt(chat, parley.unblock(u))}>
                {t.unblock}
              </button>
            </div>
          ))}
        </div>
      )}
    </section>
  );
}

function Devices() {
  const chat = useChat();
  const { parley } = chat;
  const t = useTexts();
  const times = useTimes();
  const list = useSignal<readonly DeviceInfo[] | undefined>(undefined);
  const live = parley.connection.value.phase === "live";
  const load = () =>
    parley.devices().then(
      (l) => (list.value = l),
      () => {}, // asked again when there is a connection
    );
  useEffect(() => void load(), [parley, live]);
  const forget = async (device: string) => {
    if ((await ask(chat, { title: t.forgetAsk(device), why: t.forgetWhy, yes: t.signOut, danger: true })) === undefined) return;
    await attempt(chat, parley.forgetDevice(device));
    await load();
  };
  return (
    <section>
      <h3>{t.devices}</h3>
      {list.value === undefined ? (
        <Unknown />
      ) : (
        <div class="rows-card">
          {list.value.map((d) => (
            <div class="item" key={d.device}>
              <Device />
              <span class="grow">
                <bdi>{d.device}</bdi>
                <small>{d.own ? t.thisDevice : t.deviceSeen(times.brief(Date.parse(d.seen)))}</small>
              </span>
              {!d.own && (
                <button type="button" class="link" aria-label={t.forgetDevice(d.device)} onClick={() => void forget(d.device)}>
                  {t.signOut}
                </button>
              )}
            </div>
          ))}
        </div>
      )}
    </section>
  );
}
