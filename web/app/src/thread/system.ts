import type { MembersItem } from "@parley-chat/client";
import type { Texts } from "../i18n/index.ts";

type Happening = Pick<MembersItem, "from" | "change" | "users" | "title"> & {
  /** How many are concerned that `users` does not name. */
  readonly more?: number;
};

/** What happened to a group, as a sentence. */
export function membersText(t: Texts, item: Happening, me: string): string {
  const who = item.from === me ? t.youWord.subject : item.from;
  const users = item.users.filter((u) => item.change !== "created" || u.user !== item.from).map((u) => (u.user === me ? t.youWord.object : u.user));
  const shown = users.slice(0, 8);
  const whom = t.moreUsers(shown, users.length - shown.length + Math.max(0, item.more ?? 0));
  switch (item.change) {
    case "created":
      return t.change.created(who, item.title ?? "");
    case "added":
      return t.change.added(who, whom);
    case "removed":
      return t.change.removed(who, whom);
    case "left":
      return t.change.left(who);
    case "role": {
      const owner = item.users.find((u) => u.role === "owner");
      const about = owner === undefined ? item.users : [owner];
      const names = t.names(about.map((u) => (u.user === me ? t.youWord.object : u.user)));
      const role = about[0]?.role ?? "member";
      return role === "muted" ? t.change.mutedUser(who, names) : t.change.role(who, names, t.role[role] ?? role);
    }
    case "renamed":
      return t.change.renamed(who, item.title ?? "");
    case "closed":
      return t.change.closed(who);
    default:
      return t.change.other(who); // a later server's
  }
}
