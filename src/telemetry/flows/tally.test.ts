import { FrameView } from "./frame-view.js";
import { KnownFlows } from "./known-flows.js";
import { FlowTally } from "./tally.js";

interface Made {
  readonly from?: string;
  readonly to?: string;
  readonly srcPort?: number;
  readonly dstPort?: number;
  readonly ipId?: number;
  readonly payload?: string;
  readonly tags?: readonly (readonly [type: number, vid: number])[];
  readonly ttl?: number;
}

/** A UDP frame. */
function udp({ from = "10.0.0.1", to = "10.0.0.3", srcPort = 40_000, dstPort = 9, ipId = 1, payload = "hello", tags = [], ttl = 64 }: Made = {}): Buffer {
  const body = Buffer.from(payload, "latin1");
  const ip = Buffer.alloc(28);
  ip[0] = 0x45;
  ip.writeUInt16BE(28 + body.length, 2);
  ip.writeUInt16BE(ipId, 4);
  ip[8] = ttl;
  ip[9] = 17;
  ip.set(from.split(".").map(Number), 12);
  ip.set(to.split(".").map(Number), 16);
  ip.writeUInt16BE(srcPort, 20);
  ip.writeUInt16BE(dstPort, 22);
  ip.writeUInt16BE(8 + body.length, 24);
  const types = [...tags.map(([type, vid]) => [type, vid] as const)];
  const head = Buffer.from([0x02, 0, 0, 0, 0, 3, 0x02, 0, 0, 0, 0, 1]);
  return Buffer.concat([head, ...types.map(([type, vid]) => Buffer.from([type >> 8, type & 0xff, vid >> 8, vid & 0xff])), Buffer.from([8, 0]), ip, body]);
}

const sampleOf = (frame: Buffer, port = 1, weight = 1) => {
  const view = new FrameView();
  view.read(frame);
  return { key: view.key, direction: view.direction, fingerprint: view.fingerprint(), weight, bridge: "l2", port };
};
const tallyOf = (maxFlows = 100): FlowTally => new FlowTally({ maxFlows, maxRecent: 1_000 });

test("both directions are one flow, with their packets, bytes and payload", () => {
  const tally = tallyOf();
  tally.copy(udp({ payload: "a".repeat(30) }), 72, 1_000);
  tally.copy(udp({ payload: "b" }), 43, 1_010);
  tally.copy(udp({ from: "10.0.0.3", to: "10.0.0.1", srcPort: 9, dstPort: 40_000, payload: "answer" }), 48, 1_020);
  const [flow, ...others] = tally.changed();
  expect(others).toEqual([]);
  expect([flow?.key, flow?.firstMs, flow?.lastMs]).toEqual(["udp 10.0.0.1:40000 10.0.0.3:9", 1_000, 1_020]);
  expect(flow?.directions.map(({ header, part }) => [header.src, part])).toEqual([
    ["10.0.0.1", { packets: 2, bytes: 115, payloadBytes: 31 }],
    ["10.0.0.3", { packets: 1, bytes: 48, payloadBytes: 6 }],
  ]);
  expect(tally.changed()).toEqual([]);
});

test("a packet has one fingerprint wherever it is seen: other tags, other TTL, cut off later; other packets have others", () => {
  const print = (frame: Buffer): number => sampleOf(frame).fingerprint;
  const long = "x".repeat(300);
  expect(print(udp({ tags: [[0x88a8, 1], [0x8100, 30]], ttl: 60, payload: long }))).toBe(print(udp({ payload: long }).subarray(0, 128)));
  const others = [udp({ ipId: 2 }), udp({ payload: "hellp" }), udp({ srcPort: 40_001 }), udp({ from: "10.0.0.2" })].map(print);
  expect(new Set([print(udp()), ...others]).size).toBe(5);
});

test("sampled packets are found, missing, elsewhere or not copied", () => {
  const tally = tallyOf();
  const frames = Array.from({ length: 8 }, (_, i) => udp({ ipId: i + 1 }));
  const at = (frame: Buffer, vid: number): Buffer => Buffer.concat([frame.subarray(0, 12), Buffer.from([0x88, 0xa8, vid >> 8, vid & 0xff]), frame.subarray(12)]);
  // 0 to 4: copied and delivered; 5: delivered by another port; 6: copied, not delivered; 7: not copied.
  frames.forEach((frame, i) => {
    if (i < 7) tally.copy(frame, frame.length, 1_000 + i);
    if (i < 6) tally.delivery(at(frame, i === 5 ? 2 : 1), 1_000 + i, "l2");
  });
  tally.samples(frames.map((frame) => sampleOf(frame)), 2_000);
  tally.advance(2_900);
  expect(tally.counters.judged).toBe(0);
  tally.advance(3_100);
  expect(tally.counters).toMatchObject({ judged: 8, unjudged: 0 });
  // The worst spell is left out: the same again, four seconds later, without a fault.
  const later = Array.from({ length: 5 }, (_, i) => udp({ ipId: 100 + i }));
  for (const frame of later) {
    tally.copy(frame, frame.length, 9_000);
    tally.delivery(at(frame, 1), 9_000, "l2");
  }
  tally.samples(later.map((frame) => sampleOf(frame)), 9_500);
  tally.advance(11_000);
  const [one] = tally.paired(11_000, 3);
  expect(one?.counts).toMatchObject({ samples: 5, missing: 0, elsewhere: 0, notCopied: 0, samplingRate: 1, lostSamples: 3 });
});

test("what can't be judged is not: packets dropped by the kernel, flows that are not copied, outputs that are not known", () => {
  const tally = tallyOf();
  tally.samples([sampleOf(udp())], 1_000);
  tally.advance(2_100);
  expect(tally.counters).toMatchObject({ judged: 0, uncaptured: 1, unjudged: 0 });
  tally.copy(udp(), 47, 3_000);
  tally.dropped(3_000);
  tally.samples([sampleOf(udp())], 3_000);
  tally.advance(4_100);
  expect(tally.counters).toMatchObject({ judged: 0, uncaptured: 1, unjudged: 1 });
  tally.samples([{ ...sampleOf(udp()), port: undefined }], 9_000);
  tally.advance(10_100);
  expect(tally.counters).toMatchObject({ judged: 0, unjudged: 1 });
});

test("a flow to an address that a name server gave has the name that was asked for", () => {
  const tally = tallyOf();
  const answer = "\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x04shop\x03lab\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x09";
  tally.copy(udp({ from: "10.0.0.3", srcPort: 53, to: "10.0.0.1", dstPort: 40_000, payload: answer }), 90, 1);
  tally.copy(udp({ to: "10.0.0.9", dstPort: 50_000 }), 47, 2);
  tally.copy(udp({ to: "10.0.0.8", dstPort: 50_000 }), 47, 3);
  expect(tally.changed().map(({ app }) => [app?.label, app?.detail, app?.resolvedName])).toEqual([["dns", "shop.lab", ""], ["unknown", "", "shop.lab"], ["unknown", "", ""]]);
});

test("the table is bounded: what was silent longest goes and is counted", () => {
  const tally = tallyOf(4);
  for (let i = 0; i < 10; i++) tally.copy(udp({ srcPort: 1_000 + i }), 47, i);
  expect([tally.size, tally.counters.evicted]).toEqual([4, 6]);
  expect(tally.changed().map(({ key }) => key.split(":")[1]?.slice(0, 4)).sort()).toEqual(["1006", "1007", "1008", "1009"]);
  const known = new KnownFlows(2);
  for (let i = 0; i < 5; i++) known.sampled({ tMs: i, weight: 16, frameLength: 100, ingress: undefined, header: { src: "10.0.0.1", dst: "10.0.0.2", protocol: 17, srcPort: 50_000 + i, dstPort: 53, tcpFlags: 0 } as never });
  expect([known.size, known.counters.evicted]).toEqual([2, 3]);
  expect([...known.all()].map(({ directions, clientDirection }) => directions[clientDirection].from.port)).toEqual([50_003, 50_004]);
  expect(() => new KnownFlows(0)).toThrow(RangeError);
});

test("whatever is cut off or garbled, nothing throws and what is no packet is counted", () => {
  const tally = tallyOf();
  const frame = udp({ dstPort: 53, payload: "\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01" });
  for (let i = 0; i <= frame.length; i++) {
    tally.copy(frame.subarray(0, i), frame.length, 1);
    tally.delivery(frame.subarray(0, i), 1, "l2");
    for (let bit = 0; bit < 8; bit++) {
      const other = Buffer.from(frame);
      other[i % frame.length] = (other[i % frame.length] ?? 0) ^ (1 << bit);
      tally.copy(other, other.length, 1);
    }
  }
  expect(tally.counters.unreadable).toBeGreaterThan(30);
  expect(tally.size).toBeLessThanOrEqual(100);
});
