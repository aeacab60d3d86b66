import type { Conversation } from "@parley-chat/client";
import { titleOf } from "../list/title.ts";
import { ask, attempt, useChat, useTexts, useTimes } from "../state/chat.ts";
import { Avatar, UserAvatar } from "../ui/avatar.tsx";
import { Archive, Bell, BellOff, Exit, NoEntry, Pencil, Pin } from "../ui/icons.tsx";
import { Sheet } from "../ui/dialogs.tsx";
import { Members } from "./members.tsx";

/** What a conversation is, who is in it, and what can be done with it. */
export function Info({ c, close }: { c: Conversation; close: () => void }) {
  const chat = useChat();
  const { parley } = chat;
  const t = useTexts();
  const info = c.info.value;
  const title = titleOf(info, parley.me.value?.user, t);
  const group = info.kind === "group";
  const gone = info.left !== undefined;
  const mayRename = group && !gone && (info.role === "owner" || info.role === "admin");
  const rename = async () => {
    const next = await ask(chat, { title: t.rename, yes: t.save, field: { label: t.groupTitle, value: info.title ?? "", max: 256 } });
    if (next !== undefined && next !== info.title) await attempt(chat, c.rename(next));
  };
  return (
    <Sheet title={group ? t.groupInfo : t.about} close={close}>
      <div class="face">
        {!group && info.peer !== undefined ? <UserAvatar user={info.peer} /> : <Avatar name={title} group />}
        <h3 dir="auto">{title}</h3>
        {group ? !gone && <p class="hint">{t.memberCount(info.members)}</p> : <PeerState user={info.peer} />}
        {mayRename && (
          <button type="button" class="button" onClick={() => void rename()}>
            <Pencil size={18} />
            {t.rename}
          </button>
        )}
      </div>
      {parley.features.value.has("settings") && !gone && info.head > 0 && <OwnSettings c={c} />}
      {group && !gone && <Members c={c} />}
      {group && !gone && <Leaving c={c} close={close} />}
      {!group && info.peer !== undefined && info.peer !== parley.me.value?.user && parley.features.value.has("blocks") && <Blocking user={info.peer} />}
    </Sheet>
  );
}

function PeerState({ user }: { user: string | undefined }) {
  const { parley } = useChat();
  const t = useTexts();
  const times = useTimes();
  if (user === undefined || user === parley.me.value?.user || !parley.features.value.has("presence")) return null;
  const presence = parley.presence(user).value;
  if (presence === undefined) return null;
  if (presence.online) return <p class="hint">{t.online}</p>;
  return presence.last_seen === undefined ? null : <p class="hint">{t.lastSeen(times.full(Date.parse(presence.last_seen)))}</p>;
}

function OwnSettings({ c }: { c: Conversation }) {
  const chat = useChat();
  const t = useTexts();
  const info = c.info.value;
  const set = (s: { muted?: boolean; pinned?: boolean; archived?: boolean }) => void attempt(chat, c.settings(s));
  const item = (icon: preact.JSX.Element, label: string, on: boolean, change: (on: boolean) => void) => (
    <label class="item">
      {icon}
      <span class="grow">{label}</span>
      <input type="checkbox" class="switch" role="switch" checked={on} onChange={(e) => change(e.currentTarget.checked)} />
    </label>
  );
  return (
    <div class="rows-card">
      {item(info.muted ? <BellOff /> : <Bell />, t.mute, info.muted, (muted) => set({ muted }))}
      {item(<Pin />, t.pin, info.pinned, (pinned) => set({ pinned }))}
      {item(<Archive />, t.archive, info.archived, (archived) => set({ archived }))}
    </div>
  );
}

function Leaving({ c, close }: { c: Conversation; close: () => void }) {
  const chat = useChat();
  const t = useTexts();
  const info = c.info.value;
  const owner = info.role === "owner";
  const leave = async () => {
    if ((await ask(chat, { title: t.leaveAsk, why: t.leaveWhy, yes: t.leave, danger: true })) === undefined) return;
    await attempt(chat, c.leave());
    close();
  };
  const end = async () => {
    if ((await ask(chat, { title: t.closeAsk, why: t.closeWhy, yes: t.closeGroup, danger: true })) === undefined) return;
    await attempt(chat, c.close());
    close();
  };
  return (
    <section>
      <div class="rows-card">
        <button type="button" class="item danger" onClick={() => void (owner ? end() : leave())}>
          {owner ? <NoEntry /> : <Exit />}
          <span class="grow">{owner ? t.closeGroup : t.leave}</span>
        </button>
      </div>
      {owner && info.members > 1 && <p class="hint">{t.leaveOwner}</p>}
    </section>
  );
}

function Blocking({ user }: { user: string }) {
  const chat = useChat();
  const { parley } = chat;
  const t = useTexts();
  const blocked = parley.blocks.value?.has(user) === true;
  const change = async () => {
    if (blocked) return void attempt(chat, parley.unblock(user));
    if ((await ask(chat, { title: t.blockAsk(user), why: t.blockWhy, yes: t.block, danger: true })) !== undefined) await attempt(chat, parley.block(user));
  };
  return (
    <div class="rows-card">
      <button type="button" class={blocked ? "item" : "item danger"} onClick={() => void change()}>
        <NoEntry />
        <span class="grow">{blocked ? t.unblock : t.block}</span>
      </button>
    </div>
  );
}
