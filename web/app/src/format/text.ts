// Message text as pieces to show. Nothing of it ever becomes markup: a piece is the
// text of a text node, and a link is only made of what is on the allow-list.

export type Piece =
  | { kind: "text"; text: string }
  | { kind: "link"; text: string; href: string }
  | { kind: "code"; text: string }
  | { kind: "block"; text: string }
  | { kind: "mention"; text: string; me: boolean };

const schemes = new Set(["http:", "https:", "mailto:"]);

/** The URL in its normal form if a link may lead there, else undefined. */
export function safeURL(text: string): string | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  if (!schemes.has(url.protocol)) return undefined;
  if (url.protocol !== "mailto:" && (url.username !== "" || url.password !== "" || url.hostname === "")) return undefined;
  return url.href;
}

// A candidate for a link, inline code, or a mention. The patterns have no nested
// repetition, so that no text takes them more than linear time.
const candidate = /`([^`\n]{1,500})`|\b(?:https?:\/\/|mailto:)[^\s<>"'`\u0000-\u001f\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\u201c\u201d]{1,2000}|\bwww\.[^\s<>"'`\u0000-\u001f\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\u201c\u201d]{1,2000}|@[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}/g;

/** Cuts off what belongs to the sentence and not to the link. */
function trimLink(link: string): string {
  let end = link.length;
  for (;;) {
    const c = link[end - 1] ?? "";
    if (".,:;!?'\u3002\uff0c\uff1b\uff1a\uff01\uff1f\u3001\u201d\u300d\uff09".includes(c)) end--;
    else if ((c === ")" && !link.slice(0, end).includes("(")) || (c === "]" && !link.slice(0, end).includes("["))) end--;
    else return link.slice(0, end);
  }
}

function mentioned(name: string, mentions: readonly string[]): string | undefined {
  // "@bob." at the end of a sentence means bob, unless there is a "bob."
  for (let end = name.length; end > 0; end--) {
    const user = name.slice(0, end);
    if (mentions.includes(user)) return user;
    if (!/[.@+_-]/.test(name[end - 1] ?? "")) return undefined;
  }
  return undefined;
}

const fence = "```";

/** Splits a text; `mentions` are the users it mentions, `*` for everybody. */
export function pieces(text: string, mentions: readonly string[] = [], me = ""): Piece[] {
  const out: Piece[] = [];
  let done = 0;
  for (let from = text.indexOf(fence); from >= 0; from = text.indexOf(fence, done)) {
    const to = text.indexOf(fence, from + fence.length);
    if (to < 0) break;
    // The word behind the first fence, alone in its line, names a language.
    const code = text.slice(from + fence.length, to).replace(/^[A-Za-z0-9+#.-]{0,20}[ \t]*\n/, "").replace(/\n[ \t]*$/, "");
    const end = to + fence.length;
    if (code.trim() === "") out.push(...line(text.slice(done, end), mentions, me));
    else {
      out.push(...line(text.slice(done, from).replace(/\n$/, ""), mentions, me), { kind: "block", text: code });
    }
    done = code.trim() !== "" && text[end] === "\n" ? end + 1 : end;
  }
  out.push(...line(text.slice(done), mentions, me));
  return out;
}

/** The same for what has no blocks of code. */
function line(text: string, mentions: readonly string[], me: string): Piece[] {
  const out: Piece[] = [];
  let done = 0;
  const plain = (end: number) => {
    if (end > done) out.push({ kind: "text", text: text.slice(done, end) });
  };
  for (const m of text.matchAll(candidate)) {
    const at = m.index;
    if (at < done) continue;
    const whole = m[0];
    if (m[1] !== undefined) {
      plain(at);
      out.push({ kind: "code", text: m[1] });
      done = at + whole.length;
    } else if (whole.startsWith("@")) {
      if (at > 0 && /[A-Za-z0-9]/.test(text[at - 1] ?? "")) continue;
      const user = mentioned(whole.slice(1), mentions) ?? (mentions.includes("*") && /^@all\b/.test(whole) ? "all" : undefined);
      if (user === undefined) continue;
      plain(at);
      out.push({ kind: "mention", text: `@${user}`, me: user === me || user === "all" });
      done = at + 1 + user.length;
    } else {
      const link = trimLink(whole);
      const href = safeURL(link.startsWith("www.") ? `https://${link}` : link);
      if (href === undefined) continue;
      plain(at);
      out.push({ kind: "link", text: link, href });
      done = at + link.length;
    }
  }
  plain(text.length);
  return out;
}

const emojiOnly = /^(?:(?:\p{RI}\p{RI}|\p{Emoji}(?:\p{EMod}|\uFE0F\u20E3?|[\u{E0020}-\u{E007E}]+\u{E007F})?(?:\u200D\p{Emoji}(?:\p{EMod}|\uFE0F)?)*)\s?){1,3}$/u;

/** One to three emoji and nothing else: shown large. */
export const isBig = (text: string): boolean => text.length <= 48 && /\p{Emoji_Presentation}|\uFE0F/u.test(text) && emojiOnly.test(text);

/** Initials for an avatar. */
export function initials(name: string): string {
  const parts = name.split(/[\s._@+-]+/).filter((p) => p !== "");
  const first = [...(parts[0] ?? "?")][0] ?? "?";
  const second = parts.length > 1 ? ([...(parts[parts.length - 1] ?? "")][0] ?? "") : "";
  return (first + second).toUpperCase();
}

/** One of eight tones, the same for the same name everywhere. */
export function tone(name: string): number {
  let h = 2166136261;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 16777619);
  // The last letters have reached few bits yet: guest-1 and guest-2 are to look different, too.
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h >>> 16) % 8;
}
