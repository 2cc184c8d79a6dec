import { UdpExtractor, type CapturedPacket, type UdpPayload } from "../index.js";

const u16 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, i) => bytes.writeUInt16BE(value, i * 2));
  return bytes;
};
const payload = Buffer.from(Array.from({ length: 3_000 }, (_, i) => i & 0xff));
const datagram = Buffer.concat([u16(40_000, 6_343, payload.length + 8, 0), payload]);

const ipv4 = (body: Uint8Array, offset = 0, more = false, id = 7): Buffer =>
  Buffer.concat([Buffer.from([0x45, 0]), u16(20 + body.length, id, (more ? 0x2000 : 0) | (offset / 8)), Buffer.from([64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]), body]);
const ipv6 = (body: Uint8Array, next = 17): Buffer =>
  Buffer.concat([Buffer.from([0x60, 0, 0, 0]), u16(body.length), Buffer.from([next, 64]), Buffer.from("20010db8000000000000000000000001", "hex"), Buffer.from("20010db8000000000000000000000002", "hex"), body]);
const ipv6Fragment = (body: Uint8Array, offset: number, more: boolean): Buffer => ipv6(Buffer.concat([Buffer.from([17, 0]), u16(offset | (more ? 1 : 0), 0, 9), body]), 44);
const captured = (bytes: Uint8Array, linkType = 101, tMs = 0): CapturedPacket => ({ tMs, frameLength: bytes.length, bytes, linkType });
const macs = Buffer.alloc(12);
const read = (...packets: CapturedPacket[]): { readonly got: UdpPayload[]; readonly udp: UdpExtractor } => {
  const udp = new UdpExtractor();
  return { got: packets.flatMap((packet) => udp.take(packet) ?? []), udp };
};
const whole = { srcPort: 40_000, dstPort: 6_343, length: payload.length, payload };

test("Ethernet with tags, Linux cooked v1 and v2 and raw IP give the same payload", () => {
  const frames = [
    captured(Buffer.concat([macs, u16(0x0800), ipv4(datagram)]), 1),
    captured(Buffer.concat([macs, u16(0x88a8, 5, 0x8100, 6, 0x0800), ipv4(datagram)]), 1),
    captured(Buffer.concat([Buffer.alloc(14), u16(0x0800), ipv4(datagram)]), 113),
    captured(Buffer.concat([u16(0x0800), Buffer.alloc(18), ipv4(datagram)]), 276),
    captured(ipv4(datagram)),
  ];
  const { got } = read(...frames);
  expect(got).toHaveLength(frames.length);
  for (const one of got) expect({ ...one, payload: Buffer.from(one.payload) }).toMatchObject({ ...whole, src: "10.0.0.1", dst: "10.0.0.2" });
  expect(read(captured(ipv6(datagram))).got).toMatchObject([{ src: "2001:db8::1", dst: "2001:db8::2", length: payload.length }]);
});

test("padding of a short frame is not payload", () => {
  const short = Buffer.concat([u16(1, 6_343, 10, 0), Buffer.from("hi")]);
  expect(read(captured(Buffer.concat([macs, u16(0x0800), ipv4(short), Buffer.alloc(18)]), 1)).got).toMatchObject([{ payload: Buffer.from("hi"), length: 2 }]);
});

test("fragments are put together in any order, twice-sent ones too", () => {
  const parts: [number, number][] = [
    [0, 1_480],
    [1_480, 2_960],
    [2_960, datagram.length],
  ];
  const of = ([from, to]: [number, number]): CapturedPacket => captured(ipv4(datagram.subarray(from, to), from, to < datagram.length));
  const [a, b, c] = parts.map(of) as [CapturedPacket, CapturedPacket, CapturedPacket];
  for (const order of [
    [a, b, c],
    [c, b, a],
    [b, b, c, a],
  ]) {
    const { got, udp } = read(...order);
    expect(got.map((one) => Buffer.from(one.payload).equals(payload))).toEqual([true]);
    expect(udp.counters).toMatchObject({ fragments: order.length, incomplete: 0 });
  }
  const six = parts.map(([from, to]) => captured(ipv6Fragment(datagram.subarray(from, to), from, to < datagram.length)));
  expect(read(...six).got.map((one) => Buffer.from(one.payload).equals(payload))).toEqual([true]);
});

test("fragments that overlap, are missing or too old are told", () => {
  const overlapping = read(captured(ipv4(datagram.subarray(0, 1_480), 0, true)), captured(ipv4(datagram.subarray(0, 1_472), 0, true)));
  expect(overlapping.udp.counters.incomplete).toBe(1);
  const missing = read(captured(ipv4(datagram.subarray(0, 1_480), 0, true)));
  missing.udp.end();
  expect(missing.udp.counters.incomplete).toBe(1);
  const old = read(captured(ipv4(datagram.subarray(0, 1_480), 0, true)), captured(ipv4(datagram.subarray(1_480), 1_480, false), 101, 31_000));
  old.udp.end();
  expect(old.got).toHaveLength(0);
  expect(old.udp.counters.incomplete).toBe(2);
  const { udp } = read(...Array.from({ length: 1_000 }, (_, id) => captured(ipv4(datagram.subarray(0, 1_480), 0, true, id))));
  udp.end();
  expect(udp.counters.incomplete).toBe(1_000);
});

test("what is no UDP, of another link, or cut off is counted", () => {
  const { got, udp } = read(captured(Buffer.concat([macs, u16(0x0806)]), 1), captured(Buffer.alloc(40), 147), captured(ipv4(datagram).subarray(0, 18)), captured(ipv4(datagram).subarray(0, 24)));
  expect(got).toHaveLength(0);
  expect(udp.counters).toEqual({ other: 1, unknownLink: 1, truncated: 2, fragments: 0, incomplete: 0 });
});

test("packets cut or changed anywhere never throw", () => {
  const packets = [Buffer.concat([macs, u16(0x8100, 6, 0x0800), ipv4(datagram.subarray(0, 64), 0, true)]), Buffer.concat([macs, u16(0x86dd), ipv6Fragment(datagram.subarray(0, 64), 0, true)])];
  const udp = new UdpExtractor();
  for (const bytes of packets) {
    for (let at = 0; at < bytes.length; at++) {
      udp.take(captured(bytes.subarray(0, at), 1));
      for (const flip of [0x01, 0x80, 0xff]) {
        const changed = Uint8Array.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        udp.take(captured(changed, 1));
      }
    }
  }
});
