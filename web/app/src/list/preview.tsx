// The second line of a conversation in the list: what was said last, or happened since.

import { useEffect } from "preact/hooks";
import type { Conversation, ConversationInfo, LastFiles, LastMessage } from "@parley-chat/client";
import type { Texts } from "../i18n/index.ts";
import { bodyText } from "../thread/bubble.tsx";
import { membersText } from "../thread/system.ts";
import { Alert, File, Picture, Ticks } from "../ui/icons.tsx";

interface PreviewProps {
  c: Conversation;
  info: ConversationInfo;
  me: string | undefined;
  t: Texts;
  /** Its draft stands in the composer already. */
  open: boolean;
}

export function Preview({ c, info, me, t, open }: PreviewProps) {
  const { last, event } = info;
  const unknown = last !== undefined && needsBody(last) && !c.thread.has(last.seq) ? last.seq : 0;
  useEffect(() => {
    if (unknown > 0) void c.thread.load(unknown, unknown).catch(() => {}); // then it stays a dot-dot-dot
  }, [unknown]);
  const typing = c.typing.value;
  const draft = c.draft.value.trim();
  const waiting = c.thread.outgoing.value.at(-1);
  if (typing.length > 0) {
    return (
      <span class="preview cut">
        <span class="typing">{info.kind === "direct" ? t.typing : typing.length === 1 ? t.typingOne(typing[0] ?? "") : t.typingMany(typing.length)}</span>
      </span>
    );
  }
  if (draft !== "" && !open) {
    return (
      <span class="preview cut">
        <span class="draft">{t.draft}</span> <bdi>{draft.slice(0, 160)}</bdi>
      </span>
    );
  }
  if (waiting !== undefined) {
    const failed = waiting.state === "failed";
    return (
      <span class="preview cut">
        <span class={failed ? "state failed" : "state"}>
          {failed ? <Alert size={14} /> : <Ticks state="pending" />}
          <span class="hidden">{failed ? t.state.failed : t.state.pending}: </span>
        </span>
        <bdi>{bodyText(t, waiting.body)}</bdi>
      </span>
    );
  }
  if (event !== undefined) {
    const { user, role = "member", users = 0 } = event;
    const shape = { from: event.from, change: event.change, title: info.title, users: user === undefined ? [] : [{ user, role }], more: users - 1 };
    return (
      <span class="preview cut">
        <bdi>{membersText(t, shape, me ?? "")}</bdi>
      </span>
    );
  }
  if (last === undefined) return <span class="preview" />;
  if (last.gone) {
    return (
      <span class="preview cut">
        <i>{t.recalled}</i>
      </span>
    );
  }
  const who = last.from === me ? t.you : info.kind === "group" ? last.from : "";
  const item = c.thread.item(last.seq);
  const edited = item?.kind === "message" && item.edited !== undefined ? (item.body?.text ?? "").slice(0, 160) : "";
  const text = edited !== "" ? edited : last.text !== "" ? last.text : last.files !== undefined ? filesText(t, last.files) : item?.kind === "message" ? bodyText(t, item.body) : "…";
  return (
    <span class="preview cut" dir={who === "" ? "auto" : undefined}>
      {who !== "" && <b>{who}: </b>}
      {last.files !== undefined && <span class="state">{isPicture(last.files) ? <Picture size={15} /> : <File size={15} />}</span>}
      {who === "" ? text : <bdi>{text}</bdi>}
    </span>
  );
}

/** An older server does not say what a message without text carries. */
function needsBody(last: LastMessage): boolean {
  return last.text === "" && !last.gone && last.files === undefined;
}

const isPicture = (f: LastFiles) => f.type?.startsWith("image/") === true;

function filesText(t: Texts, f: LastFiles): string {
  if (isPicture(f)) return f.count === 1 ? t.picture : t.pictures(f.count);
  return f.count === 1 ? (f.name ?? t.file) : t.files(f.count);
}
