/** ovs-shadowd in a capsule, and ovs-shadowctl beside it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import type { Readable } from "node:stream";
import type { GetStatusResponse } from "../src/api/generated/ovsshadow/v1/shadow.js";
import { projectDir, type Capsule } from "./capsule.js";
import { waitFor } from "./wait.js";

const keptLog = 200;
const program = `${projectDir}/ovs-scripts/ovs-shadowd`;
const configFile = "/run/lab/config.yaml";

export class Shadowd {
  /** The last lines of the daemon's log. */
  readonly log: string[] = [];
  private readonly capsule: Capsule;
  private child: ChildProcess | undefined;

  constructor(capsule: Capsule) {
    this.capsule = capsule;
  }

  /** Starts it with this configuration. */
  start(config: string): void {
    this.configure(config);
    this.child = this.capsule.spawn(program, ["--config", configFile], { stdio: ["ignore", "ignore", "pipe"] });
    this.keep(this.child.stderr);
  }

  /** Starts it in the capsule's network but outside its other namespaces, where the sockets of two capsules can be reached; it ends with whoever started it. */
  startOutside(config: string): ChildProcess {
    this.configure(config);
    const file = this.capsule.path(configFile);
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", "nsenter", "-t", String(this.capsule.pid), "-n", "--", program, "--config", file], { stdio: ["ignore", "ignore", "pipe"] });
    this.keep(child.stderr);
    return child;
  }

  /** Writes the configuration and leaves the daemon, if there is one, as it is. */
  configure(config: string): void {
    mkdirSync(this.capsule.path("/run/lab"), { recursive: true });
    writeFileSync(this.capsule.path(configFile), config);
  }

  /** Resolves with its exit status when it has ended; null when it was ended by a signal, or never started. */
  async ended(): Promise<number | null> {
    const { child } = this;
    if (child === undefined) return null;
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    return child.exitCode;
  }

  /** Sends a signal. The child is nsenter; the daemon is the one node process of the capsule with that program. */
  async signal(signal: "KILL" | "TERM" | "HUP"): Promise<void> {
    await this.capsule.run("sh", ["-c", `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '^node .*/dist/src/main.js' && kill -${signal} \${p#/proc/}; done; true`]);
  }

  /** Ends it by signal, as a crash or an operator would. */
  async end(signal: "KILL" | "TERM"): Promise<void> {
    await this.signal(signal);
    await this.ended();
  }

  /** Runs ovs-shadowctl; resolves with its JSON. Rejects with what it says when it fails, unless it may. */
  async ctl<T>(args: readonly string[], mayFail = false): Promise<T> {
    const { stdout } = await this.capsule.run("node", [`${projectDir}/dist/src/cli/main.js`, ...args, "--output", "json"], { mayFail, timeoutMs: 60_000 });
    return JSON.parse(stdout) as T;
  }

  status(): Promise<GetStatusResponse> {
    return this.ctl<GetStatusResponse>(["status"]);
  }

  /** Resolves when it has said that it serves, since the log was emptied. */
  async isUp(timeoutMs = 30_000): Promise<void> {
    await this.until(() => this.log.some((line) => line.includes("is up")), "it is up", timeoutMs);
  }

  /** Resolves when so many live bridges (or any) have a shadow and each is in step. */
  async inStep(bridges?: number, timeoutMs = 30_000): Promise<void> {
    const isInStep = async (): Promise<boolean> => {
      const status = await this.status().catch(() => undefined);
      return status !== undefined && status.settled && status.shadows.length > 0 && status.shadows.length === (bridges ?? status.shadows.length) && status.shadows.every(({ state }) => state === "in step");
    };
    await this.until(isInStep, "all shadows are in step", timeoutMs);
  }

  /** Rejects with the last of the log when it does not hold in time. */
  private async until(condition: () => boolean | Promise<boolean>, what: string, timeoutMs: number): Promise<void> {
    await waitFor(condition, what, timeoutMs).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.log.slice(-20).join("\n")}`);
    });
  }

  private keep(stderr: Readable | null): void {
    let rest = "";
    stderr?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      this.log.push(...lines);
      this.log.splice(0, this.log.length - keptLog);
    });
  }
}
