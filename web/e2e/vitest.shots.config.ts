import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["shots/**/*.test.ts"], globalSetup: ["src/build.ts"], fileParallelism: false, hookTimeout: 120_000, testTimeout: 120_000 },
});
