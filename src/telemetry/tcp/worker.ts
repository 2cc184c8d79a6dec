/** The monitor's thread: tcpdump children, their captures in the order of time, and the connections. Only summaries leave it. */
import { parentPort, workerData } from "node:worker_threads";
import { PcapStream } from "sflow-collector";
import { Tcpdump } from "../capture/tcpdump.js";
import { TimeOrder } from "../capture/time-order.js";
import { tcpSecond } from "./observations.js";
import { Openings } from "./openings.js";
import type { FromWorker, Query, TcpCounters, ToWorker, WorkerSetup } from "./protocol.js";
import { secondOf, type ConnectionSecond } from "./second.js";
import { summarize, type ConnectionSummary } from "./summary.js";
import { TcpTracker } from "./tracker.js";

const secondMs = 1_000;
const releaseEveryMs = 20;
/** Summaries of connections that were forgotten within the second in which they were heard of. */
const maxForgotten = 10_000;

class CaptureWorker {
  private readonly setup: WorkerSetup;
  private readonly tracker: TcpTracker;
  private readonly order: TimeOrder;
  private readonly captures = new Map<string, Tcpdump | "starting">();
  private readonly tell: (message: FromWorker) => void;
  private readonly openings = new Openings();
  private readonly forgotten: ConnectionSecond[] = [];
  private readonly timers: NodeJS.Timeout[];
  private wanted: readonly string[] = [];
  private frames = 0;
  private dropped = 0;
  private restarts = 0;
  private leftOut = 0;
  private secondStart = Date.now();

  constructor(setup: WorkerSetup, tell: (message: FromWorker) => void) {
    this.setup = setup;
    this.tell = tell;
    this.tracker = new TcpTracker(setup);
    this.order = new TimeOrder((bytes, linkType, tMs) => void this.tracker.frame(bytes, linkType, tMs));
    const { table } = this.tracker;
    table.forgetting = (slot) => {
      if (!this.tracker.isTouched(slot)) return;
      if (this.forgotten.length < maxForgotten) this.forgotten.push(secondOf(table, slot));
      else this.leftOut++;
    };
    this.timers = [setInterval(() => this.order.release(Date.now()), releaseEveryMs), setInterval(() => this.second(), secondMs)];
  }

  handle(message: ToWorker): void {
    if (message.is === "devices") {
      this.wanted = message.devices;
      void this.follow();
    } else if (message.is === "list") this.tell({ is: "list", id: message.id, connections: this.list(message.query) });
    else void this.close();
  }

  /** Captures on what is wanted, and on nothing else. */
  private async follow(): Promise<void> {
    for (const [device, capture] of this.captures) {
      if (this.wanted.includes(device) || capture === "starting") continue;
      await this.end(device, capture);
    }
    await Promise.all(this.wanted.filter((device) => !this.captures.has(device)).map((device) => this.start(device)));
    this.tell({ is: "capturing", devices: [...this.captures].filter(([, capture]) => capture !== "starting").map(([device]) => device) });
  }

  private async start(device: string): Promise<void> {
    this.captures.set(device, "starting");
    const pcap = new PcapStream();
    this.order.add(device);
    try {
      const capture = await Tcpdump.start(device, {
        filter: "tcp or ip6 proto 0 or ip6 proto 43 or ip6 proto 60 or vlan",
        bufferKiB: this.setup.bufferKiB,
        onChunk: (chunk) => this.received(device, pcap, chunk),
        onEnd: (why) => {
          this.failed(device, why);
          this.restarts++;
        },
      });
      this.captures.set(device, capture);
    } catch (error) {
      this.failed(device, error instanceof Error ? error.message : String(error));
    }
  }

  /** Tried again with the next second. */
  private failed(device: string, why: string): void {
    const capture = this.captures.get(device);
    if (capture !== undefined && capture !== "starting") this.dropped += capture.kernelDropped;
    this.captures.delete(device);
    this.order.remove(device);
    this.tell({ is: "failure", device, why });
  }

  private async end(device: string, capture: Tcpdump): Promise<void> {
    await capture.stop();
    this.dropped += capture.kernelDropped;
    this.captures.delete(device);
    this.order.remove(device);
  }

  private received(device: string, pcap: PcapStream, chunk: Uint8Array): void {
    for (const { bytes, linkType, tMs } of pcap.push(chunk)) {
      this.frames++;
      this.order.push(device, bytes, linkType, tMs);
    }
    this.order.release(Date.now());
    pcap.check();
  }

  private second(): void {
    const { tracker } = this;
    const { table } = tracker;
    const now = Date.now();
    const connections = [...this.forgotten, ...tracker.heard().map((slot) => secondOf(table, slot))];
    this.forgotten.length = 0;
    const { observations, leftOut } = tcpSecond(connections, this.secondStart, this.setup.side);
    const opened = this.openings.second(connections, this.secondStart);
    this.leftOut += leftOut + opened.leftOut;
    this.secondStart = now;
    tracker.endSecond(now);
    this.tell({ is: "second", observations, opened: opened.connections, counters: this.counters() });
    for (const capture of this.captures.values()) if (capture !== "starting") capture.look();
    if (this.wanted.some((device) => !this.captures.has(device))) void this.follow();
  }

  private list({ address, limit }: Query): ConnectionSummary[] {
    const { table } = this.tracker;
    const all: ConnectionSummary[] = [];
    for (const slot of table.slots()) {
      const one = summarize(table, slot);
      if (address === "" || one.client.address === address || one.server.address === address) all.push(one);
    }
    return all.sort((x, y) => y.lastMs - x.lastMs).slice(0, limit);
  }

  private counters(): TcpCounters {
    const { table, counters, segment } = this.tracker;
    let kernelDropped = this.dropped;
    for (const capture of this.captures.values()) if (capture !== "starting") kernelDropped += capture.kernelDropped;
    return {
      ...segment.counters,
      frames: this.frames,
      segments: counters.segments,
      waiting: this.frames - counters.frames,
      early: this.order.early,
      clockStepsBack: counters.clockStepsBack,
      kernelDropped,
      captureRestarts: this.restarts,
      connections: counters.connections,
      known: table.size,
      capacity: table.capacity,
      bytesPerConnection: table.bytesPerConnection,
      evicted: Object.values(table.evicted).reduce((sum, count) => sum + count, 0),
      expired: table.expired,
      leftOut: this.leftOut,
    };
  }

  private async close(): Promise<void> {
    this.wanted = [];
    for (const timer of this.timers) clearInterval(timer);
    for (const [device, capture] of [...this.captures]) if (capture !== "starting") await this.end(device, capture);
    this.tell({ is: "closed", counters: this.counters() });
    parentPort?.close();
  }
}

const port = parentPort;
if (port !== null) {
  const worker = new CaptureWorker(workerData as WorkerSetup, (message) => port.postMessage(message));
  port.on("message", (message: ToWorker) => worker.handle(message));
}
