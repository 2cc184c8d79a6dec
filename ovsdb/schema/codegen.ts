/** TypeScript types of a database's rows, from its schema. */
import type { BaseType, ColumnSchema, DatabaseSchema, TableSchema } from "./schema.js";
import { isOptional, isScalar } from "./datum.js";

function atomType(base: BaseType): string {
  if (base.enum !== undefined) return base.enum.map((value) => JSON.stringify(value)).join(" | ");
  switch (base.type) {
    case "integer":
      return isSafe(base) ? "number" : "number | bigint";
    case "real":
      return "number";
    case "boolean":
      return "boolean";
    case "string":
      return "string";
    case "uuid":
      return "Uuid";
  }
}

/** Whether every value is a number on our side: bigint is for integers beyond 2^53. */
const isSafe = ({ min, max }: BaseType): boolean => min !== undefined && max !== undefined && Number.isSafeInteger(Number(min)) && Number.isSafeInteger(Number(max));

function columnType(column: ColumnSchema): string {
  const key = atomType(column.key);
  if (column.value !== undefined) return `ReadonlyMap<${key}, ${atomType(column.value)}>`;
  if (isScalar(column)) return key;
  if (isOptional(column)) return `${key} | undefined`;
  return `readonly ${/[|"]/.test(key) ? `(${key})` : key}[]`;
}

const bounds = ({ min, max }: BaseType): string => (min === undefined && max === undefined ? "" : `${min ?? ""} to ${max ?? ""}`);

/** What the type cannot say: the range, the number of elements, what is referred to, whether it can be changed. */
function note(column: ColumnSchema): string {
  const { key, value, min, max, mutable } = column;
  const refers = (base: BaseType | undefined): string => (base?.refTable === undefined ? "" : `refers to ${base.refTable}`);
  const count = isScalar(column) || isOptional(column) || (min === 0 && max === Infinity) ? "" : `${min} to ${max === Infinity ? "any number" : max} elements`;
  const notes = [refers(key), refers(value), bounds(key), value === undefined ? "" : bounds(value), count, mutable ? "" : "fixed at insert"].filter((text) => text !== "");
  return notes.length === 0 ? "" : `  /** ${notes.join("; ")} */\n`;
}

const isIdentifier = /^[A-Za-z_$][\w$]*$/;

function tableType({ name, columns }: TableSchema): string {
  const lines = [...columns.values()].map((column) => `${note(column)}  readonly ${isIdentifier.test(column.name) ? column.name : JSON.stringify(column.name)}: ${columnType(column)};`);
  return `export type ${typeName(name)} = {\n  readonly _uuid: Uuid;\n${lines.join("\n")}\n};`;
}

const typeName = (table: string): string => `${table.replace(/[^\w$]/g, "_")}Row`;

/**
 * A module with a type for each table and a value that stands for the database, to be given to `replicate` and
 * `transactionOf`. `library`: where the module finds this library.
 */
export function generateTypes(schema: DatabaseSchema, library = "ovsdb-client"): string {
  const tables = [...schema.tables.values()];
  const map = tables.map(({ name }) => `  readonly ${isIdentifier.test(name) ? name : JSON.stringify(name)}: ${typeName(name)};`);
  const constant = `${schema.name.charAt(0).toLowerCase()}${schema.name.slice(1).replace(/_+(.)/g, (_all, next: string) => next.toUpperCase())}`;
  const tablesType = `${constant.charAt(0).toUpperCase()}${constant.slice(1)}Tables`;
  return [
    `/** Rows of database ${schema.name}, version ${schema.version}. Made by ovsdb-codegen from its schema: not to be edited. */`,
    `import type { Database } from ${JSON.stringify(library)};`,
    "",
    "export type Uuid = string;",
    "",
    tables.map(tableType).join("\n\n"),
    "",
    `export type ${tablesType} = {\n${map.join("\n")}\n};`,
    "",
    `export const ${constant}: Database<${tablesType}> = { name: ${JSON.stringify(schema.name)}, version: ${JSON.stringify(schema.version)} };`,
    "",
  ].join("\n");
}
