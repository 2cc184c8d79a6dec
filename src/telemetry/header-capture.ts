/** Packet headers from a device, by tcpdump: `-w -` into the pcap reader. Ends by signal to its own child. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { decodePacketHeader, PcapStream, type PacketHeader } from "sflow-collector";

export interface CapturedHeader {
  /** Since the epoch, in ms. */
  readonly tMs: number;
  readonly header: PacketHeader;
}

const snapLength = 128;
/** Kernel buffer in KiB. */
const bufferKiB = 16_384;
const maxPackets = 1_000_000;

export class HeaderCapture {
  readonly packets: CapturedHeader[] = [];
  /** Packets beyond the bound, and those the kernel dropped; known after `stop`. */
  lost = 0;
  private readonly child: ChildProcess;
  private readonly exited: Promise<unknown>;
  private readonly pcap = new PcapStream();
  private errors = "";

  private constructor(child: ChildProcess) {
    this.child = child;
    this.exited = once(child, "exit");
    child.stdout?.on("data", (chunk: Buffer) => this.received(chunk));
    child.stderr?.on("data", (chunk: Buffer) => (this.errors = (this.errors + chunk.toString()).slice(-4_096)));
  }

  /** Starts capturing what comes in on `device`; resolves when tcpdump listens. Rejects when it can't. */
  static async start(device: string): Promise<HeaderCapture> {
    // Up, and without an address: the kernel shall send nothing of its own into the bridge behind it.
    await run("ip", ["link", "set", "dev", device, "addrgenmode", "none"]);
    await run("ip", ["link", "set", "dev", device, "up"]);
    const args = ["-i", device, "-Q", "in", "-n", "-p", "-s", String(snapLength), "-B", String(bufferKiB), "--immediate-mode", "-U", "-w", "-"];
    const capture = new HeaderCapture(spawn("tcpdump", args, { stdio: ["ignore", "pipe", "pipe"] }));
    const { child } = capture;
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (capture.errors.includes("listening on")) resolve();
      };
      child.stderr?.on("data", check);
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`tcpdump on ${device}: ${capture.errors.trim()}`)));
    });
    return capture;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGINT");
    await this.exited;
    this.lost += Number(/(\d+) packets? dropped by kernel/.exec(this.errors)?.[1] ?? 0);
  }

  private received(chunk: Uint8Array): void {
    for (const { tMs, bytes } of this.pcap.push(chunk)) {
      const header = decodePacketHeader(bytes);
      if (header === undefined) continue;
      if (this.packets.length < maxPackets) this.packets.push({ tMs, header });
      else this.lost++;
    }
  }
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = (await once(child, "close")) as [number];
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${errors.trim()}`);
}
