/** What a server does with values: compares, mutates and tells differences. Values are as in schema/datum.ts. */
import { OvsdbError, serverError } from "../errors.js";
import { columnOf, type ConditionFunction } from "../schema/condition.js";
import { decodeMap, decodeSet, decodeValue, encodeValue, isMap, isOptional, isScalar, sameValue, type Atom, type Value } from "../schema/datum.js";
import type { Row } from "../schema/row-codec.js";
import type { BaseType, ColumnSchema, TableSchema } from "../schema/schema.js";

type AtomMap = ReadonlyMap<Atom, Atom>;

/** The error a server answers with: RFC 7047 section 3.1. */
export const fault = (error: string, details?: string): OvsdbError => serverError(details === undefined ? { error } : { error, details });

/** The elements of anything that is no map. */
export const elements = (value: Value): readonly Atom[] => (value === undefined ? [] : Array.isArray(value) ? (value as readonly Atom[]) : [value as Atom]);

/** The value of a column from the wire, checked against its type. Throws what a server answers. */
export function valueFrom(column: ColumnSchema, json: unknown, table: string): Value {
  let value: Value;
  try {
    value = isMap(column) ? pairsFrom(column, json) : (atomsFrom(column, json), decodeValue(column, json));
  } catch (error) {
    throw fault("syntax error", (error as Error).message);
  }
  const size = value instanceof Map ? value.size : isMap(column) ? 0 : decodeSet(column, json).length;
  if (size < column.min || size > column.max) throw fault("syntax error", `${table}.${column.name}: ${size} elements`);
  if (Array.isArray(value) && new Set(value).size !== value.length) throw fault("ovsdb error", `${table}.${column.name}: set contains duplicate`);
  check(column, value, table);
  return value;
}

/** The atoms of a set from the wire, each of the type. Throws "syntax error". */
function atomsFrom(column: ColumnSchema, json: unknown): Atom[] {
  return decodeSet(column, json).map((atom) => typed(column.key, atom));
}
function pairsFrom(column: ColumnSchema, json: unknown): Map<Atom, Atom> {
  return new Map([...decodeMap(column, json)].map(([key, item]) => [typed(column.key, key), typed(column.value ?? column.key, item)]));
}
function typed({ type }: BaseType, atom: Atom): Atom {
  const is = typeof atom;
  const isRight =
    type === "boolean" ? is === "boolean" : type === "integer" ? is === "bigint" || Number.isSafeInteger(atom) : type === "real" ? is === "number" : is === "string";
  if (!isRight) throw fault("syntax error", `${String(atom)} is not of type ${type}`);
  return atom;
}

/** Throws "constraint violation" for what the type does not allow. */
export function check(column: ColumnSchema, value: Value, table: string): void {
  try {
    encodeValue(column, value, table);
  } catch (error) {
    throw fault("constraint violation", (error as Error).message);
  }
}

/** In the wire's form: a set of one is its atom. */
export function toWire(column: ColumnSchema, value: Value, table: string): unknown {
  const json = encodeValue(column, value, table);
  if (!isMap(column) && !isScalar(column)) {
    const [, atoms] = json as ["set", unknown[]];
    if (atoms.length === 1) return atoms[0];
  }
  return json;
}

/** Whether a row satisfies one <condition>, which may be true or false by itself. */
export function matches(table: TableSchema, row: Row, condition: unknown): boolean {
  if (typeof condition === "boolean") return condition;
  if (!Array.isArray(condition) || condition.length !== 3 || typeof condition[0] !== "string") throw fault("syntax error", "not a condition");
  const [name, function_, json] = condition as [string, ConditionFunction, unknown];
  const column = column_(table, name);
  const value = row[name];
  if (isMap(column)) {
    const pairs = [...pairsFrom(column, json)];
    const map = value as AtomMap;
    if (function_ === "includes") return pairs.every(([key, item]) => map.get(key) === item);
    if (function_ === "excludes") return pairs.every(([key, item]) => map.get(key) !== item);
    return equality(function_, sameValue(map, new Map(pairs)));
  }
  const given = atomsFrom(column, json);
  const present = elements(value);
  if (function_ === "includes") return given.every((atom) => present.includes(atom));
  if (function_ === "excludes") return given.every((atom) => !present.includes(atom));
  if (function_ === "==" || function_ === "!=") return equality(function_, sameValue(present, given));
  const [left, right] = [present[0], given[0]];
  if (!(isScalar(column) || isOptional(column)) || !["integer", "real"].includes(column.key.type)) throw fault("syntax error", `${function_} is for numbers, not for ${table.name}.${name}`);
  if (left === undefined || right === undefined) return false;
  switch (function_) {
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    default:
      throw fault("syntax error", `no function ${String(function_)}`);
  }
}

function equality(function_: ConditionFunction, isSame: boolean): boolean {
  if (function_ !== "==" && function_ !== "!=") throw fault("syntax error", `no function ${String(function_)} of this type`);
  return (function_ === "==") === isSame;
}

/** A column, or the server's error. */
export function column_(table: TableSchema, name: string): ColumnSchema {
  try {
    return columnOf(table, name);
  } catch {
    throw fault("unknown column", `No column ${name} in table ${table.name}.`);
  }
}

/** A value after one <mutation>: RFC 7047 section 5.1. */
export function mutate(column: ColumnSchema, value: Value, mutator: string, json: unknown, table: string): Value {
  if (mutator === "insert" || mutator === "delete") {
    if (isScalar(column)) throw fault("syntax error", `${mutator} is for sets and maps, not for ${table}.${column.name}`);
    return isMap(column) ? mutateMap(column, value as AtomMap, mutator, json) : mutateSet(column, value, mutator, json);
  }
  if (isMap(column) || !["integer", "real"].includes(column.key.type)) throw fault("syntax error", `${mutator} is for numbers, not for ${table}.${column.name}`);
  const [operand] = atomsFrom({ ...column, value: undefined }, json);
  const results = elements(value).map((atom) => arithmetic(atom, mutator, operand as number | bigint, column.key.type === "integer"));
  if (Array.isArray(value)) return [...new Set(results)];
  return results[0];
}

function mutateMap(column: ColumnSchema, value: AtomMap, mutator: "insert" | "delete", json: unknown): Value {
  const map = new Map(value);
  const isPairs = Array.isArray(json) && json[0] === "map";
  if (mutator === "insert") {
    for (const [key, item] of pairsFrom(column, json)) if (!map.has(key)) map.set(key, item);
  } else if (isPairs) {
    for (const [key, item] of pairsFrom(column, json)) if (map.get(key) === item) map.delete(key);
  } else for (const key of atomsFrom({ ...column, value: undefined }, json)) map.delete(key);
  return map;
}

function mutateSet(column: ColumnSchema, value: Value, mutator: "insert" | "delete", json: unknown): Value {
  const given = atomsFrom(column, json);
  const kept = mutator === "delete" ? elements(value).filter((atom) => !given.includes(atom)) : [...new Set([...elements(value), ...given])];
  if (!isOptional(column)) return kept;
  if (kept.length > 1) throw fault("constraint violation", `${column.name} would have ${kept.length} elements`);
  return kept[0];
}

function arithmetic(atom: Atom, mutator: string, operand: number | bigint, isInteger: boolean): Atom {
  if (!isInteger) {
    const [x, y] = [Number(atom), Number(operand)];
    if (mutator === "/=" && y === 0) throw fault("domain error", "Division by zero.");
    const result = { "+=": x + y, "-=": x - y, "*=": x * y, "/=": x / y }[mutator];
    if (result === undefined) throw fault("syntax error", `no mutator ${mutator} of reals`);
    if (!Number.isFinite(result)) throw fault("range error", "Result of mutation is out of range.");
    return result;
  }
  const [x, y] = [BigInt(atom), BigInt(operand)];
  if ((mutator === "/=" || mutator === "%=") && y === 0n) throw fault("domain error", "Division by zero.");
  const result = mutator === "+=" ? x + y : mutator === "-=" ? x - y : mutator === "*=" ? x * y : mutator === "/=" ? x / y : mutator === "%=" ? x % y : undefined;
  if (result === undefined) throw fault("syntax error", `no mutator ${mutator}`);
  if (result >= 2n ** 63n || result < -(2n ** 63n)) throw fault("range error", "Result of mutation is out of range.");
  return Number.isSafeInteger(Number(result)) ? Number(result) : result;
}

/** What the `modify` of an update2 carries: ovsdb-server(7), section 4.1.14. */
export function difference(column: ColumnSchema, old: Value, next: Value, table: string): unknown {
  if (column.max === 1) return toWire(column, next, table);
  const any = { ...column, min: 0, max: Infinity };
  if (isMap(column)) {
    const [before, after] = [old as AtomMap, next as AtomMap];
    const gone = [...before].filter(([key]) => !after.has(key));
    const come = [...after].filter(([key, item]) => before.get(key) !== item);
    return toWire(any, new Map([...gone, ...come]), table);
  }
  const [before, after] = [elements(old), elements(next)];
  return toWire(any, [...before.filter((atom) => !after.includes(atom)), ...after.filter((atom) => !before.includes(atom))], table);
}
