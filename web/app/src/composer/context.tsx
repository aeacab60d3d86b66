import type { Conversation } from "@parley-chat/client";
import type { Texts } from "../i18n/index.ts";
import { useChat, useTexts } from "../state/chat.ts";
import { messageText } from "../thread/bubble.tsx";
import { useThread } from "../thread/context.ts";
import { Close, Pencil, Reply } from "../ui/icons.tsx";

/** Why one cannot write in a conversation, if one cannot. */
export function readOnlyReason(c: Conversation, t: Texts): string | undefined {
  const info = c.info.value;
  if (info.left !== undefined) {
    const end = c.thread.item(info.left);
    return end?.kind === "members" && end.change === "closed" ? t.readOnlyClosed : t.readOnlyLeft;
  }
  return info.role === "muted" ? t.readOnlyMuted : undefined;
}

export function ReadOnly({ reason }: { reason: string }) {
  return <p class="notice">{reason}</p>;
}

/** Which message is answered, or changed. */
export function Context({ cancel }: { cancel: () => boolean }) {
  const { parley } = useChat();
  const t = useTexts();
  const { c, editing, replyTo, focusComposer } = useThread();
  const seq = editing.value ?? replyTo.value;
  if (seq === undefined) return null;
  const item = c.thread.item(seq); // it may be taken back meanwhile
  if (item?.kind !== "message") return null;
  const isEdit = editing.value !== undefined;
  return (
    <div class="context">
      {isEdit ? <Pencil /> : <Reply />}
      <span>
        <b class="cut">{isEdit ? t.editing : t.replyingTo(item.own ? t.youWord.object : item.from)}</b>
        <small class="cut" dir="auto">
          {messageText(t, item, parley.me.value?.user ?? "")}
        </small>
      </span>
      <button
        type="button"
        class="icon-button"
        aria-label={isEdit ? t.stopEdit : t.stopReply}
        onClick={() => {
          cancel();
          focusComposer.run();
        }}
      >
        <Close />
      </button>
    </div>
  );
}
