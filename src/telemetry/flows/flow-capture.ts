/** Copies counted by flow, in a thread of its own; and whether the shadow delivers what live delivers. */
import { EventEmitter } from "node:events";
import { threadFile } from "../../base/thread-file.js";
import { CaptureThread } from "../capture/capture-thread.js";
import type { CaptureDevices, CapturedFlow, DeliveredSample, FlowCaptureCounters, FlowWorkerSetup, FromFlowWorker, PairedFlow, ToFlowWorker } from "./capture-protocol.js";

export interface FlowCaptureEvents {
  /** A capture ended or could not start; it is tried again. */
  failure: [device: string, why: string];
}

export class FlowCapture extends EventEmitter<FlowCaptureEvents> {
  /** As of the last answer. */
  counters: FlowCaptureCounters | undefined;
  private readonly thread: CaptureThread<ToFlowWorker, FromFlowWorker>;
  private devices = "";

  constructor(setup: FlowWorkerSetup) {
    super();
    this.thread = new CaptureThread(threadFile(import.meta.url), setup, { heard: (message) => this.heard(message), failed: (why) => this.emit("failure", "worker", why) });
  }

  /** Captures on these devices from now on, and on no other. */
  setDevices(devices: CaptureDevices): void {
    const text = JSON.stringify(devices);
    if (text === this.devices) return;
    this.devices = text;
    this.thread.send({ is: "devices", devices });
  }

  /** Flows heard of since the last call. */
  async changed(): Promise<readonly CapturedFlow[]> {
    return (await this.thread.ask("changed", {})).flows;
  }

  /** What is compared, of each direction. `lostSamples`: how many may have been lost in the last two minutes, at most. */
  async paired(lostSamples: number): Promise<readonly PairedFlow[]> {
    return (await this.thread.ask("paired", { lostSamples })).flows;
  }

  samples(samples: readonly DeliveredSample[]): void {
    if (samples.length > 0) this.thread.send({ is: "samples", samples });
  }

  /** Nothing was compared for a while: begins anew. */
  reset(): void {
    this.thread.send({ is: "reset" });
  }

  close(): Promise<void> {
    return this.thread.close({ is: "close" });
  }

  private heard(message: FromFlowWorker): void {
    if (message.is === "failure") this.emit("failure", message.device, message.why);
    else this.counters = message.counters;
  }
}
