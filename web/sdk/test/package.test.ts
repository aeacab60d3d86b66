// What others install: packed, put into an empty folder, and used as the README says.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";

vi.setConfig({ testTimeout: 120_000 }); // compilers and bundlers, on a machine that may have other work

const sdk = resolve(import.meta.dirname, "..");
const require = createRequire(import.meta.url);
const home = (name: string): string => require.resolve.paths(name)!.map((folder) => join(folder, name)).find((path) => existsSync(path))!;
const dir = mkdtempSync(join(tmpdir(), "parley-package-"));
const pack = join(dir, "node_modules/@parley-chat/client");

function run(command: string, args: string[], cwd = dir): string {
  const done = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.stdout}${done.stderr}`);
  return done.stdout;
}

/** Runs a file until it ends by itself: whatever holds it open is a leak. Answers what it wrote. */
function node(...args: string[]): Promise<string> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, ["--no-warnings", ...args], { cwd: dir });
    let out = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => (out += bytes.toString()));
    const timer = setTimeout(() => child.kill("SIGKILL"), 100_000);
    // Not at its exit: what it wrote last may still be in the pipe.
    child.once("close", (code) => {
      clearTimeout(timer);
      if (code === 0) done(out);
      else failed(new Error(`ended with ${code}: ${out}`));
    });
  });
}

/** The code under a heading of the README. */
function example(heading: string): string {
  const text = readFileSync(join(sdk, "README.md"), "utf8");
  const part = text.slice(text.indexOf(`## ${heading}\n`));
  return /```\w+\n([\s\S]*?)```/.exec(part)![1]!;
}

beforeAll(() => {
  run("npm", ["pack", "--silent", "--pack-destination", dir], sdk);
  mkdirSync(pack, { recursive: true });
  const tarball = run("ls", [dir]).split("\n").find((name) => name.endsWith(".tgz"))!;
  run("tar", ["-xzf", join(dir, tarball), "-C", pack, "--strip-components=1"]);
  for (const name of ["@preact/signals-core", "ws", "@types/ws", "@types/node", "undici-types"]) {
    mkdirSync(dirname(join(dir, "node_modules", name)), { recursive: true });
    symlinkSync(home(name), join(dir, "node_modules", name));
  }
  writeFileSync(join(dir, "package.json"), JSON.stringify({ type: "module" }));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("the package", () => {
  const core = `
import { createParley, memoryStorage, ParleyError, systemNetwork } from "@parley-chat/client";
import type { Conversation, MessageItem, Parley, ParleyOptions, StorageAdapter, ThreadItem } from "@parley-chat/client";
import WebSocket from "ws";
const storage: StorageAdapter = memoryStorage();
const options: ParleyOptions = { url: "http://localhost", token: async () => "", network: systemNetwork(WebSocket), storage };
const parley: Parley = createParley(options);
parley.on("message", ({ item }: { item: MessageItem }) => item.body?.text?.length);
parley.on("error", (e) => e instanceof ParleyError && e.code === "full");
export const c: Conversation = parley.direct("bob");
export const last = (): ThreadItem | undefined => c.thread.item(c.thread.head.value);
export function said(): string {
  const state = parley.connection.value;
  switch (state.phase) {
    case "waiting": return String(state.retryAt);
    case "ended": return state.reason satisfies "signed_out" | "banned" | "elsewhere" | "protocol" | "closed";
    default: return state.phase;
  }
}
`;
  const browser = `
import { createParley } from "@parley-chat/client";
import { browserParts, watchBrowser } from "@parley-chat/client/browser";
export const parley = createParley({ url: location.origin, token: async () => "", ...browserParts() });
export const off: () => void = watchBrowser(parley);
`;
  const strict = { target: "es2022", strict: true, exactOptionalPropertyTypes: true, noPropertyAccessFromIndexSignature: true, noUncheckedIndexedAccess: true, isolatedDeclarations: false, erasableSyntaxOnly: true, noEmit: true };

  test.each([["node16", "node16"], ["nodenext", "nodenext"], ["bundler", "esnext"]])("has strict types with moduleResolution %s", (moduleResolution, module) => {
    writeFileSync(join(dir, "core.ts"), core);
    writeFileSync(join(dir, "page.ts"), browser);
    const tsc = join(home("typescript"), "bin/tsc");
    for (const [file, lib, types] of [["core.ts", ["es2022"], ["node"]], ["page.ts", ["es2022", "dom"], []]] as const) {
      writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...strict, module, moduleResolution, lib, types, skipLibCheck: file === "core.ts" }, files: [file] }));
      run(process.execPath, [tsc, "-p", dir]);
    }
  });

  test("does in Node what the README says, and lets the process end", async () => {
    const code = example("In Node").replace("http://localhost:8080", inject("server")).replaceAll("alice", `node-${process.pid}`);
    writeFileSync(join(dir, "main.js"), code);
    expect(await node("main.js")).toMatch(/^stored as d_\w{26} 1\n$/);
  });

  test("does in React Native what the README says, and keeps what it must", async () => {
    writeFileSync(join(dir, "app.js"), example("In React Native"));
    const globals = { "react-native": "modules.reactNative", "@react-native-community/netinfo": "modules.netinfo", "expo-crypto": "modules.crypto", "@react-native-async-storage/async-storage": "modules.storage" };
    await build({
      root: dir,
      configFile: false,
      logLevel: "error",
      build: {
        target: "es2022", minify: false, lib: { entry: join(dir, "app.js"), formats: ["iife"], name: "app", fileName: () => "app.bundle.js" },
        rollupOptions: { external: Object.keys(globals), output: { globals } },
      },
    });
    const out = await node(join(import.meta.dirname, "support/bare.mjs"), join(dir, "dist/app.bundle.js"), inject("server"), join(home("ws"), "wrapper.mjs"));
    expect(out).toBe("shown from a phone\nkept 1 true 0\n");
  });

  test("says at the start what the platform lacks", async () => {
    writeFileSync(join(dir, "lacks.js"), `
      import { createParley } from "@parley-chat/client";
      delete globalThis.WebSocket;
      try { createParley({ url: "http://localhost", token: async () => "" }).start(); } catch (err) { console.log(err.message); }
    `);
    expect(await node("lacks.js")).toMatch(/^no WebSocket: give a network/);
  });
});
