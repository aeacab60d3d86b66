import { defineConfig } from "vitest/config";

// One browser and a few servers at a time: the machine that runs this may have two cores.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["src/build.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } }, // not one second: the machine may be busy with other things
    hookTimeout: 120_000,
    reporters: ["verbose"],
  },
});
