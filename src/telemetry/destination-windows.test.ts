import type { PacketHeader } from "sflow-collector";
import { FeatureWindows, trafficClass, type DestinationVector } from "./destination-windows.js";
import { featureNames } from "./features.js";
import type { ObservedPacket } from "./observed-packet.js";

const victim = "10.0.0.1";
const base: PacketHeader = { ethDst: "", ethSrc: "", ethType: 0x0800, vlanVid: undefined, src: "10.0.0.2", dst: victim, protocol: 6, laterFragment: false, fragment: false, ttl: 64, srcPort: 40_000, dstPort: 80, tcpFlags: 0x10, payloadLength: 0 };
const packet = (tMs: number, header: Partial<PacketHeader> = {}, rest: Partial<ObservedPacket> = {}): ObservedPacket => ({
  tMs,
  weight: 1,
  frameLength: 60,
  ingress: { bridge: "l1", ofport: 2 },
  header: { ...base, ...header },
  ...rest,
});
const value = (vector: DestinationVector | undefined, name: string): number | undefined => vector?.values[featureNames.indexOf(name)];
const run = (packets: readonly ObservedPacket[], windows = new FeatureWindows()): DestinationVector[] => [
  ...packets.flatMap((one) => windows.add(one)),
  ...windows.advance((packets.at(-1)?.tMs ?? 0) + 600),
];
const to = (vectors: readonly DestinationVector[], subject: string): DestinationVector[] => vectors.filter((vector) => vector.subject === subject);
const spoofedSyns = (count: number): ObservedPacket[] => Array.from({ length: count }, (_, i) => packet(i, { src: `203.0.${i >> 8}.${i & 255}`, srcPort: 1_000 + i, tcpFlags: 0x02 }));

test("a spoofed SYN flood: all SYNs, every source once, nothing comes back", () => {
  const [vector] = to(run(spoofedSyns(500)), victim);
  expect(vector).toMatchObject({ windowStartMs: -500, windowEndMs: 500, samples: 500 });
  expect(["synRatio", "singleSrcRatio", "srcEntropy", "srcPortEntropy", "returnRatio", "dstPortEntropy"].map((name) => value(vector, name))).toEqual([1, 1, 1, 1, 0, 0].map((n) => expect.closeTo(n, 9) as number));
});

test("a stream of one sender to one port has no entropy anywhere", () => {
  const [vector] = to(run(Array.from({ length: 400 }, (_, i) => packet(i, { protocol: 17, srcPort: 5_000, dstPort: 7_000, tcpFlags: 0, payloadLength: 64 }))), victim);
  expect(["udpRatio", "topSrcRatio", "srcEntropy", "srcPortEntropy", "dstPortEntropy"].map((name) => value(vector, name))).toEqual([1, 1, 0, 0, 0].map((n) => expect.closeTo(n, 9) as number));
});

test("packets weigh what their sampling rate says, samples do not", () => {
  const [all] = to(run(spoofedSyns(480)), victim);
  const [sampled] = to(run(spoofedSyns(480).filter((_, i) => i % 16 === 0).map((one) => ({ ...one, weight: 16 }))), victim);
  expect(value(sampled, "logPps")).toBe(value(all, "logPps"));
  expect(sampled?.samples).toBe(30);
});

test("the answers of a destination are its return traffic", () => {
  const both = Array.from({ length: 200 }, (_, i) => packet(i, i % 2 === 0 ? {} : { src: victim, dst: "10.0.0.2", srcPort: 80, dstPort: 40_000, payloadLength: 500 }));
  const [vector] = to(run(both), victim);
  expect([value(vector, "returnRatio"), value(vector, "dataReturnRatio")]).toEqual([1, 1]);
});

test("a window spans two halves and moves by one", () => {
  const vectors = to(run([packet(100), packet(600), packet(1_100)]), victim);
  expect(vectors.map(({ windowStartMs, windowEndMs, samples }) => [windowStartMs, windowEndMs, samples])).toEqual([
    [-500, 500, 1],
    [0, 1_000, 2],
    [500, 1_500, 2],
  ]);
});

test("the surge is that above the habit: large at a start, small after a while", () => {
  const steady = to(run(Array.from({ length: 600 }, (_, i) => packet(i * 50))), victim).map((vector) => value(vector, "surge") ?? NaN);
  expect(steady[0]).toBeGreaterThan(2);
  expect(steady.at(-1)).toBeLessThan(0.5);
});

test("the evidence says by which port and in which classes", () => {
  const mixed = [packet(0, { tcpFlags: 0x02 }), packet(1), packet(2, { protocol: 17, dstPort: 7_000 }), packet(3, { protocol: 1, srcPort: 8 }, { ingress: { bridge: "l2", ofport: 1 } })];
  const [vector] = to(run(mixed), victim);
  expect(vector?.evidence).toEqual([
    { bridge: "l1", ofport: 2, packetsPerS: 3, classes: { "tcp-syn:80": 1, "tcp-other:80": 1, "udp:dst:7000": 1 } },
    { bridge: "l2", ofport: 1, packetsPerS: 1, classes: { "icmp:8": 1 } },
  ]);
});

test("classes are those an OpenFlow rule can match", () => {
  const named = (header: Partial<PacketHeader>): string => trafficClass({ ...base, ...header });
  expect([named({ tcpFlags: 0x12 }), named({ protocol: 17, srcPort: 53, dstPort: 9 }), named({ protocol: 17, laterFragment: true }), named({ protocol: 47 })]).toEqual([
    "tcp-other:80",
    "udp:src:53",
    "fragment:17",
    "ip:47",
  ]);
});

test("destinations are bounded, and what is beyond is counted", () => {
  const windows = new FeatureWindows();
  for (let i = 0; i < 10_000; i++) windows.add(packet(1, { dst: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` }));
  expect(windows.overflow).toBe(10_000 - 8_192);
  expect(windows.advance(600)).toHaveLength(8_192);
});

test("a destination that fell silent is forgotten, and a long pause forgets all", () => {
  const windows = new FeatureWindows();
  windows.add(packet(0));
  expect(windows.advance(60_000)).toEqual([]);
  expect(to(run([packet(60_100)], windows), victim)).toHaveLength(1);
});
