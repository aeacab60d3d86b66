import { browserNetwork, browserTabs, indexedDBStorage } from "@parley-chat/client/browser";
import type { ParleyOptions } from "@parley-chat/client";

/** What of a client's options a browser decides: where it keeps things, and that its tabs share one device. */
export function browserOptions(user: string): Omit<ParleyOptions, "url" | "token"> {
  return {
    storage: indexedDBStorage(`parley-${user}`),
    network: browserNetwork(),
    tabs: "shared",
    tabsPort: browserTabs(),
    client: { name: "parley-web", version: "1", platform: "browser" },
    locale: navigator.language,
  };
}
