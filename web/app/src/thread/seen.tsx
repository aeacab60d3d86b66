import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Conversation, Seen as SeenBy } from "@parley-chat/client";
import { problemText, useChat, useTexts, type Chat } from "../state/chat.ts";
import { Avatar } from "../ui/avatar.tsx";

/** Shows who got and who read a message. */
export function openSeen(chat: Chat, c: Conversation, seq: number, anchor: Element): void {
  const t = chat.prefs.texts.peek();
  chat.popup.value = { label: t.seenBy, anchor, content: () => <Seen c={c} seq={seq} /> };
}

function Seen({ c, seq }: { c: Conversation; seq: number }) {
  const chat = useChat();
  const t = useTexts();
  const list = useSignal<readonly SeenBy[] | undefined>(undefined);
  const wrong = useSignal("");
  useEffect(() => {
    c.seenBy(seq).then(
      (l) => (list.value = l),
      (err: unknown) => (wrong.value = problemText(chat, err)),
    );
  }, [c, seq]);
  if (wrong.value !== "") return <p class="seen problem">{wrong.value}</p>;
  if (list.value === undefined) return <p class="seen hint">{t.loading}</p>;
  const read = list.value.filter((p) => p.read);
  const got = list.value.filter((p) => p.delivered && !p.read);
  const rest = list.value.filter((p) => !p.delivered && !p.read);
  const part = (title: string, users: readonly SeenBy[]) =>
    users.length > 0 && (
      <section>
        <h3 class="hint">{title}</h3>
        <ul>
          {users.map((p) => (
            <li class="item" key={p.user}>
              <Avatar name={p.user} size={1.75} />
              <span class="grow">{p.user}</span>
            </li>
          ))}
        </ul>
      </section>
    );
  return (
    <div class="seen" tabIndex={0}>
      {list.value.length === 0 && <p class="hint">{t.notSeenYet}</p>}
      {part(t.readWord, read)}
      {part(t.delivered, got)}
      {part(t.sentOnly, rest)}
    </div>
  );
}
