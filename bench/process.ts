/** A program under measurement: its CPU time and memory, read from /proc. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** USER_HZ, which Linux has at 100 on every architecture Node runs on. */
const ticksPerSecond = 100;

export class Measured implements AsyncDisposable {
  readonly child: ChildProcess;

  /** Starts it; its output goes nowhere. */
  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.child = spawn(command, args, { stdio: ["ignore", "ignore", "ignore"], env });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error("it could not be started");
    return this.child.pid;
  }

  /** User and system time of the process so far, in s. */
  cpuS(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  /** Resident memory and its highest value, in MB. */
  memoryMb(): { readonly now: number; readonly peak: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    const of = (key: string): number => Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) / 1024;
    return { now: of("VmRSS"), peak: of("VmHWM") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exited;
  }
}
