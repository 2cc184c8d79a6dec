import { readFileSync } from "node:fs";
import { PcapStream, WireError, type CapturedPacket } from "./index.js";

const capture = readFileSync(`${import.meta.dirname}/vectors/ovs-3.1-edge.pcap`);
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
