import fc from "fast-check";
import { DatagramRing } from "../index.js";

const size = 1 << 17;
const newRing = (): DatagramRing => new DatagramRing(DatagramRing.allocate(size));
const payload = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

test("what is written is read, once and in order, with its sender and time", () => {
  const ring = newRing();
  expect(ring.write(Buffer.from("one"), 12.5, "10.0.0.1", 6_343)).toBe(true);
  expect(ring.write(Buffer.from(""), 13, "2001:db8::1", 65_535)).toBe(true);
  const read: unknown[] = [];
  const take = (max: number): number =>
    ring.read(max, (datagram) => {
      const { at, length, receivedMs, senderPort } = datagram;
      read.push([Buffer.from(datagram.bytes.subarray(at, at + length)).toString(), receivedMs, datagram.senderAddress(), senderPort]);
    });
  expect([take(1), take(5), take(5)]).toEqual([1, 1, 0]);
  expect(read).toEqual([
    ["one", 12.5, "10.0.0.1", 6_343],
    ["", 13, "2001:db8::1", 65_535],
  ]);
  expect(ring.waiting).toBe(0);
});

test("a full ring refuses and loses nothing it took", () => {
  const ring = newRing();
  let written = 0;
  while (ring.write(payload(1_400, written & 0xff), 0, "1.1.1.1", 1)) written++;
  expect(written).toBe(Math.floor(size / 1_432));
  const fills: number[] = [];
  ring.read(1_000, ({ bytes, at }) => void fills.push(bytes[at] ?? -1));
  expect(fills).toEqual(Array.from({ length: written }, (_, i) => i & 0xff));
  expect(ring.write(payload(65_507, 1), 0, "1.1.1.1", 1)).toBe(true);
});

test("in any mix of sizes, writes and reads, around the end and past 2^32 it stays a queue", () => {
  const steps = fc.array(fc.record({ length: fc.integer({ min: 0, max: 65_507 }), reads: fc.integer({ min: 0, max: 3 }) }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(steps, fc.boolean(), (all, nearTheEnd) => {
      const ring = newRing();
      // Positions begin just below 2^32, as after a long time.
      if (nearTheEnd) new Int32Array(ring.memory, 0, 2).fill(-size);
      const queue: number[] = [];
      let number = 0;
      for (const { length, reads } of all) {
        if (ring.write(payload(length, number & 0xff), number, "9.9.9.9", 9)) queue.push(number, length);
        number++;
        ring.read(reads, (datagram) => {
          expect([datagram.receivedMs, datagram.length]).toEqual(queue.splice(0, 2));
          if (datagram.length > 0) expect(datagram.bytes[datagram.at + datagram.length - 1]).toBe(datagram.receivedMs & 0xff);
        });
      }
      ring.read(1_000, (datagram) => expect([datagram.receivedMs, datagram.length]).toEqual(queue.splice(0, 2)));
      expect(queue).toEqual([]);
      expect(ring.waiting).toBe(0);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("a reader that throws has read that datagram", () => {
  const ring = newRing();
  ring.write(payload(4, 1), 0, "1.1.1.1", 1);
  expect(() =>
    ring.read(1, () => {
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(ring.read(1, () => undefined)).toBe(0);
});

test("a sleeping reader is woken once; it does not fall asleep over something", () => {
  const ring = newRing();
  expect(ring.mustWake()).toBe(false);
  expect(ring.sleep()).toBe(true);
  expect([ring.mustWake(), ring.mustWake()]).toEqual([true, false]);
  ring.write(payload(1, 1), 0, "1.1.1.1", 1);
  expect(ring.sleep()).toBe(false);
});

test("only a power of two that holds any datagram is allocated", () => {
  expect(() => DatagramRing.allocate(1 << 16)).toThrow(RangeError);
  expect(() => DatagramRing.allocate((1 << 17) + 8)).toThrow(RangeError);
});
