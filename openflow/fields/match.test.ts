import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { Reader, Writer } from "../wire/reader.js";
import { field, match, matchKey, readField, readMatch, writeField, writeMatch, type KnownField } from "./match.js";
import { fieldRows, type FieldName } from "./table.js";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
const names = [...fieldRows.keys()] as FieldName[];

/** Any field we know, with or without a mask, as the decoder would give it. */
const anyField: fc.Arbitrary<KnownField> = fc.constantFrom(...names).chain((name) => {
  const bits = BigInt((fieldRows.get(name)?.bytes ?? 0) * 8);
  const ones = (1n << bits) - 1n;
  const number = fc.bigInt({ min: 0n, max: ones });
  return fc.oneof(
    number.map((value): KnownField => ({ name, value })),
    fc.tuple(number, fc.bigInt({ min: 0n, max: ones - 1n })).map(([value, mask]): KnownField => ({ name, value: value & mask, mask })),
  );
});

describe("field", () => {
  it.each([
    ["ipv4Src", "10.1.2.3", 0x0a010203n, undefined],
    ["ipv4Dst", "10.9.8.7/8", 0x0a000000n, 0xff000000n],
    ["ipv4Dst", "10.9.8.7/255.255.0.0", 0x0a090000n, 0xffff0000n],
    ["ipv4Dst", "10.9.8.7/32", 0x0a090807n, undefined],
    ["ethDst", "01:00:5e:00:00:01", 0x01005e000001n, undefined],
    ["ethDst", "01:00:00:00:00:00/01:00:00:00:00:00", 0x010000000000n, 0x010000000000n],
    ["ipv6Src", "2001:db8::1", 0x20010db8000000000000000000000001n, undefined],
    ["ipv6Src", "::ffff:10.0.0.1", 0xffff0a000001n, undefined],
    ["tcpDst", 80, 80n, undefined],
    ["reg5", [0x1f, 0xf0], 0x10n, 0xf0n],
  ] as const)("reads %s=%s", (name, spec, value, mask) => {
    expect(field(name, spec)).toEqual({ name, value, ...(mask === undefined ? {} : { mask }) });
  });

  it.each([
    ["tcpDst", 65_536],
    ["ipv4Src", "10.0.0.256"],
    ["ipv4Src", "10.0.0.0/33"],
    ["ethDst", "aa:bb"],
    ["ipv6Src", "2001:::1"],
    ["vlanVid", "abc"],
    ["inPort", -1],
  ] as const)("refuses %s=%s", (name, spec) => expect(() => field(name, spec)).toThrow(RangeError));
});

describe("matches on the wire", () => {
  it("read what they wrote, for every field", () => {
    fc.assert(
      fc.property(fc.array(anyField, { maxLength: 12 }), (fields) => {
        const out = new Writer(5);
        writeMatch(out, fields);
        expect(out.length % 8).toBe(0);
        const from = new Reader(out.done(), 5);
        expect(readMatch(from)).toEqual(fields);
        expect(from.remaining).toBe(0);
        expect(from.isLossy).toBe(false);
      }),
    );
  });

  it("keep a field they do not know byte for byte", () => {
    const tlv = hex("ffff7e08 00abcdef 01020304");
    const item = readField(new Reader(tlv, 5));
    expect(item.name).toBe("unknown");
    const out = new Writer(5);
    writeField(out, item);
    expect(out.done()).toEqual(tlv);
  });

  it("read tcpFlags as Open vSwitch 3.1 writes it in OpenFlow 1.3 (ONF) and 1.4", () => {
    expect(readField(new Reader(hex("ffff5508 4f4e4600 0002 0012"), 5))).toEqual({ name: "tcpFlags", value: 0x2n, mask: 0x12n });
  });

  it("have one key whatever the order, the encoding and bits that do not count", () => {
    const nxmTunnel = readField(new Reader(hex("00012008 0000000000000099"), 5));
    expect(matchKey([...match({ reg1: 5 }), nxmTunnel])).toBe(matchKey(match({ tunnelId: 0x99, reg1: 5 })));
    expect(matchKey([{ name: "reg1", value: 0xffn, mask: 0x0fn }])).toBe(matchKey(match({ reg1: [0x0f, 0x0f] })));
    expect(matchKey([{ name: "reg1", value: 0n, mask: 0n }])).toBe(matchKey([]));
    expect(matchKey(match({ vlanVid: [0x1005, 0x1fff] }))).toBe(matchKey(match({ vlanVid: 0x1005 })));
    expect(matchKey(match({ reg1: 5 }))).not.toBe(matchKey(match({ reg1: [5, 5] })));
    expect(matchKey(match({ reg1: 5 }))).not.toBe(matchKey(match({ reg2: 5 })));
  });

  it.each(["000100ff", "00010003", "00020004 00000000", "0001000a 80000a02 0800"])("refuse %s", (bytes) => {
    expect(() => readMatch(new Reader(hex(bytes), 5))).toThrow(/at byte/);
  });
});
