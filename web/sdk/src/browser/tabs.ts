import type { TabsPort } from "../ports.js";

/** Web Locks and BroadcastChannel; undefined where the browser has not both (insecure origins). */
export function browserTabs(): TabsPort | undefined {
  if (typeof BroadcastChannel === "undefined" || typeof navigator === "undefined" || navigator.locks === undefined) return undefined;
  const { locks } = navigator;
  return {
    elect(name, lead, lost) {
      const wish = new AbortController();
      return hold(lead, lost, (held) => locks.request(name, { signal: wish.signal }, held), () => wish.abort());
    },
    steal: (name, lead, lost) => hold(lead, lost, (held) => locks.request(name, { steal: true }, held), () => {}),
    channel(name, receive) {
      const channel = new BroadcastChannel(name);
      channel.onmessage = (m: MessageEvent<unknown>) => receive(m.data);
      return { post: (message) => channel.postMessage(message), close: () => channel.close() };
    },
  };
}

/**
 * Asks for a lock and holds it, until the result is called or another tab steals it. Where locks are refused,
 * as browsers do that were told to store nothing, each tab leads for itself.
 */
function hold(lead: () => void, lost: (() => void) | undefined, ask: (held: () => Promise<void>) => Promise<unknown>, giveUp: () => void): () => void {
  let wanted = true;
  let release = giveUp;
  const held = (): Promise<void> => {
    const until = new Promise<void>((done) => (release = done));
    if (wanted) lead();
    else release();
    return until;
  };
  ask(held).catch(() => {
    if (!wanted) return; // the wish was taken back
    if (release === giveUp) lead();
    else lost?.();
  });
  return () => {
    wanted = false;
    release();
  };
}
