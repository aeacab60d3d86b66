// Vitest's global setup: a real `parley up` of this tree, on free ports of the loopback
// and a data folder of its own. It ends with the tests.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    server: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), "parley-sdk-"));
  const binary = process.env["PARLEY_BIN"] ?? build(join(dir, "parley")); // `make` has built it
  const child = spawn(binary, ["up", "--data", join(dir, "data"), "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const url = await new Promise<string>((found, failed) => {
    child.once("exit", (code) => failed(new Error(`parley up ended with ${code}`)));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on("line", (line) => {
        const m = /^\s*open\s+(http:\/\/\S+)/.exec(line);
        if (m !== null) found(m[1]!.replace("localhost", "127.0.0.1"));
      });
    }
  });
  project.provide("server", url);
  return async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
}

function build(binary: string): string {
  const root = resolve(import.meta.dirname, "../../../..");
  const built = spawnSync("go", ["build", "-o", binary, "./services/parley/cmd/parley"], {
    cwd: root,
    env: { ...process.env, CGO_ENABLED: "0" },
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error("go build: " + (built.stderr || String(built.error)));
  return binary;
}
