// Completing a name after an @, and finding out who a text mentions.

/** The unfinished mention before the cursor. */
export interface Unfinished {
  /** Where the @ is. */
  readonly at: number;
  readonly typed: string;
}

export function unfinishedMention(text: string, cursor: number): Unfinished | undefined {
  const m = /(?:^|[^A-Za-z0-9_.+@-])@([A-Za-z0-9_.+-]{0,64})$/.exec(text.slice(Math.max(0, cursor - 70), cursor));
  const typed = m?.[1];
  return typed === undefined ? undefined : { at: cursor - typed.length - 1, typed };
}

/** Those of the users whose name fits, those that begin with it first; at most `most`. */
export function candidates(users: readonly string[], typed: string, most: number): string[] {
  const needle = typed.toLowerCase();
  const starts = users.filter((u) => u.toLowerCase().startsWith(needle));
  const has = users.filter((u) => !u.toLowerCase().startsWith(needle) && u.toLowerCase().includes(needle));
  return [...starts, ...has].slice(0, most);
}

/** Puts a name in the place of an unfinished one; returns the text and where the cursor belongs. */
export function complete(text: string, cursor: number, u: Unfinished, name: string): { text: string; cursor: number } {
  const before = `${text.slice(0, u.at)}@${name} `;
  return { text: before + text.slice(cursor).replace(/^ /, ""), cursor: before.length };
}

/** The users that a text mentions, in the order of the list, at most 50; `["*"]` for @all, where that is allowed. */
export function mentionedIn(text: string, users: readonly string[], everybody: boolean): string[] {
  const names = new Set<string>();
  for (const m of text.matchAll(/(?<![A-Za-z0-9])@([A-Za-z0-9][A-Za-z0-9_.@+-]{0,63})/g)) {
    for (let name = m[1] ?? ""; name !== ""; name = name.slice(0, -1)) {
      names.add(name);
      if (!/[.@+_-]$/.test(name)) break;
    }
  }
  if (everybody && names.has("all")) return ["*"];
  return users.filter((u) => names.has(u)).slice(0, 50);
}
