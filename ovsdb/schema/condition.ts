/** Conditions on a row, RFC 7047 section 5.1 <condition>: written for the wire. */
import { OvsdbError } from "../errors.js";
import { encodeValue, isScalar, NamedUuid, type ValueIn } from "./datum.js";
import type { ColumnSchema, TableSchema } from "./schema.js";

export type ConditionFunction = "==" | "!=" | "<" | "<=" | ">" | ">=" | "includes" | "excludes";
export type Condition = readonly [column: string, function_: ConditionFunction, value: ValueIn];
/** A row's uuid, or conditions that all must hold; an empty list means every row. */
export type Where = string | NamedUuid | readonly Condition[];

/** Every table has it, no schema lists it. */
export const uuidColumn: ColumnSchema = {
  name: "_uuid",
  key: { type: "uuid", enum: undefined, min: undefined, max: undefined, refTable: undefined },
  value: undefined,
  min: 1,
  max: 1,
  mutable: false,
};

/** A column of a table. Throws OvsdbError "schema" when there is none. */
export function columnOf(table: TableSchema, name: string): ColumnSchema {
  const column = name === "_uuid" ? uuidColumn : table.columns.get(name);
  if (column === undefined) throw new OvsdbError("schema", `table ${table.name} has no column ${name}`);
  return column;
}

/** In the wire's form. Throws OvsdbError "schema". */
export function encodeWhere(table: TableSchema, where: Where): unknown[] {
  if (typeof where === "string" || where instanceof NamedUuid) return [["_uuid", "==", encodeValue(uuidColumn, where, table.name)]];
  return where.map(([name, function_, value]) => {
    const column = columnOf(table, name);
    const isPart = function_ === "includes" || function_ === "excludes";
    return [name, function_, encodeValue(isPart && !isScalar(column) ? { ...column, min: 0, max: Infinity } : column, value, table.name)];
  });
}
