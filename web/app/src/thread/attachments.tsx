import { useEffect, useRef } from "preact/hooks";
import { useSignal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Attachment } from "@parley-chat/client";
import { bytes } from "../format/size.ts";
import { attempt, useChat, useTexts, type Chat } from "../state/chat.ts";
import { File as FileIcon, Picture as PictureIcon } from "../ui/icons.tsx";

/** A file to be shown. */
export interface Shown {
  /** As soon as there is one. */
  readonly url: ReadonlySignal<string | undefined>;
  /** To be set where the browser could not show it. */
  readonly broken: Signal<boolean>;
}

/** The URL of a file. It is asked for again at the next connect if there was none, or no picture behind it. */
export function useFile(id: string | undefined, what: "file" | "thumb"): Shown {
  const { parley } = useChat();
  const url = useSignal<string | undefined>(undefined);
  const broken = useSignal(false);
  const live = parley.connection.value.phase === "live";
  const got = useRef("");
  const key = `${id}/${what}`;
  useEffect(() => {
    if (id === undefined || (got.current === key && !broken.peek())) return;
    let wanted = true;
    url.value = undefined;
    broken.value = false;
    parley.attachmentURL(id, what).then(
      (u) => {
        if (!wanted) return;
        got.current = key;
        url.value = u;
      },
      () => {}, // it stays a grey field
    );
    return () => {
      wanted = false;
    };
  }, [key, live]);
  return { url, broken };
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

/** Thumbnails fit into a square of this side, in pixels. */
const thumbSide = 320;
/** Pictures up to this size are shown themselves where their thumbnail would be blurred, in bytes. */
const light = 768 << 10;

/** Which of the two is sharp enough for a field so many CSS pixels wide, and not too dear. */
export function pictureFor(p: Pick<Attachment, "w" | "h" | "size" | "thumb">, width: number, ratio: number, density: number): "file" | "thumb" {
  if (p.thumb === undefined) return "file";
  const { w = 4, h = 3 } = p;
  const scale = Math.min(1, thumbSide / w, thumbSide / h);
  // The picture covers the field, so what is cut off does not count.
  const shown = w / h > ratio ? h * scale * ratio : w * scale;
  const wanted = Math.min(width * Math.min(density, 2), w);
  return shown >= wanted * 0.8 || p.size > light ? "thumb" : "file";
}

function Picture({ picture, one, open, tab }: { picture: Attachment; one: boolean; open: () => void; tab: number }) {
  const t = useTexts();
  const w = picture.w ?? 4;
  const h = picture.h ?? 3;
  const ratio = Math.min(Math.max(w / h, 0.5), 2.5);
  const width = Math.min(Math.max(w, 120), ratio >= 1 ? 384 : 384 * ratio);
  const { url, broken } = useFile(picture.id, pictureFor(picture, one ? width : 192, one ? ratio : 1, window.devicePixelRatio));
  const style = one ? { "--w": `${Math.round(width)}px`, "--ratio": ratio.toFixed(4) } : {};
  return (
    <button type="button" class={w < 120 && h < 120 ? "picture small" : "picture"} style={style} tabIndex={tab} aria-label={t.openPicture(picture.name)} onClick={open}>
      {broken.value ? (
        <span class="broken">
          <PictureIcon size={32} />
        </span>
      ) : (
        url.value !== undefined && <img src={url.value} alt="" loading="lazy" decoding="async" draggable={false} onError={() => (broken.value = true)} />
      )}
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
            <button key={f.id} type="button" class="file" tabIndex={tab} title={t.downloadFile(f.name, bytes(f.size, t.lang))} onClick={() => void saveFile(chat, f)}>
              <span class="kind">
                <FileIcon />
              </span>
              <span>
                <span class="cut" dir="auto">
                  {f.name}
                </span>
                <small>{bytes(f.size, t.lang)}</small>
                <span class="hidden">{t.download}</span>
              </span>
            </button>
          ))}
        </div>
      )}
    </>
  );
}
