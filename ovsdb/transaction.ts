/** Builds one OVSDB transaction, checked against the schema before it is sent. */
import { OvsdbError } from "./errors.js";
import { columnOf, encodeWhere, uuidColumn, type Where } from "./schema/condition.js";
import { encodeValue, NamedUuid, type ValueIn } from "./schema/datum.js";
import type { Row } from "./replica.js";
import type { ColumnSchema, DatabaseSchema, TableSchema } from "./schema/schema.js";

/** An <operation> of RFC 7047 section 5.2, in the wire's form. */
export type Operation = Readonly<Record<string, unknown>> & { readonly op: string };
export interface OperationResult {
  readonly uuid?: readonly ["uuid", string];
  readonly count?: number;
  readonly rows?: readonly Readonly<Record<string, unknown>>[];
}

export type RowIn = Readonly<Record<string, ValueIn>>;
export type Mutator = "+=" | "-=" | "*=" | "/=" | "%=" | "insert" | "delete";
export type Mutation = readonly [column: string, mutator: Mutator, value: ValueIn];

export interface InsertOptions {
  /** Names the row in this transaction: letters, digits, "_", not a digit first. */
  readonly name?: string;
  /** The row's own uuid, chosen by us (ovsdb-server(7), section 4.1.2; servers since 2.10). */
  readonly uuid?: string;
}

export interface CommitOptions {
  /** Cancels it at the server. */
  readonly signal?: AbortSignal;
  /** The answer comes when the transaction is on the disk (RFC 7047 section 5.2.7); in a cluster it always is. */
  readonly durable?: boolean;
}

export interface Committed {
  /** The uuid of each inserted row, by the name given to insert. */
  readonly uuids: ReadonlyMap<string, string>;
  readonly results: readonly OperationResult[];
}

export class Transaction {
  private readonly schema: DatabaseSchema;
  private readonly send: (operations: readonly Operation[], signal?: AbortSignal) => Promise<OperationResult[]>;
  private readonly built: Operation[] = [];
  private readonly inserted = new Map<string, number>();
  /** The operations that guard what was read. */
  private readonly guards = new Set<number>();
  private unnamed = 0;

  constructor(schema: DatabaseSchema, send: (operations: readonly Operation[], signal?: AbortSignal) => Promise<OperationResult[]>) {
    this.schema = schema;
    this.send = send;
  }

  /** What would be sent. */
  get operations(): readonly Operation[] {
    return this.built;
  }

  /** Whether anything would be changed: there is more than guards, comments and reads. */
  get isEmpty(): boolean {
    return this.built.every(({ op }) => op === "wait" || op === "comment" || op === "assert" || op === "select");
  }

  /** Inserts a row; the result stands for its uuid in this transaction. */
  insert(table: string, row: RowIn, options: string | InsertOptions = {}): NamedUuid {
    const { name, uuid }: InsertOptions = typeof options === "string" ? { name: options } : options;
    const uuidName = name ?? this.freeName();
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(uuidName)) throw new OvsdbError("schema", `"${uuidName}" can't name a row: letters, digits and "_", not a digit first`);
    if (this.inserted.has(uuidName)) throw new OvsdbError("schema", `two inserted rows are named ${uuidName}`);
    const own = uuid === undefined ? {} : { uuid: (encodeValue(uuidColumn, uuid, table) as [string, string])[1] };
    this.inserted.set(uuidName, this.built.length);
    this.built.push({ op: "insert", table, row: this.row(table, row), "uuid-name": uuidName, ...own });
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

  /**
   * Optimistic concurrency: the transaction fails unless `row`, as it was read, still has the same values in `columns` (with
   * none, unless it still exists). `isConflict` tells such a failure, `retry` handles it.
   */
  guard(table: string, row: Row, columns: readonly string[] = []): void {
    const missing = columns.find((name) => !(name in row));
    if (missing !== undefined) throw new OvsdbError("schema", `the row of ${table} was read without column ${missing}: it can't be guarded`);
    this.guards.add(this.built.length);
    const names = columns.length === 0 ? ["_uuid"] : columns;
    this.wait(table, row._uuid, names, row, "==", 0);
  }

  /** The transaction fails, as of `guard`, when rows are found. */
  guardAbsent(table: string, where: Where): void {
    this.guardFound(table, where, "==");
  }

  /** The transaction fails, as of `guard`, unless a row is found. */
  guardPresent(table: string, where: Where): void {
    this.guardFound(table, where, "!=");
  }

  /** Whether `error` says that a guard did not hold: what was read has changed since. */
  isConflict(error: unknown): boolean {
    return error instanceof OvsdbError && error.kind === "timed-out" && error.opIndex !== undefined && this.guards.has(error.opIndex);
  }

  /** The transaction fails with "not-owner" unless this client holds the lock (RFC 7047 section 5.2.10). */
  assert(lock: string): void {
    this.built.push({ op: "assert", lock });
  }

  select(table: string, where: Where, columns: readonly string[]): void {
    this.built.push({ op: "select", table, where: this.where(table, where), columns });
  }

  comment(text: string): void {
    this.built.push({ op: "comment", comment: text });
  }

  /** Sends it. Rejects with OvsdbError; kind "outcome-unknown" when the connection ended before the answer. */
  async commit(options: CommitOptions = {}): Promise<Committed> {
    const durable = options.durable === true ? [{ op: "commit", durable: true }] : [];
    const results = (await this.send([...this.built, ...durable], options.signal)).slice(0, this.built.length);
    const uuids = new Map<string, string>();
    for (const [name, index] of this.inserted) {
      const uuid = results[index]?.uuid?.[1];
      if (uuid !== undefined) uuids.set(name, uuid);
    }
    return { uuids, results };
  }

  private guardFound(table: string, where: Where, until: "==" | "!="): void {
    this.guards.add(this.built.length);
    this.built.push({ op: "wait", timeout: 0, table, where: this.where(table, where), columns: ["_uuid"], until, rows: [] });
  }

  private table(name: string): TableSchema {
    const table = this.schema.tables.get(name);
    if (table === undefined) throw new OvsdbError("schema", `database ${this.schema.name} has no table ${name}`);
    return table;
  }

  private column(table: string, name: string): ColumnSchema {
    return columnOf(this.table(table), name);
  }

  private row(table: string, row: RowIn): Record<string, unknown> {
    const schema = this.table(table);
    const encoded: Record<string, unknown> = {};
    for (const name of Object.keys(row)) if (row[name] !== undefined) encoded[name] = encodeValue(columnOf(schema, name), row[name], table);
    return encoded;
  }

  private where(table: string, where: Where): unknown[] {
    return encodeWhere(this.table(table), where);
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
