import type { Body, MessageItem } from "@parley-chat/client";
import { tone } from "../format/text.ts";
import type { Texts } from "../i18n/index.ts";
import { useChat, useTexts, useTimes } from "../state/chat.ts";
import { Avatar } from "../ui/avatar.tsx";
import { More, NoEntry, Reply, Smile, Ticks } from "../ui/icons.tsx";
import { canReact, canReply, openActions, openReactions } from "./actions.tsx";
import { Attachments } from "./attachments.tsx";
import { useThread } from "./context.ts";
import { Quote } from "./quote.tsx";
import { Reactions } from "./reactions.tsx";
import { openSeen } from "./seen.tsx";
import { MessageText, textClass } from "./text.tsx";

/** A body in a few words: for labels, quotes and notifications. */
export function bodyText(t: Texts, body: Body | undefined): string {
  if (body === undefined) return "";
  const files = body.attachments ?? [];
  const pictures = files.filter((f) => f.type.startsWith("image/")).length;
  const parts = [body.text ?? ""];
  if (pictures > 0) parts.push(t.pictures(pictures));
  if (files.length > pictures) parts.push(t.files(files.length - pictures));
  return parts.filter((p) => p !== "").join(" · ") || t.unsupported;
}

/** What a message says, or why it says nothing. */
export function messageText(t: Texts, item: MessageItem, me: string): string {
  if (!item.gone) return bodyText(t, item.body);
  if (item.recalled === undefined) return t.gone;
  if (item.recalled.by === me) return t.recalledByYou;
  return item.recalled.by === item.from ? t.recalled : t.recalledBy(item.recalled.by);
}

interface MessageProps {
  item: MessageItem;
  first: boolean;
  last: boolean;
  tab: number;
}

export function MessageBody({ item, first, last, tab }: MessageProps) {
  const chat = useChat();
  const t = useTexts();
  const view = useThread();
  const me = chat.parley.me.value?.user ?? "";
  const group = view.c.kind === "group" && !item.own;
  const body = item.body;
  const text = body?.text ?? "";
  const files = body?.attachments ?? [];
  return (
    <div class={`msg ${item.own ? "own" : "foreign"}${first ? " first" : ""}`}>
      {group && (last ? <Avatar name={item.from} /> : <span />)}
      <div class="stack">
        <div class="line-up">
          <div class="bubble">
            {group && first && (
              <bdi class="from" style={{ "--name": `var(--name-${tone(item.from)})` }}>
                {item.from}
              </bdi>
            )}
            {item.gone ? (
              <span class="gone">
                <NoEntry size={16} />
                <span>{messageText(t, item, me)}</span>
                <Meta item={item} tab={tab} />
              </span>
            ) : (
              <>
                {item.reply_to !== undefined && <Quote seq={item.reply_to} tab={tab} />}
                {files.length > 0 && <Attachments list={files} tab={tab} />}
                {text !== "" ? (
                  <div class={textClass(text)} dir="auto">
                    <MessageText text={text} mentions={item.mentions} tab={tab} />
                    <Meta item={item} tab={tab} />
                  </div>
                ) : files.length > 0 ? (
                  <Meta item={item} tab={tab} />
                ) : (
                  <span class="gone">
                    {t.unsupported}
                    <Meta item={item} tab={tab} />
                  </span>
                )}
              </>
            )}
          </div>
          <Tools item={item} tab={tab} />
        </div>
        {item.reactions.length > 0 && !item.gone && <Reactions item={item} tab={tab} />}
      </div>
    </div>
  );
}

function Meta({ item, tab }: { item: MessageItem; tab: number }) {
  const chat = useChat();
  const t = useTexts();
  const times = useTimes();
  const { c } = useThread();
  const at = Date.parse(item.time);
  const seen = chat.parley.features.value.has("seen") && item.own && !item.gone && c.kind === "group" && c.info.value.left === undefined;
  const state = item.pending ? "pending" : item.state;
  const ticks = (
    <span class={state} role="img" aria-label={t.state[state]} title={t.state[state]}>
      <Ticks state={state} />
    </span>
  );
  return (
    <span class="meta">
      {item.via !== undefined && <span>{t.via(item.via)}</span>}
      {item.edited !== undefined && !item.gone && <span title={times.full(Date.parse(item.edited.time))}>{t.edited}</span>}
      <time dateTime={item.time} title={times.full(at)}>
        {times.time(at)}
      </time>
      {item.own &&
        !item.gone &&
        (seen ? (
          <button type="button" tabIndex={tab} aria-label={`${t.state[state]}. ${t.seenBy}`} title={t.seenBy} onClick={(e) => openSeen(chat, c, item.seq, e.currentTarget)}>
            <span class={state}>
              <Ticks state={state} />
            </span>
          </button>
        ) : (
          ticks
        ))}
    </span>
  );
}

/** What can be done with a message, beside it. */
function Tools({ item, tab }: { item: MessageItem; tab: number }) {
  const chat = useChat();
  const t = useTexts();
  const view = useThread();
  return (
    <div class="tools">
      {canReact(chat, view, item) && (
        <button type="button" class="icon-button" tabIndex={tab} aria-label={t.react} title={t.react} onClick={(e) => openReactions(chat, view, item, e.currentTarget)}>
          <Smile size={18} />
        </button>
      )}
      {canReply(view) && !item.gone && (
        <button
          type="button"
          class="icon-button"
          tabIndex={tab}
          aria-label={t.reply}
          title={t.reply}
          onClick={() => {
            view.editing.value = undefined;
            view.replyTo.value = item.seq;
            view.focusComposer.run();
          }}
        >
          <Reply size={18} />
        </button>
      )}
      <button type="button" class="icon-button more" tabIndex={tab} aria-haspopup="menu" aria-label={t.messageActions} title={t.messageActions} onClick={(e) => openActions(chat, view, item, e.currentTarget)}>
        <More size={18} />
      </button>
    </div>
  );
}
