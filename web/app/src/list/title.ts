import type { ConversationInfo } from "@parley-chat/client";
import type { Texts } from "../i18n/index.ts";

/** What a conversation is called: its title, or whom it is with. */
export function titleOf(info: Pick<ConversationInfo, "kind" | "title" | "peer" | "conv">, me: string | undefined, t: Texts): string {
  if (info.kind === "group") return info.title ?? t.group;
  return info.peer === undefined || info.peer === me ? t.notesToSelf : info.peer;
}
