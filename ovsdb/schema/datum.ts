/**
 * Column values, between the wire's form (RFC 7047 section 5.1) and ours:
 *
 *   exactly one   the atom: string, number, bigint (integers beyond 2^53), boolean; a uuid is a string
 *   zero or one   the atom, or undefined
 *   set           readonly array
 *   map           ReadonlyMap
 */
import { OvsdbError } from "../errors.js";
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

/** What a column holds when the server leaves it out (RFC 7047 section 5.2.1). */
export function defaultValue(column: ColumnSchema): Value {
  if (isMap(column)) return new Map();
  if (isOptional(column)) return undefined;
  return isScalar(column) ? defaultAtom(column.key) : column.min > 0 ? [defaultAtom(column.key)] : [];
}

function decodeAtom(json: unknown): Atom {
  if (Array.isArray(json) && (json[0] === "uuid" || json[0] === "named-uuid")) return String(json[1]);
  if (typeof json === "string" || typeof json === "number" || typeof json === "boolean") return json;
  throw new OvsdbError("protocol", `not an atom: ${JSON.stringify(json)}`);
}

/** The atoms of a set, which the wire writes bare when it has exactly one. */
export function decodeSet(json: unknown): Atom[] {
  return Array.isArray(json) && json[0] === "set" ? (json[1] as unknown[]).map(decodeAtom) : [decodeAtom(json)];
}

export function decodeMap(json: unknown): Map<Atom, Atom> {
  if (!Array.isArray(json) || json[0] !== "map") throw new OvsdbError("protocol", `not a map: ${JSON.stringify(json)}`);
  return new Map((json[1] as [unknown, unknown][]).map(([key, value]) => [decodeAtom(key), decodeAtom(value)]));
}

/** A column's value from the wire. Throws OvsdbError "protocol". */
export function decodeValue(column: ColumnSchema, json: unknown): Value {
  if (isMap(column)) return decodeMap(json);
  if (isScalar(column)) return decodeAtom(json);
  const atoms = decodeSet(json);
  return isOptional(column) ? atoms[0] : atoms;
}

/**
 * A column's value after the `modify` of an update2: sets and maps carry the difference, all else the new value
 * (ovsdb-server(7), section 4.1.14).
 */
export function applyDiff(column: ColumnSchema, old: Value, json: unknown): Value {
  if (isMap(column)) {
    const map = new Map(old as ReadonlyMap<Atom, Atom>);
    for (const [key, value] of decodeMap(json)) {
      if (map.get(key) === value) map.delete(key);
      else map.set(key, value);
    }
    return map;
  }
  if (column.max === 1) return decodeValue(column, json);
  const set = new Set(old as readonly Atom[]);
  for (const atom of decodeSet(json)) if (!set.delete(atom)) set.add(atom);
  return [...set];
}

function encodeAtom(type: BaseType, value: AtomIn, where: string): unknown {
  const wrong = (what: string): never => {
    throw new OvsdbError("schema", `${where}: ${what}`);
  };
  if (value instanceof NamedUuid) return type.type === "uuid" ? ["named-uuid", value.uuidName] : wrong("a uuid is not expected here");
  if (type.enum !== undefined && !type.enum.includes(value as string)) wrong(`${String(value)} is not one of ${type.enum.join(", ")}`);
  switch (type.type) {
    case "integer":
      if (typeof value === "bigint") return Number(value);
      if (typeof value !== "number" || !Number.isInteger(value)) return wrong(`${String(value)} is not an integer`);
      if ((type.min !== undefined && value < type.min) || (type.max !== undefined && value > type.max)) {
        return wrong(`${value} is not in ${type.min ?? "-∞"} to ${type.max ?? "∞"}`);
      }
      return value;
    case "real":
      return typeof value === "number" ? value : wrong(`${String(value)} is not a number`);
    case "boolean":
      return typeof value === "boolean" ? value : wrong(`${String(value)} is not a boolean`);
    case "string":
      return typeof value === "string" ? value : wrong(`${String(value)} is not a string`);
    case "uuid":
      return typeof value === "string" ? ["uuid", value] : wrong(`${String(value)} is not a uuid`);
  }
}

/** A value in the wire's form, checked against the column. Throws OvsdbError "schema" saying which table and column. */
export function encodeValue(column: ColumnSchema, value: ValueIn, table: string): unknown {
  const where = `${table}.${column.name}`;
  const valueType = column.value;
  if (valueType !== undefined) {
    const map = value ?? new Map<Atom, AtomIn>();
    if (!(map instanceof Map)) throw new OvsdbError("schema", `${where}: expected a map`);
    return ["map", [...(map as ReadonlyMap<Atom, AtomIn>)].map(([key, item]) => [encodeAtom(column.key, key, where), encodeAtom(valueType, item, where)])];
  }
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
