// node bare.mjs <bundle of the app's code, with the package> <server> <ws>
// Runs it where there is what React Native has, and nothing else: no DOM, no crypto, no
// IndexedDB, no BroadcastChannel, not the newest methods.

import { readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { pathToFileURL } from "node:url";
import vm from "node:vm";

const [, , bundle, server, wsPath] = process.argv;
const { default: WS } = await import(pathToFileURL(wsPath));

/** React Native's: a third argument has headers, and an origin is always sent. */
class WebSocket {
  constructor(url, protocols, options) {
    const ws = new WS(url, protocols, { headers: { origin: url.replace(/^ws(s?:\/\/[^/]+).*/, "http$1"), ...options?.headers } });
    for (const name of ["onopen", "onmessage", "onclose", "onerror"]) ws[name] = (e) => this[name]?.(e);
    this.send = (text) => ws.send(text);
    this.close = (code) => ws.close(code);
  }
}
const kept = new Map();
const listeners = {};
const AsyncStorage = {
  getAllKeys: async () => [...kept.keys()],
  getItem: async (key) => kept.get(key) ?? null,
  multiGet: async (keys) => keys.map((key) => [key, kept.get(key) ?? null]),
  multiSet: async (pairs) => pairs.forEach(([key, text]) => kept.set(key, text)),
  multiRemove: async (keys) => keys.forEach((key) => kept.delete(key)),
};
const context = vm.createContext({
  setTimeout,
  clearTimeout,
  fetch,
  WebSocket,
  modules: {
    reactNative: { AppState: { addEventListener: (_, listener) => (listeners.app = listener) } },
    netinfo: { addEventListener: (listener) => (listeners.net = listener) },
    crypto: { getRandomBytes: (n) => new Uint8Array(randomBytes(n)) },
    storage: AsyncStorage,
  },
});
const missing = ["WeakRef", "FinalizationRegistry", "SharedArrayBuffer", "Atomics", "WebAssembly"];
const newest = ["with", "toSorted", "toReversed", "toSpliced", "findLast", "findLastIndex"];
vm.runInContext(`for (const n of ${JSON.stringify(missing)}) delete globalThis[n]; for (const n of ${JSON.stringify(newest)}) delete Array.prototype[n];`, context);
vm.runInContext(readFileSync(bundle, "utf8"), context);
const chat = vm.runInContext("app.chat", context);

const user = `native-${process.pid}`;
const token = async () => (await (await fetch(server + "/dev/token", { method: "POST", body: JSON.stringify({ user }) })).json()).token;
const when = (signal, holds) =>
  new Promise((done) => {
    const off = signal.subscribe((value) => holds(value) && setTimeout(() => (off(), done())));
  });
const parley = chat(server, user, token);
parley.on("error", (e) => console.log("error", e.code, e.message));
await when(parley.connection, (c) => c.phase === "live");
listeners.app("background");
listeners.net({ isConnected: false });
listeners.net({ isConnected: true });
listeners.app("active");
const c = parley.direct("bob");
const stored = await c.stored(c.send({ text: "from a phone" }).cmid);
await when(c.thread.head, (seq) => seq >= stored.seq); // its entry comes apart from the ack
await c.thread.load(1, stored.seq);
console.log("shown", c.thread.item(stored.seq).body.text);
await parley.close();
const again = chat(server, user, token);
await when(again.loaded, (yes) => yes);
console.log("kept", again.conversations.value.length, again.me.value.user === user, [...kept.keys()].filter((key) => key.includes("/outbox/")).length);
await again.close();
