// A client without a server, for looking at the view: everything in memory, at once.

import { computed, signal } from "@preact/signals";
import type { Conversation, ConversationInfo, MembersItem, MessageItem, OutgoingMessage, Parley, Rows, ThreadItem } from "@parley-chat/client";

export interface Script {
  id: string;
  kind: "direct" | "group";
  title?: string;
  peer?: string;
  info?: Partial<ConversationInfo>;
  head: number;
  item(seq: number): ThreadItem | undefined;
  members?: { user: string; role: "owner" | "admin" | "member" | "muted" }[];
  outgoing?: OutgoingMessage[];
  typing?: string[];
  draft?: string;
}

export const me = "mira";

export function message(conv: string, seq: number, from: string, text: string, time: number, more: Partial<MessageItem> = {}): MessageItem {
  return {
    kind: "message", conv, seq, id: `${conv}-${seq}`, from, time: new Date(time).toISOString(), cmid: `c${seq}`, count: seq, own: from === me,
    body: { text }, gone: false, mentions: [], reactions: [], state: "read", delivered_by: 1, read_by: 1, pending: false, ...more,
  };
}

export function members(conv: string, seq: number, from: string, time: number, more: Partial<MembersItem>): MembersItem {
  return { kind: "members", conv, seq, id: `${conv}-${seq}`, from, time: new Date(time).toISOString(), change: "added", users: [], ...more };
}

function fakeConversation(s: Script): Conversation {
  const head = signal(s.head);
  const loaded = signal(new Set<number>());
  const version = signal(0);
  const extra = new Map<number, ThreadItem>();
  const outgoing = signal<readonly OutgoingMessage[]>(s.outgoing ?? []);
  const get = (seq: number) => extra.get(seq) ?? s.item(seq);
  const lazy = s.head > 5000;
  const last = get(s.head);
  const info = signal<ConversationInfo>({
    conv: s.id, kind: s.kind, title: s.title, peer: s.peer, role: "member", members: s.members?.length ?? 2, head: s.head, floor: 1, count: s.head, joined: 1,
    read: s.head, delivered: s.head, unread: 0, exact: true, mentions: 0, muted: false, pinned: false, archived: false,
    last: last?.kind === "message" ? { seq: s.head, from: last.from, time: last.time, text: last.body?.text ?? "" } : undefined, ...s.info,
  });
  const has = (seq: number) => seq > s.head || !lazy || loaded.peek().has(seq);
  const rows = computed<Rows>(() => ({ length: head.value, seqAt: (i) => (i >= 0 && i < head.value ? i + 1 : undefined), indexOf: (seq) => Math.min(Math.max(seq - 1, 0), head.value) }));
  return {
    id: s.id, kind: s.kind, info,
    thread: {
      first: signal(1), head, rows, outgoing, has,
      item(seq) {
        void version.value;
        void loaded.value;
        return seq >= 1 && seq <= head.value && has(seq) ? get(seq) : undefined;
      },
      async load(from, to) {
        await new Promise((r) => setTimeout(r, 60));
        const next = new Set(loaded.peek());
        for (let i = from; i <= to; i++) next.add(i);
        loaded.value = next;
      },
      around: async () => {},
      firstUnread: computed(() => (info.value.unread > 0 ? info.value.read + 1 : undefined)),
    },
    typing: signal(s.typing ?? []),
    draft: signal(s.draft ?? ""),
    members: signal(s.members?.map((m) => ({ ...m, joined: 1, read: s.head, delivered: s.head }))),
    send(d) {
      const seq = head.peek() + 1;
      extra.set(seq, message(s.id, seq, me, d.text ?? "", Date.now(), { state: "stored", reply_to: d.replyTo, mentions: d.mentions ?? [], body: { text: d.text, attachments: d.attachments } }));
      head.value = seq;
      return { cmid: `c${seq}`, conv: s.id, body: {}, mentions: [], time: Date.now(), state: "pending" };
    },
    stored: async () => ({ conv: s.id, seq: 1, cmid: "" }),
    retry: () => undefined,
    discard: (cmid) => (outgoing.value = outgoing.peek().filter((o) => o.cmid !== cmid)),
    edit: async () => ({ conv: s.id, seq: 1, cmid: "" }),
    recall: async () => ({ conv: s.id, seq: 1, cmid: "" }),
    react: async (seq, emoji, on) => {
      const item = get(seq);
      if (item?.kind === "message") {
        const rest = item.reactions.filter((r) => r.emoji !== emoji);
        const old = item.reactions.find((r) => r.emoji === emoji);
        const users = [...(old?.users.filter((u) => u !== me) ?? []), ...(on ? [me] : [])];
        extra.set(seq, { ...item, reactions: users.length > 0 ? [...rest, { emoji, count: users.length, mine: on, users }] : rest });
        version.value++;
      }
      return { conv: s.id, seq, cmid: "" };
    },
    markRead: (seq) => (info.value = { ...info.peek(), read: Math.max(seq, info.peek().read), unread: seq >= head.peek() ? 0 : info.peek().unread }),
    setTyping: () => {},
    loadMembers: async () => [],
    add: async () => {}, remove: async () => {}, setRole: async () => {}, muteMember: async () => {}, rename: async () => {}, leave: async () => {}, close: async () => {},
    settings: async (set) => void (info.value = { ...info.peek(), ...set }),
    seenBy: async (seq) => [{ user: "bob", read: seq, delivered: seq }, { user: "carol", read: 0, delivered: seq }],
    seqAt: async () => 1,
  };
}

const features = ["attachments", "blocks", "devices", "edit", "groups", "hide_read", "history", "mention_all", "mentions", "mute_member", "presence", "react", "recall", "receipts", "search", "seen", "settings", "typing"];

export function fakeParley(scripts: Script[]): Parley {
  const list = scripts.map(fakeConversation);
  const connection = signal<Parley["connection"]["value"]>({ phase: "live" });
  return {
    connection, me: signal({ user: me, device: "d1" }), features: signal(new Set(features)),
    limits: signal({ frame: 65536, text: 16384, page: 200, pending: 128, sends_per_s: 1000, watch: 256, devices: 16, members: 2000, receipt_members: 100, attachment_bytes: 1e8, attachments: 10 }),
    conversations: signal(list), loaded: signal(true), totals: signal({ unread: 3, mentions: 1, exact: true }), more: signal(false), loadMore: async () => {},
    conversation: (id) => list.find((c) => c.id === id),
    open: () => Promise.reject(new Error("not found")),
    direct: (user) => list.find((c) => c.info.peek().peer === user) ?? fakeConversation({ id: `d_${user.padEnd(26, "a").toLowerCase()}`, kind: "direct", peer: user, head: 0, item: () => undefined }),
    createGroup: () => Promise.reject(new Error("no")),
    presence: (user) => signal(user.length % 2 === 1 ? { online: true } : { online: false, last_seen: new Date(Date.now() - 3.6e6).toISOString() }),
    search: async () => ({ items: [{ conv: list[0]?.id ?? "", seq: 3, id: "x", from: "bob", time: new Date().toISOString(), snippet: { text: "The plan for 北京: meet at <b>eight</b>, number 2", highlights: [[4, 8], [13, 15]] } }], exact: true }),
    blocks: signal(new Set<string>(["spam.bot"])), block: async () => {}, unblock: async () => {},
    devices: async () => [{ device: "d1", seen: new Date().toISOString(), own: true }, { device: "phone", seen: new Date(Date.now() - 1e8).toISOString(), own: false }],
    forgetDevice: async () => {}, profile: async () => ({ user: me, hide_read: false }), setProfile: async (p) => ({ user: me, ...p }),
    upload: async (f) => ({ id: "a_1", name: f.name, type: f.type, size: f.size }), attachmentURL: async (id) => `/dev/${id}.svg`,
    on: () => () => {}, start: () => {}, retryNow: () => {}, setOnline: () => {}, setVisible: () => {}, close: async () => {}, signOut: async () => {},
  };
}
