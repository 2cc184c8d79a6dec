/** Captures on the devices that are wanted, and on no other. One that ends or can't start is told, and tried again each second. */
import { errorText } from "../../base/error-text.js";
import { Tcpdump, type TcpdumpOptions } from "./tcpdump.js";

export interface CapturesParts {
  readonly options: Pick<TcpdumpOptions, "filter" | "snapLength" | "bufferKiB">;
  /** A capture of this device is about to start: who takes what it writes. What that throws ends the capture. */
  readonly reader: (device: string) => TcpdumpOptions["onChunk"];
  /** It listens. */
  readonly listening?: (device: string) => void;
  /** It listens no more, or could not start: nothing more comes of it. */
  readonly ended: (device: string) => void;
  /** It ended without having been asked to, or could not start. */
  readonly failed: (device: string, why: string) => void;
}

type Capture = Pick<Tcpdump, "kernelDropped" | "look" | "stop">;

export class Captures {
  /** Captures that listened and ended without having been asked to. */
  restarts = 0;
  private readonly parts: CapturesParts;
  private readonly start: (device: string, options: TcpdumpOptions) => Promise<Capture>;
  private readonly running = new Map<string, Capture>();
  /** Devices that are being brought to what is wanted. */
  private readonly busy = new Map<string, Promise<void>>();
  private wanted: ReadonlySet<string> = new Set();
  /** Dropped in captures that have ended. */
  private dropped = 0;

  constructor(parts: CapturesParts, start: (device: string, options: TcpdumpOptions) => Promise<Capture> = (device, options) => Tcpdump.start(device, options)) {
    this.parts = parts;
    this.start = start;
  }

  /** Packets for which the kernel had no room, as of the last second. */
  get kernelDropped(): number {
    return [...this.running.values()].reduce((sum, { kernelDropped }) => sum + kernelDropped, this.dropped);
  }

  /** Devices that are captured now. */
  get devices(): string[] {
    return [...this.running.keys()];
  }

  /** Captures on these devices from now on; resolves when all listen that can, and the others have ended. */
  async want(devices: Iterable<string>): Promise<void> {
    this.wanted = new Set(devices);
    await Promise.all([...new Set([...this.wanted, ...this.running.keys(), ...this.busy.keys()])].map((device) => this.bring(device)));
  }

  /** Once a second: asks the kernel for its count of drops, and tries again what failed. Resolves with whether there is something new. */
  async second(): Promise<boolean> {
    for (const capture of this.running.values()) capture.look();
    const missing = [...this.wanted].filter((device) => !this.running.has(device) && !this.busy.has(device));
    await Promise.all(missing.map((device) => this.bring(device)));
    return missing.length > 0;
  }

  private bring(device: string): Promise<void> {
    const before = this.busy.get(device);
    if (before !== undefined) return before; // it looks at what is wanted again when it is done
    const bringing = this.follow(device).finally(() => this.busy.delete(device));
    this.busy.set(device, bringing);
    return bringing;
  }

  private async follow(device: string): Promise<void> {
    for (;;) {
      const capture = this.running.get(device);
      if (this.wanted.has(device) === (capture !== undefined)) return;
      if (capture !== undefined) await this.end(device, capture);
      else if (!(await this.begin(device))) return;
    }
  }

  private async begin(device: string): Promise<boolean> {
    try {
      const capture = await this.start(device, { ...this.parts.options, onChunk: this.parts.reader(device), onEnd: (why) => this.lost(device, why) });
      this.running.set(device, capture);
    } catch (error) {
      this.parts.ended(device);
      this.parts.failed(device, errorText(error));
      return false;
    }
    this.parts.listening?.(device);
    return true;
  }

  private async end(device: string, capture: Capture): Promise<void> {
    await capture.stop();
    this.forget(device, capture);
  }

  private lost(device: string, why: string): void {
    this.restarts++;
    this.forget(device, this.running.get(device));
    this.parts.failed(device, why);
  }

  private forget(device: string, capture: Capture | undefined): void {
    this.dropped += capture?.kernelDropped ?? 0;
    this.running.delete(device);
    this.parts.ended(device);
  }
}
