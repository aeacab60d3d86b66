// Pictures for tests and screenshots: drawn here, not taken from anywhere.
import type { Page } from "playwright-core";
import type { Cluster } from "./cluster.js";

/** A landscape, drawn on a canvas: the bytes of a JPEG. */
export async function landscape(page: Page, w = 800, h = 500): Promise<Buffer> {
  const url = await page.evaluate(
    ({ w, h }) => {
      const canvas = document.createElement("canvas");
      canvas.width = w;
      canvas.height = h;
      const g = canvas.getContext("2d") as CanvasRenderingContext2D;
      const sky = g.createLinearGradient(0, 0, 0, h);
      for (const [at, colour] of [[0, "#2b4c7e"], [0.5, "#e8985e"], [0.75, "#f7d9a8"]] as const) sky.addColorStop(at, colour);
      g.fillStyle = sky;
      g.fillRect(0, 0, w, h);
      g.fillStyle = "#fff3d6";
      g.beginPath();
      g.arc(w * 0.68, h * 0.52, h * 0.08, 0, 7);
      g.fill();
      for (const [i, colour] of ["#7d6b91", "#4f5d8c", "#2c3e63", "#1b2a41"].entries()) {
        g.fillStyle = colour;
        g.beginPath();
        g.moveTo(0, h);
        for (let x = 0; x <= w; x += 4) {
          const u = x / w;
          const ridge = Math.sin(u * (5 + i * 3) + i * 2) * 0.06 + Math.sin(u * (17 + i * 5) + i) * 0.02;
          g.lineTo(x, h * (0.58 + i * 0.1 - ridge));
        }
        g.lineTo(w, h);
        g.fill();
      }
      return canvas.toDataURL("image/jpeg", 0.85);
    },
    { w, h },
  );
  return Buffer.from(url.slice(url.indexOf(",") + 1), "base64");
}

/** Uploads a file as a program would, and gives its id. */
export async function upload(cluster: Cluster, user: string, conv: string, file: { name: string; type: string; content: Buffer }): Promise<string> {
  const token = await cluster.token(user);
  const { name, type, content } = file;
  const announced = (await cluster.post("/v1/attachments", { conv, name, type, size: content.length, cmid: `upload-${name.replaceAll(".", "-")}` }, token)) as {
    id: string;
    upload: { method: string; url: string; headers: Record<string, string> };
  };
  const { method, url, headers } = announced.upload;
  const res = await fetch(new URL(url, cluster.url()), { method, headers, body: new Uint8Array(content) });
  if (!res.ok) throw new Error(`upload: ${res.status} ${await res.text()}`);
  await cluster.post(`/v1/attachments/${announced.id}`, undefined, token);
  return announced.id;
}
