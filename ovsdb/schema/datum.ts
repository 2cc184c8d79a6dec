/**
 * Column values, between the wire's form (RFC 7047 section 5.1) and ours:
 *
 *   exactly one   the atom: string, number, bigint (integers beyond 2^53), boolean; a uuid is a string
 *   zero or one   the atom, or undefined
 *   set           readonly array
 *   map           ReadonlyMap
 */
import { OvsdbError } from "../errors.js";
import { stringifyJson } from "../json-rpc/json.js";
import type { BaseType, ColumnSchema } from "./schema.js";

export type Atom = string | number | bigint | boolean;
export type Value = Atom | undefined | readonly Atom[] | ReadonlyMap<Atom, Atom>;

/** The uuid a row inserted by this transaction will get: usable wherever a uuid is. */
export class NamedUuid {
  readonly uuidName: string;
  constructor(uuidName: string) {
    this.uuidName = uuidName;
  }
}
export type AtomIn = Atom | NamedUuid;
/** What can be written: ours, and named uuids; an empty array clears an optional column. */
export type ValueIn = AtomIn | undefined | readonly AtomIn[] | ReadonlyMap<Atom, AtomIn>;

const zeroUuid = "00000000-0000-0000-0000-000000000000";

export const isMap = (column: ColumnSchema): boolean => column.value !== undefined;
export const isOptional = (column: ColumnSchema): boolean => column.value === undefined && column.min === 0 && column.max === 1;
export const isScalar = (column: ColumnSchema): boolean => column.value === undefined && column.min === 1 && column.max === 1;

function defaultAtom(type: BaseType): Atom {
  switch (type.type) {
    case "integer":
    case "real":
      return 0;
    case "boolean":
      return false;
    case "string":
      return "";
    case "uuid":
      return zeroUuid;
  }
}

const emptyMap: ReadonlyMap<Atom, Atom> = new Map();
const emptySet: readonly Atom[] = Object.freeze([]);

/** What a column holds when the server leaves it out (RFC 7047 section 5.2.1). Empty sets and maps are shared. */
export function defaultValue(column: ColumnSchema): Value {
  if (isMap(column)) return emptyMap;
  if (isOptional(column)) return undefined;
  return isScalar(column) ? defaultAtom(column.key) : column.min > 0 ? [defaultAtom(column.key)] : emptySet;
}

function decodeAtom(json: unknown, { type }: BaseType): Atom {
  if (Array.isArray(json) && (json[0] === "uuid" || json[0] === "named-uuid")) return String(json[1]);
  if (typeof json === "bigint") return type === "real" ? Number(json) : json; // a real without a fraction is written as an integer
  if (typeof json === "string" || typeof json === "number" || typeof json === "boolean") return json;
  throw new OvsdbError("protocol", `not an atom: ${stringifyJson(json)}`);
}

/** The atoms of a set, which the wire writes bare when it has exactly one. */
export function decodeSet(column: ColumnSchema, json: unknown): Atom[] {
  return Array.isArray(json) && json[0] === "set" && Array.isArray(json[1]) ? json[1].map((atom) => decodeAtom(atom, column.key)) : [decodeAtom(json, column.key)];
}

export function decodeMap(column: ColumnSchema, json: unknown): Map<Atom, Atom> {
  if (!Array.isArray(json) || json[0] !== "map" || !Array.isArray(json[1])) throw new OvsdbError("protocol", `not a map: ${stringifyJson(json)}`);
  const map = new Map<Atom, Atom>();
  const valueType = column.value ?? column.key;
  for (const pair of json[1] as unknown[]) {
    if (!Array.isArray(pair)) throw new OvsdbError("protocol", `not a pair of a map: ${stringifyJson(pair)}`);
    map.set(decodeAtom(pair[0], column.key), decodeAtom(pair[1], valueType));
  }
  return map;
}

/** A column's value from the wire. Throws OvsdbError "protocol". */
export function decodeValue(column: ColumnSchema, json: unknown): Value {
  if (isMap(column)) return decodeMap(column, json);
  if (isScalar(column)) return decodeAtom(json, column.key);
  const atoms = decodeSet(column, json);
  return isOptional(column) ? atoms[0] : atoms;
}

/** `decodeValue` of one column, decided once. */
export function valueDecoder(column: ColumnSchema): (json: unknown) => Value {
  if (isMap(column)) return (json) => decodeMap(column, json);
  // The bare atom is by far the most frequent, for sets of one too.
  const isPlain = (json: unknown): json is string | number | boolean => typeof json === "string" || typeof json === "number" || typeof json === "boolean";
  if (isScalar(column)) return (json) => (isPlain(json) ? json : decodeAtom(json, column.key));
  if (isOptional(column)) return (json) => (isPlain(json) ? json : decodeSet(column, json)[0]);
  return (json) => decodeSet(column, json);
}

/**
 * A column's value after the `modify` of an update2: sets and maps carry the difference, all else the new value
 * (ovsdb-server(7), section 4.1.14). What can hold one element at most, a map too, is not a set there.
 */
export function applyDiff(column: ColumnSchema, old: Value, json: unknown): Value {
  if (column.max === 1) return decodeValue(column, json);
  if (isMap(column)) {
    const map = new Map(old as ReadonlyMap<Atom, Atom>);
    for (const [key, value] of decodeMap(column, json)) {
      if (map.get(key) === value) map.delete(key);
      else map.set(key, value);
    }
    return map;
  }
  const set = new Set(old as readonly Atom[]);
  for (const atom of decodeSet(column, json)) if (!set.delete(atom)) set.add(atom);
  return [...set];
}

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const maxInteger = 2n ** 63n - 1n;

function wrong(where: string, what: string): never {
  throw new OvsdbError("schema", `${where}: ${what}`);
}

function checkRange({ min, max }: BaseType, size: number | bigint, where: string, what: string): void {
  if ((min !== undefined && size < min) || (max !== undefined && size > max)) wrong(where, `${what} is not in ${min ?? "-∞"} to ${max ?? "∞"}`);
}

function encodeAtom(type: BaseType, value: AtomIn, where: string): unknown {
  if (value instanceof NamedUuid) return type.type === "uuid" ? ["named-uuid", value.uuidName] : wrong(where, "a uuid is not expected here");
  if (type.enum !== undefined && !type.enum.includes(value as string)) wrong(where, `${String(value)} is not one of ${type.enum.join(", ")}`);
  switch (type.type) {
    case "integer":
      if (typeof value === "bigint") {
        if (value > maxInteger || value < -maxInteger - 1n) wrong(where, `${value} is not a 64-bit integer`);
      } else if (typeof value !== "number" || !Number.isSafeInteger(value)) return wrong(where, `${String(value)} is not an integer (beyond 2^53: a bigint)`);
      if (type.min !== undefined || type.max !== undefined) checkRange(type, value, where, String(value));
      return value;
    case "real":
      if (typeof value !== "number" || !Number.isFinite(value)) return wrong(where, `${String(value)} is not a finite number`);
      checkRange(type, value, where, String(value));
      return value;
    case "boolean":
      return typeof value === "boolean" ? value : wrong(where, `${String(value)} is not a boolean`);
    case "string":
      if (typeof value !== "string") return wrong(where, `${String(value)} is not a string`);
      if (type.min !== undefined || type.max !== undefined) checkRange(type, [...value].length, where, "its length");
      return value;
    case "uuid":
      return typeof value === "string" && uuidForm.test(value) ? ["uuid", value] : wrong(where, `${String(value)} is not a uuid`);
  }
}

/** A value in the wire's form, checked against the column. Throws OvsdbError "schema" saying which table and column. */
export function encodeValue(column: ColumnSchema, value: ValueIn, table: string): unknown {
  const where = `${table}.${column.name}`;
  const valueType = column.value;
  if (valueType !== undefined) {
    // An empty array clears whatever it is given for.
    const map = value === undefined || (Array.isArray(value) && value.length === 0) ? new Map<Atom, AtomIn>() : value;
    if (!(map instanceof Map)) throw new OvsdbError("schema", `${where}: expected a map`);
    if (map.size < column.min || map.size > column.max) throw new OvsdbError("schema", `${where}: ${map.size} pairs, expected ${column.min} to ${column.max}`);
    const pairs: unknown[] = [];
    for (const [key, item] of map as ReadonlyMap<Atom, AtomIn>) pairs.push([encodeAtom(column.key, key, where), encodeAtom(valueType, item, where)]);
    return ["map", pairs];
  }
  if (value instanceof Map) throw new OvsdbError("schema", `${where}: is not a map`);
  if (isScalar(column) && value !== undefined && !Array.isArray(value)) return encodeAtom(column.key, value as AtomIn, where);
  const atoms = value === undefined ? [] : Array.isArray(value) ? (value as readonly AtomIn[]) : [value as AtomIn];
  if (atoms.length < column.min || atoms.length > column.max) {
    throw new OvsdbError("schema", `${where}: ${atoms.length} values, expected ${column.min} to ${column.max}`);
  }
  const encoded = atoms.map((atom) => encodeAtom(column.key, atom, where));
  return isScalar(column) ? encoded[0] : ["set", encoded];
}

/** Whether two values of a column are equal. */
export function sameValue(x: Value, y: Value): boolean {
  if (x === y) return true;
  if (x instanceof Map && y instanceof Map) return x.size === y.size && [...x].every(([key, value]) => y.get(key) === value);
  if (Array.isArray(x) && Array.isArray(y)) {
    const set = new Set(x);
    return x.length === y.length && y.every((atom) => set.has(atom as Atom));
  }
  return false;
}
