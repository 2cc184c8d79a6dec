/** Keeps captures running on a set of devices that may change, and the interceptor's clock. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { macText } from "sflow-collector";
import type { Logger } from "pino";
import { RoutingCapture } from "./capture.js";
import type { RoutingInterceptor } from "./interceptor.js";

export interface ListeningOptions {
  readonly interceptor: RoutingInterceptor;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** "bridge:ofport" behind which a hardware address is; undefined: not known, the device is told instead. */
  readonly locate: (mac: string) => string | undefined;
}

const advanceMs = 500;
const firstBackoffMs = 200;
const longestBackoffMs = 10_000;
/** A capture that has lived this long was a good one. */
const steadyMs = 30_000;

interface Listened {
  readonly device: string;
  /** An adapter's device is ours: it is brought up, without an address. */
  readonly isOurs: boolean;
  capture: RoutingCapture | undefined;
  timer: NodeJS.Timeout | undefined;
  backoffMs: number;
  sinceMs: number;
  isGone: boolean;
  failure: string | undefined;
}

export class Listening implements AsyncDisposable {
  private readonly options: ListeningOptions;
  private readonly devices = new Map<string, Listened>();
  private readonly clock: NodeJS.Timeout;
  /** Captures that are being started or stopped. */
  private readonly pending = new Set<Promise<void>>();
  /** Frames lost by the kernel or cut short, of captures that have ended. */
  lost = 0;
  /** Captures that ended because what they gave could not be read. */
  unreadable = 0;

  constructor(options: ListeningOptions) {
    this.options = options;
    this.clock = setInterval(() => options.interceptor.advance(options.nowMs()), advanceMs);
    this.clock.unref();
  }

  /** Devices to listen on from now on; those not named are left. `ours`: adapters' devices, which are brought up first. */
  setDevices(ours: readonly string[], others: readonly string[]): void {
    const wanted = new Map([...others.map((device) => [device, false] as const), ...ours.map((device) => [device, true] as const)]);
    for (const [device, listened] of this.devices) {
      if (wanted.has(device)) continue;
      this.devices.delete(device);
      this.track(this.leave(listened));
    }
    for (const [device, isOurs] of wanted) {
      if (this.devices.has(device)) continue;
      const listened: Listened = { device, isOurs, capture: undefined, timer: undefined, backoffMs: firstBackoffMs, sinceMs: 0, isGone: false, failure: "not started yet" };
      this.devices.set(device, listened);
      this.track(this.listen(listened));
    }
  }

  /** Devices with why nothing is heard there; undefined: it is. */
  state(): { readonly device: string; readonly failure: string | undefined }[] {
    return [...this.devices.values()].map(({ device, failure }) => ({ device, failure }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.clock);
    const all = [...this.devices.values()];
    this.devices.clear();
    await Promise.all(all.map((listened) => this.leave(listened)));
    await Promise.all(this.pending);
  }

  private track(work: Promise<void>): void {
    const done = work.finally(() => this.pending.delete(done));
    this.pending.add(done);
  }

  private async listen(listened: Listened): Promise<void> {
    const { interceptor, locate } = this.options;
    const { device } = listened;
    try {
      if (listened.isOurs) await bringUp(device);
      const capture = await RoutingCapture.start({
        device,
        direction: listened.isOurs ? "in" : "inout",
        frame: (frame) => {
          const port = locate(macText(frame.bytes, 6));
          interceptor.frame({ ...frame, at: port ?? device, isLocated: port !== undefined });
        },
        ended: (why, isUnreadable) => {
          if (isUnreadable) this.unreadable++;
          this.again(listened, why);
        },
      });
      if (listened.isGone) {
        await capture.stop();
        return;
      }
      listened.capture = capture;
      listened.failure = undefined;
      listened.sinceMs = this.options.nowMs();
    } catch (error) {
      this.again(listened, (error as Error).message);
    }
  }

  /** A device that is not there (yet, or any more) is tried again, ever less often. */
  private again(listened: Listened, why: string): void {
    listened.capture = undefined;
    if (listened.isGone) return;
    if (listened.failure === undefined) this.options.log.warn({ device: listened.device, why }, "the capture of routing traffic ended; trying again");
    if (listened.failure === undefined && this.options.nowMs() - listened.sinceMs > steadyMs) listened.backoffMs = firstBackoffMs;
    listened.failure = why;
    listened.timer = setTimeout(() => this.track(this.listen(listened)), listened.backoffMs);
    listened.timer.unref();
    listened.backoffMs = Math.min(listened.backoffMs * 2, longestBackoffMs);
  }

  private async leave(listened: Listened): Promise<void> {
    listened.isGone = true;
    clearTimeout(listened.timer);
    const { capture } = listened;
    if (capture === undefined) return;
    await capture.stop();
    this.lost += capture.dropped + capture.truncated;
  }
}

/** Up, and without an address: the kernel shall send nothing of its own into the bridge behind it. */
async function bringUp(device: string): Promise<void> {
  for (const change of [["addrgenmode", "none"], ["up"]]) {
    const child = spawn("ip", ["link", "set", "dev", device, ...change], { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`${device}: ${errors.trim()}`);
  }
}
