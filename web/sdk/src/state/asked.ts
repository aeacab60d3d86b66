import type { Rest } from "../net/rest.js";
import type { ConversationFrame } from "../protocol/frames.js";

/** A conversation as an answer has it. Where the logs became others meanwhile its numbers mean nothing: then it is read once more. */
export async function asked(answer: Promise<ConversationFrame>, rest: Rest, logs: { readonly life: number }): Promise<ConversationFrame> {
  let { life } = logs;
  let f = await answer;
  while (life !== logs.life) {
    life = logs.life;
    f = await rest.get<ConversationFrame>("/v1/conversations/" + encodeURIComponent(f.conv));
  }
  return f;
}
