// Everything that lies above the chat. All of it is <dialog> with showModal: the
// browser makes the rest inert, keeps the focus inside and gives it back afterwards.

import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { useChat, useTexts, type Asked, type PopupAt } from "../state/chat.ts";
import { Back, Close } from "./icons.tsx";

interface ModalProps {
  class: string;
  label: string;
  close: () => void;
  children: ComponentChildren;
  /** A press beside it closes it. Default true. */
  light?: boolean;
  /** Puts it where it belongs, and again when its size changes. */
  place?: (dialog: HTMLDialogElement) => void;
  onKeyDown?: (e: KeyboardEvent) => void;
  box?: RefObject<HTMLDialogElement | null>;
}

/** A modal dialog that is open while it is rendered. */
export function Modal({ class: cls, label, close, children, light = true, place, onKeyDown, box }: ModalProps) {
  const own = useRef<HTMLDialogElement>(null);
  const ref = box ?? own;
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (dialog === null) return;
    const root = dialog.getRootNode() as Document | ShadowRoot;
    const before = root.activeElement;
    dialog.showModal();
    const first = dialog.querySelector<HTMLElement>("input[autofocus], textarea[autofocus]") ?? dialog.querySelector<HTMLElement>("[autofocus]");
    first?.focus({ preventScroll: true });
    const put = () => place?.(dialog);
    put();
    const observer = new ResizeObserver(put);
    if (place !== undefined) observer.observe(dialog);
    window.addEventListener("resize", put);
    return () => {
      observer.disconnect();
      window.removeEventListener("resize", put);
      if (!dialog.open) return; // closed before, and the focus may have gone elsewhere since
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={cls}
      aria-label={label}
      onCancel={(e) => {
        e.preventDefault();
        close();
      }}
      onPointerDown={(e) => {
        const dialog = ref.current;
        if (light && dialog !== null && e.target === dialog && outside(e, dialog)) close();
      }}
      onKeyDown={onKeyDown}
    >
      {children}
    </dialog>
  );
}

function outside(e: PointerEvent, el: Element): boolean {
  const r = el.getBoundingClientRect();
  return e.clientX < r.left || e.clientX > r.right || e.clientY < r.top || e.clientY > r.bottom;
}

/** A chat that is a part of a page has its panels there, and not over all of the page. */
function withinChat(dialog: HTMLDialogElement): void {
  const chat = dialog.closest(".parley")?.getBoundingClientRect();
  const view = document.documentElement;
  if (chat === undefined) return;
  const top = Math.max(0, chat.top);
  const left = Math.max(0, chat.left);
  const width = Math.min(view.clientWidth, chat.right) - left;
  const height = Math.min(view.clientHeight, chat.bottom) - top;
  const part = width >= 280 && height >= 320 && (width < view.clientWidth || height < view.clientHeight);
  dialog.style.inset = part ? `${top}px ${view.clientWidth - left - width}px auto auto` : "";
  dialog.style.maxWidth = part ? `${width}px` : "";
  dialog.style.height = part ? `${height}px` : "";
}

/** A panel at the side, over the whole width of a phone. */
export function Sheet({ title, close, children, foot }: { title: string; close: () => void; children: ComponentChildren; foot?: ComponentChildren }) {
  const t = useTexts();
  const narrow = useChat().width.value === "narrow";
  return (
    <Modal class="sheet" label={title} close={close} place={withinChat}>
      <header class="bar">
        {narrow && (
          <button type="button" class="icon-button" aria-label={t.back} onClick={close}>
            <Back />
          </button>
        )}
        <h2 class="cut" tabIndex={-1} autofocus>
          {title}
        </h2>
        {!narrow && (
          <button type="button" class="icon-button" aria-label={t.close} onClick={close}>
            <Close />
          </button>
        )}
      </header>
      <div class="body">{children}</div>
      {foot !== undefined && <footer class="foot">{foot}</footer>}
    </Modal>
  );
}

/** The question that is asked at the moment. */
export function AskDialog({ asked }: { asked: Asked }) {
  const t = useTexts();
  const value = useSignal(asked.field?.value ?? "");
  const field = asked.field;
  const ready = field === undefined || (value.value.trim() !== "" && new TextEncoder().encode(value.value.trim()).length <= field.max);
  return (
    <Modal class="ask" label={asked.title} close={() => asked.answer(undefined)} light={field === undefined}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (ready) asked.answer(value.peek().trim());
        }}
      >
        <h2 dir="auto">{asked.title}</h2>
        {asked.why !== undefined && <p>{asked.why}</p>}
        {field !== undefined && (
          <div class="field">
            <label for="ask-field">{field.label}</label>
            <input id="ask-field" class="input" dir="auto" autofocus value={value.value} onInput={(e) => (value.value = e.currentTarget.value)} />
          </div>
        )}
        <div class="buttons">
          <button type="button" class="button" onClick={() => asked.answer(undefined)}>
            {t.cancel}
          </button>
          <button type="submit" class={asked.danger ? "button danger" : "button primary"} disabled={!ready}>
            {asked.yes}
          </button>
        </div>
      </form>
    </Modal>
  );
}

/** A small window beside the element that it belongs to; at the lower edge of a phone. */
export function Popup({ at, close }: { at: PopupAt; close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const shut = () => {
    box.current?.close(); // at once, so that what was chosen can take the focus
    close();
  };
  const place = (dialog: HTMLDialogElement) => {
    const a = at.anchor.getBoundingClientRect();
    const d = dialog.getBoundingClientRect();
    const view = { w: window.innerWidth, h: window.innerHeight };
    const top = a.bottom + 6 + d.height <= view.h - 8 ? a.bottom + 6 : Math.max(8, a.top - 6 - d.height);
    const wish = a.left + a.width / 2 < view.w / 2 ? a.left : a.right - d.width;
    dialog.style.top = `${top}px`;
    dialog.style.left = `${Math.min(Math.max(8, wish), Math.max(8, view.w - d.width - 8))}px`;
  };
  return (
    <Modal class="popup" label={at.label} close={close} place={place} onKeyDown={arrows} box={box}>
      {at.content(shut)}
    </Modal>
  );
}

/** Arrow keys go from one menu item to the next, round and round. */
function arrows(e: KeyboardEvent): void {
  const menu = e.currentTarget;
  if (!(menu instanceof HTMLElement)) return;
  const items = [...menu.querySelectorAll<HTMLElement>(".menu-item:not(:disabled)")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (items.length === 0 || (step === undefined && e.key !== "Home" && e.key !== "End")) return;
  e.preventDefault();
  const root = menu.getRootNode() as Document | ShadowRoot;
  const at = items.indexOf(root.activeElement as HTMLElement);
  const to = e.key === "Home" ? 0 : e.key === "End" ? items.length - 1 : (at + (step ?? 0) + items.length) % items.length;
  items[at < 0 && step === 1 ? 0 : to]?.focus();
}
