/** The one way to capture: tcpdump on a device, `-w -`, headers only. Ends by signal to its own child. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { untilBroken } from "../../base/until-broken.js";

/** Enough for Ethernet, two VLAN tags, IPv6 and all TCP options. */
export const snapLength = 128;
/** Kernel buffer in KiB: 180,000 headers, nearly a second at 200,000 packets/s; a busy machine lets tcpdump wait for half of that. */
const bufferKiB = 32_768;

/** After a chunk smaller than this the next is left to grow for a moment. A pipe holds 64 KiB: 300,000 packets/s at this pause. */
const largeChunk = 16_384;
const gatherMs = 2;

export interface TcpdumpOptions {
  /** A pcap filter; none: all. */
  readonly filter?: string;
  /** Bytes captured of a frame; default `snapLength`. */
  readonly snapLength?: number;
  /** The kernel's buffer; undefined: for 180,000 headers. */
  readonly bufferKiB?: number | undefined;
  /** Takes what tcpdump writes. What it throws ends the capture, told by `onEnd`, and nothing else. */
  readonly onChunk: (chunk: Buffer) => void;
  /** It had listened, and ended without having been asked to. */
  readonly onEnd?: (why: string) => void;
}

export class Tcpdump {
  readonly device: string;
  /** Packets for which the kernel had no room, as of the last `look`, or the end. */
  kernelDropped = 0;
  private readonly child: ChildProcess;
  private readonly exited: Promise<unknown>;
  private errors = "";
  private isListening = false;
  private isEnding = false;

  private constructor(device: string, child: ChildProcess, options: TcpdumpOptions) {
    this.device = device;
    this.child = child;
    this.exited = once(child, "close").catch(() => undefined);
    let broken: string | undefined;
    const take = untilBroken(options.onChunk, (why) => {
      broken = why;
      child.kill("SIGINT");
    });
    const { stdout } = child;
    let pause: NodeJS.Timeout | undefined;
    stdout?.on("data", (chunk: Buffer) => {
      take(chunk);
      // tcpdump writes each packet by itself, so that none waits for others: a reader that woke for each would do little else.
      if (chunk.length >= largeChunk || pause !== undefined) return;
      stdout.pause();
      pause = setTimeout(() => {
        pause = undefined;
        stdout.resume();
      }, gatherMs);
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-4_096);
      const told = [...this.errors.matchAll(/(\d+) packets? dropped by kernel/g)].at(-1)?.[1];
      if (told !== undefined) this.kernelDropped = Number(told);
    });
    child.once("close", () => {
      if (this.isListening && !this.isEnding) options.onEnd?.(broken ?? this.errors.trim().split("\n").at(-1) ?? "");
    });
  }

  /** Starts capturing what comes in on `device`; resolves when tcpdump listens. Rejects when it can't. */
  static async start(device: string, options: TcpdumpOptions): Promise<Tcpdump> {
    // Up, and without an address: the kernel shall send nothing of its own into the bridge behind it.
    await run("ip", ["link", "set", "dev", device, "addrgenmode", "none"]);
    await run("ip", ["link", "set", "dev", device, "up"]);
    const args = ["-i", device, "-Q", "in", "-n", "-p", "-s", String(options.snapLength ?? snapLength), "-B", String(options.bufferKiB ?? bufferKiB), "--immediate-mode", "-U", "-w", "-"];
    const child = spawn("tcpdump", options.filter === undefined ? args : [...args, options.filter], { stdio: ["ignore", "pipe", "pipe"] });
    const capture = new Tcpdump(device, child, options);
    await new Promise<void>((resolve, reject) => {
      child.stderr?.on("data", () => {
        if (!capture.errors.includes("listening on")) return;
        capture.isListening = true;
        resolve();
      });
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`tcpdump on ${device}: ${capture.errors.trim()}`)));
    });
    return capture;
  }

  /** Asks for the kernel's count of drops; `kernelDropped` has it a moment later. */
  look(): void {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGUSR1");
  }

  async stop(): Promise<void> {
    this.isEnding = true;
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGINT");
    await this.exited;
  }
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = (await once(child, "close")) as [number];
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${errors.trim()}`);
}
