import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Conversation, Member, Role } from "@parley-chat/client";
import { ask, attempt, problemText, useChat, useTexts } from "../state/chat.ts";
import { UserAvatar } from "../ui/avatar.tsx";
import { AddPerson, BellOff, Bubbles, Crown, Exit, More, Person, Shield } from "../ui/icons.tsx";
import { openMenu, type MenuItem } from "../ui/menu.tsx";
import { UserField } from "./new.tsx";

const rank: Record<string, number> = { owner: 0, admin: 1, member: 2, muted: 3 };

/** How many members are shown at once. */
const step = 100;

/** What the user may do with a member (PROTOCOL, "Who may do what in a group"). */
export function mayManage(own: Role, other: Role): boolean {
  return own === "owner" || (own === "admin" && (other === "member" || other === "muted"));
}

export function Members({ c }: { c: Conversation }) {
  const chat = useChat();
  const { parley } = chat;
  const t = useTexts();
  const info = c.info.value;
  const wrong = useSignal("");
  const shown = useSignal(step);
  const adding = useSignal<readonly string[] | undefined>(undefined);
  const live = parley.connection.value.phase === "live";
  const known = c.members.value !== undefined;
  useEffect(() => {
    if (known) return;
    c.loadMembers().then(
      () => (wrong.value = ""),
      (err: unknown) => (wrong.value = problemText(chat, err)),
    );
  }, [c, live, known]);
  const members = [...(c.members.value ?? [])].sort((a, b) => (rank[a.role] ?? 9) - (rank[b.role] ?? 9) || (a.user < b.user ? -1 : 1));
  const mayAdd = info.role === "owner" || info.role === "admin";
  const add = async () => {
    const users = adding.peek() ?? [];
    adding.value = undefined;
    for (const user of users) await attempt(chat, c.add(user));
  };
  return (
    <section aria-label={t.members}>
      <h3>{t.members}</h3>
      {wrong.value !== "" && <p class="problem">{wrong.value}</p>}
      {adding.value !== undefined && (
        <div class="form">
          <UserField label={t.addMember} users={adding.value} change={(users) => (adding.value = users)} />
          <button type="button" class="button primary" disabled={adding.value.length === 0} onClick={() => void add()}>
            {t.add}
          </button>
        </div>
      )}
      <div class="rows-card">
        {mayAdd && adding.value === undefined && (
          <button type="button" class="item" onClick={() => (adding.value = [])}>
            <AddPerson />
            <span class="grow">{t.addMember}</span>
          </button>
        )}
        {!known && wrong.value === "" && <p class="item hint">{t.loading}</p>}
        {members.slice(0, shown.value).map((m) => (
          <MemberRow key={m.user} c={c} m={m} />
        ))}
        {members.length > shown.value && (
          <button type="button" class="item link" onClick={() => (shown.value += step)}>
            {t.loadMore}
          </button>
        )}
      </div>
    </section>
  );
}

function MemberRow({ c, m }: { c: Conversation; m: Member }) {
  const chat = useChat();
  const t = useTexts();
  const me = chat.parley.me.value?.user;
  return (
    <div class="item">
      <UserAvatar user={m.user} />
      <span class="grow">
        <bdi>{m.user === me ? `${m.user} (${t.you})` : m.user}</bdi>
        {m.role !== "member" && <small>{t.roleTitle[m.role] ?? m.role}</small>}
      </span>
      {m.user !== me && (
        <button type="button" class="icon-button" aria-haspopup="menu" aria-label={t.actionsFor(m.user)} onClick={(e) => openMenu(chat, e.currentTarget, t.actionsFor(m.user), actionsFor(c, m, chat, t))}>
          <More />
        </button>
      )}
    </div>
  );
}

function actionsFor(c: Conversation, m: Member, chat: ReturnType<typeof useChat>, t: ReturnType<typeof useTexts>): MenuItem[] {
  const own = c.info.peek().role;
  const items: MenuItem[] = [{ icon: <Bubbles />, label: t.openChat, run: () => chat.router.go({ peer: m.user }) }];
  const role = (to: Role) => () => void attempt(chat, c.setRole(m.user, to));
  if (own === "owner") {
    if (m.role !== "admin") items.push({ icon: <Shield />, label: t.makeAdmin, run: role("admin") });
    if (m.role === "admin") items.push({ icon: <Person />, label: t.makeMember, run: role("member") });
  }
  if (mayManage(own, m.role) && chat.parley.features.peek().has("mute_member") && m.role !== "admin") {
    const muted = m.role === "muted";
    items.push({ icon: <BellOff />, label: muted ? t.unmuteMember : t.muteMember, run: () => void attempt(chat, c.muteMember(m.user, !muted)) });
  }
  if (own === "owner") {
    const transfer = async () => {
      if ((await ask(chat, { title: t.transferAsk(m.user), why: t.transferWhy, yes: t.transfer, danger: true })) !== undefined) await attempt(chat, c.setRole(m.user, "owner"));
    };
    items.push({ icon: <Crown />, label: t.transfer, run: () => void transfer() });
  }
  if (mayManage(own, m.role)) {
    const kick = async () => {
      if ((await ask(chat, { title: t.kickAsk(m.user), yes: t.kick, danger: true })) !== undefined) await attempt(chat, c.remove(m.user));
    };
    items.push({ icon: <Exit />, label: t.kick, danger: true, run: () => void kick() });
  }
  return items;
}
