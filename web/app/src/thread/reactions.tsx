import type { MessageItem } from "@parley-chat/client";
import { useChat, useTexts } from "../state/chat.ts";
import { canReact, toggle } from "./actions.tsx";
import { useThread } from "./context.ts";

/** Emoji under a message, each a switch for one's own. */
export function Reactions({ item, tab }: { item: MessageItem; tab: number }) {
  const chat = useChat();
  const t = useTexts();
  const view = useThread();
  const may = canReact(chat, view, item);
  const me = chat.parley.me.value?.user;
  return (
    <div class="reactions">
      {item.reactions.map((r) => {
        const names = r.users.slice(0, 8).map((u) => (u === me ? t.you : u));
        return (
          <button
            key={r.emoji}
            type="button"
            class="reaction"
            tabIndex={tab}
            disabled={!may}
            aria-pressed={r.mine}
            aria-label={t.reactionsOf(r.emoji, r.count, r.mine)}
            title={t.moreUsers(names, r.count - names.length)}
            onClick={() => toggle(chat, view, item, r.emoji)}
          >
            <span>{r.emoji}</span> {r.count}
          </button>
        );
      })}
    </div>
  );
}
