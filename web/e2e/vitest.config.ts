import { defineConfig } from "vitest/config";
import { patience } from "./src/patience.js";

// One browser and a few servers at a time: the machine that runs this may have two cores.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["src/build.ts"],
    fileParallelism: false,
    // Only a defect meets these: each wait has its own, shorter one, and the machine may be busy with other things.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: patience } },
    reporters: ["verbose"],
  },
});
