import { readFileSync } from "node:fs";
import { decodeDatagram, decodePacketHeader, PcapStream, WireError, type FlowSample } from "./index.js";

const vector = (name: string): Buffer => readFileSync(`${import.meta.dirname}/vectors/${name}`);
const udpPayloadAt = 14 + 20 + 8;
const payloads = new PcapStream().push(vector("ovs-3.1-sflow.pcap")).map((packet) => packet.bytes.subarray(udpPayloadAt));
const witness = new PcapStream().push(vector("ovs-3.1-edge.pcap"));
const samples = payloads.flatMap((bytes) => [...decodeDatagram(bytes).samples]);
const flows = samples.filter((sample): sample is FlowSample => sample.kind === "flow");
const edgeIfIndex = 4;

test("datagrams of Open vSwitch 3.1 decode, without a gap in any sequence", () => {
  const datagrams = payloads.map((bytes) => decodeDatagram(bytes));
  expect(datagrams.map((datagram) => datagram.sequenceNumber)).toEqual(Array.from({ length: 18 }, (_, i) => i + 1));
  expect(datagrams[0]).toMatchObject({ agentAddress: "127.0.0.1", subAgentId: 0 });
  expect(flows.map((sample) => sample.sequenceNumber)).toEqual(Array.from({ length: 89 }, (_, i) => i + 1));
  expect(flows[0]).toMatchObject({ dataSource: { class: 2, index: 1_000 }, samplingRate: 1, samplePool: 1, drops: 0, input: { format: 0, value: 5 }, output: { format: 2, value: 3 } });
});

test("the sampled headers are the frames tcpdump saw at the port", () => {
  const shown = (bytes: Uint8Array, length: number): string => `${length} ${Buffer.from(bytes.subarray(0, 128)).toString("hex")}`;
  const sampled = flows
    .filter((sample) => sample.input.format === 0 && sample.input.value === edgeIfIndex)
    .flatMap((sample) => sample.records.filter((record) => record.kind === "sampledHeader"))
    .slice(1) // tcpdump started one packet later
    // Open vSwitch counts the frame check sequence in, which a capture does not have, and says so in `stripped`.
    .map((record) => shown(record.header, record.frameLength - record.stripped));
  // Upcalls are handled in batches, so the order is nearly but not wholly the wire's.
  expect(sampled.sort()).toEqual(witness.map((packet) => shown(packet.bytes, packet.frameLength)).sort());
});

test("counter samples say which OpenFlow port an ifIndex is", () => {
  const ports = new Map<number, unknown>();
  for (const sample of samples) {
    if (sample.kind !== "counters") continue;
    const port = sample.records.find((record) => record.kind === "ofPort");
    const name = sample.records.find((record) => record.kind === "portName");
    if (port && name) ports.set(sample.dataSource.index, [name.name, port.portNo, port.datapathId]);
  }
  expect([...ports].sort(([x], [y]) => x - y)).toEqual([
    [3, ["b1", 65_534, 0xb1n]],
    [4, ["p-a", 1, 0xb1n]],
    [5, ["p-b", 2, 0xb1n]],
    [6, ["p-v", 3, 0xb1n]],
  ]);
});

test("no record of Open vSwitch stays unknown", () => {
  const unknown = samples.flatMap((sample) => (sample.kind === "unknown" ? [sample.format] : sample.records.flatMap((record) => (record.kind === "unknown" ? [record.format] : []))));
  expect(unknown).toEqual([]);
});

test("headers decode as tshark reads the same frames", () => {
  const decoded = witness.map((packet) => decodePacketHeader(packet.bytes));
  // tshark -Y 'tcp.flags.syn==1' -T fields -e tcp.dstport: 80, five times; -Y 'ip.flags.mf==1||ip.frag_offset>0': three frames.
  expect(decoded.filter((header) => header?.protocol === 6 && (header.tcpFlags & 0x12) === 0x02).map((header) => header?.dstPort)).toEqual([80, 80, 80, 80, 80]);
  expect(decoded.filter((header) => header?.fragment).map((header) => header?.laterFragment)).toEqual([false, true, true]);
  expect(decoded.at(-1)).toMatchObject({ src: "192.168.77.1", dst: "192.168.77.3", protocol: 17, dstPort: 5353, payloadLength: 6 });
});

const valueOrWireError = (bytes: Uint8Array): "value" | "error" => {
  try {
    decodeDatagram(bytes);
    return "value";
  } catch (error) {
    if (error instanceof WireError && error.offset <= bytes.length) return "error";
    throw error;
  }
};

test("every prefix of a datagram is a WireError within it", () => {
  for (const whole of payloads.slice(0, 4)) for (let length = 0; length < whole.length; length++) expect(valueOrWireError(whole.subarray(0, length))).toBe("error");
});

test("every flipped byte gives a value or a WireError", () => {
  for (const whole of payloads.slice(0, 4)) {
    for (let at = 0; at < whole.length; at++) {
      const bytes = Uint8Array.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      valueOrWireError(bytes);
    }
  }
});

test("headers cut or flipped anywhere never throw", () => {
  for (const { bytes } of witness) {
    for (let length = 0; length <= Math.min(bytes.length, 128); length++) {
      decodePacketHeader(bytes.subarray(0, length));
      const flipped = Uint8Array.from(bytes.subarray(0, 128));
      flipped[length] = (flipped[length] ?? 0) ^ 0xff;
      decodePacketHeader(flipped);
    }
  }
});
