import type { Conversation, ConversationInfo } from "@parley-chat/client";
import { badge } from "../format/size.ts";
import type { Texts } from "../i18n/index.ts";
import { useChat, useTexts, useTimes } from "../state/chat.ts";
import { formatRoute } from "../state/router.ts";
import { messageText } from "../thread/bubble.tsx";
import { Avatar, UserAvatar } from "../ui/avatar.tsx";
import { BellOff, Pin } from "../ui/icons.tsx";
import { titleOf } from "./title.ts";

interface RowProps {
  c: Conversation;
  me: string | undefined;
  open: boolean;
  tab: number;
}

/** One conversation of the list. */
export function Row({ c, me, open, tab }: RowProps) {
  const { router } = useChat();
  const t = useTexts();
  const times = useTimes();
  const info = c.info.value;
  const title = titleOf(info, me, t);
  const last = info.last;
  return (
    <li>
      <a
        class={info.unread > 0 ? "entry unread" : "entry"}
        href={formatRoute({ conv: c.id })}
        tabIndex={tab}
        aria-current={open ? "true" : undefined}
        draggable={false}
        onClick={(e) => {
          if (e.metaKey || e.ctrlKey) return;
          e.preventDefault();
          router.go({ conv: c.id });
        }}
      >
        {info.kind === "direct" && info.peer !== undefined ? <UserAvatar user={info.peer} /> : <Avatar name={title} group />}
        <span>
          <span class="line">
            <span class="name cut" dir="auto">
              {title}
            </span>
            {last !== undefined && <time dateTime={last.time}>{times.brief(Date.parse(last.time))}</time>}
          </span>
          <span class="line">
            <Preview c={c} info={info} me={me} t={t} />
            <span class="marks">
              {info.muted && <BellOff size={15} />}
              {info.muted && <span class="hidden">{t.muted}</span>}
              {info.pinned && info.unread === 0 && <Pin size={15} />}
              {info.pinned && info.unread === 0 && <span class="hidden">{t.pinned}</span>}
              {info.mentions > 0 && (
                <span class="badge" aria-hidden="true">
                  @
                </span>
              )}
              {info.unread > 0 && (
                <span class={info.muted ? "badge quiet" : "badge"}>
                  <span aria-hidden="true">{badge(info.unread, info.exact)}</span>
                  <span class="hidden">{t.unreadCount(String(info.unread), info.mentions)}</span>
                </span>
              )}
            </span>
          </span>
        </span>
      </a>
    </li>
  );
}

function Preview({ c, info, me, t }: { c: Conversation; info: ConversationInfo; me: string | undefined; t: Texts }) {
  const typing = c.typing.value;
  const draft = c.draft.value.trim();
  const last = info.last;
  if (typing.length > 0) {
    return (
      <span class="preview cut">
        <span class="typing">{info.kind === "direct" ? t.typing : typing.length === 1 ? t.typingOne(typing[0] ?? "") : t.typingMany(typing.length)}</span>
      </span>
    );
  }
  if (draft !== "") {
    return (
      <span class="preview cut">
        <span class="draft">{t.draft}</span> <bdi>{draft.slice(0, 160)}</bdi>
      </span>
    );
  }
  if (last === undefined) return <span class="preview" />;
  const who = last.from === me ? t.you : info.kind === "group" ? last.from : "";
  const item = last.text === "" ? c.thread.item(last.seq) : undefined; // files, or taken back
  const text = last.gone ? t.recalled : item?.kind === "message" ? messageText(t, item, me ?? "") : last.text === "" ? "…" : last.text;
  return (
    <span class="preview cut" dir={who === "" ? "auto" : undefined}>
      {who !== "" && <b>{who}: </b>}
      {who === "" ? text : <bdi>{text}</bdi>}
    </span>
  );
}
