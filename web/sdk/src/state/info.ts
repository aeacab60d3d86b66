// The numbers of a conversation, as they follow from frames. Pure functions.

import type { ConversationInfo, Position } from "../api.js";
import { eventOf, lastOf, toldOf, withEdit, withoutBody } from "./preview.js";
import type { ConversationFrame, Entry, MembersEntry, Receipt } from "../protocol/frames.js";

/** A conversation that the server does not have yet, or that is not known yet. */
export function emptyInfo(conv: string, kind: "direct" | "group", peer?: string): ConversationInfo {
  return {
    conv,
    kind,
    ...(peer !== undefined && { peer }),
    role: "member",
    members: kind === "direct" ? 2 : 0,
    head: 0,
    floor: 1,
    count: 0,
    joined: 1,
    read: 0,
    delivered: 0,
    unread: 0,
    exact: true,
    mentions: 0,
    muted: false,
    pinned: false,
    archived: false,
  };
}

/**
 * Brings in a `conversation` shape. It may be older than what is known, if it comes
 * over HTTP: then the numbers of the log stay. A read position here may be one that
 * the server has not heard of yet.
 */
export function withFrame(old: ConversationInfo, f: ConversationFrame): ConversationInfo {
  const stale = f.head < old.head && f.left === undefined;
  const rejoined = f.joined > old.joined;
  const read = Math.max(f.read, rejoined ? 0 : old.read);
  const log = stale ? old : f;
  const now: ConversationInfo = {
    conv: f.conv,
    kind: f.kind,
    title: f.title,
    peer: f.peer,
    role: f.role,
    members: f.members,
    head: log.head,
    floor: Math.max(f.floor, old.floor),
    count: log.count,
    joined: f.joined,
    left: f.left,
    read,
    delivered: Math.max(f.delivered, read),
    unread: log.unread,
    exact: log.exact,
    mentions: log.mentions ?? 0,
    muted: f.muted ?? false,
    pinned: f.pinned ?? false,
    archived: f.archived ?? false,
    keep: f.keep,
    peers: f.peers === undefined ? undefined : mergePeers(old.peers ?? [], f.peers),
    last: toldOf(old.last, log.last),
    event: log.event,
  };
  return read > f.read ? withRead(now, read, undefined) : now;
}

/** Positions only grow; who is not in `next` is no member any more. */
function mergePeers(old: readonly Position[], next: readonly Position[]): readonly Position[] {
  const before = new Map(old.map((p) => [p.user, p]));
  return next.map((p) => {
    const b = before.get(p.user);
    return b === undefined ? p : { user: p.user, read: Math.max(p.read, b.read), delivered: Math.max(p.delivered, b.delivered) };
  });
}

/** What is known of the message that an entry changes. */
export interface Target {
  readonly own: boolean;
  readonly mentioned: boolean;
}

/**
 * Brings in an entry. One at or below `head` is in the numbers already. Where the
 * unread messages cannot be told without the target, `exact` becomes false.
 */
export function withEntry(old: ConversationInfo, e: Entry, me: string, target: Target | undefined): ConversationInfo {
  if (e.seq <= old.head) return old;
  const now = { ...old, head: e.seq, count: e.count, exact: old.exact && e.seq === old.head + 1 };
  switch (e.type) {
    case "message": {
      const foreign = e.from !== me;
      const mentioned = foreign && mentions(e.mentions, me);
      return {
        ...now,
        unread: old.unread + (foreign ? 1 : 0),
        mentions: old.mentions + (mentioned ? 1 : 0),
        last: lastOf(e),
        event: undefined,
      };
    }
    case "edited":
      if (old.last?.seq === e.target && e.body !== undefined) now.last = withEdit(old.last, e.body);
      return now;
    case "recalled":
      if (old.last?.seq === e.target) now.last = withoutBody(old.last);
      if (e.target <= old.read || target?.own) return now;
      if (target === undefined) return { ...now, exact: false };
      return {
        ...now,
        unread: Math.max(0, old.unread - 1),
        mentions: Math.max(0, old.mentions - (target.mentioned ? 1 : 0)),
      };
    case "members":
      return withMembers({ ...now, event: eventOf(e) }, e, me);
  }
  return now;
}

/** Brings in who came, went or got another role. The server tells it by the entry alone. */
function withMembers(old: ConversationInfo, e: MembersEntry, me: string): ConversationInfo {
  const users = new Map(e.users?.map((u) => [u.user, u.role]));
  const others = old.peers?.filter((p) => !users.has(p.user));
  const own = users.get(me);
  switch (e.change) {
    case "added": {
      const peers = others && [...others, ...[...users.keys()].filter((user) => user !== me).map((user) => ({ user, read: 0, delivered: 0 }))];
      return { ...old, members: old.members + users.size, peers, ...(own !== undefined && { role: own, left: undefined }) };
    }
    case "removed":
    case "left":
      return { ...old, members: Math.max(0, old.members - users.size), peers: others, ...(own !== undefined && { left: e.seq }) };
    case "role":
      return own === undefined ? old : { ...old, role: own };
    case "closed":
      return { ...old, left: e.seq };
    case "renamed":
      return { ...old, title: e.title };
    case "created":
      return { ...old, ...(e.title !== undefined && { title: e.title }), ...(own !== undefined && { role: own }) };
  }
  return old; // a change of a later version
}

export function mentions(list: readonly string[] | undefined, user: string): boolean {
  return list !== undefined && (list.includes(user) || list.includes("*"));
}

/** How much is unread behind a position, if that is known. */
export interface Left {
  readonly unread: number;
  readonly mentions: number;
}

/** The user has read up to `seq`. */
export function withRead(old: ConversationInfo, seq: number, left: Left | undefined): ConversationInfo {
  const now = { ...old, read: Math.max(old.read, seq), delivered: Math.max(old.delivered, seq) };
  if (now.read >= old.head) return { ...now, unread: 0, mentions: 0, exact: true };
  if (left !== undefined) return { ...now, ...left, exact: true };
  const most = old.head - now.read;
  if (most >= old.unread) return { ...now, exact: false };
  return { ...now, unread: most, mentions: Math.min(old.mentions, most), exact: false };
}

/** Brings in a receipt of another member. */
export function withReceipt(old: ConversationInfo, r: Receipt): ConversationInfo {
  const at = old.peers?.findIndex((p) => p.user === r.user) ?? -1;
  const peer = old.peers?.[at];
  if (peer === undefined) return old;
  const read = Math.max(peer.read, r.read ?? 0);
  const delivered = Math.max(peer.delivered, r.delivered ?? 0, read);
  if (read === peer.read && delivered === peer.delivered) return old;
  return { ...old, peers: old.peers!.map((p, i) => (i === at ? { user: r.user, read, delivered } : p)) };
}
