// The left column: who one is, the search field, and the list or what was found.

import { useRef } from "preact/hooks";
import { useComputed, useSignal } from "@preact/signals";
import type { Conversation } from "@parley-chat/client";
import { useChat, useTexts } from "../state/chat.ts";
import { Close, Compose, Gear, Search } from "../ui/icons.tsx";
import { ConversationList } from "./list.tsx";
import { lazy } from "../ui/lazy.tsx";
import { titleOf } from "./title.ts";

export const Results = lazy(async () => (await import("./results.tsx")).Results);

type Filter = "all" | "unread" | "groups" | "archived";

export function Side() {
  const chat = useChat();
  const { parley, router, search } = chat;
  const t = useTexts();
  const filter = useSignal<Filter>("all");
  const field = useRef<HTMLInputElement>(null);
  const { q, conv } = search.value;
  const scope = conv === undefined ? undefined : parley.conversation(conv);
  const shown = useComputed(() => parley.conversations.value.filter((c) => passes(c, filter.value)));
  const hasArchived = parley.conversations.value.some((c) => c.info.value.archived);
  const filters: Filter[] = hasArchived ? ["all", "unread", "groups", "archived"] : ["all", "unread", "groups"];
  const words = { all: t.all, unread: t.unreadFilter, groups: t.groupsFilter, archived: t.archived };
  const clear = () => {
    search.value = { q: "", conv: undefined };
    field.current?.focus();
  };
  const scopeName = scope === undefined ? undefined : titleOf(scope.info.value, parley.me.value?.user, t);
  return (
    <nav class="side" aria-label={t.conversations}>
      <header class="bar">
        <h1 class="cut">{t.app}</h1>
        <button type="button" class="icon-button" aria-label={t.newChat} title={t.newChat} onClick={() => router.go({ ...router.route.peek(), panel: "new" })}>
          <Compose />
        </button>
        <button type="button" class="icon-button" aria-label={t.settings} title={t.settings} onClick={() => router.go({ ...router.route.peek(), panel: "settings" })}>
          <Gear />
        </button>
      </header>
      <div class="search" role="search">
        <Search size={18} />
        <input
          ref={field}
          type="search"
          dir="auto"
          data-search
          aria-label={scopeName === undefined ? t.searchAll : t.searchIn(scopeName)}
          placeholder={scopeName === undefined ? t.searchAll : t.searchIn(scopeName)}
          value={q}
          onInput={(e) => (search.value = { q: e.currentTarget.value, conv })}
          onKeyDown={(e) => e.key === "Escape" && clear()}
        />
        {(q !== "" || conv !== undefined) && (
          <button type="button" class="icon-button" aria-label={t.clearSearch} onClick={clear}>
            <Close size={16} />
          </button>
        )}
      </div>
      {q === "" && conv === undefined ? (
        <>
          {parley.conversations.value.length > 0 && (
            <div class="filters" role="group" aria-label={t.conversations}>
              {filters.map((f) => (
                <button key={f} type="button" class="chip" aria-pressed={filter.value === f} onClick={() => (filter.value = f)}>
                  {words[f]}
                </button>
              ))}
            </div>
          )}
          <ConversationList list={shown} all={filter.value === "all"} />
        </>
      ) : (
        <Results />
      )}
    </nav>
  );
}

function passes(c: Conversation, filter: Filter): boolean {
  const info = c.info.value;
  if (filter === "archived") return info.archived;
  if (info.archived) return false;
  if (filter === "unread") return info.unread > 0;
  return filter === "all" || info.kind === "group";
}
