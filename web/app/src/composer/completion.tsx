import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useComputed, useSignal, type ReadonlySignal } from "@preact/signals";
import type { Conversation } from "@parley-chat/client";
import { useChat, useTexts } from "../state/chat.ts";
import { Avatar } from "../ui/avatar.tsx";
import { putText } from "./caret.ts";
import { candidates, complete, unfinishedMention, type Unfinished } from "./mentions.ts";

/** A list of names under the cursor's @. */
export interface Mentions {
  readonly list: ReadonlySignal<readonly string[]>;
  readonly at: ReadonlySignal<number>;
  readonly aria: Record<string, string | undefined>;
  /** Looks whether the cursor is behind an unfinished name. */
  look(): void;
  close(): void;
  choose(name: string): void;
  /** True if the key was for the list. */
  onKey(e: KeyboardEvent): boolean;
}

const listId = "parley-mentions";

export function useMentions(c: Conversation, area: RefObject<HTMLTextAreaElement | null>, setText: (text: string) => void): Mentions {
  const { parley } = useChat();
  const open = useSignal<Unfinished | undefined>(undefined);
  const at = useSignal(0);
  const on = c.kind === "group" && parley.features.value.has("mentions");
  useEffect(() => {
    if (on && c.members.peek() === undefined && c.info.peek().left === undefined) void c.loadMembers().catch(() => {}); // asked again at the next @
  }, [c, on]);
  const list = useComputed(() => {
    const u = open.value;
    if (u === undefined) return [];
    const me = parley.me.value?.user;
    const users = (c.members.value ?? []).map((m) => m.user).filter((m) => m !== me);
    const role = c.info.value.role;
    if (parley.features.value.has("mention_all") && (role === "owner" || role === "admin")) users.unshift("all");
    return candidates(users, u.typed, 8);
  });
  const look = () => {
    const el = area.current;
    if (!on || el === null) return;
    open.value = el.selectionStart === el.selectionEnd ? unfinishedMention(el.value, el.selectionStart) : undefined;
    at.value = 0;
    if (open.peek() !== undefined && c.members.peek() === undefined) void c.loadMembers().catch(() => {});
  };
  const close = () => (open.value = undefined);
  const choose = (name: string) => {
    const el = area.current;
    const u = open.peek();
    if (el === null || u === undefined) return;
    const next = complete(el.value, el.selectionStart, u, name);
    close();
    putText(el, next.text, next.cursor);
    setText(next.text);
  };
  const shown = list.value.length > 0;
  return {
    list,
    at,
    look,
    close,
    choose,
    aria: shown ? { "aria-autocomplete": "list", "aria-controls": listId, "aria-activedescendant": `${listId}-${at.value}` } : {},
    onKey(e) {
      const names = list.peek();
      if (names.length === 0) return false;
      const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
      if (step !== undefined) at.value = (at.peek() + step + names.length) % names.length;
      else if (e.key === "Enter" || e.key === "Tab") choose(names[at.peek()] ?? "");
      else if (e.key === "Escape") close();
      else return false;
      e.preventDefault();
      return true;
    },
  };
}

export function MentionList({ mentions }: { mentions: Mentions }) {
  const t = useTexts();
  const names = mentions.list.value;
  const at = mentions.at.value;
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => box.current?.children[at]?.scrollIntoView({ block: "nearest" }), [at, names]);
  if (names.length === 0) return null;
  return (
    <div ref={box} class="complete" id={listId} role="listbox" aria-label={t.mentionList}>
      {names.map((name, i) => (
        <div
          key={name}
          id={`${listId}-${i}`}
          role="option"
          aria-selected={i === at}
          onPointerDown={(e) => {
            e.preventDefault();
            mentions.choose(name);
          }}
        >
          <Avatar name={name} />
          <span class="cut">{name === "all" ? `@all · ${t.mentionEverybody}` : name}</span>
        </div>
      ))}
    </div>
  );
}
