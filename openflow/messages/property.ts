/** Properties of OpenFlow 1.4 and later: type, length without padding, value, zeros up to a multiple of 8. */
import { WireError, type Reader, type Writer } from "../wire/reader.js";
import { shaped } from "../wire/shape.js";
import { rest, type Codec } from "../wire/struct.js";

/** By name: the property's type and what follows type and length. */
export type PropertyTable = Readonly<Record<string, { readonly number: number; readonly body: Codec<object> }>>;
type Known<T extends PropertyTable> = { [K in keyof T]: { readonly type: K } & (T[K]["body"] extends Codec<infer V> ? V : never) }[keyof T];
/** A property of another type, with its value as it came. */
export interface UnknownProperty {
  readonly type: "unknown";
  readonly propType: number;
  readonly data: Uint8Array;
}
export interface ExperimenterProperty {
  readonly type: "experimenter";
  readonly experimenter: number;
  readonly expType: number;
  readonly data: Uint8Array;
}
export type Property<T extends PropertyTable> = Known<T> | ExperimenterProperty | UnknownProperty;

const experimenter = 0xffff;

function readOne(from: Reader, byNumber: ReadonlyMap<number, readonly [string, Codec<object>]>, inPlace: boolean): { readonly type: string } {
  const start = from.offset;
  const propType = from.u16();
  const length = from.u16();
  if (length < 4) throw new WireError(`property length ${length}`, start + 2);
  const body = from.nested(length - 4);
  const row = byNumber.get(propType);
  let value: { readonly type: string };
  if (row !== undefined) {
    value = { type: row[0], ...row[1].read(body) };
    if (body.remaining > 0) throw new WireError(`property ${row[0]} of ${length} bytes`, start + 2);
  } else if (propType === experimenter && length >= 12) value = { type: "experimenter", experimenter: body.u32(), expType: body.u32(), data: inPlace ? body.restInPlace() : body.rest() } as { readonly type: string };
  else value = { type: "unknown", propType, data: inPlace ? body.restInPlace() : body.rest() } as { readonly type: string };
  if (body.isLossy) from.noteLoss();
  from.skip((8 - (length % 8)) % 8);
  return value;
}

/** The type, body and length as one property; padded unless told. */
export function writeProperty(out: Writer, propType: number, body: () => void): void {
  const start = out.length;
  out.u16(propType);
  out.u16(0);
  body();
  out.patchU16(start + 2, out.length - start);
  out.align8(start);
}

/**
 * A list of properties up to the end, in their order. `inPlace`: data of those that are not known is not copied, for what comes by the
 * thousand and is not kept.
 */
export function properties<T extends PropertyTable>(table: T, inPlace = false): Codec<readonly Property<T>[]> {
  const byNumber = new Map(Object.entries(table).map(([name, { number, body }]) => [number, [name, body] as const]));
  const codec: Codec<readonly Property<T>[]> = {
    read: (from) => {
      const all: Property<T>[] = [];
      while (from.remaining > 0) all.push(readOne(from, byNumber, inPlace) as Property<T>);
      return all;
    },
    write: (out, all) => {
      for (const one of all ?? []) {
        const item = one as { readonly type: string };
        const row = table[item.type];
        if (row !== undefined) writeProperty(out, row.number, () => row.body.write(out, item));
        else if (item.type === "experimenter") {
          const { experimenter: id, expType, data } = one as ExperimenterProperty;
          writeProperty(out, experimenter, () => {
            out.u32(id);
            out.u32(expType);
            rest.write(out, data);
          });
        } else if (item.type === "unknown") writeProperty(out, (one as UnknownProperty).propType, () => rest.write(out, (one as UnknownProperty).data));
        else throw new RangeError(`there is no property "${item.type}"`);
      }
    },
  };
  return shaped(codec, { kind: "properties", table });
}
