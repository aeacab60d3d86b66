import { useEffect } from "preact/hooks";
import { useSignal, type ReadonlySignal } from "@preact/signals";
import type { Attachment } from "@parley-chat/client";
import { bytes } from "../format/size.ts";
import { attempt, useChat, useTexts, type Chat } from "../state/chat.ts";
import { File as FileIcon } from "../ui/icons.tsx";

/** The URL of a file, as soon as there is one. It is asked for again when it fails. */
export function useFileURL(id: string | undefined, what: "file" | "thumb"): ReadonlySignal<string | undefined> {
  const { parley } = useChat();
  const url = useSignal<string | undefined>(undefined);
  const live = parley.connection.value.phase === "live";
  useEffect(() => {
    if (id === undefined) return;
    let wanted = true;
    url.value = undefined;
    parley.attachmentURL(id, what).then(
      (u) => {
        if (wanted) url.value = u;
      },
      () => {}, // it stays a grey field, and is asked for again when there is a connection
    );
    return () => {
      wanted = false;
    };
  }, [id, what, live && url.peek() === undefined]);
  return url;
}

/** Has the browser save a file under its name. */
export async function saveFile(chat: Chat, file: { id: string; name: string }): Promise<void> {
  const url = await attempt(chat, chat.parley.attachmentURL(file.id));
  if (url === undefined) return;
  const a = document.createElement("a");
  a.href = url;
  a.download = file.name;
  a.rel = "noopener noreferrer";
  a.target = "_blank";
  a.click();
}

const isPicture = (a: Attachment) => a.type.startsWith("image/") && a.w !== undefined && a.h !== undefined && a.h > 0;

function Picture({ picture, one, open, tab }: { picture: Attachment; one: boolean; open: () => void; tab: number }) {
  const t = useTexts();
  const url = useFileURL(picture.id, picture.thumb === undefined ? "file" : "thumb");
  const w = picture.w ?? 4;
  const h = picture.h ?? 3;
  const ratio = Math.min(Math.max(w / h, 0.5), 2.5);
  const width = Math.min(Math.max(w, 120), ratio >= 1 ? 384 : 384 * ratio);
  const style = one ? { "--w": `${Math.round(width)}px`, "--ratio": ratio.toFixed(4) } : {};
  return (
    <button type="button" class="picture" style={style} tabIndex={tab} aria-label={t.openPicture(picture.name)} onClick={open}>
      {url.value !== undefined && <img src={url.value} alt="" loading="lazy" decoding="async" draggable={false} />}
    </button>
  );
}

/** A message's pictures as a mosaic, and its other files as a list. */
export function Attachments({ list, tab }: { list: readonly Attachment[]; tab: number }) {
  const chat = useChat();
  const t = useTexts();
  const pictures = list.filter(isPicture);
  const files = list.filter((a) => !isPicture(a));
  return (
    <>
      {pictures.length > 0 && (
        <div class={pictures.length === 1 ? "pictures one" : "pictures"}>
          {pictures.map((p, index) => (
            <Picture key={p.id} picture={p} one={pictures.length === 1} tab={tab} open={() => (chat.gallery.value = { pictures, index })} />
          ))}
        </div>
      )}
      {files.length > 0 && (
        <div class="files">
          {files.map((f) => (
            <button key={f.id} type="button" class="file" tabIndex={tab} aria-label={t.downloadFile(f.name, bytes(f.size, t.lang))} onClick={() => void saveFile(chat, f)}>
              <span class="kind">
                <FileIcon />
              </span>
              <span>
                <span class="cut" dir="auto">
                  {f.name}
                </span>
                <small>{bytes(f.size, t.lang)}</small>
              </span>
            </button>
          ))}
        </div>
      )}
    </>
  );
}
