/** A database schema, RFC 7047 section 3.2, parsed into what reading and checking values needs. */
import { OvsdbError } from "../errors.js";

export type AtomicType = "integer" | "real" | "boolean" | "string" | "uuid";

export interface BaseType {
  readonly type: AtomicType;
  readonly enum: readonly (string | number | boolean)[] | undefined;
  /** Smallest integer or real, or shortest string (in characters). */
  readonly min: number | bigint | undefined;
  readonly max: number | bigint | undefined;
  readonly refTable: string | undefined;
  /** Of a reference: a strong one keeps its row alive, a weak one goes when its row does. */
  readonly refType?: "strong" | "weak";
}

export interface ColumnSchema {
  readonly name: string;
  readonly key: BaseType;
  /** Present for maps. */
  readonly value: BaseType | undefined;
  readonly min: number;
  /** Infinity for "unlimited". */
  readonly max: number;
  readonly mutable: boolean;
}

export interface TableSchema {
  readonly name: string;
  readonly columns: ReadonlyMap<string, ColumnSchema>;
  /** Rows live without being referred to. */
  readonly isRoot: boolean;
  /** Infinity when there is no limit. */
  readonly maxRows: number;
  /** Columns that are together unique. */
  readonly indexes: readonly (readonly string[])[];
}

export interface DatabaseSchema {
  readonly name: string;
  readonly version: string;
  readonly tables: ReadonlyMap<string, TableSchema>;
}

type Json = Record<string, unknown>;
const object = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
const number = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);
const bound = (value: unknown): number | bigint | undefined => (typeof value === "bigint" ? value : number(value));
const boundNames: Readonly<Record<string, readonly [string, string]>> = {
  integer: ["minInteger", "maxInteger"],
  real: ["minReal", "maxReal"],
  string: ["minLength", "maxLength"],
};

function baseType(json: unknown): BaseType {
  if (typeof json === "string") return { type: json as AtomicType, enum: undefined, min: undefined, max: undefined, refTable: undefined };
  const fields = object(json);
  const choices = fields["enum"];
  const type = String(fields["type"]) as AtomicType;
  const [min, max] = boundNames[type] ?? ["", ""];
  return {
    type,
    enum: choices === undefined ? undefined : Array.isArray(choices) && choices[0] === "set" ? (choices[1] as string[]) : [choices as string],
    min: bound(fields[min]),
    max: bound(fields[max]),
    refTable: typeof fields["refTable"] === "string" ? fields["refTable"] : undefined,
    ...(fields["refType"] === "weak" ? { refType: "weak" } : fields["refTable"] === undefined ? {} : { refType: "strong" }),
  };
}

function column(name: string, json: unknown): ColumnSchema {
  const { type, mutable } = object(json);
  const isPlain = typeof type === "string";
  const fields = isPlain ? {} : object(type);
  return {
    name,
    key: baseType(isPlain ? type : fields["key"]),
    value: fields["value"] === undefined ? undefined : baseType(fields["value"]),
    min: number(fields["min"]) ?? 1,
    max: fields["max"] === "unlimited" ? Infinity : (number(fields["max"]) ?? 1),
    mutable: mutable !== false,
  };
}

/** Reads a <database-schema>. Throws OvsdbError "schema". */
export function parseSchema(json: unknown): DatabaseSchema {
  const { name, version, tables } = object(json);
  if (typeof name !== "string" || typeof tables !== "object") throw new OvsdbError("schema", "not a database schema");
  const bodies = Object.entries(object(tables)).map(([table, body]) => [table, object(body)] as const);
  // Without any root table named, all are: RFC 7047 section 3.2.
  const isAnyRoot = bodies.some(([, body]) => body["isRoot"] === true);
  return {
    name,
    version: typeof version === "string" ? version : "",
    tables: new Map(
      bodies.map(([table, body]) => [
        table,
        {
          name: table,
          columns: new Map(Object.entries(object(body["columns"])).map(([key, value]) => [key, column(key, value)])),
          isRoot: !isAnyRoot || body["isRoot"] === true,
          maxRows: number(body["maxRows"]) ?? Infinity,
          indexes: Array.isArray(body["indexes"]) ? (body["indexes"] as string[][]) : [],
        },
      ]),
    ),
  };
}
