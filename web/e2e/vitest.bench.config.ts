import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["bench/**/*.test.ts"], globalSetup: ["src/build.ts"], fileParallelism: false, hookTimeout: 600_000, testTimeout: 300_000 },
});
