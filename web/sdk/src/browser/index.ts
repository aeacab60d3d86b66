// What a browser has for the client's ports. Nothing here runs before it is called.

import type { Clock, Network, StorageAdapter, TabsPort } from "../ports.js";
import { browserNetwork } from "./network.js";
import { indexedDBStorage } from "./indexeddb.js";
import { browserTabs } from "./tabs.js";

export { browserNetwork, browserTabs, indexedDBStorage };
export { watchBrowser } from "./watch.js";
export type { Clock, Network, StorageAdapter, TabsPort };

/** The parts of `ParleyOptions` for a browser: `createParley({ url, token, ...browserParts() })`. */
export function browserParts(database = "parley"): {
  storage: StorageAdapter;
  network: Network;
  tabsPort?: TabsPort;
  tabs: "shared" | "alone";
  client: { name: string; version: string; platform: string };
} {
  const tabsPort = browserTabs();
  return {
    storage: indexedDBStorage(database),
    network: browserNetwork(),
    // Without locks, which insecure origins do not have, each tab would end the others'
    // session: then one tab at a time has the connection, and "elsewhere" says so.
    ...(tabsPort === undefined ? { tabs: "alone" } : { tabs: "shared", tabsPort }),
    client: { name: "parley-web", version: "0.1.0", platform: "web" },
  };
}
