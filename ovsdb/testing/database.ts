/** One database in memory: RFC 7047's transactions with their constraints. */
import { randomUUID } from "node:crypto";
import { OvsdbError } from "../errors.js";
import { defaultValue, isMap, sameValue, type Atom, type Value } from "../schema/datum.js";
import type { Row } from "../schema/row-codec.js";
import type { BaseType, ColumnSchema, DatabaseSchema, TableSchema } from "../schema/schema.js";
import { check, column_, elements, fault, matches, mutate, toWire, valueFrom } from "./values.js";

type Json = Readonly<Record<string, unknown>>;
type MutableRow = Record<string, Value> & { _uuid: string };

export interface RowDifference {
  readonly table: TableSchema;
  readonly uuid: string;
  readonly old: Row | undefined;
  readonly new: Row | undefined;
}

export interface Outcome {
  /** The answer to `transact`. */
  readonly results: unknown[];
  readonly changes: readonly RowDifference[];
}

/** What a transaction that has to wait answers: try again after a change, until its time is over. */
export class Waiting {
  readonly timeoutMs: number;
  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }
}

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const string = (value: unknown, what: string): string => {
  if (typeof value === "string") return value;
  throw fault("syntax error", `${what} is missing`);
};
const list = (value: unknown, what: string): readonly unknown[] => {
  if (Array.isArray(value)) return value as unknown[];
  throw fault("syntax error", `${what} is missing`);
};
const json = (value: unknown): Json => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {});

export class Database {
  readonly schema: DatabaseSchema;
  readonly tables = new Map<string, Map<string, Row>>();

  constructor(schema: DatabaseSchema) {
    this.schema = schema;
    for (const table of schema.tables.keys()) this.tables.set(table, new Map());
  }

  /** Runs operations. `waitedMs`: for how long its waits have been tried already. `holds`: whether the client holds a lock. */
  transact(operations: readonly unknown[], waitedMs: number, holds: (lock: string) => boolean): Outcome | Waiting {
    const work = new Work(this, operations.map(json), holds, waitedMs);
    const results: unknown[] = [];
    const failed = (reason: unknown): Outcome => {
      // Anything else is of a shape that was not expected.
      const error = reason instanceof OvsdbError ? reason : fault("syntax error", String(reason));
      const answer = { error: error.error ?? "error", ...(error.details === undefined ? {} : { details: error.details }) };
      const rest = Math.max(0, operations.length - results.length - 1);
      return { results: [...results, answer, ...Array.from({ length: rest }, () => null)], changes: [] };
    };
    try {
      work.nameRows();
      for (const operation of work.operations) {
        const result = work.run(operation);
        if (result instanceof Waiting) return result;
        results.push(result);
      }
      const changes = work.finish();
      for (const { table, uuid, new: row } of changes) {
        const rows = this.tables.get(table.name);
        if (row === undefined) rows?.delete(uuid);
        else rows?.set(uuid, row);
      }
      return { results, changes };
    } catch (error) {
      return failed(error);
    }
  }
}

/** One transaction under way: rows as it sees them. */
class Work {
  readonly operations: readonly Json[];
  private readonly database: Database;
  private readonly holds: (lock: string) => boolean;
  private readonly waitedMs: number;
  private readonly uuids = new Map<string, string>();
  /** Names of inserts that were done. */
  private readonly named = new Set<string>();
  private readonly changed = new Map<string, Map<string, Row | undefined>>();

  constructor(database: Database, operations: readonly Json[], holds: (lock: string) => boolean, waitedMs: number) {
    this.database = database;
    this.operations = operations;
    this.holds = holds;
    this.waitedMs = waitedMs;
  }

  /** Names may be used before the insert that makes them. */
  nameRows(): void {
    for (const operation of this.operations) {
      const name = operation["op"] === "insert" ? operation["uuid-name"] : undefined;
      if (typeof name === "string" && !this.uuids.has(name)) this.uuids.set(name, typeof operation["uuid"] === "string" ? operation["uuid"] : randomUUID());
    }
  }

  run(operation: Json): unknown {
    switch (operation["op"]) {
      case "insert":
        return this.insert(operation);
      case "select":
        return this.select(operation);
      case "update":
        return this.each(operation, (table, row) => this.assign(table, row, json(operation["row"]), false));
      case "mutate":
        return this.each(operation, (table, row) => this.mutated(table, row, list(operation["mutations"], "mutations")));
      case "delete":
        return this.each(operation, () => undefined);
      case "wait":
        return this.wait(operation);
      case "assert":
        if (!this.holds(string(operation["lock"], "lock"))) throw fault("not owner", `Asserted lock ${String(operation["lock"])} not held.`);
        return {};
      case "abort":
        throw fault("aborted", "aborted by request");
      case "commit":
      case "comment":
        return {};
      default:
        throw fault("syntax error", `No operation ${String(operation["op"])}.`);
    }
  }

  /** Commits: references, indexes, numbers of rows. Returns what has changed. */
  finish(): RowDifference[] {
    this.collectGarbage();
    this.dropWeakReferences();
    for (const table of this.database.schema.tables.values()) {
      if (!this.changed.has(table.name)) continue;
      const rows = [...this.rows(table)];
      if (rows.length > table.maxRows) throw fault("constraint violation", `${rows.length} rows in table ${table.name}, at most ${table.maxRows} are allowed`);
      for (const columns of table.indexes) {
        const seen = new Set<string>();
        for (const row of rows) {
          const key = JSON.stringify(columns.map((name) => toWire(column_(table, name), row[name], table.name)), (_key, value: unknown) => (typeof value === "bigint" ? `${value}` : value));
          if (seen.has(key)) throw fault("constraint violation", `Transaction causes multiple rows in "${table.name}" table to have identical values for index on columns ${columns.join()}.`);
          seen.add(key);
        }
      }
    }
    return [...this.changed].flatMap(([name, rows]) => {
      const table = this.table(name);
      const before = this.database.tables.get(name);
      return [...rows]
        .map(([uuid, row]) => ({ table, uuid, old: before?.get(uuid), new: row }))
        .filter(({ old, new: row }) => old !== row && (old === undefined || row === undefined || [...table.columns.keys()].some((column) => !sameValue(old[column], row[column]))));
    });
  }

  private table(name: unknown): TableSchema {
    const table = this.database.schema.tables.get(string(name, "table"));
    if (table === undefined) throw fault("syntax error", `No table named ${String(name)}.`);
    return table;
  }

  private *rows(table: TableSchema): Generator<Row> {
    const changed = this.changed.get(table.name);
    for (const [uuid, row] of this.database.tables.get(table.name) ?? []) if (changed?.has(uuid) !== true) yield row;
    for (const row of changed?.values() ?? []) if (row !== undefined) yield row;
  }

  private row(table: string, uuid: string): Row | undefined {
    const changed = this.changed.get(table);
    return changed?.has(uuid) === true ? changed.get(uuid) : this.database.tables.get(table)?.get(uuid);
  }

  private set(table: string, uuid: string, row: Row | undefined): void {
    const rows = this.changed.get(table) ?? new Map<string, Row | undefined>();
    rows.set(uuid, row);
    this.changed.set(table, rows);
  }

  /** JSON with the uuids that names stand for. */
  private resolved(value: unknown): unknown {
    if (!Array.isArray(value)) return value;
    if (value[0] !== "named-uuid" || value.length !== 2) return value.map((item: unknown) => this.resolved(item));
    const name = String(value[1]);
    const uuid = this.uuids.get(name) ?? randomUUID(); // of no row: what a reference to it means is found at the end
    this.uuids.set(name, uuid);
    return ["uuid", uuid];
  }

  private insert(operation: Json): unknown {
    const table = this.table(operation["table"]);
    const name = operation["uuid-name"];
    if (typeof name === "string") {
      if (this.named.has(name)) throw fault("duplicate uuid-name", 'This "uuid-name" appeared on an earlier "insert" operation.');
      this.named.add(name);
    }
    const uuid = this.uuids.get(String(name)) ?? (typeof operation["uuid"] === "string" ? operation["uuid"] : randomUUID());
    if (!uuidForm.test(uuid)) throw fault("syntax error", `${uuid} is not a uuid`);
    if (this.row(table.name, uuid) !== undefined) throw fault("duplicate uuid", `This UUID would duplicate a UUID already present within the table or deleted within the same transaction.`);
    const blank: MutableRow = { _uuid: uuid };
    for (const column of table.columns.values()) blank[column.name] = defaultValue(column);
    const row = this.assign(table, blank, json(operation["row"]), true);
    for (const column of table.columns.values()) check(column, row[column.name], table.name); // a default may be out of range too
    this.set(table.name, uuid, row);
    return { uuid: ["uuid", uuid] };
  }

  private assign(table: TableSchema, row: Row, values: Json, isNew: boolean): Row {
    const next: MutableRow = { ...row };
    for (const [name, value] of Object.entries(values)) {
      const column = column_(table, name);
      if (!isNew && !column.mutable) throw fault("constraint violation", `Cannot update immutable column ${name} in table ${table.name}.`);
      next[name] = valueFrom(column, this.resolved(value), table.name);
    }
    return next;
  }

  private mutated(table: TableSchema, row: Row, mutations: readonly unknown[]): Row {
    const next: MutableRow = { ...row };
    for (const mutation of mutations) {
      const [name, mutator, value] = list(mutation, "mutation");
      const column = column_(table, String(name));
      if (!column.mutable) throw fault("constraint violation", `Cannot mutate immutable column ${column.name} in table ${table.name}.`);
      next[column.name] = mutate(column, next[column.name], String(mutator), this.resolved(value), table.name);
      check(column, next[column.name], table.name);
    }
    return next;
  }

  private found(table: TableSchema, where: unknown): Row[] {
    const conditions = list(where, "where").map((condition) => this.resolved(condition));
    return [...this.rows(table)].filter((row) => conditions.every((condition) => matches(table, row, condition)));
  }

  private each(operation: Json, change: (table: TableSchema, row: Row) => Row | undefined): unknown {
    const table = this.table(operation["table"]);
    const rows = this.found(table, operation["where"]);
    for (const row of rows) this.set(table.name, row._uuid, change(table, row));
    return { count: rows.length };
  }

  private select(operation: Json): unknown {
    const table = this.table(operation["table"]);
    const columns = (operation["columns"] as readonly string[] | undefined) ?? ["_uuid", ...table.columns.keys()];
    const rows = this.found(table, operation["where"]).map((row) => Object.fromEntries(columns.map((name) => [name, toWire(column_(table, name), row[name], table.name)])));
    return { rows };
  }

  private wait(operation: Json): unknown {
    const table = this.table(operation["table"]);
    const columns = (operation["columns"] as readonly string[] | undefined) ?? [...table.columns.keys()];
    const given = list(operation["rows"], "rows").map((row) => columns.map((name) => (name in json(row) ? valueFrom(column_(table, name), this.resolved(json(row)[name]), table.name) : undefined)));
    const present = this.found(table, operation["where"]).map((row) => columns.map((name) => row[name]));
    const isSame = (x: readonly Value[], y: readonly Value[]): boolean => x.every((value, i) => sameValue(value, y[i]));
    const isEqual = given.every((x) => present.some((y) => isSame(x, y))) && present.every((x) => given.some((y) => isSame(x, y)));
    if (isEqual === (operation["until"] === "==")) return {};
    const { timeout } = operation;
    if (typeof timeout === "number" && timeout <= this.waitedMs) throw fault("timed out", timeout === 0 ? '"where" clause test failed' : `"wait" timed out after ${timeout} ms`);
    return new Waiting(typeof timeout === "number" ? timeout : Infinity);
  }

  /** Rows nobody refers to strongly go, unless their table is a root: RFC 7047 section 3.2, isRoot. Strong references must lead somewhere. */
  private collectGarbage(): void {
    const tables = this.database.schema.tables;
    const alive = new Map([...tables.keys()].map((name) => [name, new Set<string>()]));
    const visit: [TableSchema, Row][] = [];
    const keep = (table: TableSchema, row: Row): void => {
      const uuids = alive.get(table.name);
      if (uuids === undefined || uuids.has(row._uuid)) return;
      uuids.add(row._uuid);
      visit.push([table, row]);
    };
    for (const table of tables.values()) if (table.isRoot) for (const row of this.rows(table)) keep(table, row);
    for (let next = visit.pop(); next !== undefined; next = visit.pop()) {
      const [table, row] = next;
      for (const [target, uuid] of strongReferences(table, row)) {
        const to = tables.get(target);
        const referred = this.row(target, uuid);
        if (to === undefined || referred === undefined) throw fault("referential integrity violation", `Table ${table.name} row ${row._uuid} refers to nonexistent row ${uuid} of table ${target}.`);
        keep(to, referred);
      }
    }
    for (const table of tables.values()) for (const { _uuid: uuid } of [...this.rows(table)]) if (alive.get(table.name)?.has(uuid) !== true) this.set(table.name, uuid, undefined);
  }

  private dropWeakReferences(): void {
    for (const table of this.database.schema.tables.values()) {
      const weak = [...table.columns.values()].filter(({ key, value }) => key.refType === "weak" || value?.refType === "weak");
      if (weak.length === 0) continue;
      for (const row of [...this.rows(table)]) {
        const next: MutableRow = { ...row };
        let isChanged = false;
        for (const column of weak) {
          const value = this.withoutDangling(column, row[column.name]);
          if (sameValue(value, row[column.name])) continue;
          check(column, value, table.name);
          next[column.name] = value;
          isChanged = true;
        }
        if (isChanged) this.set(table.name, row._uuid, next);
      }
    }
  }

  private withoutDangling(column: ColumnSchema, value: Value): Value {
    const isThere = (type: BaseType | undefined, atom: Atom): boolean => type?.refType !== "weak" || this.row(type.refTable ?? "", String(atom)) !== undefined;
    if (isMap(column)) return new Map([...(value as ReadonlyMap<Atom, Atom>)].filter(([key, item]) => isThere(column.key, key) && isThere(column.value, item)));
    const kept = elements(value).filter((atom) => isThere(column.key, atom));
    return Array.isArray(value) ? kept : kept[0];
  }
}

function* strongReferences(table: TableSchema, row: Row): Generator<readonly [table: string, uuid: string]> {
  for (const { name, key, value } of table.columns.values()) {
    if (key.refType !== "strong" && value?.refType !== "strong") continue;
    const held = row[name];
    if (held instanceof Map) {
      for (const [k, v] of held as ReadonlyMap<Atom, Atom>) {
        if (key.refType === "strong") yield [key.refTable ?? "", String(k)];
        if (value?.refType === "strong") yield [value.refTable ?? "", String(v)];
      }
    } else for (const atom of elements(held)) yield [key.refTable ?? "", String(atom)];
  }
}
