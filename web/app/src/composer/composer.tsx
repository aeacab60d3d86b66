import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { untracked, useSignal } from "@preact/signals";
import { byteLength } from "../format/size.ts";
import { titleOf } from "../list/title.ts";
import { attempt, useChat, useTexts } from "../state/chat.ts";
import { Check, Clip, Send, Smile } from "../ui/icons.tsx";
import { useThread } from "../thread/context.ts";
import { putText } from "./caret.ts";
import { MentionList, useMentions } from "./completion.tsx";
import { Context, ReadOnly, readOnlyReason } from "./context.tsx";
import { mentionedIn } from "./mentions.ts";
import { lastOwn, textOf } from "./own.ts";
import { EmojiPicker } from "./pickers.ts";
import { UploadStrip } from "./strip.tsx";
import type { Uploads } from "./uploads.ts";

export function Composer({ uploads }: { uploads: Uploads }) {
  const t = useTexts();
  const reason = readOnlyReason(useThread().c, t);
  return <footer class="composer">{reason !== undefined ? <ReadOnly reason={reason} /> : <Form uploads={uploads} />}</footer>;
}

function Form({ uploads }: { uploads: Uploads }) {
  const chat = useChat();
  const { parley, prefs, popup, width } = chat;
  const t = useTexts();
  const view = useThread();
  const { c, editing, changed, replyTo } = view;
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const tooEarly = useSignal(false); // Enter was pressed while files were on their way
  const started = useRef(editing.peek()); // the edit that `changed` belongs to
  const info = c.info.value;
  const features = parley.features.value;
  const isEdit = editing.value !== undefined;
  const text = isEdit ? changed.value : c.draft.value;
  const files = uploads.list.value;
  const busy = files.some((f) => f.done.value === undefined);
  const broken = files.find((f) => f.problem.value !== undefined);
  const over = byteLength(text) - (parley.limits.value?.text ?? 16384);
  const ready = over <= 0 && !busy && (text.trim() !== "" || (files.length > 0 && !isEdit));

  const setText = (value: string) => {
    if (editing.peek() === undefined) c.draft.value = value;
    else changed.value = value;
  };
  const mentions = useMentions(c, area, setText);

  view.focusComposer.run = () => area.current?.focus({ preventScroll: true });
  useEffect(() => {
    if (width.peek() !== "narrow") area.current?.focus({ preventScroll: true });
  }, [c]);
  useEffect(() => {
    const seq = editing.value;
    if (seq === started.current) return;
    started.current = seq;
    if (seq === undefined) return;
    const now = textOf(c, seq);
    if (area.current !== null) putText(area.current, now, now.length);
    changed.value = now;
  }, [editing.value]);
  useLayoutEffect(() => {
    const el = area.current;
    if (el === null) return;
    el.style.height = "0";
    el.style.height = `${el.scrollHeight}px`;
  }, [text, width.value]);

  const submit = () => {
    tooEarly.value = busy && over <= 0;
    if (!ready) return;
    const target = editing.peek();
    if (target !== undefined) {
      editing.value = undefined;
      if (text.trim() !== textOf(c, target)) void attempt(chat, c.edit(target, text.trim()));
      return;
    }
    const everybody = features.has("mention_all") && (info.role === "owner" || info.role === "admin");
    const users = (c.members.peek() ?? []).map((m) => m.user);
    const mentioned = c.kind === "group" && features.has("mentions") ? mentionedIn(text, users, everybody) : [];
    const reply = replyTo.peek();
    const attachments = uploads.take();
    try {
      c.send({
        ...(text.trim() === "" ? {} : { text: text.trim() }),
        ...(attachments.length === 0 ? {} : { attachments }),
        ...(reply === undefined ? {} : { replyTo: reply }),
        ...(mentioned.length === 0 ? {} : { mentions: mentioned }),
      });
    } catch (err) {
      void attempt(chat, Promise.reject(err));
      return;
    }
    c.draft.value = "";
    c.setTyping(false);
    replyTo.value = undefined;
    view.readBefore.value = c.thread.head.peek();
    view.scroller.toEnd();
    view.focusComposer.run();
  };

  const cancel = (): boolean => {
    if (editing.peek() === undefined && replyTo.peek() === undefined) return false;
    editing.value = undefined;
    replyTo.value = undefined;
    return true;
  };

  const onKey = (e: KeyboardEvent) => {
    // While an input method composes, keys are its own; some browsers say so by 229 only.
    if (e.isComposing || e.keyCode === 229) return;
    if (mentions.onKey(e)) return;
    if (e.key === "Escape" && cancel()) e.preventDefault();
    else if (e.key === "Enter" && sends(e, prefs.enterSends.peek())) {
      e.preventDefault();
      submit();
    } else if (e.key === "ArrowUp" && text === "" && !isEdit && features.has("edit")) {
      const last = untracked(() => lastOwn(c));
      if (last === undefined) return;
      e.preventDefault();
      editing.value = last;
    }
  };

  const insert = (emoji: string) => {
    const el = area.current;
    const from = el?.selectionStart ?? text.length;
    const to = el?.selectionEnd ?? from;
    const now = editing.peek() === undefined ? c.draft.peek() : changed.peek();
    const next = now.slice(0, from) + emoji + now.slice(to);
    if (el !== null) putText(el, next, from + emoji.length);
    setText(next);
  };
  const name = titleOf(info, parley.me.value?.user, t);
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault();
        submit();
      }}
    >
      <MentionList mentions={mentions} />
      <Context cancel={cancel} />
      {!isEdit && files.length > 0 && <UploadStrip uploads={uploads} />}
      <div class="write">
        {features.has("attachments") && !isEdit && (
          <>
            <button type="button" class="icon-button" aria-label={t.attach} title={t.attach} onClick={() => picker.current?.click()}>
              <Clip />
            </button>
            <input
              ref={picker}
              type="file"
              multiple
              hidden
              accept={parley.limits.value?.attachment_types || undefined}
              onChange={(e) => {
                uploads.add([...(e.currentTarget.files ?? [])]);
                e.currentTarget.value = "";
                view.focusComposer.run();
              }}
            />
          </>
        )}
        <textarea
          ref={area}
          dir="auto"
          rows={1}
          aria-label={isEdit ? t.editing : t.writeTo(name)}
          placeholder={t.write}
          value={text}
          {...mentions.aria}
          enterkeyhint={prefs.enterSends.value ? "send" : "enter"}
          onInput={(e) => {
            setText(e.currentTarget.value);
            if (!isEdit && info.head > 0 && features.has("typing")) c.setTyping(e.currentTarget.value !== "");
            mentions.look();
          }}
          onKeyDown={onKey}
          onSelect={() => mentions.look()}
          onBlur={() => {
            c.setTyping(false);
            mentions.close();
          }}
          onPaste={(e) => {
            const pasted = [...(e.clipboardData?.files ?? [])];
            // Office programs put a picture of the text beside it.
            if (pasted.length === 0 || e.clipboardData?.getData("text/plain").trim() !== "" || !features.has("attachments") || isEdit) return;
            e.preventDefault();
            uploads.add(pasted);
          }}
        />
        <button
          type="button"
          class="icon-button"
          aria-label={t.emoji}
          title={t.emoji}
          onClick={(e) => {
            const anchor = e.currentTarget;
            popup.value = {
              label: t.emoji,
              anchor,
              content: (close) => (
                <EmojiPicker
                  choose={(emoji) => {
                    close();
                    insert(emoji);
                  }}
                />
              ),
            };
          }}
        >
          <Smile />
        </button>
        <button type="submit" class="icon-button send" disabled={!ready} aria-label={isEdit ? t.saveEdit : t.send} title={isEdit ? t.saveEdit : t.send}>
          {isEdit ? <Check /> : <Send />}
        </button>
      </div>
      {over > 0 && (
        <p class="over problem" role="status">
          {t.tooLong(over)}
        </p>
      )}
      {busy && tooEarly.value && (
        <p class={broken === undefined ? "over" : "over problem"} role="status">
          {broken === undefined ? t.filesFirst : t.uploadFailed(broken.name)}
        </p>
      )}
    </form>
  );
}

/** Enter sends, or Ctrl+Enter where the user wants Enter for new lines. On touch screens Enter is a new line. */
function sends(e: KeyboardEvent, enterSends: boolean): boolean {
  if (e.ctrlKey || e.metaKey) return true;
  return enterSends && !e.shiftKey && !e.altKey && !matchMedia("(hover: none) and (pointer: coarse)").matches;
}
