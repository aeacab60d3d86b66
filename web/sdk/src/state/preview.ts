// What a list says of a conversation: its latest message, and what happened since.
// The server cuts both in the same way.

import type { LastEvent, LastFiles, LastMessage } from "../api.js";
import type { MembersEntry, MessageEntry, WireBody } from "../protocol/frames.js";

/** The latest message, from its entry. */
export function lastOf(e: MessageEntry): LastMessage {
  const head = { seq: e.seq, from: e.from, time: e.time };
  if (e.gone) return withoutBody(head);
  const files = filesOf(e.body);
  return { ...head, text: preview(e.body?.text), ...(files && { files }) };
}

/** The same after its content was taken away. */
export function withoutBody(last: Pick<LastMessage, "seq" | "from" | "time">): LastMessage {
  return { seq: last.seq, from: last.from, time: last.time, text: "", gone: true };
}

/** The same after an edit. */
export function withEdit(last: LastMessage, body: WireBody): LastMessage {
  if (last.gone) return last;
  const files = filesOf(body);
  return { seq: last.seq, from: last.from, time: last.time, text: preview(body.text), ...(files && { files }) };
}

/** What the server tells, but for what is gone for good: an answer may be from before that. */
export function toldOf(old: LastMessage | undefined, told: LastMessage | undefined): LastMessage | undefined {
  return old?.gone && old.seq === told?.seq ? old : told;
}

export function eventOf(e: MembersEntry): LastEvent {
  const all = e.users ?? [];
  const users = all.length > 1 ? all.filter((u) => u.user !== e.from) : all;
  const first = users[0];
  return { seq: e.seq, from: e.from, time: e.time, change: e.change, ...(first && { user: first.user, role: first.role }), ...(users.length > 0 && { users: users.length }) };
}

function filesOf(body: WireBody | undefined): LastFiles | undefined {
  const all = body?.attachments ?? [];
  const first = all[0];
  if (first === undefined) return undefined;
  const kind = (type: string) => type.split("/", 1)[0];
  const alike = all.every((a) => kind(a.type) === kind(first.type));
  return { count: all.length, name: first.name, ...(alike && { type: first.type }) };
}

/** A text as the server cuts it. */
export function preview(text: string | undefined): string {
  return text === undefined ? "" : [...text.slice(0, 400)].slice(0, 160).join("");
}
