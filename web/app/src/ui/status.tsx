// What is true of the connection, in words, as soon as it matters.

import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { ConnectionState } from "@parley-chat/client";
import { useChat, useTexts } from "../state/chat.ts";

/** A state that ends by itself within this time is not worth a word, in milliseconds. */
const patience = 700;

export function Status() {
  const { parley, now } = useChat();
  const state = parley.connection.value;
  const shown = useSignal<ConnectionState["phase"]>("live");
  const tick = useSignal(0);
  useEffect(() => {
    const quiet = state.phase === "connecting" || state.phase === "syncing" || state.phase === "idle";
    const soon = state.phase === "waiting" && state.attempt <= 1 && state.retryAt - now() < 2000;
    if (!quiet && !soon) {
      shown.value = state.phase;
      return;
    }
    const timer = setTimeout(() => (shown.value = state.phase), patience);
    return () => clearTimeout(timer);
  }, [state]);
  useEffect(() => {
    if (state.phase !== "waiting") return;
    const timer = setInterval(() => tick.value++, 500);
    return () => clearInterval(timer);
  }, [state]);
  void tick.value;
  return (
    <div role="status">
      {shown.value !== "live" && shown.value !== "ended" && <Pill state={state} />}
    </div>
  );
}

function Pill({ state }: { state: ConnectionState }) {
  const { parley, now } = useChat();
  const t = useTexts();
  switch (state.phase) {
    case "live":
    case "ended":
      return null;
    case "idle":
    case "connecting":
      return (
        <div class="status">
          <span class="spinner" /> {t.connecting}
        </div>
      );
    case "syncing":
      return (
        <div class="status">
          <span class="spinner" /> {t.syncing}
        </div>
      );
    case "offline":
      return <div class="status bad">{t.offline}</div>;
    case "waiting":
      return (
        <div class="status bad">
          <span aria-hidden="true">{t.reconnectIn(Math.max(0, Math.ceil((state.retryAt - now()) / 1000)))}</span>
          <span class="hidden">{t.connecting}</span>
          <button type="button" class="link" onClick={() => parley.retryNow()}>
            {t.tryNow}
          </button>
        </div>
      );
  }
}

/** In place of the chat, when the client has ended. */
export function Ended({ state, again }: { state: ConnectionState & { phase: "ended" }; again?: (() => void) | undefined }) {
  const { parley } = useChat();
  const t = useTexts();
  const words: Record<string, string> = { ...t.ended };
  return (
    <div class="sign-in">
      <div class="card" role="alert">
        <h1>{t.app}</h1>
        <p>{words[state.reason] ?? state.message}</p>
        {state.reason === "elsewhere" && (
          <button type="button" class="button primary" onClick={() => parley.retryNow()}>
            {t.ended.useHere}
          </button>
        )}
        {state.reason === "protocol" && (
          <button type="button" class="button primary" onClick={() => location.reload()}>
            {t.ended.reload}
          </button>
        )}
        {state.reason === "signed_out" && again !== undefined && (
          <button type="button" class="button primary" onClick={again}>
            {t.signIn}
          </button>
        )}
      </div>
    </div>
  );
}
