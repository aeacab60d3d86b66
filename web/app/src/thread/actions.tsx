import type { MessageItem } from "@parley-chat/client";
import { ask, attempt, type Chat } from "../state/chat.ts";
import { Copy, Eye, Pencil, Reply, Smile, Trash } from "../ui/icons.tsx";
import { openMenu, type MenuItem } from "../ui/menu.tsx";
import { EmojiPicker } from "../composer/pickers.ts";
import type { ThreadView } from "./context.ts";
import { openSeen } from "./seen.tsx";

/** What most reactions are. */
const quick = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

/** May one write here: not where one's part has ended, or one is muted? */
export function canReply(view: ThreadView): boolean {
  const info = view.c.info.value;
  return info.left === undefined && info.role !== "muted";
}

export function canReact(chat: Chat, view: ThreadView, item: MessageItem): boolean {
  return chat.parley.features.value.has("react") && canReply(view) && !item.gone;
}

function canRecall(chat: Chat, view: ThreadView, item: MessageItem): boolean {
  const info = view.c.info.peek();
  const allowed = item.own || (info.kind === "group" && (info.role === "owner" || info.role === "admin"));
  return chat.parley.features.peek().has("recall") && allowed && !item.gone && info.left === undefined;
}

/** Switches one's own reaction. */
export function toggle(chat: Chat, view: ThreadView, item: MessageItem, emoji: string): void {
  const mine = item.reactions.some((r) => r.emoji === emoji && r.mine);
  void attempt(chat, view.c.react(item.seq, emoji, !mine));
}

/** Opens the whole picker to react with. */
export function openReactions(chat: Chat, view: ThreadView, item: MessageItem, anchor: Element): void {
  const t = chat.prefs.texts.peek();
  chat.popup.value = {
    label: t.react,
    anchor,
    content: (close) => (
      <EmojiPicker
        choose={(emoji) => {
          close();
          toggle(chat, view, item, emoji);
        }}
      />
    ),
  };
}

/** Opens the menu of a message. */
export function openActions(chat: Chat, view: ThreadView, item: MessageItem, anchor: Element): void {
  const t = chat.prefs.texts.peek();
  const features = chat.parley.features.peek();
  const info = view.c.info.peek();
  const items: MenuItem[] = [];
  if (canReply(view) && !item.gone) {
    items.push({
      icon: <Reply />,
      label: t.reply,
      run: () => {
        view.editing.value = undefined;
        view.replyTo.value = item.seq;
        view.focusComposer.run();
      },
    });
  }
  if (item.own && features.has("edit") && canReply(view) && !item.gone && item.body?.text !== undefined) {
    items.push({
      icon: <Pencil />,
      label: t.edit,
      run: () => {
        view.replyTo.value = undefined;
        view.editing.value = item.seq;
        view.focusComposer.run();
      },
    });
  }
  const text = item.body?.text;
  if (text !== undefined && text !== "") {
    items.push({ icon: <Copy />, label: t.copy, run: () => void navigator.clipboard?.writeText(text).then(() => (chat.toast.value = t.copied), () => (chat.toast.value = t.problemOther)) });
  }
  if (item.own && features.has("seen") && info.left === undefined && !item.gone) {
    items.push({ icon: <Eye />, label: t.seenBy, run: () => openSeen(chat, view.c, item.seq, anchor) });
  }
  if (canRecall(chat, view, item)) items.push({ icon: <Trash />, label: t.recall, danger: true, run: () => void recall(chat, view, item) });
  const above = (close: () => void) =>
    canReact(chat, view, item) && (
      <div class="quick" role="group" aria-label={t.react}>
        {quick.map((emoji) => (
          <button
            key={emoji}
            type="button"
            class="emoji"
            aria-label={emoji}
            aria-pressed={item.reactions.some((r) => r.emoji === emoji && r.mine)}
            onClick={() => {
              close();
              toggle(chat, view, item, emoji);
            }}
          >
            {emoji}
          </button>
        ))}
        <button
          type="button"
          class="emoji"
          aria-label={t.more}
          onClick={() => {
            close();
            openReactions(chat, view, item, anchor);
          }}
        >
          <Smile />
        </button>
      </div>
    );
  if (items.length > 0 || canReact(chat, view, item)) openMenu(chat, anchor, t.messageActions, items, above);
}

async function recall(chat: Chat, view: ThreadView, item: MessageItem): Promise<void> {
  const t = chat.prefs.texts.peek();
  const yes = await ask(chat, { title: t.recallAsk, why: t.recallWhy, yes: t.recall, danger: true });
  if (yes !== undefined) await attempt(chat, view.c.recall(item.seq));
}
