/**
 * A crash-safe sandbox: namespaces of their own for mounts, network, processes and IPC, and a private /run.
 *
 * When the owner ends, however it ends, the kernel kills every process in it and with them goes every device, mount and file.
 * So nothing can be left behind, and the machine's own Open vSwitch, whose sockets are under the machine's /run, can't be touched.
 */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly input?: string;
  /** Resolve also when the exit status is not 0; otherwise that rejects. */
  readonly mayFail?: boolean;
}

/** Output kept of one command; what is beyond is cut. */
const maxOutput = 16 << 20;
/** The project's folder, from dist/lab or from lab. */
const here = path.dirname(fileURLToPath(import.meta.url));
export const projectDir = path.resolve(here, path.basename(path.dirname(here)) === "dist" ? "../.." : "..");

export class Capsule implements AsyncDisposable {
  readonly pid: number;
  private readonly owner: ChildProcess;

  private constructor(owner: ChildProcess, pid: number) {
    this.owner = owner;
    this.pid = pid;
  }

  static async start(): Promise<Capsule> {
    const unshare = ["unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation", "private"];
    const owner = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...unshare, "/usr/bin/python3", `${projectDir}/lab/topology/init.py`], { stdio: ["pipe", "pipe", "inherit"], detached: true });
    const exited = once(owner, "exit").then(([code]) => {
      throw new Error(`the capsule ended with status ${String(code)} while it was being made`);
    });
    if (owner.stdout === null) throw new Error("no pipe");
    await Promise.race([once(owner.stdout, "data"), exited]);
    exited.catch(() => undefined);
    const children = readFileSync(`/proc/${owner.pid}/task/${owner.pid}/children`, "utf8").trim();
    return new Capsule(owner, Number(children.split(" ")[0]));
  }

  /** A path inside the capsule, as seen from outside. */
  path(inside: string): string {
    return `/proc/${this.pid}/root${inside}`;
  }

  /** Starts a command inside. */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const env = { ...process.env, OVS_RUNDIR: "/run/openvswitch", OVS_DBDIR: "/run/openvswitch", OVS_LOGDIR: "/run/openvswitch", OVS_SYSCONFDIR: "/run/openvswitch", ...options.env };
    return spawn("nsenter", ["-t", String(this.pid), "-m", "-n", "-p", "-i", "--", command, ...args], { ...options, env });
  }

  /** Runs a command inside; rejects with its error output when it fails. */
  async run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const child = this.spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], timeout: options.timeoutMs ?? 20_000, killSignal: "SIGKILL" });
    const collect = (stream: NodeJS.ReadableStream | null): (() => string) => {
      const chunks: Buffer[] = [];
      let kept = 0;
      stream?.on("data", (chunk: Buffer) => {
        if (kept < maxOutput) chunks.push(chunk);
        kept += chunk.length;
      });
      return () => Buffer.concat(chunks).toString("utf8");
    };
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    child.stdin?.on("error", () => undefined); // a command that does not read its input
    child.stdin?.end(options.input ?? "");
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    const result = { code: code ?? 128, stdout: stdout(), stderr: stderr() };
    if (result.code !== 0 && options.mayFail !== true) {
      throw new Error(`${command} ${args.join(" ")}: ${signal ?? `status ${result.code}`}: ${result.stderr.trim() || result.stdout.trim()}`);
    }
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = this.owner.exitCode === null && this.owner.signalCode === null ? once(this.owner, "exit") : Promise.resolve();
    this.owner.stdin?.end();
    await exited;
  }
}
