// Adapters for browsers: import { indexedDBStorage, browserNetwork, browserTabs } from "@parley-chat/client/browser".
import type { Network, StorageAdapter, TabsPort } from "../ports.js";

export type BrowserParts = { storage: StorageAdapter; network: Network; tabsPort: TabsPort };
