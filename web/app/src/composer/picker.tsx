import { useMemo, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { useChat, useTexts } from "../state/chat.ts";
import { Search } from "../ui/icons.tsx";
import { emojiGroups } from "./emoji.ts";

const most = 24;

/** Emoji by group and by name, with those that were used last on top. */
export function EmojiPicker({ choose }: { choose: (emoji: string) => void }) {
  const { prefs, width } = useChat();
  const t = useTexts();
  const groups = useMemo(emojiGroups, []);
  const q = useSignal("");
  const grid = useRef<HTMLDivElement>(null);
  const pick = (emoji: string) => {
    prefs.recentEmoji.value = [emoji, ...prefs.recentEmoji.peek().filter((e) => e !== emoji)].slice(0, most);
    choose(emoji);
  };
  const words = q.value.trim().toLowerCase().split(/\s+/).filter((w) => w !== "");
  const found = words.length === 0 ? undefined : groups.flatMap((g) => g.items).filter((e) => words.every((w) => e.names.includes(w)));
  const recent = prefs.recentEmoji.peek();
  const button = (emoji: string, name: string) => (
    <button key={emoji} type="button" class="emoji" aria-label={name} title={name} onClick={() => pick(emoji)}>
      {emoji}
    </button>
  );
  const nameOf = (e: { en: string; zh: string }) => (t.lang === "en" ? e.en : e.zh);
  return (
    <div class="picker">
      <div class="search">
        <Search size={18} />
        <input
          type="search"
          aria-label={t.searchEmoji}
          placeholder={t.searchEmoji}
          autofocus={width.value !== "narrow"}
          value={q.value}
          onInput={(e) => (q.value = e.currentTarget.value)}
          onKeyDown={(e) => {
            const first = found?.[0];
            if (e.key === "Enter" && !e.isComposing && first !== undefined) pick(first.emoji);
          }}
        />
      </div>
      <div class="grid" ref={grid} tabIndex={-1} onKeyDown={(e) => arrows(e, grid.current)}>
        {found !== undefined ? (
          found.length > 0 ? (
            found.map((e) => button(e.emoji, nameOf(e)))
          ) : (
            <h3>{t.noEmoji}</h3>
          )
        ) : (
          <>
            {recent.length > 0 && <h3>{t.emojiGroup.recent}</h3>}
            {recent.map((e) => button(e, e))}
            {groups.map((g) => (
              <>
                <h3 key={g.name}>{t.emojiGroup[g.name]}</h3>
                {g.items.map((e) => button(e.emoji, nameOf(e)))}
              </>
            ))}
          </>
        )}
      </div>
    </div>
  );
}

function arrows(e: KeyboardEvent, grid: HTMLElement | null): void {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -8, ArrowDown: 8 }[e.key];
  if (step === undefined || grid === null) return;
  const all = [...grid.querySelectorAll<HTMLElement>(".emoji")];
  const root = grid.getRootNode() as Document | ShadowRoot;
  const at = all.indexOf(root.activeElement as HTMLElement);
  const to = all[at + step];
  if (at < 0 || to === undefined) return;
  e.preventDefault();
  to.focus();
}
