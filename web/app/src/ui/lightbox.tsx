import { useChat, useTexts, type Gallery } from "../state/chat.ts";
import { Modal } from "./dialogs.tsx";
import { Back, Close, Forward, Save } from "./icons.tsx";
import { saveFile, useFile } from "../thread/attachments.tsx";

/** A message's pictures, one at a time, as large as the window. */
export function Lightbox({ gallery }: { gallery: Gallery }) {
  const chat = useChat();
  const t = useTexts();
  const picture = gallery.pictures[gallery.index];
  const { url, broken } = useFile(picture?.id, "file");
  if (picture === undefined) return null;
  const go = (step: number) => {
    const index = gallery.index + step;
    if (index >= 0 && index < gallery.pictures.length) chat.gallery.value = { ...gallery, index };
  };
  const close = () => (chat.gallery.value = undefined);
  const keys = (e: KeyboardEvent) => {
    if (e.key === "ArrowLeft") go(-1);
    else if (e.key === "ArrowRight") go(1);
  };
  return (
    <Modal class="lightbox" label={t.picture} close={close} onKeyDown={keys}>
      <div class="stage" onClick={(e) => e.target === e.currentTarget && close()}>
        {broken.value ? (
          <p role="alert">{t.pictureFailed}</p>
        ) : url.value === undefined ? (
          <span class="spinner" />
        ) : (
          <img src={url.value} alt={picture.name} onError={() => (broken.value = true)} />
        )}
      </div>
      <div class="top">
        <span class="cut" dir="auto">
          {picture.name}
        </span>
        <button type="button" class="icon-button" aria-label={t.download} onClick={() => void saveFile(chat, picture)}>
          <Save />
        </button>
        <button type="button" class="icon-button" aria-label={t.close} autofocus onClick={close}>
          <Close />
        </button>
      </div>
      {gallery.index > 0 && (
        <button type="button" class="icon-button step back" aria-label={t.previous} onClick={() => go(-1)}>
          <Back />
        </button>
      )}
      {gallery.index < gallery.pictures.length - 1 && (
        <button type="button" class="icon-button step on" aria-label={t.next} onClick={() => go(1)}>
          <Forward />
        </button>
      )}
    </Modal>
  );
}
