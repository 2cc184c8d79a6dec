import { readFileSync } from "node:fs";
import { decodeDatagram, decodePacketHeader, PcapStream, type PacketHeader } from "sflow-collector";
import { emptyNetwork, type Network } from "../network/model.js";
import { catalogue, trafficFeatures } from "./features.js";
import type { ObservedPacket } from "./observed-packet.js";
import { SflowFeed } from "./sflow-feed.js";
import { trafficObservation, TrafficWindows, type TrafficVector } from "./traffic-windows.js";

const base: PacketHeader = { ethDst: "", ethSrc: "", ethType: 0x0800, vlanVid: undefined, src: "10.0.0.2", dst: "10.0.0.1", protocol: 17, laterFragment: false, fragment: false, ttl: 64, srcPort: 40_000, dstPort: 80, tcpFlags: 0, payloadLength: 100 };
const packet = (tMs: number, header: Partial<PacketHeader> = {}, rest: Partial<ObservedPacket> = {}): ObservedPacket => ({ tMs, weight: 1, frameLength: 150, ingress: { bridge: "l1", ofport: 2 }, header: { ...base, ...header }, ...rest });
const run = (packets: readonly ObservedPacket[], windows = new TrafficWindows()): TrafficVector[] => [...packets.flatMap((one) => windows.add(one)), ...windows.advance((packets.at(-1)?.tMs ?? 0) + 2_000)];
const find = (vectors: readonly TrafficVector[], subject: string, endMs: number, windowS: number): Readonly<Record<string, number>> | undefined => {
  const vector = vectors.find((one) => `${one.subject.kind} ${one.subject.name}` === subject && one.endMs === endMs && one.windowMs === windowS * 1_000);
  return vector && trafficObservation(vector).values;
};

test("the catalogue says of every feature what it is, and no name stands for two things", () => {
  for (const feature of catalogue) expect([feature.unit.length > 0, feature.definition.length > 0, feature.subjects.length > 0, feature.windowsS.length > 0]).toEqual([true, true, true, true]);
  const definitions = new Map<string, Set<string>>();
  for (const { name, unit } of catalogue) definitions.set(name, (definitions.get(name) ?? new Set()).add(unit));
  for (const [name, units] of definitions) expect([name, units.size]).toEqual([name, 1]);
});

test("a steady stream: the same rate in every window, no slope in those that are full", () => {
  const vectors = run(Array.from({ length: 40 * 50 }, (_, i) => packet(100_000 + i * 20)));
  for (const windowS of [1, 5, 30]) expect(find(vectors, "host 10.0.0.1", 139_000, windowS)).toMatchObject({ packetsPerS: 50, bitsPerS: 50 * 150 * 8, packetsSlope: 0, udpRatio: 1, meanBytes: 150, samples: 50 * windowS, relativeError: 0 });
  expect(find(vectors, "bridge l1", 139_000, 5)?.["packetsPerS"]).toBe(50);
  expect(find(vectors, "pair 10.0.0.2>10.0.0.1", 139_000, 5)?.["packetsPerS"]).toBe(50);
});

test("what goes the other way is the sender's and the pair's out", () => {
  const vectors = run(Array.from({ length: 300 }, (_, i) => packet(5_000 + i * 10, i % 3 === 0 ? { src: "10.0.0.1", dst: "10.0.0.2", srcPort: 80, dstPort: 40_000 } : {})));
  expect(find(vectors, "host 10.0.0.1", 7_000, 1)).toMatchObject({ packetsPerS: 67, outPacketsPerS: 33 });
  expect(find(vectors, "pair 10.0.0.1>10.0.0.2", 7_000, 1)).toMatchObject({ packetsPerS: 33, outPacketsPerS: 67 });
});

test("a ramp has its slope", () => {
  const packets = Array.from({ length: 30 }, (_, second) => Array.from({ length: 10 * (second + 1) }, (_, i) => packet(60_000 + second * 1_000 + i))).flat();
  const vectors = run(packets);
  for (const windowS of [1, 5, 30]) expect(find(vectors, "host 10.0.0.1", 90_000, windowS)?.["packetsSlope"]).toBeCloseTo(10, 9);
});

test("sampled packets weigh their rate, and say how far off the rate may be", () => {
  const values = find(run(Array.from({ length: 25 }, (_, i) => packet(1_000 + i * 40, {}, { weight: 64 }))), "host 10.0.0.1", 2_000, 1);
  expect(values).toMatchObject({ packetsPerS: 1_600, samples: 25 });
  expect(values?.["relativeError"]).toBeCloseTo(1.96 / 5, 9);
});

test("sources, destinations and services are counted", () => {
  const scan = Array.from({ length: 200 }, (_, i) => packet(1_000 + i, { dst: `10.0.1.${i}`, dstPort: 1_000 + i }));
  const values = find(run(scan), "bridge l1", 2_000, 1);
  expect(values?.["sources"]).toBeCloseTo(1, 1);
  for (const name of ["destinations", "services"]) expect(Math.abs((values?.[name] ?? 0) / 200 - 1)).toBeLessThan(0.1);
});

test("a packet a second late still counts, a later one is counted as late, a clock that steps back starts anew", () => {
  const windows = new TrafficWindows();
  const vectors = run([packet(10_500), packet(11_200), packet(10_900), packet(12_100), packet(10_999)], windows);
  expect(find(vectors, "host 10.0.0.1", 11_000, 1)?.["packetsPerS"]).toBe(2);
  expect(windows.late).toBe(1);
  expect(find(run([packet(2_000_000), packet(500_000)]), "host 10.0.0.1", 501_000, 1)?.["packetsPerS"]).toBe(1);
});

test("subjects beyond the bound are counted, and room comes back with silence", () => {
  const windows = new TrafficWindows();
  for (let i = 0; i < 10_000; i++) windows.add(packet(1_000, { src: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` }));
  expect(windows.overflow).toBeGreaterThan(0);
  const before = windows.overflow;
  windows.add(packet(100_000, { src: "192.0.2.1" }));
  expect(windows.overflow).toBe(before);
});

test("who shows once is not told, and of too many the busiest are", () => {
  const windows = new TrafficWindows({ minSamples: 3, maxTold: 2 });
  const spoofed = Array.from({ length: 500 }, (_, i) => packet(1_000 + i, { src: `203.0.${i >> 8}.${i & 255}` }));
  const talk = Array.from({ length: 5 }, (_, i) => packet(1_600 + i));
  const told = new Set(run([...spoofed, ...talk], windows).filter(({ endMs }) => endMs === 2_000).map(({ subject }) => `${subject.kind} ${subject.name}`));
  expect([...told].sort()).toEqual(["bridge l1", "host 10.0.0.1"]);
  expect(windows.untold).toBeGreaterThan(900);
});

test("the same traffic as Open vSwitch's sFlow and as a capture at the port gives the same bytes", () => {
  const vector = (name: string): Buffer => readFileSync(`${import.meta.dirname}/../../sflow/vectors/${name}`);
  // Sampled packets carry no time: all are put into one second, on both sides.
  const at = 1_000_100;
  const feed = new SflowFeed();
  const edge = { name: "p1", ofport: 1, role: "edge" as const, type: "", up: true, ifindex: 4 };
  const network: Network = { ...emptyNetwork, bridges: new Map([["b1", { name: "b1", datapathId: 1n, datapathType: "netdev", failMode: undefined, ports: new Map([[1, edge]]) }]]) };
  feed.update(network);
  const sampled = new PcapStream().push(vector("ovs-3.1-sflow.pcap")).flatMap(({ bytes }) => feed.packets(decodeDatagram(bytes.subarray(42)), at));
  const captured = new PcapStream().push(vector("ovs-3.1-edge.pcap")).flatMap(({ bytes, frameLength }): ObservedPacket[] => {
    const header = decodePacketHeader(bytes);
    return header === undefined ? [] : [{ tMs: at, weight: 1, frameLength, ingress: { bridge: "b1", ofport: 1 }, header }];
  });
  const bytes = (packets: readonly ObservedPacket[]): string[] =>
    run(packets)
      .filter(({ subject }) => subject.name === "192.168.77.3")
      .map(({ endMs, windowMs, samples, values }) => `${endMs} ${windowMs} ${samples} ${Buffer.from(values.buffer).toString("hex")}`);
  const online = bytes(sampled);
  expect(online).toHaveLength(3);
  expect(online[0]).toHaveLength("1001000 1000 37 ".length + trafficFeatures.length * 16);
  expect(online).toEqual(bytes(captured));
});

test("a link's traffic is that of its crossings, with the share that was inferred; hosts and bridges have no part in it", () => {
  const windows = new TrafficWindows();
  const cross = (tMs: number, isInferred: boolean) => windows.cross({ tMs, weight: 10, frameLength: 500, link: "a:1-b:2", from: "a:1", isInferred, header: base });
  for (let i = 0; i < 8; i++) cross(1_000_000 + i, i < 2);
  const told = windows.advance(1_002_000).map(trafficObservation);
  expect(told.map(({ subject, windowMs }) => [subject.kind, subject.name, windowMs])).toEqual([1_000, 5_000, 30_000].map((windowMs) => ["link", "a:1-b:2", windowMs]));
  expect(told[0]?.values).toMatchObject({ packetsPerS: 80, bitsPerS: 320_000, meanBytes: 500, udpRatio: 1, inferredRatio: 0.25, samples: 8 });
});
