import { defaultClientConditions, defineConfig } from "vite";

/** <parley-chat> as one file without a hash in its name, for other pages to import. */
export default defineConfig({
  resolve: { conditions: ["@parley-chat/source", ...defaultClientConditions] },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  publicDir: false,
  build: {
    target: "es2022",
    outDir: "dist/embed",
    lib: { entry: "src/embed.tsx", formats: ["es"], fileName: () => "parley-chat.js" },
    rollupOptions: { output: { codeSplitting: false } },
  },
} as Parameters<typeof defineConfig>[0]);
