// A Parley of its own for a test: `parley up` as a child process, on ports and a
// data folder of its own, that can be stopped, killed and started again.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { patience } from "./patience.js";

export interface ClusterOptions {
  gateways?: number;
  flags?: readonly string[];
}

export class Cluster {
  readonly urls: string[] = [];
  private child: ChildProcess | undefined;
  private output = "";

  private constructor(
    private readonly port: number,
    private readonly data: string,
    private readonly options: Required<ClusterOptions>,
  ) {
    for (let i = 0; i < options.gateways; i++) this.urls.push(`http://127.0.0.1:${port + i}`);
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const all = { gateways: 1, flags: [], ...options };
    for (let tries = 1; ; tries++) {
      const data = await mkdtemp(join(tmpdir(), "parley-e2e-"));
      const cluster = new Cluster(await freePorts(all.gateways + 1), data, all);
      try {
        await cluster.up();
        return cluster;
      } catch (err) {
        await cluster.remove();
        // Somebody else took a port between the look at it and the server.
        if (tries === 5 || !cluster.output.includes("address already in use")) throw err;
      }
    }
  }

  /** The address of a gateway. */
  url(gateway = 0): string {
    const url = this.urls[gateway];
    if (!url) throw new Error(`there is no gateway ${gateway}`);
    return url;
  }

  /** Starts it (again) and waits until it says that every gateway listens. */
  async up(): Promise<void> {
    const bin = process.env.PARLEY_BIN;
    if (!bin) throw new Error("PARLEY_BIN is not set: globalSetup has not run");
    const n = this.options.gateways;
    const args = ["up", "--listen", `127.0.0.1:${this.port}`, "--ops-listen", `127.0.0.1:${this.port + n}`];
    args.push("--gateways", String(n), "--data", this.data, ...this.options.flags);
    const child = spawn(bin, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    this.output = "";
    // What it says, not what its address answers: that may be another one's, who has the port.
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((up, failed) => {
      timer = setTimeout(() => failed(new Error(`parley up did not start:\n${this.output}`)), 2 * patience);
      const keep = (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-8_000);
        if (this.output.includes(" is up.")) up();
      };
      child.stdout.on("data", keep);
      child.stderr.on("data", keep);
      child.once("error", failed);
      child.once("close", () => failed(new Error(`parley up ended:\n${this.output}`)));
    }).finally(() => clearTimeout(timer));
  }

  /** Ends it: `SIGTERM` drains, `SIGKILL` does not. Its data stay. */
  async down(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "exit");
  }

  async remove(): Promise<void> {
    await this.down("SIGKILL");
    await rm(this.data, { recursive: true, force: true });
  }

  async token(user: string): Promise<string> {
    const answer = (await this.post("/dev/token", { user })) as { token: string };
    return answer.token;
  }

  post(path: string, body: unknown, token?: string): Promise<unknown> {
    return this.write("POST", path, body, token);
  }

  async write(method: "POST" | "PUT", path: string, body: unknown, token?: string): Promise<unknown> {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    const res = await fetch(this.url() + path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    if (!res.ok) throw new Error(`${method} ${path}: ${res.status} ${await res.text()}`);
    return res.json();
  }

  /** Waits until a search of the user finds something: the index is behind the log. */
  async indexed(user: string, q: string): Promise<void> {
    const token = await this.token(user);
    const look = async () => {
      const found = await this.get<{ items: unknown[] }>(`/v1/search?q=${encodeURIComponent(q)}`, token);
      expect(found.items.length).toBeGreaterThan(0);
    };
    await vi.waitFor(look, { timeout: patience, interval: 100 });
  }

  async get<T>(path: string, token: string): Promise<T> {
    const res = await fetch(this.url() + path, { headers: { authorization: `Bearer ${token}` } });
    if (!res.ok) throw new Error(`GET ${path}: ${res.status} ${await res.text()}`);
    return (await res.json()) as T;
  }
}

/** The first of n neighbouring ports that nobody listens on. */
async function freePorts(n: number): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await Promise.all(Array.from({ length: n }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
  throw new Error(`no ${n} neighbouring ports are free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
