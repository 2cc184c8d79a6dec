/** The thread that counts captured copies, and what the shadow delivers, by flow. Only what is asked for leaves it. */
import { parentPort, workerData } from "node:worker_threads";
import { PcapStream } from "sflow-collector";
import { Captures } from "../capture/captures.js";
import type { FlowCaptureCounters, FlowWorkerSetup, FromFlowWorker, ToFlowWorker } from "./capture-protocol.js";
import { FlowTally } from "./tally.js";

const lookEveryMs = 200;
const secondMs = 1_000;
const ethernet = 1;

class FlowWorker {
  private readonly tally: FlowTally;
  private readonly captures: Captures;
  private readonly tell: (message: FromFlowWorker) => void;
  private readonly timers: NodeJS.Timeout[];
  /** Live bridges by the devices that show what their shadows would deliver. */
  private deliveries: ReadonlyMap<string, string> = new Map();
  private droppedBefore = 0;

  constructor(setup: FlowWorkerSetup, tell: (message: FromFlowWorker) => void) {
    this.tell = tell;
    this.tally = new FlowTally(setup);
    // What passes while none listens is not remembered.
    const missed = (): void => this.tally.dropped(Date.now());
    this.captures = new Captures({
      options: { snapLength: setup.snapLength },
      reader: (device) => this.reader(device),
      listening: missed,
      ended: missed,
      failed: (device, why) => tell({ is: "failure", device, why }),
    });
    this.timers = [setInterval(() => this.tally.advance(Date.now()), lookEveryMs), setInterval(() => this.second(), secondMs)];
  }

  handle(message: ToFlowWorker): void {
    if (message.is === "devices") {
      this.deliveries = new Map(message.devices.deliveries.map(({ device, bridge }) => [device, bridge]));
      void this.captures.want([...message.devices.copies, ...this.deliveries.keys()]);
    } else if (message.is === "samples") this.tally.samples(message.samples, Date.now());
    else if (message.is === "reset") this.tally.reset();
    else if (message.is === "changed") this.tell({ is: "changed", id: message.id, flows: this.tally.changed(), counters: this.counters() });
    else if (message.is === "paired") this.tell({ is: "paired", id: message.id, flows: this.tally.paired(Date.now(), message.lostSamples), counters: this.counters() });
    else void this.close();
  }

  /** Takes what tcpdump writes of a device. */
  private reader(device: string): (chunk: Uint8Array) => void {
    const pcap = new PcapStream();
    const bridge = this.deliveries.get(device);
    return (chunk) => {
      for (const { bytes, linkType, tMs, frameLength } of pcap.push(chunk)) {
        if (linkType !== ethernet) continue;
        if (bridge === undefined) this.tally.copy(bytes, frameLength, tMs);
        else this.tally.delivery(bytes, tMs, bridge);
      }
      pcap.check();
    };
  }

  private second(): void {
    void this.captures.second();
    const { kernelDropped } = this.captures;
    if (kernelDropped > this.droppedBefore) this.tally.dropped(Date.now());
    this.droppedBefore = kernelDropped;
  }

  private counters(): FlowCaptureCounters {
    return { ...this.tally.counters, kernelDropped: this.captures.kernelDropped, captureRestarts: this.captures.restarts, flows: this.tally.size };
  }

  private async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.captures.want([]);
    parentPort?.close();
  }
}

const port = parentPort;
if (port !== null) {
  const worker = new FlowWorker(workerData as FlowWorkerSetup, (message) => port.postMessage(message));
  port.on("message", (message: ToFlowWorker) => worker.handle(message));
}
