/** A wire struct declared once, as a table of fields: reading, writing, size and the TypeScript type follow from it. */
import type { Reader, Writer } from "./reader.js";

/** Reads and writes one value of a fixed `size` in bytes. */
export interface Codec<T> {
  readonly size: number;
  write(out: Writer, value: T): void;
  read(from: Reader): T;
}
declare const isPadding: unique symbol;
export type Padding = Codec<undefined> & { readonly [isPadding]?: true };

export const u8: Codec<number> = { size: 1, write: (out, v) => out.u8(v), read: (from) => from.u8() };
export const u16: Codec<number> = { size: 2, write: (out, v) => out.u16(v), read: (from) => from.u16() };
export const u32: Codec<number> = { size: 4, write: (out, v) => out.u32(v), read: (from) => from.u32() };
export const u64: Codec<bigint> = { size: 8, write: (out, v) => out.u64(v), read: (from) => from.u64() };
export const bytes = (length: number): Codec<Uint8Array> => ({
  size: length,
  write: (out, v) => {
    if (v.length !== length) throw new RangeError(`${length} bytes expected, got ${v.length}`);
    out.raw(v);
  },
  read: (from) => from.copy(length),
});
/** Bytes up to the first NUL, as Latin-1; `length` bytes on the wire. What follows the NUL is not kept. */
export const text = (length: number): Codec<string> => ({
  size: length,
  write: (out, v) => {
    const encoded = Buffer.from(v, "latin1").subarray(0, length);
    out.raw(encoded);
    out.zeros(length - encoded.length);
  },
  read: (from) => {
    const raw = Buffer.from(from.copy(length));
    const end = raw.indexOf(0);
    if (end >= 0 && raw.subarray(end).some((byte) => byte !== 0)) from.noteLoss();
    return raw.toString("latin1", 0, end < 0 ? length : end);
  },
});
export const padding = (length: number): Padding => ({
  size: length,
  write: (out) => out.zeros(length),
  read: (from) => {
    from.skip(length);
    return undefined;
  },
});

type Layout = Readonly<Record<string, Codec<unknown>>>;
type Shown<L extends Layout> = {
  readonly [K in keyof L as L[K] extends Codec<undefined> ? never : K]: L[K] extends Codec<infer T> ? T : never;
};
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

/** Fields in the order listed. Padding is written as zeros, absent from the value, and noted as a loss when not zero. */
export function struct<L extends Layout>(layout: L): Codec<Shown<L>> {
  const fields = Object.entries<Codec<unknown>>(layout);
  return {
    size: fields.reduce((sum, [, field]) => sum + field.size, 0),
    write: (out, value) => {
      for (const [key, field] of fields) field.write(out, (value as Record<string, unknown>)[key]);
    },
    read: (from) => {
      const value: Record<string, unknown> = {};
      for (const [key, field] of fields) {
        const read = field.read(from);
        if (read !== undefined) value[key] = read;
      }
      return value as Shown<L>;
    },
  };
}
