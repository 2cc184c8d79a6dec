/** A wire struct declared once, as a table of fields: reading, writing and the TypeScript type follow from it. */
import type { Reader, Writer } from "./reader.js";

export interface Codec<T> {
  write(out: Writer, value: T): void;
  read(from: Reader): T;
}
declare const isPadding: unique symbol;
export type Padding = Codec<undefined> & { readonly [isPadding]?: true };

export const u8: Codec<number> = { write: (out, v) => out.u8(v), read: (from) => from.u8() };
export const u16: Codec<number> = { write: (out, v) => out.u16(v), read: (from) => from.u16() };
export const u32: Codec<number> = { write: (out, v) => out.u32(v), read: (from) => from.u32() };
export const u64: Codec<bigint> = { write: (out, v) => out.u64(v), read: (from) => from.u64() };
export const bytes = (length: number): Codec<Uint8Array> => ({
  write: (out, v) => out.raw(v),
  read: (from) => from.copy(length),
});
/** Bytes up to the first NUL, as Latin-1; `length` bytes on the wire. */
export const text = (length: number): Codec<string> => ({
  write: (out, v) => {
    const encoded = Buffer.from(v, "latin1").subarray(0, length);
    out.raw(encoded);
    out.zeros(length - encoded.length);
  },
  read: (from) => {
    const raw = Buffer.from(from.copy(length));
    const end = raw.indexOf(0);
    return raw.toString("latin1", 0, end < 0 ? length : end);
  },
});
export const padding = (length: number): Padding => ({
  write: (out) => out.zeros(length),
  read: (from) => {
    from.skip(length);
    return undefined;
  },
});

type Layout = Readonly<Record<string, Codec<never> | Codec<number> | Codec<bigint> | Codec<string> | Codec<Uint8Array> | Padding>>;
type Shown<L extends Layout> = {
  readonly [K in keyof L as L[K] extends Codec<undefined> ? never : K]: L[K] extends Codec<infer T> ? T : never;
};
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

/** Fields in the order listed. Padding is written as zeros, skipped when read, and absent from the value. */
export function struct<L extends Layout>(layout: L): Codec<Shown<L>> {
  const fields = Object.entries(layout) as [string, Codec<unknown>][];
  return {
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
