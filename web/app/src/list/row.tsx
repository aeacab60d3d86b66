import type { Conversation } from "@parley-chat/client";
import { badge } from "../format/size.ts";
import { useChat, useTexts, useTimes } from "../state/chat.ts";
import { formatRoute } from "../state/router.ts";
import { Avatar, UserAvatar } from "../ui/avatar.tsx";
import { BellOff, Pin } from "../ui/icons.tsx";
import { Preview } from "./preview.tsx";
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
  const last = info.event ?? info.last;
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
            <Preview c={c} info={info} me={me} t={t} open={open} />
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
