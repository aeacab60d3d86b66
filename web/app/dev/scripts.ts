import { me, members, message, type Script } from "./fake.ts";

const now = Date.now();
const min = 60_000;
const words = "the quick brown fox jumps over a lazy dog while nobody in the whole office seems to notice that lunch has been ready for quite some time now".split(" ");
const text = (seq: number) => words.slice(seq % 7, (seq % 7) + 3 + ((seq * 13) % 22)).join(" ");

const direct = "d_aaaaaaaaaaaaaaaaaaaaaaaaaa";
const group = "g_bbbbbbbbbbbbbbbbbbbbbbbbbb";
const long = "g_cccccccccccccccccccccccccc";
const rtl = "d_dddddddddddddddddddddddddd";
const huge = "d_eeeeeeeeeeeeeeeeeeeeeeeeee";

const bobs = [
  message(direct, 1, "bob", "Did the delivery arrive?", now - 1500 * min),
  message(direct, 2, me, "Yes, this morning. Everything is there except for the two small boxes.", now - 1495 * min),
  message(direct, 3, "bob", "Good. I will ask them about the boxes: https://example.com/orders/4711?ref=chat.", now - 1490 * min, { reactions: [{ emoji: "👍", count: 1, mine: true, users: [me] }] }),
  message(direct, 4, me, "🎉", now - 30 * min, { state: "read" }),
  message(direct, 5, me, "They called back. The boxes come tomorrow, before noon.", now - 29 * min, { edited: { seq: 9, time: new Date().toISOString() } }),
  message(direct, 6, "bob", "Great", now - 20 * min, { reply_to: 5 }),
  message(direct, 7, "bob", "Here is how it looks now", now - 20 * min, { body: { text: "Here is how it looks now", attachments: [{ id: "a_1", name: "shelf.jpg", type: "image/jpeg", size: 123456, w: 1600, h: 1067, thumb: "x" }] } }),
  message(direct, 8, me, "", now - 12 * min, { body: { attachments: [{ id: "a_2", name: "Bill of delivery 2026-11.pdf", type: "application/pdf", size: 88123 }] }, state: "delivered" }),
  message(direct, 9, "bob", "", now - 11 * min, { gone: true, body: undefined, recalled: { seq: 12, by: "bob", time: new Date().toISOString() } }),
  message(direct, 10, me, "See you at `14:30` then. I bring the drawings, and Carol brings the samples that she had promised the people from the workshop. www.example.org", now - 5 * min, { state: "stored" }),
];
const groups = [
  members(group, 1, "carol", now - 3000 * min, { change: "created", title: "Spring fair", users: [{ user: "carol", role: "owner" }, { user: me, role: "admin" }, { user: "bob", role: "member" }] }),
  message(group, 2, "carol", "Welcome everybody!", now - 2999 * min),
  message(group, 3, "carol", "Who takes care of the tables?", now - 2998 * min),
  message(group, 4, "bob", "I do. @mira could you look after the lights?", now - 100 * min, { mentions: [me], reactions: [{ emoji: "👍", count: 3, mine: true, users: [me, "carol", "dave"] }, { emoji: "🎉", count: 12, mine: false, users: ["dave"] }] }),
  message(group, 5, me, "Sure", now - 99 * min, { reply_to: 4 }),
  members(group, 6, "carol", now - 90 * min, { change: "added", users: [{ user: "dave", role: "member" }, { user: "erin", role: "member" }] }),
  message(group, 7, "dave", "Hello 👋", now - 80 * min),
  message(group, 8, "erin", "你好，大家好！我们什么时候见面？", now - 79 * min),
  message(group, 9, "erin", "我可以带茶。", now - 79 * min),
  message(group, 10, me, "Monday at eight, as always", now - 70 * min, { state: "delivered" }),
];

export const scripts: Script[] = [
  { id: group, kind: "group", title: "Spring fair", head: 10, item: (s) => groups[s - 1], info: { role: "admin", pinned: true, read: 6, unread: 3, mentions: 1 }, members: [{ user: "carol", role: "owner" }, { user: me, role: "admin" }, { user: "bob", role: "member" }, { user: "dave", role: "muted" }, { user: "erin", role: "member" }] },
  { id: direct, kind: "direct", peer: "bob", head: 10, item: (s) => bobs[s - 1], outgoing: [
    { cmid: "o1", conv: direct, body: { text: "One moment, the train is in a tunnel" }, mentions: [], time: now - 2 * min, state: "pending" },
    { cmid: "o2", conv: direct, body: { text: "This one was refused" }, mentions: [], time: now - min, state: "failed", error: { code: "forbidden", message: "no" } },
  ] },
  { id: huge, kind: "direct", peer: "archive.bot", head: 100_000, item: (s) => message(huge, s, s % 3 === 0 ? me : "archive.bot", `${s}: ${text(s)}`, now - (100_000 - s) * 7 * min), typing: ["archive.bot"] },
  { id: long, kind: "group", title: "A group with a very long title that nobody can be expected to read to its end, Donaudampfschifffahrtsgesellschaftskapitän", head: 3, draft: "not finished yet",
    item: (s) => [message(long, 1, "averyveryverylongusernamewithoutanyspaces.and.dots@example.company", "Supercalifragilisticexpialidocious".repeat(12), now - 9 * min), message(long, 2, me, "https://example.com/" + "a".repeat(300), now - 8 * min), message(long, 3, "x", "```\nfunction f() {\n  return 1;\n}\n```\nand then\n\n\na few lines", now - 7 * min, { reply_to: 1 })][s - 1], info: { muted: true, unread: 128, read: 0 } },
  { id: rtl, kind: "direct", peer: "yousef", head: 4, item: (s) => [message(rtl, 1, "yousef", "مرحبا، كيف حالك اليوم؟ هل وصلت الرسالة التي أرسلتها البارحة؟", now - 9 * min), message(rtl, 2, me, "שלום! הכול בסדר, תודה", now - 8 * min), message(rtl, 3, "yousef", "نلتقي في example.com الساعة 8:30 (غدا)", now - 7 * min), message(rtl, 4, me, "Mixed: שלום עולם and back", now - 6 * min)][s - 1] },
  ...["anna", "carlos.m", "李明", "zoe", "dmitri", "eve-lyn", "frank", "gina", "hugo"].map((peer, i) => {
    const id = `d_${String.fromCharCode(103 + i).repeat(26)}`;
    return { id, kind: "direct" as const, peer, head: 1, item: () => message(id, 1, i % 2 ? me : peer, text(i * 5), now - (i + 1) * 900 * min) };
  }),
];
