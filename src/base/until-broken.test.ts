import { PcapStream } from "sflow-collector";
import { untilBroken } from "./until-broken.js";

test("a capture that can't be read on is told once, after what was read of it, and throws nothing", () => {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt32LE(1, 20);
  const record = (length: number): Buffer => {
    const bytes = Buffer.alloc(16 + (length > 60 ? 0 : length));
    bytes.writeUInt32LE(length, 8);
    return bytes;
  };
  const pcap = new PcapStream();
  const told: string[] = [];
  let packets = 0;
  const take = untilBroken(
    (chunk: Uint8Array) => {
      packets += pcap.push(chunk).length;
      pcap.check();
    },
    (why) => told.push(why),
  );
  take(Buffer.concat([header, record(60), record(60), record(0x7fffffff)]));
  take(record(60));
  expect(packets).toBe(2);
  expect(told).toEqual([expect.stringContaining("record of 2147483647 bytes")]);
});
