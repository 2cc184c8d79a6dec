import { FlowCounts, FlowKey } from "../index.js";

/** An Ethernet frame with IPv4 and the ports given. */
function frame(src: number, dst: number, protocol: number, srcPort: number, dstPort: number): Uint8Array {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt16BE(0x0800, 12);
  bytes[14] = 0x45;
  bytes[23] = protocol;
  bytes.writeUInt32BE(src, 26);
  bytes.writeUInt32BE(dst, 30);
  bytes.writeUInt16BE(srcPort, 34);
  bytes.writeUInt16BE(dstPort, 36);
  return bytes;
}
function frame6(last: number, srcPort: number): Uint8Array {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt16BE(0x86dd, 12);
  bytes[14] = 0x60;
  bytes[20] = 17;
  bytes.write("20010db8000000000000000000000000", 22, "hex");
  bytes.write("20010db8000000000000000000000002", 38, "hex");
  bytes[37] = last;
  bytes.writeUInt16BE(srcPort, 54);
  return bytes;
}
const key = new FlowKey();
const read = (bytes: Uint8Array): FlowKey => {
  if (!key.read(bytes, 0, bytes.length)) throw new Error("not IP");
  return key;
};

test("each flow is counted by itself, weighed by its sampling rate", () => {
  const counts = new FlowCounts(16);
  counts.add(read(frame(0x0a000001, 0x0a000002, 6, 1_000, 80)), 64, 100);
  counts.add(read(frame(0x0a000001, 0x0a000002, 6, 1_000, 80)), 32, 1_500);
  counts.add(read(frame(0x0a000002, 0x0a000001, 6, 80, 1_000)), 64, 60);
  counts.add(read(frame6(1, 53)), 1, 80);
  counts.add(read(frame6(3, 53)), 1, 80);
  const flows = [...counts.flows()].sort((x, y) => (x.src < y.src ? -1 : 1));
  expect(flows).toEqual([
    { src: "10.0.0.1", dst: "10.0.0.2", protocol: 6, srcPort: 1_000, dstPort: 80, samples: 2, packets: 96, bytes: 6_400 + 48_000 },
    { src: "10.0.0.2", dst: "10.0.0.1", protocol: 6, srcPort: 80, dstPort: 1_000, samples: 1, packets: 64, bytes: 3_840 },
    { src: "2001:db8::1", dst: "2001:db8::2", protocol: 17, srcPort: 53, dstPort: 0, samples: 1, packets: 1, bytes: 80 },
    { src: "2001:db8::3", dst: "2001:db8::2", protocol: 17, srcPort: 53, dstPort: 0, samples: 1, packets: 1, bytes: 80 },
  ]);
});

test("100,000 flows against a Map; what is beyond the bound is counted as such", () => {
  const counts = new FlowCounts(50_000);
  const truth = new Map<string, number>();
  let overflow = 0;
  for (let i = 0; i < 300_000; i++) {
    const number = (i * 7_919) % 100_000;
    const name = `${number}`;
    if (truth.has(name) || truth.size < 50_000) truth.set(name, (truth.get(name) ?? 0) + 1);
    else overflow++;
    counts.add(read(frame(0x0a000000 + number, 0x0b000000, 17, number & 0xffff, 53)), 1, 1);
  }
  expect(counts.overflow).toBe(overflow);
  expect(counts.size).toBe(50_000);
  for (const { src, samples } of counts.flows()) {
    const [, a = 0, b = 0, c = 0] = src.split(".").map(Number);
    if (samples !== truth.get(`${(a << 16) | (b << 8) | c}`)) throw new Error(`${src}: ${samples}`);
  }
  counts.clear();
  expect([[...counts.flows()].length, counts.size, counts.overflow]).toEqual([0, 0, 0]);
});

test("a later fragment has no ports; a cut header has those that are there", () => {
  const later = frame(1, 2, 17, 7, 8);
  later[21] = 1;
  expect(read(later)).toMatchObject({ srcPort: 0, dstPort: 0, protocol: 17 });
  const cut = frame(1, 2, 17, 7, 8).subarray(0, 36);
  expect(read(cut)).toMatchObject({ srcPort: 0, dstPort: 0, protocol: 17 });
  expect(key.read(frame(1, 2, 17, 7, 8).subarray(0, 30), 0, 30)).toBe(false);
  expect(() => new FlowCounts(0)).toThrow(RangeError);
});
