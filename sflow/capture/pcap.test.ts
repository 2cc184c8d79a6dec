import { readFileSync } from "node:fs";
import { PcapStream, WireError, type CapturedPacket } from "../index.js";

const capture = readFileSync(`${import.meta.dirname}/../vectors/ovs-3.1-edge.pcap`);
const inPieces = (bytes: Uint8Array, size: number): CapturedPacket[] => {
  const stream = new PcapStream();
  const packets: CapturedPacket[] = [];
  for (let at = 0; at < bytes.length; at += size) packets.push(...stream.push(bytes.subarray(at, at + size)));
  return packets;
};
const asText = (packets: readonly CapturedPacket[]): string[] => packets.map((packet) => `${packet.tMs} ${packet.frameLength} ${Buffer.from(packet.bytes).toString("hex")}`);

test("a capture gives the same packets in any pieces", () => {
  const whole = asText(inPieces(capture, capture.length));
  expect(whole).toHaveLength(42); // as tshark counts
  for (const size of [1, 7, 16, 24, 25, 1_000]) expect(asText(inPieces(capture, size))).toEqual(whole);
});

test("nanoseconds and the other byte order are read alike", () => {
  const big = Buffer.alloc(24 + 16 + 4);
  big.writeUInt32BE(0xa1b23c4d, 0);
  big.writeUInt32BE(1, 20);
  big.writeUInt32BE(12, 24);
  big.writeUInt32BE(500_000_000, 28);
  big.writeUInt32BE(4, 32);
  big.writeUInt32BE(60, 36);
  expect(new PcapStream().push(big)).toMatchObject([{ tMs: 12_500, frameLength: 60, linkType: 1 }]);
});

test("what is no capture, and a record longer than any, is refused", () => {
  expect(() => new PcapStream().push(Buffer.alloc(24))).toThrow(WireError);
  const long = Buffer.from(capture);
  long.writeUInt32LE(0x7fffffff, 24 + 8);
  expect(() => new PcapStream().push(long)).toThrow(/record of 2147483647 bytes/);
});

test("what was read before an error is given, and the error comes after it", () => {
  const first = 24 + 16 + capture.readUInt32LE(24 + 8);
  const broken = Buffer.from(capture);
  broken.writeUInt32LE(0x7fffffff, first + 8);
  const stream = new PcapStream();
  expect(stream.push(broken)).toHaveLength(1);
  expect(() => stream.check()).toThrow(new RegExp(`record of 2147483647 bytes`));
  expect(() => stream.push(Buffer.alloc(1))).toThrow(WireError);
  const section = asPcapng(true);
  const longBlock = Buffer.from("0600000003000000", "hex"); // 3 bytes long: no multiple of 4
  const stream2 = new PcapStream();
  expect(stream2.push(Buffer.concat([section, longBlock, Buffer.alloc(8)])).length).toBe(inPieces(capture, capture.length).length);
  expect(() => stream2.check()).toThrow(/block of 3 bytes/);
});

/** The same capture as editcap would write it: `little` says the byte order. */
function asPcapng(little: boolean): Buffer {
  const u32 = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(values.length * 4);
    values.forEach((value, i) => (little ? bytes.writeUInt32LE(value, i * 4) : bytes.writeUInt32BE(value, i * 4)));
    return bytes;
  };
  const u16 = (...values: number[]): Buffer => (little ? Buffer.from(Uint16Array.from(values).buffer) : Buffer.from(Uint16Array.from(values).buffer).swap16());
  const block = (type: number, body: Buffer): Buffer => {
    const padded = Buffer.concat([body, Buffer.alloc(-body.length & 3)]);
    return Buffer.concat([u32(type, padded.length + 12), padded, u32(padded.length + 12)]);
  };
  const blocks = [block(0x0a0d0d0a, Buffer.concat([u32(0x1a2b3c4d), u16(1, 0), u32(0xffffffff, 0xffffffff)]))];
  blocks.push(block(1, Buffer.concat([u16(1, 0), u32(262_144), u16(9, 1), Buffer.from([9, 0, 0, 0]), u16(0, 0)]))); // nanoseconds
  blocks.push(block(5, u32(0, 0, 0))); // statistics, passed over
  for (const { tMs, frameLength, bytes } of new PcapStream().push(capture)) {
    const ns = BigInt(Math.round(tMs * 1e3)) * 1_000n;
    blocks.push(block(6, Buffer.concat([u32(0, Number(ns >> 32n), Number(ns & 0xffffffffn), bytes.length, frameLength), bytes])));
  }
  return Buffer.concat(blocks);
}

test("pcapng of either byte order gives what the classic capture does, in any pieces", () => {
  const rounded = (packets: readonly CapturedPacket[]): string[] => asText(packets.map((packet) => ({ ...packet, tMs: Math.round(packet.tMs * 1e3) })));
  const whole = rounded(inPieces(capture, capture.length));
  for (const little of [true, false]) for (const size of [1, 11, 1_000, 1 << 20]) expect(rounded(inPieces(asPcapng(little), size))).toEqual(whole);
});

test("pcapng cut or changed anywhere gives packets or a WireError", () => {
  const bytes = asPcapng(true).subarray(0, 600);
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ flip;
      try {
        const stream = new PcapStream();
        stream.push(changed);
        stream.check();
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
    }
  }
  expect(() => new PcapStream().push(Buffer.concat([asPcapng(true).subarray(0, 28), Buffer.from("060000002c0000000100000000000000000000000000000000000000000000000000000000000000000000002c000000", "hex")]))).toThrow(/interface 1/);
});
