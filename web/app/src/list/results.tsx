// What was found: conversations by their name at once, messages from the server.

import { useEffect } from "preact/hooks";
import { batch, useSignal } from "@preact/signals";
import type { SearchHit, SearchPage } from "@parley-chat/client";
import { validUser } from "../format/user.ts";
import { problemText, useChat, useTexts, useTimes } from "../state/chat.ts";
import { Avatar, UserAvatar } from "../ui/avatar.tsx";
import { Search } from "../ui/icons.tsx";
import { Row } from "./row.tsx";
import { titleOf } from "./title.ts";

export function Results() {
  const chat = useChat();
  const { parley, search, router } = chat;
  const t = useTexts();
  const { q, conv } = search.value;
  const words = q.trim();
  const me = parley.me.value?.user;
  const canSearch = parley.features.value.has("search");
  const hits = useSignal<readonly SearchHit[]>([]);
  const page = useSignal<SearchPage | undefined>(undefined);
  const state = useSignal<"idle" | "busy" | "done" | { failed: string }>("idle");

  const run = async (cursor: string | undefined, current: () => boolean) => {
    state.value = "busy";
    try {
      const found = await parley.search({ q: words, ...(conv === undefined ? {} : { conv }), ...(cursor === undefined ? {} : { cursor }) });
      if (!current()) return;
      batch(() => {
        hits.value = cursor === undefined ? found.items : [...hits.peek(), ...found.items];
        page.value = found;
        state.value = "done";
      });
      if (found.items.length === 0 && found.next !== undefined) await run(found.next, current);
    } catch (err) {
      if (current()) state.value = { failed: problemText(chat, err) };
    }
  };
  useEffect(() => {
    if (words === "" || !canSearch) {
      batch(() => {
        hits.value = [];
        page.value = undefined;
        state.value = "idle";
      });
      return;
    }
    let current = true;
    const timer = setTimeout(() => void run(undefined, () => current), 250);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [words, conv, canSearch]);

  const needle = words.toLocaleLowerCase();
  const named =
    conv === undefined && words !== ""
      ? parley.conversations.value.filter((c) => titleOf(c.info.value, me, t).toLocaleLowerCase().includes(needle)).slice(0, 20)
      : [];
  const stranger = conv === undefined && validUser(words) && !named.some((c) => c.info.value.peer === words) && words !== me;
  const scope = conv === undefined ? undefined : parley.conversation(conv);
  const done = state.value === "done" || !canSearch;
  return (
    <div class="list">
      {named.length > 0 && <h2>{t.foundConversations}</h2>}
      <ul>
        {named.map((c) => (
          <Row key={c.id} c={c} me={me} open={c.id === router.route.value.conv} tab={0} />
        ))}
      </ul>
      {stranger && (
        <button type="button" class="entry" onClick={() => router.go({ peer: words })}>
          <UserAvatar user={words} />
          <span class="cut">{t.startWith(words)}</span>
        </button>
      )}
      {canSearch && words !== "" && hits.value.length > 0 && <h2 dir="auto">{scope === undefined ? t.foundMessages : t.messagesWith(titleOf(scope.info.value, me, t))}</h2>}
      <ul>
        {hits.value.map((hit) => (
          <Hit key={hit.id} hit={hit} />
        ))}
      </ul>
      <div role="status">
        {state.value === "busy" && <p class="blank">{t.searching}</p>}
        {typeof state.value === "object" && <p class="blank problem">{state.value.failed}</p>}
        {done && words !== "" && named.length === 0 && hits.value.length === 0 && !stranger && (
          <div class="blank">
            <Search size={40} />
            <p dir="auto">{t.noResults(words)}</p>
          </div>
        )}
        {state.value === "done" && <span class="hidden">{t.resultCount(hits.value.length)}</span>}
        {page.value !== undefined && !page.value.exact && <p class="hint">{t.searchPartly}</p>}
      </div>
      {page.value?.next !== undefined && state.value === "done" && (
        <button type="button" class="item link" onClick={() => void run(page.peek()?.next, () => words === search.peek().q.trim())}>
          {t.loadMore}
        </button>
      )}
    </div>
  );
}

function Hit({ hit }: { hit: SearchHit }) {
  const { parley, router, jump } = useChat();
  const t = useTexts();
  const times = useTimes();
  const me = parley.me.value?.user;
  const c = parley.conversation(hit.conv);
  const title = c === undefined ? hit.from : titleOf(c.info.value, me, t);
  const who = hit.from === me ? t.you : hit.from;
  return (
    <li>
      <button
        type="button"
        class="entry"
        onClick={() => {
          jump.value = { conv: hit.conv, seq: hit.seq };
          router.go({ conv: hit.conv });
        }}
      >
        <Avatar name={hit.from} />
        <span>
          <span class="line">
            <span class="name cut" dir="auto">
              {title === who ? who : `${who} · ${title}`}
            </span>
            <time dateTime={hit.time}>{times.brief(Date.parse(hit.time))}</time>
          </span>
          <span class="found" dir="auto">
            {marked(hit.snippet.text, hit.snippet.highlights)}
          </span>
        </span>
      </button>
    </li>
  );
}

/** The text with the ranges marked; a range that makes no sense is left out. */
function marked(text: string, ranges: readonly (readonly [number, number])[]) {
  const out: (string | preact.JSX.Element)[] = [];
  let done = 0;
  for (const [from, to] of ranges) {
    if (from < done || to <= from || to > text.length) continue;
    out.push(text.slice(done, from), <mark key={from}>{text.slice(from, to)}</mark>);
    done = to;
  }
  out.push(text.slice(done));
  return out;
}
