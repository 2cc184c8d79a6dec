/** Probes from one place to an address: a ping(8) child that goes on until it is stopped. It is started again when it ends. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { readPingLine, type PingLine } from "./ping-output.js";

export interface PingOptions {
  /** What runs the command where the probes are to come from: a program and its arguments. */
  readonly enter: readonly [string, ...string[]];
  readonly to: string;
  readonly probesPerS: number;
  readonly heard: (line: PingLine) => void;
  /** It could not be started, or ended by itself. */
  readonly failed: (why: string) => void;
}

const againMs = 2_000;

export class Ping {
  private readonly options: PingOptions;
  private child: ChildProcess | undefined;
  private exited: Promise<unknown> = Promise.resolve();
  private again: NodeJS.Timeout | undefined;
  private isEnding = false;

  constructor(options: PingOptions) {
    this.options = options;
    this.start();
  }

  async stop(): Promise<void> {
    this.isEnding = true;
    clearTimeout(this.again);
    this.child?.kill("SIGKILL");
    await this.exited;
  }

  private start(): void {
    const { enter, to, probesPerS, heard, failed } = this.options;
    const [program, ...before] = enter;
    const child = spawn(program, [...before, "ping", "-n", "-D", "-O", "-i", (1 / probesPerS).toFixed(3), to], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, LC_ALL: "C" } });
    this.child = child;
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-1_000)));
    createInterface(child.stdout).on("line", (text) => {
      const line = readPingLine(text);
      if (line !== undefined) heard(line);
    });
    const ended = (why: string): void => {
      if (this.isEnding || this.child !== child) return;
      this.child = undefined;
      failed(why);
      this.again = setTimeout(() => this.start(), againMs);
    };
    child.once("error", (error) => ended(error.message));
    child.once("close", (code) => ended(`ping to ${to} ended with status ${String(code)}: ${errors.trim().split("\n").at(-1) ?? ""}`));
    this.exited = once(child, "close").catch(() => undefined);
  }
}
