import { titleOf } from "../list/title.ts";
import { useChat, useTexts, useTimes } from "../state/chat.ts";
import { Avatar, UserAvatar } from "../ui/avatar.tsx";
import { Back, Calendar, Search } from "../ui/icons.tsx";
import { useThread } from "./context.ts";
import { openDates } from "./dates.tsx";

export function Head() {
  const chat = useChat();
  const { parley, router, search, width } = chat;
  const t = useTexts();
  const view = useThread();
  const { c } = view;
  const info = c.info.value;
  const me = parley.me.value?.user;
  const title = titleOf(info, me, t);
  const narrow = width.value === "narrow";
  return (
    <header class="bar">
      {narrow && (
        <button type="button" class="icon-button" aria-label={t.back} onClick={() => router.back({})}>
          <Back />
        </button>
      )}
      <button type="button" class="who" onClick={() => router.go({ ...router.route.peek(), panel: "info" })}>
        {info.kind === "direct" && info.peer !== undefined ? <UserAvatar user={info.peer} size={2.375} /> : <Avatar name={title} group size={2.375} />}
        <span>
          <h2 class="cut" dir="auto">
            {title}
          </h2>
          <Under />
          <span class="hidden">{t.about}</span>
        </span>
      </button>
      {info.head > 0 && (
        <button type="button" class="icon-button" aria-label={t.goToDate} title={t.goToDate} onClick={(e) => openDates(chat, view, e.currentTarget)}>
          <Calendar />
        </button>
      )}
      {parley.features.value.has("search") && info.head > 0 && (
        <button
          type="button"
          class="icon-button"
          aria-label={t.searchHere}
          title={t.searchHere}
          onClick={(e) => {
            search.value = { q: "", conv: c.id };
            const root = e.currentTarget.getRootNode() as Document | ShadowRoot;
            if (narrow) router.go({});
            requestAnimationFrame(() => root.querySelector<HTMLInputElement>("[data-search]")?.focus());
          }}
        >
          <Search />
        </button>
      )}
    </header>
  );
}

/** Who types, is online, was last seen; how many members there are. */
function Under() {
  const { parley } = useChat();
  const t = useTexts();
  const times = useTimes();
  const { c } = useThread();
  const info = c.info.value;
  const typing = c.typing.value;
  if (typing.length > 0) {
    const words = info.kind === "direct" ? t.typing : typing.length === 1 ? t.typingOne(typing[0] ?? "") : t.typingMany(typing.length);
    return <small class="cut live">{words}</small>;
  }
  if (info.kind === "group") return info.left === undefined ? <small class="cut">{t.memberCount(info.members)}</small> : null;
  if (info.peer === undefined || info.peer === parley.me.value?.user || !parley.features.value.has("presence")) return null;
  const presence = parley.presence(info.peer).value;
  if (presence?.online) return <small class="cut live">{t.online}</small>;
  if (presence?.last_seen === undefined) return <small class="cut">&nbsp;</small>; // its place is kept
  return <small class="cut">{t.lastSeen(times.brief(Date.parse(presence.last_seen)))}</small>;
}
