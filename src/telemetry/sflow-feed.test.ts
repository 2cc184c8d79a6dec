import { readFileSync } from "node:fs";
import { decodeDatagram, decodePacketHeader, PcapStream, type Datagram } from "sflow-collector";
import { emptyNetwork, type Network, type Port, type PortRole } from "../network/model.js";
import { FeatureWindows, type DestinationVector } from "./destination-windows.js";
import { featureNames } from "./features.js";
import { SflowFeed } from "./sflow-feed.js";

const vector = (name: string): Buffer => readFileSync(`${import.meta.dirname}/../../sflow/vectors/${name}`);
const captured = new PcapStream().push(vector("ovs-3.1-edge.pcap"));
const datagrams = new PcapStream().push(vector("ovs-3.1-sflow.pcap")).map((packet) => decodeDatagram(packet.bytes.subarray(42)));

function networkOf(roles: Readonly<Record<number, PortRole>>): Network {
  const ports = new Map(
    Object.entries(roles).map(([ifindex, role], i): [number, Port] => [i + 1, { name: `p${i + 1}`, ofport: i + 1, role, type: "", up: true, ifindex: Number(ifindex) }]),
  );
  return { ...emptyNetwork, bridges: new Map([["b1", { name: "b1", datapathId: 0xb1n, datapathType: "netdev", failMode: undefined, ports }]]) };
}

/** A datagram with one sampled frame, as Open vSwitch would send it. */
function datagramOf(frame: Uint8Array, frameLength: number): Datagram {
  const header = Buffer.from(frame.subarray(0, 128));
  const padded = Buffer.concat([header, Buffer.alloc((4 - (header.length % 4)) % 4)]);
  const u32 = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(values.length * 4);
    values.forEach((value, i) => bytes.writeUInt32BE(value, i * 4));
    return bytes;
  };
  const record = Buffer.concat([u32(1, 16 + padded.length, 1, frameLength + 4, 4, header.length), padded]);
  const sample = Buffer.concat([u32(1, 0x0200_03e8, 1, 1, 0, 4, 6, 1), record]);
  return decodeDatagram(Buffer.concat([u32(5, 1, 0x7f00_0001, 0, 1, 0, 1, 1, sample.length), sample]));
}

const offline = (): DestinationVector[] => {
  const windows = new FeatureWindows();
  const vectors: DestinationVector[] = [];
  for (const { tMs, frameLength, bytes } of captured) {
    const header = decodePacketHeader(bytes);
    if (header !== undefined) vectors.push(...windows.add({ tMs, weight: 1, frameLength, ingress: { bridge: "b1", ofport: 1 }, header }));
  }
  return [...vectors, ...windows.advance((captured.at(-1)?.tMs ?? 0) + 2_000)];
};

test("the same frames give the same bytes, by sFlow or from a capture", () => {
  const feed = new SflowFeed();
  feed.update(networkOf({ 4: "edge" }));
  const windows = new FeatureWindows();
  const online: DestinationVector[] = [];
  for (const { tMs, frameLength, bytes } of captured) {
    for (const packet of feed.packets(datagramOf(bytes, frameLength), tMs)) online.push(...windows.add(packet));
  }
  online.push(...windows.advance((captured.at(-1)?.tMs ?? 0) + 2_000));
  const expected = offline();
  expect(expected.length).toBeGreaterThan(5);
  expect(online.map(({ subject, windowEndMs, samples }) => ({ subject, windowEndMs, samples }))).toEqual(expected.map(({ subject, windowEndMs, samples }) => ({ subject, windowEndMs, samples })));
  online.forEach((got, i) => expect(Buffer.from(got.values.buffer).equals(Buffer.from(expected[i]?.values.buffer ?? new ArrayBuffer(0)))).toBe(true));
  expect(online.map((got) => got.evidence)).toEqual(expected.map((want) => want.evidence));
});

test("Open vSwitch's own datagrams give the features of what tcpdump saw at the port", () => {
  const feed = new SflowFeed();
  feed.update(networkOf({ 4: "edge" }));
  const victim = "192.168.77.3";
  // Sampled packets carry no time: all are put into one window, on both sides.
  const at = 1_000_100;
  const ended = (windows: FeatureWindows): DestinationVector | undefined => windows.advance(at + 500).find((one) => one.subject === victim);
  const online = new FeatureWindows();
  for (const packet of datagrams.flatMap((datagram) => feed.packets(datagram, at))) online.add(packet);
  const fromCapture = new FeatureWindows();
  for (const { frameLength, bytes } of captured) {
    const header = decodePacketHeader(bytes);
    if (header !== undefined) fromCapture.add({ tMs: at, weight: 1, frameLength, ingress: { bridge: "b1", ofport: 1 }, header });
  }
  const want = ended(fromCapture);
  const got = ended(online);
  expect(want?.samples).toBeGreaterThan(30);
  expect(got?.samples).toBe(want?.samples);
  // Handled in another order, so sums may differ in the last bit.
  featureNames.forEach((_, i) => expect(got?.values[i]).toBeCloseTo(want?.values[i] ?? NaN, 12));
  expect(got?.evidence[0]?.classes).toMatchObject({ "tcp-syn:80": 5, "icmp:8": 4, "fragment:1": 2, "udp:dst:5353": 1 });
});

test("only what comes in by an edge counts; the rest is counted by reason", () => {
  const feed = new SflowFeed();
  const flows = datagrams.flatMap((datagram) => datagram.samples).filter((sample) => sample.kind === "flow");
  const by = (ifindex: number): number => flows.filter((sample) => sample.input.value === ifindex).length;
  feed.update(networkOf({ 4: "edge", 6: "fabric" }));
  const packets = datagrams.flatMap((datagram) => feed.packets(datagram, 0));
  expect(packets).toHaveLength(by(4));
  expect(feed.counters).toEqual({ packets: by(4), inside: by(6), unmapped: flows.length - by(4) - by(6), unreadable: 0 });
  expect(packets[0]).toMatchObject({ weight: 1, ingress: { bridge: "b1", ofport: 1 } });
});

test("samples cross links by the port they name, or by the ports the tables say; each bridge tells of what it sends", () => {
  const network = networkOf({ 4: "edge", 6: "fabric", 5: "edge" });
  const feed = new SflowFeed({
    egressOf: ({ sample: { output } }) => (output.format === 0 && output.value > 0 ? { how: "sampled", ifIndex: output.value } : { how: "inferred", ports: [2, 3] }),
  });
  // Ports are numbered in the order of their interfaces: 4 is port 1, 5 is port 2, 6 is port 3.
  feed.update({ ...network, links: [{ a: { bridge: "b1", ofport: 3 }, b: { bridge: "b2", ofport: 1 }, up: true }] });
  const flows = datagrams.flatMap((datagram) => datagram.samples).filter((sample) => sample.kind === "flow" && [4, 5, 6].includes(sample.input.value));
  const said = flows.filter((sample) => sample.kind === "flow" && sample.output.format === 0 && sample.output.value === 6).length;
  const unsaid = flows.filter((sample) => sample.kind === "flow" && (sample.output.format !== 0 || sample.output.value === 0)).length;
  const fed = datagrams.map((datagram) => feed.take(datagram, 1_000));
  const crossings = fed.flatMap((one) => one.crossings);
  expect([said > 0, unsaid > 0]).toEqual([true, true]);
  expect(crossings.filter(({ isInferred }) => !isInferred)).toHaveLength(said);
  expect(crossings.filter(({ isInferred }) => isInferred)).toHaveLength(unsaid);
  expect(new Set(crossings.map(({ link }) => link))).toEqual(new Set(["b1:3-b2:1"]));
  // What is counted of packets is what it was without crossings.
  const plain = new SflowFeed();
  plain.update(network);
  expect(fed.flatMap((one) => one.packets)).toEqual(datagrams.flatMap((datagram) => plain.packets(datagram, 1_000)));
  expect(feed.counters).toEqual(plain.counters);
});
