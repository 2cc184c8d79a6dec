/** Whatever comes by UDP: a value or a WireError, soon, and without much memory. */
import { readFileSync } from "node:fs";
import { datagramJson, decodeDatagram, decodePacket, decodePacketHeader, FlowKey, PcapStream, SampleView, UdpExtractor, WireError } from "./index.js";

const corpus = ["ovs-3.1-sflow.pcap", "ovs-3.1-structures.pcap"].flatMap((name) => {
  const udp = new UdpExtractor();
  return new PcapStream().push(readFileSync(`${import.meta.dirname}/vectors/${name}`)).flatMap((packet) => udp.take(packet)?.payload ?? []);
});
const view = new SampleView();
const key = new FlowKey();

/** Xorshift: the same flips each time. */
let state = 0x2545f491;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

/** What is said of the bytes: "value", or the error's code. Everything else that may be thrown fails the test. */
function outcome(bytes: Uint8Array, read: (bytes: Uint8Array) => void): string {
  try {
    read(bytes);
    return "value";
  } catch (error) {
    if (error instanceof WireError && error.offset >= 0 && error.offset <= bytes.length) return error.code;
    throw error;
  }
}
const decodeAll = (bytes: Uint8Array): void => {
  for (const sample of decodeDatagram(bytes).samples) {
    if (sample.kind !== "flow" && sample.kind !== "discarded") continue;
    for (const record of sample.records) if (record.kind === "sampledHeader") decodePacket(record.header, record.protocol);
  }
};
const viewAll = (bytes: Uint8Array): void => {
  view.open(bytes);
  while (view.next()) key.read(bytes, view.headerAt, view.headerLength, view.headerProtocol);
};

test("every prefix of a datagram is an error within it, for the decoder and for the view", () => {
  for (const whole of corpus) {
    for (let length = 0; length < whole.length; length++) {
      const prefix = whole.subarray(0, length);
      if (outcome(prefix, decodeAll) === "value" || outcome(prefix, viewAll) === "value") throw new Error(`${length} bytes pass for a datagram of ${whole.length}`);
    }
    expect([outcome(whole, decodeAll), outcome(whole, viewAll)]).toEqual(["value", "value"]);
  }
});

test("100,000 flipped bytes: a value or an error; the view accepts all that the decoder does", () => {
  const seen = new Map<string, number>();
  for (let i = 0; i < 100_000; i++) {
    const whole = corpus[random(corpus.length)] ?? new Uint8Array();
    const bytes = Uint8Array.from(whole);
    for (let flips = 1 + random(3); flips > 0; flips--) bytes[random(bytes.length)] = random(256);
    const decoded = outcome(bytes, decodeAll);
    const viewed = outcome(bytes, viewAll);
    if (decoded === "value" && viewed !== "value") throw new Error(`the view says ${viewed} to ${Buffer.from(bytes).toString("hex")}`);
    seen.set(decoded, (seen.get(decoded) ?? 0) + 1);
  }
  // All kinds of faults were met.
  expect([...seen.keys()].sort()).toEqual(["address", "count", "truncated", "value", "version"]);
});

test("headers changed anywhere, read as anything, never throw", () => {
  const headers = corpus.flatMap((bytes) => decodeDatagram(bytes).samples.flatMap((sample) => (sample.kind === "flow" ? sample.records.flatMap((record) => (record.kind === "sampledHeader" ? [record.header] : [])) : [])));
  for (let i = 0; i < 50_000; i++) {
    const bytes = Uint8Array.from(headers[random(headers.length)] ?? []);
    for (let flips = random(4); flips > 0; flips--) bytes[random(bytes.length)] = random(256);
    const cut = bytes.subarray(0, random(bytes.length + 1));
    for (const protocol of [1, 11, 12, 13, 7]) {
      decodePacket(cut, protocol);
      key.read(cut, 0, cut.length, protocol);
    }
    decodePacketHeader(cut);
  }
});

test.each(["inner", "outer"] as const)("the key by %s headers is the one that the layers have", (headers) => {
  const key = new FlowKey({ headers });
  let compared = 0;
  for (const bytes of corpus) {
    view.open(bytes);
    while (view.next()) {
      const { layers } = decodePacket(bytes.subarray(view.headerAt, view.headerAt + view.headerLength), view.headerProtocol);
      const all = layers.filter((layer) => layer.protocol === "ipv4" || layer.protocol === "ipv6");
      const ip = headers === "outer" ? all[0] : all.at(-1);
      expect(key.read(bytes, view.headerAt, view.headerLength, view.headerProtocol)).toBe(ip !== undefined);
      if (ip === undefined) continue;
      const after = layers[layers.indexOf(ip) + 1];
      const ports = after?.protocol === "tcp" || after?.protocol === "udp" || after?.protocol === "sctp" ? [after.srcPort, after.dstPort] : after?.protocol === "icmp" || after?.protocol === "icmpv6" ? [after.type, after.code] : [0, 0];
      expect([key.srcText(), key.dstText(), key.protocol, key.srcPort, key.dstPort]).toEqual([ip.src, ip.dst, ip.next, ...ports]);
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(100);
});

test("hostile counts and lengths cost no memory", () => {
  const huge = Buffer.alloc(4, 0xff);
  const before = process.memoryUsage();
  for (const whole of corpus) {
    for (let at = 0; at + 4 <= whole.length; at += 4) {
      for (const value of [huge, Buffer.from("7fffffff", "hex"), Buffer.from("00ffffff", "hex"), Buffer.from("00003fff", "hex")]) {
        const bytes = Uint8Array.from(whole);
        bytes.set(value, at);
        outcome(bytes, decodeAll);
      }
    }
  }
  const after = process.memoryUsage();
  expect(after.heapTotal + after.external - before.heapTotal - before.external).toBeLessThan(200 << 20);
});

test("headers within headers end", () => {
  const tags = Buffer.concat([Buffer.alloc(12), ...Array.from({ length: 1_000 }, () => Buffer.from("81000001", "hex"))]);
  expect(decodePacket(tags).layers).toHaveLength(32);
  const labels = Buffer.concat([Buffer.alloc(12), Buffer.from("8847", "hex"), Buffer.alloc(60_000)]);
  expect(decodePacket(labels).layers).toHaveLength(32);
  const ipInIp = Buffer.concat([Buffer.alloc(12), Buffer.from("0800", "hex"), ...Array.from({ length: 1_000 }, () => Buffer.from("4500001400000000400400000a0000010a000002", "hex"))]);
  expect(decodePacket(ipInIp).layers).toHaveLength(32);
  expect(datagramJson(Buffer.alloc(65_507, 0xff))).toContain('"code":"version"');
});
