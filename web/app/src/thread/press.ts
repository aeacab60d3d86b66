// A finger that rests on a message asks for what can be done with it. Some browsers
// tell that as `contextmenu`; those of iOS do not.

/** How long a finger rests, in ms, and how far it may stray, in pixels. */
export const restFor = 500;
const stray = 10;

/** What does something of its own when it is touched. */
const busy = "a, button, input, textarea, audio, video, .picture";

/** Calls `open` with the element that a finger rests on, until the result is called. */
export function watchPresses(outer: HTMLElement, open: (at: Element) => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let from = { x: 0, y: 0 };
  let opened = false;
  const cancel = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const down = (e: PointerEvent) => {
    cancel();
    opened = false;
    const at = e.target as Element;
    if (e.pointerType !== "touch" || !e.isPrimary || at.closest(busy) !== null) return;
    from = { x: e.clientX, y: e.clientY };
    timer = setTimeout(() => {
      timer = undefined;
      opened = at.isConnected;
      if (opened) open(at);
    }, restFor);
  };
  const move = (e: PointerEvent) => {
    if (Math.hypot(e.clientX - from.x, e.clientY - from.y) > stray) cancel();
  };
  // The finger lies where the menu has come up: lifting it is not to choose from that.
  const end = (e: TouchEvent) => {
    cancel();
    if (opened && e.cancelable) e.preventDefault();
    opened = false;
  };
  outer.addEventListener("pointerdown", down);
  outer.addEventListener("pointermove", move, { passive: true });
  outer.addEventListener("touchend", end);
  const enders = ["pointercancel", "pointerup", "contextmenu"] as const; // a finger that scrolls is a pointercancel; a log moves by itself, too
  for (const type of enders) outer.addEventListener(type, cancel, { passive: true });
  return () => {
    cancel();
    outer.removeEventListener("pointerdown", down);
    outer.removeEventListener("pointermove", move);
    outer.removeEventListener("touchend", end);
    for (const type of enders) outer.removeEventListener(type, cancel);
  };
}
