/** Matches: reading, writing, building, and the key under which two that mean the same are the same. */
import { WireError, type Reader, type Writer, type Version } from "../wire/reader.js";
import { fromHex } from "../wire/struct.js";
import { parseAddress, parseMask } from "./address.js";
import { isKnown, type KnownField, type Match, type MatchField } from "./field.js";
import { readMatch10, readMatch11, writeMatch10, writeMatch11 } from "./fixed-match.js";
import { experimenterClass, fieldRows, headerOf, rowOf, rowOfHeader, type FieldName, plainField } from "./table.js";
export { isKnown, type KnownField, type Match, type MatchField, type UnknownField } from "./field.js";

/** A number, an address as text ("10.0.0.0/8", "aa:bb:…"), or [value, mask]. */
export type FieldValue = number | bigint | string | readonly [value: number | bigint | string, mask: number | bigint | string];
export type MatchSpec = { readonly [K in FieldName]?: FieldValue | undefined };

const allOnes = (bytes: number): bigint => (1n << BigInt(bytes * 8)) - 1n;

const parse = (value: number | bigint | string, bytes: number): bigint => (typeof value === "string" ? parseAddress(value, bytes) : BigInt(value));

/** One field. RangeError for an unknown name or a value that does not fit. */
export function field(name: FieldName, spec: FieldValue): KnownField {
  const { bytes } = rowOf(name);
  const ones = allOnes(bytes);
  let value: bigint;
  let mask = ones;
  if (Array.isArray(spec)) {
    const [of, by] = spec as readonly [number | bigint | string, number | bigint | string];
    value = parse(of, bytes);
    mask = parse(by, bytes);
  } else if (typeof spec === "string" && spec.includes("/")) {
    const [address = "", length = ""] = spec.split("/");
    value = parse(address, bytes);
    mask = parseMask(length, bytes);
  } else value = parse(spec as number | bigint | string, bytes);
  if (value < 0n || value > ones || mask < 0n || mask > ones) throw new RangeError(`${name}: ${value} does not fit in ${bytes} bytes`);
  return mask === ones ? { name, value } : { name, value: value & mask, mask };
}

const order = new Map([...fieldRows.keys()].map((name, i) => [name, i]));

/**
 * A match from names and values; undefined values are left out. Fields come out in the order of the table, which puts a
 * field behind those it presupposes, as switches demand. That they are there (ethType, ipProto) is the caller's care.
 */
export function match(spec: MatchSpec): Match {
  return (Object.entries(spec) as [FieldName, FieldValue | undefined][])
    .flatMap(([name, value]) => (value === undefined ? [] : [field(name, value)]))
    .sort((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0));
}

const big = (value: bigint | number | string): bigint => (typeof value === "bigint" ? value : BigInt(value));

/** Writes one OXM TLV. `form`: the version whose numbers are used, 0 for NXM. */
export function writeField(out: Writer, item: MatchField, form: 0 | Version = out.version): void {
  if (!isKnown(item)) return out.raw(typeof item.bytes === "string" ? fromHex(item.bytes) : item.bytes);
  const one = rowOf(item.name);
  const code = one.codes[form];
  if (code !== undefined && item.oxmClass === undefined && item.width === undefined) {
    if (item.mask === undefined) {
      out.u32(code);
      return out.number(big(item.value), one.bytes);
    }
    out.u32(code + 0x100 + one.bytes); // the mask's bit, and its length
    out.number(big(item.value), one.bytes);
    return out.number(big(item.mask), one.bytes);
  }
  const header = item.oxmClass === undefined ? headerOf(one, form) : (one.headers.find(({ oxmClass }) => oxmClass === item.oxmClass) ?? headerOf(one, form));
  const width = item.width ?? one.bytes;
  const isMasked = item.mask !== undefined;
  out.u16(header.oxmClass);
  out.u8((header.field << 1) | (isMasked ? 1 : 0));
  out.u8(width * (isMasked ? 2 : 1) + (header.experimenter === undefined ? 0 : 4));
  if (header.experimenter !== undefined) out.u32(header.experimenter);
  out.number(big(item.value), width);
  if (item.mask !== undefined) out.number(big(item.mask), width);
}

/** Reads one OXM TLV. */
export function readField(from: Reader, form: 0 | Version = from.version): MatchField {
  const start = from.offset;
  const code = from.u32();
  const plain = plainField(code, form);
  if (plain !== undefined) {
    const { name, bytes } = plain;
    return plain.isMasked ? { name, value: from.number(bytes), mask: from.number(bytes) } : { name, value: from.number(bytes) };
  }
  const oxmClass = code >>> 16;
  const second = (code >>> 8) & 0xff;
  const length = code & 0xff;
  const body = from.sub(length);
  const experimenter = oxmClass === experimenterClass ? body.u32() : undefined;
  const isMasked = (second & 1) === 1;
  const found = rowOfHeader(oxmClass, second >> 1, experimenter, length);
  if (found === undefined) return { name: "unknown", bytes: from.since(start) };
  const { row } = found;
  const width = row.isVariable ? body.remaining / (isMasked ? 2 : 1) : row.bytes;
  if (body.remaining !== width * (isMasked ? 2 : 1) || !Number.isInteger(width) || width === 0) throw new WireError(`${row.name} has ${length} bytes`, start);
  const value = body.number(width);
  const encoding = { ...(headerOf(row, form).oxmClass === oxmClass ? {} : { oxmClass }), ...(width === row.bytes ? {} : { width }) };
  if (!isMasked) return { name: row.name, value, ...encoding };
  return { name: row.name, value, mask: body.number(width), ...encoding };
}

/** OXM or NXM TLVs one after another, up to the end. */
export function readFields(from: Reader, form: 0 | Version = from.version): MatchField[] {
  const fields: MatchField[] = [];
  while (from.remaining > 0) fields.push(readField(from, form));
  return fields;
}

/** NXM fields of a Nicira message, which has their length in a field of its own; zeros up to a multiple of 8 behind them. */
export function readNxm(from: Reader, length: number): Match {
  const fields = readFields(from.sub(length), 0);
  from.skip((8 - (length % 8)) % 8);
  return fields;
}
/** Writes them, and their length as 16 bits at `lengthAt`. */
export function writeNxm(out: Writer, lengthAt: number, fields: Match): void {
  const start = out.length;
  for (const one of fields) writeField(out, one, 0);
  out.patchU16(lengthAt, out.length - start);
  out.align8(start);
}

/** The match of the writer's version: ofp10_match, ofp11_match, or from 1.2 on OXM TLVs padded to 8. */
export function writeMatch(out: Writer, fields: Match): void {
  if (out.version === 1) return writeMatch10(out, fields);
  if (out.version === 2) return writeMatch11(out, fields);
  writeOxmMatch(out, fields);
}

/** ofp_match of OXM TLVs, which 1.1 has no type for but Open vSwitch sends there in flow statistics. */
export function writeOxmMatch(out: Writer, fields: Match): void {
  const start = out.length;
  out.u16(1);
  out.u16(0);
  for (const item of fields) writeField(out, item);
  out.patchU16(start + 2, out.length - start);
  out.align8(start);
}

const fixedMatch11 = { type: 0, bytes: 88 } as const;

export function readMatch(from: Reader): Match {
  if (from.version === 1) return readMatch10(from);
  const start = from.offset;
  const type = from.u16();
  const length = from.u16();
  if (type === fixedMatch11.type && length === fixedMatch11.bytes && from.version === 2) return readMatch11(from.sub(length - 4));
  if (type !== 1) throw new WireError(`match type ${type} is not OXM`, start);
  if (length < 4) throw new WireError(`match length ${length}`, start);
  const fields = readFields(from.sub(length - 4));
  from.skip((8 - (length % 8)) % 8);
  return fields;
}

/** Identity of a match: the same for two matches that mean the same, whatever the order or encoding of their fields. */
export function matchKey(fields: Match): string {
  return fields
    .filter((item) => !(isKnown(item) && item.mask === 0n))
    .map((item) => {
      if (!isKnown(item)) return `?${Buffer.from(item.bytes).toString("hex")}`;
      const { name, value, mask } = item;
      // Bits that a field does not have count for nothing.
      const row = rowOf(name);
      const all = row.isVariable ? allOnes(item.width ?? row.bytes) : (1n << BigInt(row.bits)) - 1n;
      const isExact = mask === undefined || (mask & all) === all;
      return isExact ? `${name}=${value.toString(16)}` : `${name}=${(value & mask).toString(16)}/${mask.toString(16)}`;
    })
    .sort()
    .join(",");
}
