import { systemNetwork } from "../platform.js";
import type { HttpRequest, HttpResponse, Network } from "../ports.js";

/** The browser's WebSocket and fetch; uploads by XMLHttpRequest, which tells how far they are. */
export function browserNetwork(): Network {
  const system = systemNetwork();
  return {
    open: (url, protocols, on) => system.open(url, protocols, on),
    request: (r) => (r.onProgress === undefined ? system.request(r) : upload(r)),
  };
}

function upload(r: HttpRequest): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const x = new XMLHttpRequest();
    x.open(r.method, r.url);
    for (const [name, value] of Object.entries(r.headers)) x.setRequestHeader(name, value);
    x.upload.onprogress = (e) => r.onProgress?.(e.loaded, e.lengthComputable ? e.total : 0);
    x.onload = () => resolve({ status: x.status, text: () => Promise.resolve(x.responseText) });
    x.onerror = () => reject(new Error("the upload failed"));
    x.onabort = () => reject(new Error("the upload was given up"));
    if (r.timeout_ms !== undefined) x.timeout = r.timeout_ms;
    x.ontimeout = x.onerror;
    if (r.signal?.aborted) return x.onabort(new ProgressEvent("abort"));
    r.signal?.addEventListener("abort", () => x.abort());
    x.send(r.body as XMLHttpRequestBodyInit);
  });
}
