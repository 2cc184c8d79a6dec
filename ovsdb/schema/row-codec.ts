/** Rows of one table, from the wire's form to ours: decided once for the schema, not for each row. */
import { OvsdbError } from "../errors.js";
import { stringifyJson } from "../json-rpc/json.js";
import { applyDiff, defaultValue, sameValue, valueDecoder, type Value } from "./datum.js";
import type { ColumnSchema, TableSchema } from "./schema.js";

export type Row = Readonly<Record<string, Value>> & { readonly _uuid: string };
type MutableRow = Record<string, Value> & { _uuid: string };

export class RowCodec {
  readonly schema: TableSchema;
  readonly columns: readonly string[];
  private readonly decoders = new Map<string, (json: unknown) => Value>();
  /** All rows are clones of it: they share its defaults, and their shape. */
  private readonly blank: MutableRow;

  constructor(schema: TableSchema, columns: readonly string[]) {
    this.schema = schema;
    this.columns = columns;
    // An object that JSON.parse made is cloned twenty times as fast as one that grew member by member.
    this.blank = JSON.parse(`{${["_uuid", ...columns].map((name) => `${JSON.stringify(name)}:null`).join()}}`) as MutableRow;
    for (const name of columns) {
      const column = schema.columns.get(name) as ColumnSchema;
      this.blank[name] = defaultValue(column);
      this.decoders.set(name, valueDecoder(column));
    }
  }

  /** A whole row; what was left out is the default (RFC 7047 section 5.2.1). Throws OvsdbError "protocol". */
  decode(uuid: string, json: Readonly<Record<string, unknown>>): Row {
    const row: MutableRow = { ...this.blank };
    row._uuid = uuid;
    for (const name in json) {
      const decode = this.decoders.get(name);
      if (decode !== undefined) row[name] = decode(json[name]);
    }
    return row;
  }

  /** `old` after the `modify` of an update2. Throws OvsdbError "protocol". */
  modify(old: Row, json: Readonly<Record<string, unknown>>): Row {
    const row: MutableRow = { ...old };
    for (const name in json) {
      const column = this.decoders.has(name) ? this.schema.columns.get(name) : undefined;
      if (column !== undefined) row[name] = applyDiff(column, old[name], json[name]);
    }
    return row;
  }
}

/** The columns in which two rows differ; they have others when the schema has changed. */
export function differences(old: Row, next: Row): string[] {
  const columns: string[] = [];
  for (const name in old) if (name !== "_uuid" && (!(name in next) || !sameValue(old[name], next[name]))) columns.push(name);
  for (const name in next) if (!(name in old)) columns.push(name);
  return columns;
}

/** The fields of an object. Throws OvsdbError "protocol". */
export function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new OvsdbError("protocol", `not an object: ${stringifyJson(value)}`);
}
