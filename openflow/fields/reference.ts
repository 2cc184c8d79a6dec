/** Fields as actions name them: by a 32-bit NXM/OXM header, or 64 bits for those of experimenters. */
import type { Reader, Version, Writer } from "../wire/reader.js";
import { u16, type Codec } from "../wire/struct.js";
import { experimenterClass, headerOf, rowOf, rowOfHeader, type FieldName } from "./table.js";
import { byHand } from "../wire/shape.js";

/** A field's name; with `oxmClass` where it is not written under the usual class, `width` for tunMetadata in less than 124 bytes. */
export type FieldRef =
  | FieldName
  | { readonly name: FieldName; readonly oxmClass?: number; readonly width?: number }
  /** A field we do not know: its header. */
  | { readonly name: "unknown"; readonly header: number; readonly experimenter?: number };

function writeRef(out: Writer, ref: FieldRef, form: 0 | Version): void {
  if (typeof ref === "object" && ref.name === "unknown") {
    out.u32(ref.header);
    if (ref.experimenter !== undefined) out.u32(ref.experimenter);
    return;
  }
  const { name, oxmClass, width }: { readonly name: FieldName; readonly oxmClass?: number; readonly width?: number } = typeof ref === "string" ? { name: ref } : ref;
  const row = rowOf(name);
  const header = (oxmClass === undefined ? undefined : row.headers.find((one) => one.oxmClass === oxmClass)) ?? headerOf(row, form);
  out.u16(header.oxmClass);
  out.u8(header.field << 1);
  out.u8((width ?? row.bytes) + (header.experimenter === undefined ? 0 : 4));
  if (header.experimenter !== undefined) out.u32(header.experimenter);
}

function readRef(from: Reader, form: 0 | Version): FieldRef {
  const header = from.u32();
  const oxmClass = header >>> 16;
  const experimenter = oxmClass === experimenterClass ? from.u32() : undefined;
  const length = (header & 0xff) - (experimenter === undefined ? 0 : 4);
  const isMasked = (header & 0x100) !== 0;
  const found = isMasked ? undefined : rowOfHeader(oxmClass, (header >>> 9) & 0x7f, experimenter);
  if (found === undefined || (length !== found.row.bytes && !found.row.isVariable)) return { name: "unknown", header, ...(experimenter === undefined ? {} : { experimenter }) };
  const { row } = found;
  const extra = { ...(headerOf(row, form).oxmClass === oxmClass ? {} : { oxmClass }), ...(length === row.bytes ? {} : { width: length }) };
  return Object.keys(extra).length === 0 ? row.name : { name: row.name, ...extra };
}

/** As Nicira actions name a field: by its Nicira number where it has one. */
export const niciraRef: Codec<FieldRef> = byHand("niciraRef", { write: (out, ref) => writeRef(out, ref, 0), read: (from) => readRef(from, 0) });
/** As standard actions name a field: by the version's number. */
export const standardRef: Codec<FieldRef> = byHand("standardRef", { write: (out, ref) => writeRef(out, ref, out.version), read: (from) => readRef(from, from.version) });

/** `bits` bits from bit `offset` on. */
export interface BitRange {
  readonly offset: number;
  readonly bits: number;
}
/** Packed as ofs_nbits (nicira-ext.h): 10 bits of offset, 6 of length less one. */
export const bitRange: Codec<BitRange> & { readonly size: number } = byHand("bitRange", {
  size: 2,
  write: (out, { offset, bits }) => {
    if (bits < 1 || bits > 64 || offset < 0 || offset > 1023) throw new RangeError(`${bits} bits from bit ${offset} cannot be written`);
    u16.write(out, (offset << 6) | (bits - 1));
  },
  read: (from) => {
    const packed = u16.read(from);
    return { offset: packed >> 6, bits: (packed & 0x3f) + 1 };
  },
});
