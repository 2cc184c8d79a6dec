/** Copies of routing traffic from a device, whole: tcpdump with a filter, into the pcap reader. Ends by signal to its own child. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { PcapStream } from "sflow-collector";
import { untilBroken } from "../../base/until-broken.js";
import type { Frame } from "./interceptor.js";

/**
 * What the interceptor listens to. In VLANs the same again: "vlan" moves the offsets of all that stands behind it. ND has types
 * 133 to 137 (icmp6[0] reads no further than a plain IPv6 header, so the type is taken at its place); DNS is answers only.
 */
const wanted = "arp or ether proto 0x88cc or tcp port 179 or ip proto 89 or ip6 proto 89 or (ip6[6] = 58 and ip6[40] >= 133 and ip6[40] <= 137) or udp port 67 or udp port 68 or udp port 546 or udp port 547 or udp src port 53";
export const routingFilter = `(${wanted}) or (vlan and (${wanted}))`;

/** BGP over a path without small MTU, and jumbo frames. */
const snapLength = 9_216;
const bufferKiB = 4_096;
const maxErrorText = 4_096;
const ethernet = 1;

export interface CaptureOptions {
  readonly device: string;
  readonly filter?: string;
  readonly frame: (frame: Frame) => void;
  /** The capture ended by itself: the device is gone, tcpdump was killed, or what it gave can't be read. */
  readonly ended?: (why: string, isUnreadable: boolean) => void;
  /** Which frames: those that come in by the device (default), or both directions. */
  readonly direction?: "in" | "inout";
}

export class RoutingCapture implements AsyncDisposable {
  /** Frames cut short by the snap length; they are not handed on. */
  truncated = 0;
  /** Frames the kernel dropped; known after `stop`. */
  dropped = 0;
  /** Why what tcpdump gave can't be read; the capture has then ended. Undefined: it can. */
  broken: string | undefined;
  readonly device: string;
  private readonly child: ChildProcess;
  private readonly exited: Promise<unknown>;
  private readonly options: CaptureOptions;
  private readonly pcap = new PcapStream();
  private errors = "";
  private isStopping = false;

  private constructor(child: ChildProcess, options: CaptureOptions) {
    this.child = child;
    this.device = options.device;
    this.options = options;
    this.exited = once(child, "close");
    const take = untilBroken((chunk: Buffer) => this.received(chunk), (why) => this.breakOff(why));
    child.stdout?.on("data", take);
    child.stderr?.on("data", (chunk: Buffer) => (this.errors = (this.errors + chunk.toString()).slice(-maxErrorText)));
    child.once("close", () => {
      if (!this.isStopping) options.ended?.(this.broken ?? (this.errors.trim() || "tcpdump ended"), this.broken !== undefined);
    });
  }

  /** Starts capturing; resolves when tcpdump listens. Rejects when it can't: no such device, no permission, a filter it does not take. */
  static async start(options: CaptureOptions): Promise<RoutingCapture> {
    const { device, filter = routingFilter, direction = "in" } = options;
    const args = ["-i", device, "-Q", direction, "-n", "-p", "-s", String(snapLength), "-B", String(bufferKiB), "--immediate-mode", "-U", "-w", "-", filter];
    const capture = new RoutingCapture(spawn("tcpdump", args, { stdio: ["ignore", "pipe", "pipe"] }), options);
    await capture.listening();
    return capture;
  }

  /** The same from a tcpdump that somebody else has started with `-w -`: in another namespace. */
  static async from(child: ChildProcess, options: CaptureOptions): Promise<RoutingCapture> {
    const capture = new RoutingCapture(child, options);
    await capture.listening();
    return capture;
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGINT");
    await this.exited;
    this.dropped += Number(/(\d+) packets? dropped by kernel/.exec(this.errors)?.[1] ?? 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  private listening(): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (this.errors.includes("listening on")) resolve();
      };
      this.child.stderr?.on("data", check);
      this.child.once("error", reject);
      this.child.once("close", () => reject(new Error(`tcpdump on ${this.device}: ${this.errors.trim()}`)));
    });
  }

  private breakOff(why: string): void {
    this.broken = `the capture on ${this.device} can't be read: ${why}`;
    this.child.kill("SIGINT");
  }

  private received(chunk: Uint8Array): void {
    for (const { tMs, bytes, frameLength, linkType } of this.pcap.push(chunk)) {
      if (linkType !== ethernet || bytes.length < frameLength) this.truncated++;
      else this.options.frame({ tMs, bytes, at: this.device });
    }
    this.pcap.check();
  }
}
