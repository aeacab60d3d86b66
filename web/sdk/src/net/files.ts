import type { Attachment, Uploadable, UploadOptions } from "../api.js";
import { ParleyError } from "../errors.js";
import type { Clock, Network } from "../ports.js";
import type { Rest } from "./rest.js";
import { problem } from "./rest.js";

/** A URL is asked for again so long before it ends, in ms; so many are kept. */
const margin = 60_000;
const mostURLs = 500;

interface File extends Attachment {
  readonly complete: boolean;
  readonly upload?: { readonly method: string; readonly url: string; readonly headers: Readonly<Record<string, string>> };
  readonly url?: string;
  readonly expires?: string;
}

/** Attachments: announce, upload; and URLs to show them with. */
export class Files {
  private readonly urls = new Map<string, { url: Promise<string>; until: number }>();

  constructor(private readonly o: { rest: Rest; network: Network; clock: Clock; newID: () => string }) {}

  /** `to` instead of `conv` is for a direct conversation. */
  async upload(file: Uploadable, where: { conv: string } | { to: string }, options: UploadOptions): Promise<Attachment> {
    const { name, type, size } = file;
    const announced = await this.o.rest.send<File>("POST", "/v1/attachments", { ...where, name, type, size, cmid: this.o.newID() });
    if (!announced.complete && announced.upload !== undefined) {
      const { method, url, headers } = announced.upload;
      const answer = await this.o.network.request({
        method,
        url: this.o.rest.resolve(url),
        headers,
        body: file.content,
        onProgress: (sent, of) => options.onProgress?.(of > 0 ? Math.min(1, sent / of) : 0),
        signal: options.signal,
      });
      if (answer.status >= 300) throw problem(answer.status, undefined);
    }
    options.onProgress?.(1);
    return shape(await this.o.rest.send<File>("POST", "/v1/attachments/" + announced.id));
  }

  url(id: string, what: "file" | "thumb"): Promise<string> {
    const key = `${what}/${id}`;
    const known = this.urls.get(key);
    if (known !== undefined && known.until > this.o.clock.now()) return known.url;
    const entry = { url: this.ask(id, what, (until) => (entry.until = until)), until: this.o.clock.now() + margin };
    entry.url.catch(() => this.urls.delete(key));
    this.urls.delete(key);
    this.urls.set(key, entry);
    const oldest = this.urls.keys().next().value;
    if (this.urls.size > mostURLs && oldest !== undefined) this.urls.delete(oldest);
    return entry.url;
  }

  private async ask(id: string, what: "file" | "thumb", until: (ms: number) => void): Promise<string> {
    const path = `/v1/attachments/${encodeURIComponent(id)}${what === "thumb" ? "/thumb" : ""}`;
    const f = await this.o.rest.get<{ url?: string; expires?: string }>(path, { redirect: 0 });
    if (f.url === undefined) throw new ParleyError("not_found", "there is no such file");
    // By this device's clock: the server's may be another.
    until(this.o.clock.now() + 5 * 60_000 - margin);
    return this.o.rest.resolve(f.url);
  }
}

function shape(f: File): Attachment {
  const { id, name, type, size, w, h, ms, thumb } = f;
  return {
    id,
    name,
    type,
    size,
    ...(w !== undefined && { w }),
    ...(h !== undefined && { h }),
    ...(ms !== undefined && { ms }),
    ...(thumb !== undefined && { thumb }),
  };
}
