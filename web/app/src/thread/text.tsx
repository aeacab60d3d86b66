import { isBig, pieces } from "../format/text.ts";
import { useChat } from "../state/chat.ts";

/** A message's text: text nodes, and links of what is on the allow-list. */
export function MessageText({ text, mentions, tab }: { text: string; mentions: readonly string[]; tab: number }) {
  const me = useChat().parley.me.value?.user ?? "";
  return (
    <>
      {pieces(text, mentions, me).map((p, i) => {
        switch (p.kind) {
          case "text":
            return p.text;
          case "code":
            return <code key={i}>{p.text}</code>;
          case "block":
            return <pre key={i}>{p.text}</pre>;
          case "mention":
            return (
              <span key={i} class={p.me ? "at me" : "at"}>
                {p.text}
              </span>
            );
          case "link":
            return (
              <a key={i} href={p.href} target="_blank" rel="noopener noreferrer nofollow" tabIndex={tab}>
                {p.text}
              </a>
            );
        }
      })}
    </>
  );
}

export const textClass = (text: string): string => (isBig(text) ? "text big" : "text");
