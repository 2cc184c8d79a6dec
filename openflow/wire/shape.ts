/** What a codec is made of, beside how it reads and writes: so that tools can walk the tables, and tests make values of every type from them. */
import type { Version } from "./reader.js";

/** Codecs inside a shape are those of struct.ts; this file knows none of them. */
export type Shape =
  | { readonly kind: "number"; readonly bytes: number }
  | { readonly kind: "bytes" | "text"; readonly length: number }
  | { readonly kind: "rest" | "port16" | "padding" }
  | { readonly kind: "named"; readonly names: readonly string[] }
  | { readonly kind: "list"; readonly item: object }
  /** The codec of a version; throws RangeError where there is none. */
  | { readonly kind: "byVersion"; readonly of: (version: Version) => object }
  | { readonly kind: "since"; readonly version: Version; readonly codec: object; readonly fallback: unknown }
  | { readonly kind: "struct"; readonly fields: readonly (readonly [key: string, codec: object])[] }
  | { readonly kind: "mapped"; readonly wire: object; readonly to: (value: never) => unknown }
  /** A list of properties (OpenFlow 1.4), by name. */
  | { readonly kind: "properties"; readonly table: Readonly<Record<string, { readonly number: number; readonly body: object }>> }
  /** Read and written by code of its own: only its name is known. */
  | { readonly kind: "byHand"; readonly name: string };

const shapes = new WeakMap<object, Shape>();

/** The codec itself, with its shape noted. */
export function shaped<C extends object>(codec: C, shape: Shape): C {
  shapes.set(codec, shape);
  return codec;
}
export const byHand = <C extends object>(name: string, codec: C): C => shaped(codec, { kind: "byHand", name });
/** Undefined for what no codec of the tables is. */
export const shapeOf = (codec: object): Shape | undefined => shapes.get(codec);
