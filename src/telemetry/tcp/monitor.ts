/** TCP connections as captured on devices, in a thread of its own. Devices come and go; what fails is told and tried again each second. */
import { randomInt } from "node:crypto";
import { EventEmitter } from "node:events";
import type { Observation, Side } from "../../base/observation.js";
import { threadFile } from "../../base/thread-file.js";
import { CaptureThread } from "../capture/capture-thread.js";
import type { FromWorker, Opened, Query, TcpCounters, ToWorker, WorkerSetup } from "./protocol.js";
import type { ConnectionSummary } from "./summary.js";

export interface MonitorEvents {
  /** What was measured in the last second, and the connections whose opening was completed in it. */
  second: [observations: readonly Observation[], opened: readonly Opened[]];
  /** A capture ended or could not start. */
  failure: [device: string, why: string];
  /** These devices are captured now. */
  capturing: [devices: readonly string[]];
}

export class TcpMonitor extends EventEmitter<MonitorEvents> {
  /** As of the last second; undefined before the first. */
  counters: TcpCounters | undefined;
  private readonly thread: CaptureThread<ToWorker, FromWorker>;
  private devices = "";

  /** `capacity`: connections known at once; `bufferKiB`: see `WorkerSetup`. */
  constructor(capacity: number, { side = "live", bufferKiB }: { readonly side?: Side; readonly bufferKiB?: number } = {}) {
    super();
    const setup: WorkerSetup = { capacity, seed: randomInt(2 ** 32), side, bufferKiB };
    this.thread = new CaptureThread(threadFile(import.meta.url), setup, { heard: (message) => this.heard(message), failed: (why) => this.emit("failure", "worker", why) });
  }

  /** Captures on these devices from now on, and on no other. */
  setDevices(devices: readonly string[]): void {
    const now = [...devices].sort();
    if (now.join(" ") === this.devices) return;
    this.devices = now.join(" ");
    this.thread.send({ is: "devices", devices: now });
  }

  /** Connections known, those heard of last first. */
  async list(query: Query): Promise<readonly ConnectionSummary[]> {
    return (await this.thread.ask("list", { query })).connections;
  }

  /** Ends the captures; `counters` are then final. */
  close(): Promise<void> {
    return this.thread.close({ is: "close" });
  }

  private heard(message: FromWorker): void {
    if (message.is === "second") {
      this.counters = message.counters;
      this.emit("second", message.observations, message.opened);
    } else if (message.is === "failure") this.emit("failure", message.device, message.why);
    else if (message.is === "capturing") this.emit("capturing", message.devices);
    else if (message.is === "closed") this.counters = message.counters;
  }
}
