/** What flow records cost: processor time a captured copy, a delivered packet and a sample; heap a flow. */
import { KnownFlows } from "../src/telemetry/flows/known-flows.js";
import { FlowTally } from "../src/telemetry/flows/tally.js";
import type { ObservedPacket } from "../src/telemetry/observed-packet.js";
import { atLeast, atMost, type Bench } from "./bench.js";

const flowCount = 16_384;
const packets = 500_000;

/** A UDP frame of one of `flowCount` flows. */
function frameOf(flow: number, id: number): Buffer {
  const frame = Buffer.alloc(128);
  frame.writeUInt16BE(0x0800, 12);
  frame[14] = 0x45;
  frame.writeUInt16BE(114, 16);
  frame.writeUInt16BE(id & 0xffff, 18);
  frame[23] = 17;
  frame.writeUInt32BE(0x0a000001, 26);
  frame.writeUInt32BE(0x0a000003, 30);
  frame.writeUInt16BE(1_024 + flow, 34);
  frame.writeUInt16BE(9_999, 36);
  return frame;
}

function sampleOf(flow: number): ObservedPacket {
  const header = { ethDst: "00:00:00:00:00:03", ethSrc: "00:00:00:00:00:01", ethType: 0x0800, vlanVid: undefined, src: "10.0.0.1", dst: "10.0.0.3", protocol: 17, laterFragment: false, fragment: false, ttl: 64, srcPort: 1_024 + flow, dstPort: 9_999, tcpFlags: 0, payloadLength: 86 };
  return { tMs: 1, weight: 8, frameLength: 128, ingress: { bridge: "l1", ofport: 1 }, header };
}

/** Per second of processor time. */
function rateOf<T>(given: readonly T[], take: (one: T) => void): number {
  const start = process.cpuUsage();
  for (let done = 0; done < packets; done += given.length) for (const one of given) take(one);
  const { user, system } = process.cpuUsage(start);
  return packets / ((user + system) / 1e6);
}

const heap = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};

export const flowsBench: Bench = {
  name: "flows",
  about: "flow records of 16,384 flows: captured copies, packets that the shadow delivered, and samples; processor time of one core",
  run: (report) => {
    const before = heap();
    const tally = new FlowTally({ maxFlows: flowCount, maxRecent: 262_144 });
    const known = new KnownFlows(flowCount);
    const frames = Array.from({ length: 2_000 }, (_, i) => frameOf(i, i));
    const copies = rateOf(frames, (frame) => tally.copy(frame, 128, 1));
    report({ what: "copies counted and labelled", who: "ours", value: copies, unit: "packets/CPU-s", bar: atLeast(copies, 200_000) });
    const deliveries = rateOf(frames, (frame) => tally.delivery(frame, 1, "l1"));
    report({ what: "packets that the shadow delivered, remembered", who: "ours", value: deliveries, unit: "packets/CPU-s", bar: atLeast(deliveries, 200_000) });
    const samples = Array.from({ length: 2_000 }, (_, i) => sampleOf(i));
    const taken = rateOf(samples, (sample) => known.sampled(sample));
    report({ what: "samples into records", who: "ours", value: taken, unit: "samples/CPU-s", bar: atLeast(taken, 30_000) });
    for (let i = 0; i < flowCount; i++) {
      tally.copy(frameOf(i, 0), 128, 1);
      known.sampled(sampleOf(i));
    }
    // Without --expose-gc what is not in use any more counts, too.
    const bytes = (heap() - before) / flowCount;
    report({ what: `heap a flow${globalThis.gc === undefined ? ", with garbage" : ""}`, who: "ours", value: bytes, unit: "bytes", ...(globalThis.gc === undefined ? {} : { bar: atMost(bytes, 6_000, "bytes") }) });
    return Promise.resolve();
  },
};
