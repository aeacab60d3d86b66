import type { TabsPort } from "../ports.js";

/** Web Locks and BroadcastChannel; undefined where the browser has not both (insecure origins). */
export function browserTabs(): TabsPort | undefined {
  if (typeof BroadcastChannel === "undefined" || typeof navigator === "undefined" || navigator.locks === undefined) return undefined;
  return {
    elect(name, lead) {
      const wish = new AbortController();
      let release = (): void => wish.abort();
      const held = (): Promise<void> => {
        const until = new Promise<void>((done) => (release = done));
        lead();
        return until;
      };
      navigator.locks.request(name, { signal: wish.signal }, held).catch(() => {}); // taken back
      return () => release();
    },
    channel(name, receive) {
      const channel = new BroadcastChannel(name);
      channel.onmessage = (m: MessageEvent<unknown>) => receive(m.data);
      return { post: (message) => channel.postMessage(message), close: () => channel.close() };
    },
  };
}
