// Makes sure that there is a browser for the tests: it finds one, or installs
// Debian's chromium where that is possible (root, and apt), or says what to do.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";

const places = [process.env.PARLEY_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export function browserPath() {
  return places.find((p) => p && existsSync(p));
}

function install() {
  const mayInstall = existsSync("/usr/bin/apt-get") && process.getuid?.() === 0;
  if (!mayInstall) return;
  console.log("no browser found: installing Debian's chromium (some 100 MB)");
  const quiet = { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  const patient = ["-o", "Acquire::Retries=5", "-o", "DPkg::Lock::Timeout=300"]; // mirrors have bad moments, and another apt may be at work
  const args = [...patient, "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-noto-cjk", "fonts-noto-color-emoji"];
  if (spawnSync("apt-get", args, quiet).status === 0) return;
  spawnSync("apt-get", [...patient, "update", "-qq"], quiet); // the lists are older than the packages
  spawnSync("apt-get", args, quiet);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  if (!browserPath()) install();
  const found = browserPath();
  if (found) {
    console.log(`browser: ${found}`);
  } else {
    console.error("The browser tests need Chromium. On Debian or Ubuntu: sudo apt-get install chromium\nElsewhere: install Chrome or Chromium, and set PARLEY_CHROMIUM to its path.");
    process.exit(1);
  }
}
