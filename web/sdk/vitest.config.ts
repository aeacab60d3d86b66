import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/server.ts"],
    testTimeout: 30_000,
    hookTimeout: 120_000, // the first build of the server
    pool: "threads",
    maxWorkers: 2,
  },
});
