/** The monitor's thread: tcpdump children, their captures in the order of time, and the connections. Only summaries leave it. */
import { parentPort, workerData } from "node:worker_threads";
import { PcapStream } from "sflow-collector";
import { Captures } from "../capture/captures.js";
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
  private readonly captures: Captures;
  private readonly tell: (message: FromWorker) => void;
  private readonly openings = new Openings();
  private readonly forgotten: ConnectionSecond[] = [];
  private readonly timers: NodeJS.Timeout[];
  private frames = 0;
  private leftOut = 0;
  private secondStart = Date.now();

  constructor(setup: WorkerSetup, tell: (message: FromWorker) => void) {
    this.setup = setup;
    this.tell = tell;
    this.tracker = new TcpTracker(setup);
    this.order = new TimeOrder((bytes, linkType, tMs) => void this.tracker.frame(bytes, linkType, tMs));
    this.captures = new Captures({
      options: { filter: "tcp or ip6 proto 0 or ip6 proto 43 or ip6 proto 60 or vlan", bufferKiB: setup.bufferKiB },
      reader: (device) => this.reader(device),
      ended: (device) => this.order.remove(device),
      failed: (device, why) => tell({ is: "failure", device, why }),
    });
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
      void this.captures.want(message.devices).then(() => this.capturing());
    } else if (message.is === "list") this.tell({ is: "list", id: message.id, connections: this.list(message.query) });
    else void this.close();
  }

  /** Takes what tcpdump writes of a device. */
  private reader(device: string): (chunk: Uint8Array) => void {
    const pcap = new PcapStream();
    this.order.add(device);
    return (chunk) => {
      for (const { bytes, linkType, tMs } of pcap.push(chunk)) {
        this.frames++;
        this.order.push(device, bytes, linkType, tMs);
      }
      this.order.release(Date.now());
      pcap.check();
    };
  }

  private capturing(): void {
    this.tell({ is: "capturing", devices: this.captures.devices });
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
    void this.captures.second().then((isNew) => {
      if (isNew) this.capturing();
    });
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
    return {
      ...segment.counters,
      frames: this.frames,
      segments: counters.segments,
      waiting: this.frames - counters.frames,
      early: this.order.early,
      clockStepsBack: counters.clockStepsBack,
      kernelDropped: this.captures.kernelDropped,
      captureRestarts: this.captures.restarts,
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
    for (const timer of this.timers) clearInterval(timer);
    await this.captures.want([]);
    this.tell({ is: "closed", counters: this.counters() });
    parentPort?.close();
  }
}

const port = parentPort;
if (port !== null) {
  const worker = new CaptureWorker(workerData as WorkerSetup, (message) => port.postMessage(message));
  port.on("message", (message: ToWorker) => worker.handle(message));
}
