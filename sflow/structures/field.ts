/** The building blocks of sFlow's structures: a structure is declared once, as a table of fields, and its type follows. */
import type { Reader } from "../wire.js";

/** Reads one value; `min` is the fewest bytes it can take, by which counts are checked before anything is allocated. */
export interface Field<T> {
  readonly min: number;
  read(from: Reader): T;
}
export type ValueOf<F> = F extends Field<infer T> ? T : never;

export const u32: Field<number> = { min: 4, read: (from) => from.u32() };
export const i32: Field<number> = { min: 4, read: (from) => from.i32() };
/** unsigned hyper. */
export const u64: Field<bigint> = { min: 8, read: (from) => from.u64() };
export const f32: Field<number> = { min: 4, read: (from) => from.f32() };
/** string<>, read as UTF-8. */
export const text: Field<string> = { min: 4, read: (from) => Buffer.from(from.counted()).toString("utf8") };
/** opaque<>: a view of the datagram. */
export const opaque: Field<Uint8Array> = { min: 4, read: (from) => from.counted() };
/** opaque[length]. */
export const bytes = (length: number): Field<Uint8Array> => ({ min: length, read: (from) => from.opaque(length) });
export const mac: Field<string> = { min: 6, read: (from) => from.mac() };
export const ipv4: Field<string> = { min: 4, read: (from) => from.ipv4() };
export const ipv6: Field<string> = { min: 16, read: (from) => from.ipv6() };
/** address and next_hop: "unknown" where the sender did not know it. */
export const address: Field<string> = { min: 4, read: (from) => from.address() };

/** T<>: a count, then the items. */
export const list = <T>(item: Field<T>): Field<T[]> => ({
  min: 4,
  read: (from) => {
    const count = from.count(item.min);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item.read(from));
    return items;
  },
});

type Layout = Readonly<Record<string, Field<unknown>>>;
type Shown<L extends Layout> = { readonly [K in keyof L]: ValueOf<L[K]> };

/** Fields in the order listed. */
export function struct<L extends Layout>(layout: L): Field<Shown<L>> {
  const fields = Object.entries(layout);
  return {
    min: fields.reduce((sum, [, field]) => sum + field.min, 0),
    read: (from) => {
      const value: Record<string, unknown> = {};
      for (const [name, field] of fields) value[name] = field.read(from);
      return value as Shown<L>;
    },
  };
}

/** A structure with the name the specification gives it, in camelCase. */
export interface Structure<N extends string, T> {
  readonly name: N;
  readonly body: Field<T>;
}
export const named = <N extends string, L extends Layout>(name: N, layout: L): Structure<N, Shown<L>> => ({ name, body: struct(layout) });
