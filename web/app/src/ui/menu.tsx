import type { ComponentChildren } from "preact";
import type { Chat } from "../state/chat.ts";

export interface MenuItem {
  icon: ComponentChildren;
  label: string;
  danger?: boolean;
  run: () => void;
}

/** Opens a menu at an element. `above` is shown on top of the items. */
export function openMenu(chat: Chat, anchor: Element, label: string, items: readonly MenuItem[], above?: (close: () => void) => ComponentChildren): void {
  chat.popup.value = {
    label,
    anchor,
    content: (close) => (
      <>
        {above?.(close)}
        <div role="menu" aria-label={label}>
          {items.map((item, i) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              class={item.danger ? "menu-item danger" : "menu-item"}
              autofocus={i === 0}
              onClick={() => {
                close();
                requestAnimationFrame(() => item.run()); // when the focus is free again
              }}
            >
              {item.icon}
              {item.label}
            </button>
          ))}
        </div>
      </>
    ),
  };
}
