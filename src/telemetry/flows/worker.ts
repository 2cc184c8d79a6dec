/** The thread that counts captured copies, and what the shadow delivers, by flow. Only what is asked for leaves it. */
import { parentPort, workerData } from "node:worker_threads";
import { PcapStream } from "sflow-collector";
import { Tcpdump } from "../capture/tcpdump.js";
import type { CaptureDevices, FlowCaptureCounters, FlowWorkerSetup, FromFlowWorker, ToFlowWorker } from "./capture-protocol.js";
import { FlowTally } from "./tally.js";

const lookEveryMs = 200;
const secondMs = 1_000;
const ethernet = 1;

class FlowWorker {
  private readonly setup: FlowWorkerSetup;
  private readonly tally: FlowTally;
  private readonly captures = new Map<string, Tcpdump | "starting">();
  private readonly tell: (message: FromFlowWorker) => void;
  private readonly timers: NodeJS.Timeout[];
  private devices: CaptureDevices = { copies: [], deliveries: [] };
  private dropped = 0;
  private droppedBefore = 0;
  private restarts = 0;

  constructor(setup: FlowWorkerSetup, tell: (message: FromFlowWorker) => void) {
    this.setup = setup;
    this.tell = tell;
    this.tally = new FlowTally(setup);
    this.timers = [setInterval(() => this.tally.advance(Date.now()), lookEveryMs), setInterval(() => this.second(), secondMs)];
  }

  handle(message: ToFlowWorker): void {
    if (message.is === "devices") {
      this.devices = message.devices;
      void this.follow();
    } else if (message.is === "samples") this.tally.samples(message.samples, Date.now());
    else if (message.is === "reset") this.tally.reset();
    else if (message.is === "changed") this.tell({ is: "changed", id: message.id, flows: this.tally.changed(), counters: this.counters() });
    else if (message.is === "paired") this.tell({ is: "paired", id: message.id, flows: this.tally.paired(Date.now(), message.lostSamples), counters: this.counters() });
    else void this.close();
  }

  private get wanted(): ReadonlyMap<string, string | undefined> {
    return new Map([...this.devices.copies.map((device) => [device, undefined] as const), ...this.devices.deliveries.map(({ device, bridge }) => [device, bridge] as const)]);
  }

  /** Captures on what is wanted, and on nothing else. */
  private async follow(): Promise<void> {
    const { wanted } = this;
    for (const [device, capture] of this.captures) if (!wanted.has(device) && capture !== "starting") await this.end(device, capture);
    await Promise.all([...wanted].filter(([device]) => !this.captures.has(device)).map(([device, bridge]) => this.start(device, bridge)));
  }

  private async start(device: string, bridge: string | undefined): Promise<void> {
    this.captures.set(device, "starting");
    const pcap = new PcapStream();
    try {
      const capture = await Tcpdump.start(device, {
        snapLength: this.setup.snapLength,
        onChunk: (chunk) => {
          for (const { bytes, linkType, tMs, frameLength } of pcap.push(chunk)) {
            if (linkType !== ethernet) continue;
            if (bridge === undefined) this.tally.copy(bytes, frameLength, tMs);
            else this.tally.delivery(bytes, tMs, bridge);
          }
          pcap.check();
        },
        onEnd: (why) => {
          this.failed(device, why);
          this.restarts++;
        },
      });
      this.captures.set(device, capture);
    } catch (error) {
      this.failed(device, error instanceof Error ? error.message : String(error));
    }
    // What passed before it listened is not remembered.
    this.tally.dropped(Date.now());
  }

  /** Tried again with the next second. */
  private failed(device: string, why: string): void {
    const capture = this.captures.get(device);
    if (capture !== undefined && capture !== "starting") this.dropped += capture.kernelDropped;
    this.captures.delete(device);
    this.tally.dropped(Date.now());
    this.tell({ is: "failure", device, why });
  }

  private async end(device: string, capture: Tcpdump): Promise<void> {
    await capture.stop();
    this.dropped += capture.kernelDropped;
    this.captures.delete(device);
  }

  private second(): void {
    for (const capture of this.captures.values()) if (capture !== "starting") capture.look();
    const { kernelDropped } = this.counters();
    if (kernelDropped > this.droppedBefore) this.tally.dropped(Date.now());
    this.droppedBefore = kernelDropped;
    if ([...this.wanted.keys()].some((device) => !this.captures.has(device))) void this.follow();
  }

  private counters(): FlowCaptureCounters {
    let kernelDropped = this.dropped;
    for (const capture of this.captures.values()) if (capture !== "starting") kernelDropped += capture.kernelDropped;
    return { ...this.tally.counters, kernelDropped, captureRestarts: this.restarts, flows: this.tally.size };
  }

  private async close(): Promise<void> {
    this.devices = { copies: [], deliveries: [] };
    for (const timer of this.timers) clearInterval(timer);
    for (const [device, capture] of [...this.captures]) if (capture !== "starting") await this.end(device, capture);
    parentPort?.close();
  }
}

const port = parentPort;
if (port !== null) {
  const worker = new FlowWorker(workerData as FlowWorkerSetup, (message) => port.postMessage(message));
  port.on("message", (message: ToFlowWorker) => worker.handle(message));
}
