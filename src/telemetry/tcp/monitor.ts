/** TCP connections as captured on devices, in a thread of its own. Devices come and go; what fails is told and tried again each second. */
import { randomInt } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Observation, Side } from "../../base/observation.js";
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

const workerFile = new URL(import.meta.url.endsWith(".ts") ? "../../../dist/src/telemetry/tcp/worker.js" : "./worker.js", import.meta.url);

export class TcpMonitor extends EventEmitter<MonitorEvents> {
  /** As of the last second; undefined before the first. */
  counters: TcpCounters | undefined;
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { readonly resolve: (found: readonly ConnectionSummary[]) => void; readonly reject: (error: Error) => void }>();
  private devices = "";
  private nextId = 1;
  private ended: Error | undefined;

  /** `capacity`: connections known at once; `bufferKiB`: see `WorkerSetup`. */
  constructor(capacity: number, { side = "live", bufferKiB }: { readonly side?: Side; readonly bufferKiB?: number } = {}) {
    super();
    this.worker = new Worker(workerFile, { workerData: { capacity, seed: randomInt(2 ** 32), side, bufferKiB } satisfies WorkerSetup });
    this.worker.on("message", (message: FromWorker) => this.heard(message));
    this.worker.on("error", (error) => this.end(error));
    this.worker.on("exit", () => this.end(new Error("the capture has ended")));
  }

  /** Captures on these devices from now on, and on no other. */
  setDevices(devices: readonly string[]): void {
    const now = [...devices].sort();
    if (now.join(" ") === this.devices) return;
    this.devices = now.join(" ");
    this.send({ is: "devices", devices: now });
  }

  /** Connections known, those heard of last first. */
  list(query: Query): Promise<readonly ConnectionSummary[]> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.send({ is: "list", id, query });
    });
  }

  /** Ends the captures; `counters` are then final. */
  async close(): Promise<void> {
    if (this.ended !== undefined) return;
    const exited = once(this.worker, "exit");
    this.send({ is: "close" });
    await exited;
  }

  private heard(message: FromWorker): void {
    if (message.is === "second") {
      this.counters = message.counters;
      this.emit("second", message.observations, message.opened);
    } else if (message.is === "list") {
      this.waiting.get(message.id)?.resolve(message.connections);
      this.waiting.delete(message.id);
    } else if (message.is === "failure") this.emit("failure", message.device, message.why);
    else if (message.is === "capturing") this.emit("capturing", message.devices);
    else this.counters = message.counters;
  }

  private send(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  private end(error: Error): void {
    if (this.ended !== undefined) return;
    this.ended = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    if (error.message !== "the capture has ended") this.emit("failure", "worker", error.message);
  }
}
