import { useSignal, type ReadonlySignal } from "@preact/signals";

export interface Drop {
  readonly over: ReadonlySignal<boolean>;
  readonly handlers: {
    onDragEnter: (e: DragEvent) => void;
    onDragOver: (e: DragEvent) => void;
    onDragLeave: (e: DragEvent) => void;
    onDrop: (e: DragEvent) => void;
  };
}

/** Takes files that are dragged onto an element. */
export function useDrop(take: (files: File[]) => void, may: () => boolean): Drop {
  const over = useSignal(false);
  const wanted = (e: DragEvent) => may() && (e.dataTransfer?.types.includes("Files") ?? false);
  return {
    over,
    handlers: {
      onDragEnter(e) {
        if (wanted(e)) over.value = true;
      },
      onDragOver(e) {
        if (wanted(e)) e.preventDefault();
      },
      onDragLeave(e) {
        const inside = e.relatedTarget instanceof Node && e.currentTarget instanceof Node && e.currentTarget.contains(e.relatedTarget);
        if (!inside) over.value = false;
      },
      onDrop(e) {
        over.value = false;
        if (!wanted(e)) return;
        e.preventDefault();
        take([...(e.dataTransfer?.files ?? [])]);
      },
    },
  };
}
