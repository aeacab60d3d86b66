import { useRef } from "preact/hooks";
import { useSignal, type ReadonlySignal } from "@preact/signals";
import type { Conversation } from "@parley-chat/client";
import { attempt, useChat, useTexts } from "../state/chat.ts";
import { Bubbles } from "../ui/icons.tsx";
import { Row } from "./row.tsx";

/** Conversations, of which the arrow keys choose one. */
export function ConversationList({ list, all }: { list: ReadonlySignal<readonly Conversation[]>; all: boolean }) {
  const chat = useChat();
  const { parley, router } = chat;
  const t = useTexts();
  const box = useRef<HTMLUListElement>(null);
  const busy = useSignal(false);
  const items = list.value;
  const route = router.route.value;
  const me = parley.me.value?.user;
  const isOpen = (c: Conversation) => c.id === route.conv || (route.peer !== undefined && c.info.value.peer === route.peer);
  const current = items.find(isOpen)?.id ?? items[0]?.id;

  if (!parley.loaded.value) return <Ghosts />;
  const more = async () => {
    if (busy.peek() || !parley.more.peek()) return;
    busy.value = true;
    await attempt(chat, parley.loadMore());
    busy.value = false;
  };
  return (
    <ul
      ref={box}
      class="list"
      onKeyDown={(e) => move(e, box.current)}
      onScroll={(e) => {
        const el = e.currentTarget;
        if (el.scrollHeight - el.scrollTop - el.clientHeight < 600) void more();
      }}
    >
      {items.map((c) => (
        <Row key={c.id} c={c} me={me} open={isOpen(c)} tab={c.id === current ? 0 : -1} />
      ))}
      {items.length === 0 && (
        <li class="blank">
          <Bubbles size={40} />
          <h2>{all ? t.noConversations : t.nothingHere}</h2>
          {all && (
            <>
              <p>{t.noConversationsHint}</p>
              <button type="button" class="button primary" onClick={() => router.go({ panel: "new" })}>
                {t.newChat}
              </button>
            </>
          )}
        </li>
      )}
      {all && parley.more.value && (
        <li>
          <button type="button" class="item link" disabled={busy.value} onClick={() => void more()}>
            {busy.value ? t.loading : t.loadMore}
          </button>
        </li>
      )}
    </ul>
  );
}

/** The shape of a list that is not there yet. */
function Ghosts() {
  return (
    <div class="list" aria-busy="true">
      {[0, 1, 2, 3, 4, 5].map((i) => (
        <div class="ghost" key={i}>
          <i />
          <span>
            <i />
            <i />
          </span>
        </div>
      ))}
    </div>
  );
}

function move(e: KeyboardEvent, box: HTMLElement | null): void {
  const links = [...(box?.querySelectorAll<HTMLElement>(".entry") ?? [])];
  const root = box?.getRootNode() as Document | ShadowRoot | undefined;
  const at = links.indexOf(root?.activeElement as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[e.key];
  if (to === undefined || links.length === 0) return;
  e.preventDefault();
  links[Math.min(Math.max(to, 0), links.length - 1)]?.focus();
}
