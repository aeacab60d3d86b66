import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";

/** Random numbers in [0, 1) from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** A TCP proxy that cuts each connection after a random number of bytes, in the middle of whatever it is. */
export async function cutter(target: string, random: () => number, most: number): Promise<{ url: string; cuts: () => number; calm: () => void; close: () => Promise<void> }> {
  const { hostname, port } = new URL(target);
  let cuts = 0;
  let calm = false;
  const open = new Set<() => void>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    let left = 600 + random() * most; // the handshake goes through
    const end = (): void => {
      open.delete(end);
      near.destroy();
      far.destroy();
    };
    open.add(end);
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.on("error", end);
      from.on("close", end);
      from.on("data", (bytes: Buffer) => {
        if (calm || left > bytes.length) {
          left -= bytes.length;
          to.write(bytes);
          return;
        }
        cuts++;
        to.write(bytes.subarray(0, Math.max(0, left)), end); // what got through got through
        left = 0;
      });
    }
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cuts: () => cuts,
    calm: () => void (calm = true),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const end of open) end();
      }),
  };
}
