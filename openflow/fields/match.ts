/** Matches: reading, writing, building, and the key under which two that mean the same are the same. */
import { WireError, Writer, type Reader } from "../wire/reader.js";
import { parseAddress, parseMask } from "./address.js";
import { experimenterClass, fieldRows, rowOfHeader, type FieldName, type FieldRow } from "./table.js";

export interface KnownField {
  readonly name: FieldName;
  /** Unsigned number of the field's width; bits outside the mask are zero. */
  readonly value: bigint;
  /** Absent when every bit counts. */
  readonly mask?: bigint;
}
/** A field we do not know, with its TLV as it came. */
export interface UnknownField {
  readonly name: "unknown";
  readonly bytes: Uint8Array;
}
export type MatchField = KnownField | UnknownField;
export type Match = readonly MatchField[];

/** A number, an address as text ("10.0.0.0/8", "aa:bb:…"), or [value, mask]. */
export type FieldValue = number | bigint | string | readonly [value: number | bigint | string, mask: number | bigint | string];
export type MatchSpec = { readonly [K in FieldName]?: FieldValue | undefined };

export function isKnown(field: MatchField): field is KnownField {
  return field.name !== "unknown";
}

const allOnes = (bytes: number): bigint => (1n << BigInt(bytes * 8)) - 1n;

function rowOf(name: string): FieldRow {
  const row = fieldRows.get(name);
  if (row === undefined) throw new RangeError(`unknown match field "${name}"`);
  return row;
}

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

/** Writes one OXM TLV. */
export function writeField(out: Writer, item: MatchField): void {
  if (!isKnown(item)) return out.raw(item.bytes);
  const { bytes, headers } = rowOf(item.name);
  const [oxmClass, number, experimenter] = headers[0] ?? [0, 0];
  const isMasked = item.mask !== undefined;
  const length = bytes * (isMasked ? 2 : 1) + (experimenter === undefined ? 0 : 4);
  out.u16(oxmClass);
  out.u8((number << 1) | (isMasked ? 1 : 0));
  out.u8(length);
  if (experimenter !== undefined) out.u32(experimenter);
  out.number(item.value, bytes);
  if (item.mask !== undefined) out.number(item.mask, bytes);
}

/** Reads one OXM TLV. */
export function readField(from: Reader): MatchField {
  const start = from.offset;
  const oxmClass = from.u16();
  const second = from.u8();
  const length = from.u8();
  const body = from.sub(length);
  const experimenter = oxmClass === experimenterClass ? body.u32() : undefined;
  const isMasked = (second & 1) === 1;
  const row = rowOfHeader(oxmClass, second >> 1, experimenter);
  if (row !== undefined && row.headers[0]?.[0] !== oxmClass) from.noteLoss(); // read under a number we would not write
  if (row === undefined) {
    const out = new Writer();
    out.u16(oxmClass);
    out.u8(second);
    out.u8(length);
    if (experimenter !== undefined) out.u32(experimenter);
    out.raw(body.rest());
    return { name: "unknown", bytes: out.done() };
  }
  if (body.remaining !== row.bytes * (isMasked ? 2 : 1)) throw new WireError(`${row.name} has ${length} bytes`, start);
  const value = body.number(row.bytes);
  if (!isMasked) return { name: row.name, value };
  const mask = body.number(row.bytes);
  const ones = allOnes(row.bytes);
  if (mask === ones || (value & mask) !== value) from.noteLoss();
  return mask === ones ? { name: row.name, value } : { name: row.name, value: value & mask, mask };
}

/** ofp_match: type OXM, length, TLVs, padding to 8. */
export function writeMatch(out: Writer, fields: Match): void {
  const start = out.length;
  out.u16(1);
  out.u16(0);
  for (const item of fields) writeField(out, item);
  out.patchU16(start + 2, out.length - start);
  out.align8(start);
}

export function readMatch(from: Reader): Match {
  const start = from.offset;
  const type = from.u16();
  const length = from.u16();
  if (type !== 1) throw new WireError(`match type ${type} is not OXM`, start);
  if (length < 4) throw new WireError(`match length ${length}`, start);
  const body = from.sub(length - 4);
  const fields: MatchField[] = [];
  while (body.remaining > 0) fields.push(readField(body));
  from.skip((8 - (length % 8)) % 8);
  return fields;
}

/** Identity of a match: the same for two matches that mean the same, whatever the order or encoding of their fields. */
export function matchKey(fields: Match): string {
  return fields
    .filter((item) => !(isKnown(item) && item.mask === 0n))
    .map((item) =>
      isKnown(item)
        ? `${item.name}=${(item.mask === undefined ? item.value : item.value & item.mask).toString(16)}${item.mask === undefined ? "" : `/${item.mask.toString(16)}`}`
        : `?${Buffer.from(item.bytes).toString("hex")}`,
    )
    .sort()
    .join(",");
}
