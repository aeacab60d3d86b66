// What can be seen of a conversation's log.
import type { Page } from "playwright-core";

/** A row in sight: `y` is how far its top is below the upper edge, in pixels. */
export interface RowInSight {
  readonly seq: number;
  readonly text: string;
  readonly y: number;
}

/**
 * The rows in sight, once nothing there is loading and nothing moves any more: after
 * scrolling, rows come in and are measured frame by frame.
 */
export function resting(page: Page): Promise<RowInSight[]> {
  return page.locator(".scroller").evaluate(
    (box) =>
      new Promise<RowInSight[]>((resolve) => {
        const inSight = (): RowInSight[] | undefined => {
          const view = box.getBoundingClientRect();
          const rows = [...box.querySelectorAll<HTMLElement>("[data-seq]")].filter((e) => e.getBoundingClientRect().bottom > view.top && e.getBoundingClientRect().top < view.bottom);
          if (rows.length === 0 || rows.some((e) => e.classList.contains("skeleton"))) return undefined;
          return rows.map((e) => ({ seq: Number(e.dataset.seq), text: e.getAttribute("aria-label") ?? "", y: e.getBoundingClientRect().top - view.top }));
        };
        let last = "";
        let frames = 0; // that were the same
        const look = () => {
          const rows = inSight();
          const now = JSON.stringify([rows, box.scrollTop, box.scrollHeight, box.clientHeight]);
          frames = rows !== undefined && now === last ? frames + 1 : 0;
          last = now;
          if (rows !== undefined && frames >= 10) resolve(rows);
          else requestAnimationFrame(look);
        };
        look();
      }),
  );
}
