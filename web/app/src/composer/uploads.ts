// Files that are added to the message being written. Each is uploaded at once, so
// that sending has nothing to wait for.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Attachment, Conversation, Limits } from "@parley-chat/client";
import { bytes } from "../format/size.ts";
import { problemText, type Chat } from "../state/chat.ts";

export interface Upload {
  readonly key: number;
  readonly name: string;
  /** A local URL of the picture, if it is one. */
  readonly preview: string | undefined;
  /** 0…1 */
  readonly progress: ReadonlySignal<number>;
  readonly done: ReadonlySignal<Attachment | undefined>;
  readonly problem: ReadonlySignal<string | undefined>;
}

interface Running extends Upload {
  readonly progress: Signal<number>;
  readonly done: Signal<Attachment | undefined>;
  readonly problem: Signal<string | undefined>;
  readonly file: File;
  abort: AbortController;
}

/** Does a type fit a list such as `image/*,application/pdf`? An empty list takes all. */
export function allowedType(type: string, list: string): boolean {
  const patterns = list.split(",").map((p) => p.trim()).filter((p) => p !== "");
  return patterns.length === 0 || patterns.some((p) => p === type || (p.endsWith("/*") && type.startsWith(p.slice(0, -1))));
}

/** Why a file may not be sent, if it may not. */
export function refusal(file: { type: string; size: number }, limits: Pick<Limits, "attachment_bytes" | "attachment_types"> | undefined): "tooBig" | "wrongType" | undefined {
  if (limits?.attachment_bytes !== undefined && file.size > limits.attachment_bytes) return "tooBig";
  if (!allowedType(file.type || "application/octet-stream", limits?.attachment_types ?? "")) return "wrongType";
  return undefined;
}

/** The files of one composer. */
export class Uploads {
  readonly list = signal<readonly Upload[]>([]);
  private next = 1;
  private readonly chat: Chat;
  private readonly c: Conversation;

  constructor(chat: Chat, c: Conversation) {
    this.chat = chat;
    this.c = c;
  }

  /** Adds files as far as the limits allow, and says what is left out. */
  add(files: readonly File[]): void {
    const t = this.chat.prefs.texts.peek();
    const limits = this.chat.parley.limits.peek();
    for (const file of files) {
      const most = limits?.attachments ?? 10;
      if (this.list.peek().length >= most) {
        this.chat.toast.value = t.tooMany(most);
        return;
      }
      const why = refusal(file, limits);
      if (why === "tooBig") this.chat.toast.value = t.tooBig(file.name, bytes(limits?.attachment_bytes ?? 0, t.lang));
      else if (why === "wrongType") this.chat.toast.value = t.wrongType(file.name);
      else this.start(file);
    }
  }

  /** A failed upload again. */
  again(key: number): void {
    const u = this.find(key);
    if (u === undefined || u.problem.peek() === undefined) return;
    u.problem.value = undefined;
    u.abort = new AbortController();
    void this.run(u);
  }

  remove(key: number): void {
    const u = this.find(key);
    if (u === undefined) return;
    u.abort.abort();
    if (u.preview !== undefined) URL.revokeObjectURL(u.preview);
    this.list.value = this.list.peek().filter((o) => o.key !== key);
  }

  /** Takes what is uploaded out, to be sent. */
  take(): Attachment[] {
    const ready = this.list.peek().map((u) => u.done.peek());
    for (const u of this.list.peek()) if (u.preview !== undefined) URL.revokeObjectURL(u.preview);
    this.list.value = [];
    return ready.filter((a) => a !== undefined);
  }

  stop(): void {
    for (const u of this.list.peek()) this.remove(u.key);
  }

  private find(key: number): Running | undefined {
    return this.list.peek().find((u) => u.key === key) as Running | undefined;
  }

  private start(file: File): void {
    const picture = file.type.startsWith("image/") && file.type !== "image/svg+xml";
    const u: Running = {
      key: this.next++,
      name: file.name === "" ? "image.png" : file.name,
      preview: picture ? URL.createObjectURL(file) : undefined,
      progress: signal(0),
      done: signal<Attachment | undefined>(undefined),
      problem: signal<string | undefined>(undefined),
      file,
      abort: new AbortController(),
    };
    this.list.value = [...this.list.peek(), u];
    void this.run(u);
  }

  private async run(u: Running): Promise<void> {
    const { file, abort } = u;
    const what = { name: u.name, type: file.type || "application/octet-stream", size: file.size, content: file };
    try {
      u.done.value = await this.chat.parley.upload(what, this.c.id, { onProgress: (part) => (u.progress.value = part), signal: abort.signal });
      u.progress.value = 1;
    } catch (err) {
      if (!abort.signal.aborted) u.problem.value = problemText(this.chat, err);
    }
  }
}
