import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { useChat, useTexts } from "../state/chat.ts";
import { AskDialog, Modal, Popup } from "./dialogs.tsx";
import { Close } from "./icons.tsx";
import { lazy } from "./lazy.tsx";

export const Lightbox = lazy(async () => (await import("./lightbox.tsx")).Lightbox, NoLightbox);

function NoLightbox({ note }: { note: VNode }) {
  const { gallery } = useChat();
  return (
    <Modal class="ask" label={useTexts().picture} close={() => (gallery.value = undefined)}>
      {note}
    </Modal>
  );
}

/** Whatever lies above the chat at the moment. */
export function Overlays() {
  const chat = useChat();
  const popup = chat.popup.value;
  const asked = chat.asked.value;
  const gallery = chat.gallery.value;
  return (
    <>
      {popup !== undefined && <Popup key={popup.label} at={popup} close={() => (chat.popup.value = undefined)} />}
      {gallery !== undefined && <Lightbox gallery={gallery} />}
      {asked !== undefined && <AskDialog key={asked.title} asked={asked} />}
      <Toast />
      <div class="hidden" role="log" aria-live="polite" aria-label={useTexts().newMessages}>
        <p key={chat.spoken.value}>{chat.spoken.value}</p>
      </div>
    </>
  );
}

function Toast() {
  const { toast } = useChat();
  const t = useTexts();
  const text = toast.value;
  useEffect(() => {
    if (text === undefined) return;
    const timer = setTimeout(() => (toast.value = undefined), 6000);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div class="toasts" role="status">
      {text !== undefined && (
        <div class="toast">
          <span dir="auto">{text}</span>
          <button type="button" class="icon-button" aria-label={t.close} onClick={() => (toast.value = undefined)}>
            <Close size={16} />
          </button>
        </div>
      )}
    </div>
  );
}
