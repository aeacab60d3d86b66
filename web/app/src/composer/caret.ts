/**
 * Puts a text into the field, and the caret at a place in it, at once: a key that is
 * pressed before the next frame finds the caret where it belongs.
 */
export function putText(el: HTMLTextAreaElement, text: string, caret: number): void {
  el.value = text;
  el.focus({ preventScroll: true });
  el.setSelectionRange(caret, caret);
}
