// Builds the parley binary, with the web UI that stands in web/app/dist, once for all tests.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

export default function build(): void {
  if (process.env.PARLEY_BIN) return; // `make` has built it
  if (!existsSync(`${root}web/app/dist/index.html`)) {
    throw new Error("web/app/dist/index.html is missing: run `make web` first");
  }
  const bin = `${root}bin/parley`;
  execFileSync("go", ["build", "-o", bin, "./services/parley/cmd/parley"], { cwd: root, stdio: "inherit" });
  process.env.PARLEY_BIN = bin;
}
