/** Wire structs declared once, as tables of fields: reading, writing, size and the TypeScript type follow from the table. */
import { WireError, type Reader, type Version, type Writer } from "./reader.js";
import { shaped } from "./shape.js";

/** Reads and writes one value, in the layout of the reader's or writer's version. */
export interface Codec<T> {
  read(from: Reader): T;
  write(out: Writer, value: T): void;
  /** In bytes, where it is always the same. */
  readonly size?: number;
}
declare const isPadding: unique symbol;
export type Padding = Codec<undefined> & { readonly [isPadding]?: true };
interface Sized<T> extends Codec<T> {
  readonly size: number;
}

export const u8: Sized<number> = shaped({ size: 1, write: (out, v) => out.u8(v), read: (from) => from.u8() }, { kind: "number", bytes: 1 });
export const u16: Sized<number> = shaped({ size: 2, write: (out, v) => out.u16(v), read: (from) => from.u16() }, { kind: "number", bytes: 2 });
export const u32: Sized<number> = shaped({ size: 4, write: (out, v) => out.u32(v), read: (from) => from.u32() }, { kind: "number", bytes: 4 });
/** Takes decimal text as well, as JSON has it. */
export const u64: Sized<bigint> = shaped({ size: 8, write: (out, v) => out.u64(typeof v === "bigint" ? v : BigInt(v)), read: (from) => from.u64() }, { kind: "number", bytes: 8 });

const asBytes = (v: Uint8Array | string): Uint8Array => (typeof v === "string" ? fromHex(v) : v);
/** An even number of hex digits. */
export function fromHex(text: string): Uint8Array {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw new RangeError("an even number of hex digits expected");
  return Uint8Array.from(Buffer.from(text, "hex"));
}

export const bytes = (length: number): Sized<Uint8Array> =>
  shaped(bytesOf(length), { kind: "bytes", length });
const bytesOf = (length: number): Sized<Uint8Array> => ({
  size: length,
  write: (out, v) => {
    const given = asBytes(v);
    if (given.length !== length) throw new RangeError(`${length} bytes expected, got ${given.length}`);
    out.raw(given);
  },
  read: (from) => from.copy(length),
});
/** All bytes up to the end. */
export const rest: Codec<Uint8Array> = shaped({ write: (out, v) => out.raw(asBytes(v)), read: (from) => from.rest() }, { kind: "rest" });
/** Bytes up to the first NUL, as Latin-1; `length` bytes on the wire. What follows the NUL is not kept. */
export const text = (length: number): Sized<string> => shaped(textOf(length), { kind: "text", length });
const textOf = (length: number): Sized<string> => ({
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
/** A port of OpenFlow 1.0 or of a Nicira action, 16 bits on the wire: reserved ones come out as their 32-bit numbers. */
export const port16: Sized<number> = shaped({
  size: 2,
  write: (out, v) => out.u16(v >= 0xffffff00 ? v - 0xffff0000 : v),
  read: (from) => {
    const port = from.u16();
    return port >= 0xff00 ? port + 0xffff0000 : port;
  },
}, { kind: "port16" });
const paddings = new WeakSet<object>();
export function padding(length: number): Padding {
  const codec: Padding = {
    size: length,
    write: (out) => out.zeros(length),
    read: (from) => {
      from.skip(length);
      return undefined;
    },
  };
  paddings.add(codec);
  return shaped(codec, { kind: "padding" });
}

/** Numbers with names, in the order given, the first is `first`; a number without a name is malformed. */
export const named = <N extends string>(number: Codec<number>, names: readonly N[], first = 0): Codec<N> =>
  shaped(namesOf(number, names, first), { kind: "named", names });
const namesOf = <N extends string>(number: Codec<number>, names: readonly N[], first: number): Codec<N> => ({
  ...(number.size === undefined ? {} : { size: number.size }),
  write: (out, v) => {
    const index = names.indexOf(v);
    if (index < 0) throw new RangeError(`"${v}" is none of ${names.join(", ")}`);
    number.write(out, index + first);
  },
  read: (from) => {
    const at = from.offset;
    const value = number.read(from);
    const name = names[value - first];
    if (name === undefined) throw new WireError(`${value} is none of ${names.join(", ")}`, at);
    return name;
  },
});

/** Values one after another, up to the end. */
export const list = <T>(item: Codec<T>): Codec<readonly T[]> => shaped(listOf(item), { kind: "list", item });
const listOf = <T>(item: Codec<T>): Codec<readonly T[]> => ({
  write: (out, v) => {
    for (const one of v) item.write(out, one);
  },
  read: (from) => {
    const items: T[] = [];
    while (from.remaining > 0) {
      const before = from.offset;
      items.push(item.read(from));
      if (from.offset === before) throw new WireError("an item without bytes", before);
    }
    return items;
  },
});

/** The layout of the highest version at or below the one spoken. */
export function byVersion<T>(layouts: readonly (readonly [since: Version, layout: Codec<T>])[]): Codec<T> {
  const table = [1, 2, 3, 4, 5, 6].map((version) => layouts.findLast(([since]) => since <= version)?.[1]);
  const of = (version: Version): Codec<T> => {
    const layout = table[version - 1];
    if (layout === undefined) throw new RangeError(`not in wire version ${version}`);
    return layout;
  };
  return shaped({ write: (out, v) => of(out.version).write(out, v), read: (from) => of(from.version).read(from) }, { kind: "byVersion", of });
}

/** There from version `since` on; `before` that, padding of the same size or nothing. */
export function since<T>(version: Version, codec: Codec<T>, fallback: T, before: Padding = padding(0)): Codec<T> {
  const since: Codec<T> = {
    write: (out, v) => (out.version >= version ? codec.write(out, v ?? fallback) : before.write(out, undefined)),
    read: (from) => {
      if (from.version >= version) return codec.read(from);
      before.read(from);
      return fallback;
    },
  };
  return shaped(since, { kind: "since", version, codec, fallback });
}

const isLength: unique symbol = Symbol("length");
type Length = Padding & { readonly [isLength]: { readonly number: Sized<number>; readonly padded: boolean } };
/**
 * The length of the struct it is in, from the struct's first byte to its end; filled in when writing, and the bound of what
 * follows when reading. "padded": zeros up to a multiple of 8 follow and are not counted.
 */
export const ownLength = (number: Sized<number> = u16, kind: "exact" | "padded" = "exact"): Length => ({
  ...padding(number.size),
  [isLength]: { number, padded: kind === "padded" },
});

type Layout = Readonly<Record<string, Codec<unknown>>>;
type Shown<L extends Layout> = {
  readonly [K in keyof L as L[K] extends Codec<undefined> ? never : K]: L[K] extends Codec<infer T> ? T : never;
};
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

/** Fields in the order listed. Padding is written as zeros, absent from the value, and noted as a loss when not zero. */
export function struct<L extends Layout>(layout: L): Codec<Shown<L>> & { readonly size: number } {
  const fields = Object.entries<Codec<unknown>>(layout).map(([key, codec]) => ({ key, codec, length: (codec as Partial<Length>)[isLength] }));
  const hasLength = fields.some(({ length }) => length !== undefined);
  // Only structs of fixed size are asked for it.
  const size = fields.reduce((sum, { codec }) => sum + (codec.size ?? NaN), 0);
  const write = (out: Writer, value: Shown<L>): void => {
    const start = out.length;
    let lengthAt = 0;
    let owned: Length[typeof isLength] | undefined;
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as (typeof fields)[number];
      if (field.length !== undefined) {
        lengthAt = out.length;
        owned = field.length;
      }
      field.codec.write(out, (value as Record<string, unknown>)[field.key]);
    }
    if (owned === undefined) return;
    out.patch(lengthAt, out.length - start, owned.number.size);
    if (owned.padded) out.align8(start);
  };
  // Copied for each value read, so that all have one shape from the start and none grows key by key.
  const blank: Record<string, unknown> = Object.fromEntries(fields.filter(({ codec, length }) => length === undefined && !paddings.has(codec)).map(({ key }) => [key, undefined]));
  const read = (from: Reader): Shown<L> => {
    const value = { ...blank };
    const start = from.offset;
    let body = from;
    let padded = 0;
    for (let i = 0; i < fields.length; i++) {
      const { key, codec, length } = fields[i] as (typeof fields)[number];
      if (length === undefined) {
        const item = codec.read(body);
        if (item !== undefined) value[key] = item;
        continue;
      }
      const at = from.offset;
      const whole = length.number.read(from);
      if (whole < from.offset - start) throw new WireError(`length ${whole}`, at);
      if (length.padded) padded = (8 - (whole % 8)) % 8;
      body = from.nested(whole - (from.offset - start));
    }
    if (body !== from) {
      if (body.remaining > 0) throw new WireError(`${body.remaining} bytes more than the struct has`, body.offset);
      if (body.isLossy) from.noteLoss();
      from.skip(padded);
    }
    return value as Shown<L>;
  };
  return shaped({ size: hasLength ? NaN : size, write, read }, { kind: "struct", fields: fields.filter(({ length }) => length === undefined).map(({ key, codec }) => [key, codec] as const) });
}

/** A value of type T that on the wire is one of type W. */
export const mapped = <W, T>(wire: Codec<W>, to: (value: W) => T, from: (value: T) => W): Codec<T> =>
  shaped(mappedOf(wire, to, from), { kind: "mapped", wire, to: to });
const mappedOf = <W, T>(wire: Codec<W>, to: (value: W) => T, from: (value: T) => W): Codec<T> => ({
  ...(wire.size === undefined ? {} : { size: wire.size }),
  write: (out, v) => wire.write(out, from(v)),
  read: (reader) => to(wire.read(reader)),
});
