/** Copies counted by flow, in a thread of its own; and whether the shadow delivers what live delivers. */
import { EventEmitter, once } from "node:events";
import { Worker } from "node:worker_threads";
import type { CaptureDevices, CapturedFlow, DeliveredSample, FlowCaptureCounters, FlowWorkerSetup, FromFlowWorker, PairedFlow, ToFlowWorker } from "./capture-protocol.js";

export interface FlowCaptureEvents {
  /** A capture ended or could not start; it is tried again. */
  failure: [device: string, why: string];
}

const workerFile = new URL(import.meta.url.endsWith(".ts") ? "../../../dist/src/telemetry/flows/worker.js" : "./worker.js", import.meta.url);

interface Waiting {
  readonly resolve: (found: never) => void;
  readonly reject: (error: Error) => void;
}

export class FlowCapture extends EventEmitter<FlowCaptureEvents> {
  /** As of the last answer. */
  counters: FlowCaptureCounters | undefined;
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private devices = "";
  private nextId = 1;
  private ended: Error | undefined;

  constructor(setup: FlowWorkerSetup) {
    super();
    this.worker = new Worker(workerFile, { workerData: setup });
    this.worker.on("message", (message: FromFlowWorker) => this.heard(message));
    this.worker.on("error", (error) => this.end(error));
    this.worker.on("exit", () => this.end(new Error("the capture has ended")));
  }

  /** Captures on these devices from now on, and on no other. */
  setDevices(devices: CaptureDevices): void {
    const text = JSON.stringify(devices);
    if (text === this.devices) return;
    this.devices = text;
    this.send({ is: "devices", devices });
  }

  /** Flows heard of since the last call. */
  changed(): Promise<readonly CapturedFlow[]> {
    return this.ask((id) => ({ is: "changed", id }));
  }

  /** What is compared, of each direction. `lostSamples`: how many may have been lost in the last two minutes, at most. */
  paired(lostSamples: number): Promise<readonly PairedFlow[]> {
    return this.ask((id) => ({ is: "paired", id, lostSamples }));
  }

  samples(samples: readonly DeliveredSample[]): void {
    if (samples.length > 0) this.send({ is: "samples", samples });
  }

  /** Nothing was compared for a while: begins anew. */
  reset(): void {
    this.send({ is: "reset" });
  }

  async close(): Promise<void> {
    if (this.ended !== undefined) return;
    const exited = once(this.worker, "exit");
    this.send({ is: "close" });
    await exited;
  }

  private ask<T>(message: (id: number) => ToFlowWorker): Promise<T> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const id = this.nextId++;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.send(message(id));
    });
  }

  private heard(message: FromFlowWorker): void {
    if (message.is === "failure") {
      this.emit("failure", message.device, message.why);
      return;
    }
    this.counters = message.counters;
    this.waiting.get(message.id)?.resolve(message.flows as never);
    this.waiting.delete(message.id);
  }

  private send(message: ToFlowWorker): void {
    if (this.ended === undefined) this.worker.postMessage(message);
  }

  private end(error: Error): void {
    if (this.ended !== undefined) return;
    this.ended = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    if (error.message !== "the capture has ended") this.emit("failure", "worker", error.message);
  }
}
