// Writes .gz and .br beside what the build made, where that is worth it: the server
// sends them as they are.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url);

for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || /\.(gz|br|png|webp)$/.test(entry.name)) continue;
  const name = `${entry.parentPath}/${entry.name}`;
  const raw = await readFile(name);
  const gz = gzipSync(raw, { level: 9 });
  const br = brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length } });
  if (gz.length < raw.length * 0.9) await writeFile(`${name}.gz`, gz);
  if (br.length < raw.length * 0.9) await writeFile(`${name}.br`, br);
}
