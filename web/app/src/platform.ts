import { browserParts } from "@parley-chat/client/browser";
import type { ParleyOptions } from "@parley-chat/client";

/** What of a client's options a browser decides. What is kept is kept by user: a profile may have several. */
export function browserOptions(user: string): Omit<ParleyOptions, "url" | "token"> {
  return { ...browserParts(`parley-${user}`), locale: navigator.language };
}
