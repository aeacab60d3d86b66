import { h, type ComponentType, type VNode } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { useChat, useTexts } from "../state/chat.ts";

export type Lazy<P> = ComponentType<P> & {
  /** Fetches it before it is needed. */
  fetch(): void;
};

/**
 * A component that is fetched when it is first shown; nothing until it is there. If it
 * cannot be fetched, `frame` holds the note of that, where a note alone would stand nowhere.
 */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>, frame?: ComponentType<P & { note: VNode }>): Lazy<P> {
  let loaded: ComponentType<P> | undefined;
  const fetch = async () => void (loaded ??= await load());
  function Shown(props: P) {
    const state = useSignal<"waits" | "here" | "failed">(loaded === undefined ? "waits" : "here");
    const live = useChat().parley.connection.value.phase === "live";
    useEffect(() => {
      let wanted = true;
      fetch().then(
        () => wanted && (state.value = "here"),
        () => wanted && (state.value = "failed"),
      );
      return () => {
        wanted = false;
      };
    }, [live]); // with a connection it is tried again, which browsers do not do for all that has failed once
    if (state.value === "here" && loaded !== undefined) return h(loaded as ComponentType<object>, props);
    if (state.value === "waits") return null;
    return frame === undefined ? <NotFetched /> : h(frame as ComponentType<object>, { ...props, note: <NotFetched /> });
  }
  return Object.assign(Shown, { fetch: () => void fetch().catch(() => {}) });
}

/** After an update of the server the files of a page that is still open are gone. */
function NotFetched() {
  const t = useTexts();
  const live = useChat().parley.connection.value.phase === "live";
  return (
    <div class="blank" role="alert">
      <p>{live ? t.failedToLoad : t.problem["offline"]}</p>
      {live && (
        <button type="button" class="button primary" onClick={() => location.reload()}>
          {t.ended.reload}
        </button>
      )}
    </div>
  );
}
