// What a thread shows, as it follows from entries. Pure functions.

import type { MembersItem, MessageItem, Position, Reaction } from "../api.js";
import type { EditedEntry, FoldedMessage, MembersEntry, MessageEntry, ReactedEntry, RecalledEntry } from "../protocol/frames.js";

export type Effect = EditedEntry | RecalledEntry | ReactedEntry;

/** At most so many users of a reaction are named. */
const reactionUsers = 100;

const progress = { stored: 0, delivered: 1, read: 2 } as const;

export function messageItem(m: MessageEntry | FoldedMessage, me: string): MessageItem {
  const folded = "state" in m ? m : undefined;
  return {
    kind: "message",
    conv: m.conv,
    seq: m.seq,
    id: m.id,
    from: m.from,
    time: m.time,
    cmid: m.cmid,
    count: m.count,
    via: m.via,
    own: m.from === me,
    body: m.body,
    gone: m.gone ?? false,
    reply_to: m.reply_to,
    mentions: m.mentions ?? [],
    edited: folded?.edited,
    recalled: folded?.recalled,
    reactions: folded?.reactions ?? [],
    state: folded?.state ?? "stored",
    delivered_by: folded?.delivered_by ?? 0,
    read_by: folded?.read_by ?? 0,
    pending: false,
  };
}

export function membersItem(e: MembersEntry): MembersItem {
  const { conv, seq, id, from, time, change, title } = e;
  return { kind: "members", conv, seq, id, from, time, change, users: e.users ?? [], title };
}

/** Brings in a later entry that names this message. Again is harmless. */
export function withEffect(m: MessageItem, e: Effect, me: string): MessageItem {
  switch (e.type) {
    case "edited":
      if (m.edited !== undefined && m.edited.seq >= e.seq) return m;
      return { ...m, edited: { seq: e.seq, time: e.time }, body: m.gone ? undefined : (e.body ?? m.body) };
    case "recalled":
      return { ...m, gone: true, body: undefined, recalled: { seq: e.seq, by: e.from, time: e.time } };
    case "reacted":
      return withReaction(m, e.emoji, e.from, e.on, me);
  }
}

export function withReaction(m: MessageItem, emoji: string, user: string, on: boolean, me: string): MessageItem {
  const old = m.reactions.find((r) => r.emoji === emoji);
  const named = old?.users.includes(user) ?? false;
  // Above 100 users not all are named: who is not may have it already.
  const has = named || (user === me && (old?.mine ?? false));
  if (has === on) return m;
  const users = on ? [...(old?.users ?? []), user].slice(0, reactionUsers) : (old?.users ?? []).filter((u) => u !== user);
  const now: Reaction = { emoji, count: (old?.count ?? 0) + (on ? 1 : -1), mine: user === me ? on : (old?.mine ?? false), users };
  const others = m.reactions.filter((r) => r.emoji !== emoji);
  if (now.count <= 0) return { ...m, reactions: others };
  const reactions = [...others, now].sort((a, b) => (a.emoji < b.emoji ? -1 : 1)); // as the server orders them
  return { ...m, reactions };
}

/** Who of the others has a message, as positions tell. It never goes back. */
export function withPositions(m: MessageItem, others: readonly Position[], has: (user: string) => boolean): MessageItem {
  if (!m.own || m.state === "read") return m;
  const mine = others.filter((p) => p.user !== m.from && has(p.user));
  if (mine.length === 0) return m;
  const read = mine.filter((p) => p.read >= m.seq).length;
  const delivered = mine.filter((p) => Math.max(p.delivered, p.read) >= m.seq).length;
  const state = read === mine.length ? "read" : delivered === mine.length ? "delivered" : "stored";
  const now = {
    state: progress[state] > progress[m.state] ? state : m.state,
    delivered_by: Math.max(delivered, m.delivered_by),
    read_by: Math.max(read, m.read_by),
  } as const;
  if (now.state === m.state && now.delivered_by === m.delivered_by && now.read_by === m.read_by) return m;
  return { ...m, ...now };
}
