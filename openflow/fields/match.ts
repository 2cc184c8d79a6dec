/** Matches: reading, writing, building, and the key under which two that mean the same are the same. */
import { WireError, Writer, type Reader } from "../wire/reader.js";
import { experimenterClass, fieldRows, rowOfHeader, type FieldRow } from "./table.js";

export interface KnownField {
  /** OXM name in camelCase: inPort, ethDst, ipv4Src, reg0, … */
  readonly name: string;
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
export type MatchSpec = Readonly<Record<string, FieldValue | undefined>>;

export function isKnown(field: MatchField): field is KnownField {
  return field.name !== "unknown";
}

const allOnes = (bytes: number): bigint => (1n << BigInt(bytes * 8)) - 1n;

function rowOf(name: string): FieldRow {
  const row = fieldRows.get(name);
  if (row === undefined) throw new RangeError(`unknown match field "${name}"`);
  return row;
}

function parseIpv6(text: string): bigint {
  const [head = "", tail] = text.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const middle = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...middle, ...right].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function parseNumber(value: number | bigint | string, bytes: number): bigint {
  if (typeof value !== "string") return BigInt(value);
  if (bytes === 4 && value.includes(".")) return value.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  if (bytes === 6) return value.split(":").reduce((sum, part) => (sum << 8n) | BigInt(`0x${part}`), 0n);
  return bytes === 16 ? parseIpv6(value) : BigInt(value);
}

/** One field. RangeError for an unknown name or a value that does not fit. */
export function field(name: string, spec: FieldValue): KnownField {
  const { bytes } = rowOf(name);
  const ones = allOnes(bytes);
  let value: bigint;
  let mask = ones;
  if (Array.isArray(spec)) {
    const [of, by] = spec as readonly [number | bigint | string, number | bigint | string];
    value = parseNumber(of, bytes);
    mask = parseNumber(by, bytes);
  } else if (typeof spec === "string" && spec.includes("/")) {
    const [address = "", length = ""] = spec.split("/");
    value = parseNumber(address, bytes);
    mask = ones ^ (ones >> BigInt(Number(length)));
  } else value = parseNumber(spec as number | bigint | string, bytes);
  if (value < 0n || value > ones || mask < 0n || mask > ones) throw new RangeError(`${name}: ${value} does not fit in ${bytes} bytes`);
  return mask === ones ? { name, value } : { name, value: value & mask, mask };
}

/** A match from names and values; undefined values are left out. Prerequisites (ethType, ipProto) are the caller's. */
export function match(spec: MatchSpec): Match {
  return Object.entries(spec).flatMap(([name, value]) => (value === undefined ? [] : [field(name, value)]));
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
  const isExperimenter = oxmClass === experimenterClass;
  const experimenter = isExperimenter ? body.u32() : undefined;
  const isMasked = (second & 1) === 1;
  const row = rowOfHeader(oxmClass, second >> 1, experimenter);
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
  return mask === allOnes(row.bytes) ? { name: row.name, value } : { name: row.name, value, mask };
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
