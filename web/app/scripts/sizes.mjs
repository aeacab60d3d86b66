// Prints what a browser loads at first, and fails if that is over the budget.
import { readFile, stat } from "node:fs/promises";

const budget = 100 * 1024; // gzip, of everything that index.html names
const dist = new URL("../dist/", import.meta.url);
const size = async (name) => (await stat(new URL(name, dist)).catch(() => undefined))?.size;

const html = await readFile(new URL("index.html", dist), "utf8");
const names = ["index.html", ...[...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((m) => m[1])];
let total = 0;
console.log("first load            bytes    gzip  brotli");
for (const name of names) {
  const raw = await size(name);
  const gz = (await size(`${name}.gz`)) ?? raw;
  const br = (await size(`${name}.br`)) ?? raw;
  total += gz;
  console.log(`${name.padEnd(36).slice(-36)} ${String(raw).padStart(7)} ${String(gz).padStart(7)} ${String(br).padStart(7)}`);
}
console.log(`together ${total} bytes compressed, of ${budget}`);
const embed = await size("embed/parley-chat.js.gz");
if (embed !== undefined) console.log(`embed/parley-chat.js ${embed} bytes compressed`);
if (total > budget) {
  console.error("the first load is over its budget");
  process.exit(1);
}
