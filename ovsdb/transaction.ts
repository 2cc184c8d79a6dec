/** Builds one OVSDB transaction, checked against the schema before it is sent. */
import { OvsdbError } from "./errors.js";
import { encodeValue, isScalar, NamedUuid, type ValueIn } from "./schema/datum.js";
import type { ColumnSchema, DatabaseSchema, TableSchema } from "./schema/schema.js";

/** An <operation> of RFC 7047 section 5.2, in the wire's form. */
export type Operation = Readonly<Record<string, unknown>> & { readonly op: string };
export interface OperationResult {
  readonly uuid?: readonly ["uuid", string];
  readonly count?: number;
  readonly rows?: readonly Readonly<Record<string, unknown>>[];
}

export type RowIn = Readonly<Record<string, ValueIn>>;
export type ConditionFunction = "==" | "!=" | "<" | "<=" | ">" | ">=" | "includes" | "excludes";
export type Condition = readonly [column: string, function_: ConditionFunction, value: ValueIn];
/** A row's uuid, or conditions that all must hold; an empty list means every row. */
export type Where = string | NamedUuid | readonly Condition[];
export type Mutator = "+=" | "-=" | "*=" | "/=" | "%=" | "insert" | "delete";
export type Mutation = readonly [column: string, mutator: Mutator, value: ValueIn];

export interface Committed {
  /** The uuid of each inserted row, by the name given to insert. */
  readonly uuids: ReadonlyMap<string, string>;
  readonly results: readonly OperationResult[];
}

const uuidColumn: ColumnSchema = {
  name: "_uuid",
  key: { type: "uuid", enum: undefined, min: undefined, max: undefined, refTable: undefined },
  value: undefined,
  min: 1,
  max: 1,
  mutable: false,
};

export class Transaction {
  private readonly schema: DatabaseSchema;
  private readonly send: (operations: readonly Operation[], signal?: AbortSignal) => Promise<OperationResult[]>;
  private readonly built: Operation[] = [];
  private readonly inserted = new Map<string, number>();
  private unnamed = 0;

  constructor(schema: DatabaseSchema, send: (operations: readonly Operation[], signal?: AbortSignal) => Promise<OperationResult[]>) {
    this.schema = schema;
    this.send = send;
  }

  /** What would be sent. */
  get operations(): readonly Operation[] {
    return this.built;
  }

  /** Inserts a row; the result stands for its uuid in this transaction. `name`: letters, digits, "_", not a digit first. */
  insert(table: string, row: RowIn, name?: string): NamedUuid {
    const uuidName = name ?? this.freeName();
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(uuidName)) throw new OvsdbError("schema", `"${uuidName}" can't name a row: letters, digits and "_", not a digit first`);
    if (this.inserted.has(uuidName)) throw new OvsdbError("schema", `two inserted rows are named ${uuidName}`);
    this.inserted.set(uuidName, this.built.length);
    this.built.push({ op: "insert", table, row: this.row(table, row), "uuid-name": uuidName });
    return new NamedUuid(uuidName);
  }

  /** Sets columns; undefined leaves a column as it is, an empty array or map clears it. */
  update(table: string, where: Where, row: RowIn): void {
    for (const [name, value] of Object.entries(row)) if (value !== undefined) this.changeable(table, name);
    this.built.push({ op: "update", table, where: this.where(table, where), row: this.row(table, row) });
  }

  /** Changes columns in place; elements to delete from a map are pairs (a Map) or keys (an array). */
  mutate(table: string, where: Where, mutations: readonly Mutation[]): void {
    const encoded = mutations.map(([name, mutator, value]) => {
      const column = this.changeable(table, name);
      const isKeys = mutator === "delete" && Array.isArray(value);
      // A mutation takes any number of elements, whatever the column's own bounds; arithmetic takes one number.
      const bounds = mutator === "insert" || mutator === "delete" ? { min: 0, max: Infinity } : { min: 1, max: 1 };
      // An operand of arithmetic need not lie in the column's range, what comes out must: the server looks at that.
      const key = bounds.max === 1 ? { ...column.key, min: undefined, max: undefined, enum: undefined } : column.key;
      return [name, mutator, encodeValue({ ...column, ...bounds, key, ...(isKeys ? { value: undefined } : {}) }, value, table)];
    });
    this.built.push({ op: "mutate", table, where: this.where(table, where), mutations: encoded });
  }

  delete(table: string, where: Where): void {
    this.built.push({ op: "delete", table, where: this.where(table, where) });
  }

  /** Makes the transaction fail with "timed-out" unless the rows are as given; with timeout 0 it is a guard. */
  wait(table: string, where: Where, columns: readonly string[], row: RowIn, until: "==" | "!=", timeoutMs: number): void {
    const expected = Object.fromEntries(columns.map((name) => [name, encodeValue(this.column(table, name), row[name], table)]));
    this.built.push({ op: "wait", timeout: timeoutMs, table, where: this.where(table, where), columns, until, rows: [expected] });
  }

  select(table: string, where: Where, columns: readonly string[]): void {
    this.built.push({ op: "select", table, where: this.where(table, where), columns });
  }

  comment(text: string): void {
    this.built.push({ op: "comment", comment: text });
  }

  /** Sends it; `signal` cancels it at the server. Rejects with OvsdbError; kind "outcome-unknown" when the connection ended before the answer. */
  async commit(options: { readonly signal?: AbortSignal } = {}): Promise<Committed> {
    const results = await this.send(this.built, options.signal);
    const uuids = new Map<string, string>();
    for (const [name, index] of this.inserted) {
      const uuid = results[index]?.uuid?.[1];
      if (uuid !== undefined) uuids.set(name, uuid);
    }
    return { uuids, results };
  }

  private table(name: string): TableSchema {
    const table = this.schema.tables.get(name);
    if (table === undefined) throw new OvsdbError("schema", `database ${this.schema.name} has no table ${name}`);
    return table;
  }

  private column(table: string, name: string): ColumnSchema {
    const column = name === "_uuid" ? uuidColumn : this.table(table).columns.get(name);
    if (column === undefined) throw new OvsdbError("schema", `table ${table} has no column ${name}`);
    return column;
  }

  private row(table: string, row: RowIn): Record<string, unknown> {
    this.table(table);
    return Object.fromEntries(
      Object.entries(row)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, encodeValue(this.column(table, name), value, table)]),
    );
  }

  private where(table: string, where: Where): unknown[] {
    this.table(table);
    if (typeof where === "string" || where instanceof NamedUuid) return [["_uuid", "==", encodeValue(uuidColumn, where, table)]];
    return where.map(([name, function_, value]) => {
      const column = this.column(table, name);
      const isPart = function_ === "includes" || function_ === "excludes";
      return [name, function_, encodeValue(isPart && !isScalar(column) ? { ...column, min: 0, max: Infinity } : column, value, table)];
    });
  }

  private changeable(table: string, name: string): ColumnSchema {
    const column = this.column(table, name);
    if (!column.mutable) throw new OvsdbError("schema", `${table}.${name} can be set at insert only`);
    return column;
  }

  private freeName(): string {
    for (;;) {
      const name = `new${this.unnamed++}`;
      if (!this.inserted.has(name)) return name;
    }
  }
}
