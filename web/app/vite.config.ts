import { rm, readdir } from "node:fs/promises";
import { defaultClientConditions, defaultServerConditions, defineConfig, type Plugin } from "vite";

const out = new URL("dist/", import.meta.url);

/** Empties the output folder, except for the page that stands in for a build. */
function clean(): Plugin {
  return {
    name: "clean",
    apply: "build",
    async buildStart() {
      for (const name of await readdir(out)) {
        if (name !== "placeholder.html") await rm(new URL(name, out), { recursive: true });
      }
    },
  };
}

const server = process.env["PARLEY_URL"] ?? "http://localhost:8080";

export default defineConfig({
  plugins: [clean()],
  resolve: { conditions: ["@parley-chat/source", ...defaultClientConditions] },
  ssr: { resolve: { conditions: ["@parley-chat/source", ...defaultServerConditions] } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    emptyOutDir: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: { proxy: { "/v1": { target: server, ws: true, changeOrigin: true }, "/dev/token": { target: server, changeOrigin: true } } },
  test: { include: ["test/**/*.test.ts"], environment: "node", testTimeout: 120_000 },
} as Parameters<typeof defineConfig>[0]);
