/** The observing side's hot path: sampled packets into features and profile; and the comparison of every subject with what is usual. */
import { Profile } from "../src/analysis/profile/profile.js";
import type { Observation } from "../src/base/observation.js";
import { seeded } from "../src/base/seeded.js";
import { Anomalies } from "../src/telemetry/anomalies.js";
import { FeatureWindows } from "../src/telemetry/destination-windows.js";
import type { ObservedPacket } from "../src/telemetry/observed-packet.js";
import { TrafficWindows, trafficObservation } from "../src/telemetry/traffic-windows.js";
import { atLeast, type Bench, type Figure } from "./bench.js";

/** Samples/s that a core must take in, each part by itself: a budget of 10,000 samples/s then takes a third of one for each. */
const bar = 30_000;
const seconds = 20;

/** 20 s of `perS` samples/s between `hosts` hosts, as a busy fabric has them: a few talk most. */
function workload(perS: number, hosts: number): ObservedPacket[] {
  const random = seeded(1);
  const host = (): string => {
    const n = Math.floor(hosts * random() ** 3);
    return `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
  };
  return Array.from({ length: perS * seconds }, (_, i) => {
    const isTcp = random() < 0.8;
    return {
      tMs: 1_000_000 + (i * 1_000) / perS,
      weight: 64,
      frameLength: 64 + Math.floor(random() * 1_400),
      ingress: { bridge: `leaf${Math.floor(random() * 16)}`, ofport: 1 },
      header: { ethDst: "", ethSrc: "", ethType: 0x0800, vlanVid: undefined, src: host(), dst: host(), protocol: isTcp ? 6 : 17, laterFragment: false, fragment: false, ttl: 64, srcPort: 1_024 + Math.floor(random() * 60_000), dstPort: [80, 443, 53, 22][Math.floor(random() * 4)] ?? 80, tcpFlags: isTcp ? 0x10 : 0, payloadLength: 100 },
    };
  });
}

function rate(report: (figure: Figure) => void, what: string, packets: readonly ObservedPacket[], take: (packet: ObservedPacket) => unknown): void {
  const start = process.cpuUsage();
  for (const packet of packets) take(packet);
  const { user, system } = process.cpuUsage(start);
  const value = packets.length / ((user + system) / 1e6);
  report({ what, who: "ours", value, unit: "samples/CPU-s", bar: atLeast(value, bar) });
}

export const observation: Bench = {
  name: "observation",
  about: "sampled packets of 1,000 hosts, 10,000 a second, into windows of 1, 5 and 30 s, the attack model's windows and the profile; CPU time of one core",
  run: (report) => {
    const packets = workload(10_000, 1_000);
    const traffic = new TrafficWindows();
    const vectors: Observation[] = [];
    rate(report, "features of hosts, pairs and bridges, 1, 5 and 30 s", packets, (packet) => {
      for (const vector of traffic.add(packet)) if (vectors.length < 200_000) vectors.push(trafficObservation(vector));
    });
    const attack = new FeatureWindows();
    rate(report, "the attack model's vectors", packets, (packet) => attack.add(packet));
    const profile = new Profile({ happened: () => {} });
    rate(report, "behavioural profile", packets, (packet) => profile.packet(packet));
    const anomalies = new Anomalies();
    const start = process.cpuUsage();
    const looked = vectors.filter(({ windowMs }) => windowMs === 5_000);
    // Five minutes and more of the same subjects, so that each has its usual.
    for (let round = 0; round < 100; round++) for (const one of looked.slice(0, 2_000)) anomalies.take({ ...one, tMs: one.tMs + round * 60_000 });
    const { user, system } = process.cpuUsage(start);
    const perS = (100 * Math.min(2_000, looked.length)) / ((user + system) / 1e6);
    report({ what: "subjects held against what is usual for them", who: "ours", value: perS, unit: "subjects/CPU-s", bar: atLeast(perS, 8_000) });
    return Promise.resolve();
  },
};
