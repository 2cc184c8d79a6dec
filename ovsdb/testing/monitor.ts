/** One monitor of a client of the in-memory server: RFC 7047 section 4.1.5, ovsdb-server(7) sections 4.1.12 to 4.1.15. */
import { defaultValue, sameValue } from "../schema/datum.js";
import type { Row } from "../schema/row-codec.js";
import type { ColumnSchema, TableSchema } from "../schema/schema.js";
import type { Database, RowDifference } from "./database.js";
import { column_, difference, fault, matches, toWire } from "./values.js";

type Json = Record<string, unknown>;
export type MonitorVersion = 1 | 2 | 3;
type Select = Readonly<Record<"initial" | "insert" | "delete" | "modify", boolean>>;

interface Watched {
  readonly table: TableSchema;
  readonly columns: readonly ColumnSchema[];
  readonly select: Select;
  /** Rows for which any holds; undefined for all. */
  where: readonly unknown[] | undefined;
}

const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? value : [value]) as Json[];

export class Monitor {
  readonly version: MonitorVersion;
  readonly database: Database;
  private readonly watched = new Map<string, Watched>();

  /** Throws what the server answers for requests that do not fit the schema. */
  constructor(database: Database, requests: unknown, version: MonitorVersion) {
    this.database = database;
    this.version = version;
    for (const [name, request] of Object.entries((requests ?? {}) as Json)) {
      const table = database.schema.tables.get(name);
      if (table === undefined) throw fault("syntax error", `no table named ${name}`);
      const parts = list(request);
      const names = new Set(parts.flatMap((part) => (part["columns"] as string[] | undefined) ?? [...table.columns.keys()]));
      const selects = parts.map((part) => (part["select"] ?? {}) as Partial<Select>);
      const wants = (what: keyof Select): boolean => selects.some((select) => select[what] !== false);
      const wheres = parts.flatMap((part) => (part["where"] as unknown[] | undefined) ?? [true]);
      this.watched.set(name, {
        table,
        columns: [...names].map((column) => column_(table, column)),
        select: { initial: wants("initial"), insert: wants("insert"), delete: wants("delete"), modify: wants("modify") },
        where: wheres.includes(true) || version === 1 ? undefined : wheres,
      });
    }
  }

  /** The whole contents. */
  initial(): Json {
    const updates: Json = {};
    for (const watched of this.watched.values()) {
      if (!watched.select.initial) continue;
      for (const row of this.database.tables.get(watched.table.name)?.values() ?? []) {
        if (this.sees(watched, row)) this.put(updates, watched, row._uuid, this.version === 1 ? { new: this.whole(watched, row) } : { initial: this.brief(watched, row) });
      }
    }
    return updates;
  }

  /** What a transaction changes for this monitor; undefined for nothing. */
  updates(changes: readonly RowDifference[]): Json | undefined {
    const updates: Json = {};
    for (const { table, uuid, old, new: row } of changes) {
      const watched = this.watched.get(table.name);
      if (watched === undefined) continue;
      const update = this.change(watched, this.sees(watched, old) ? old : undefined, this.sees(watched, row) ? row : undefined);
      if (update !== undefined) this.put(updates, watched, uuid, update);
    }
    return Object.keys(updates).length === 0 ? undefined : updates;
  }

  /** Other conditions; returns the rows that come and go by it. */
  changeConditions(requests: unknown): Json | undefined {
    const updates: Json = {};
    for (const [name, request] of Object.entries((requests ?? {}) as Json)) {
      const watched = this.watched.get(name);
      if (watched === undefined) throw fault("syntax error", `table ${name} is not monitored`);
      const before = watched.where;
      const where = list(request).flatMap((part) => (part["where"] as unknown[] | undefined) ?? [true]);
      for (const row of this.database.tables.get(name)?.values() ?? []) {
        watched.where = before;
        const was = this.sees(watched, row);
        watched.where = where;
        const update = this.change(watched, was ? row : undefined, this.sees(watched, row) ? row : undefined);
        if (update !== undefined) this.put(updates, watched, row._uuid, update);
      }
      watched.where = where;
    }
    return Object.keys(updates).length === 0 ? undefined : updates;
  }

  private put(updates: Json, { table }: Watched, uuid: string, update: Json): void {
    ((updates[table.name] ??= {}) as Json)[uuid] = update;
  }

  private sees({ table, where }: Watched, row: Row | undefined): boolean {
    return row !== undefined && (where === undefined || where.some((condition) => matches(table, row, condition)));
  }

  private change(watched: Watched, old: Row | undefined, row: Row | undefined): Json | undefined {
    const { select, columns, table } = watched;
    if (old === undefined) {
      if (row === undefined || !select.insert) return undefined;
      return this.version === 1 ? { new: this.whole(watched, row) } : { insert: this.brief(watched, row) };
    }
    if (row === undefined) {
      if (!select.delete) return undefined;
      return this.version === 1 ? { old: this.whole(watched, old) } : { delete: null };
    }
    const changed = columns.filter(({ name }) => !sameValue(old[name], row[name]));
    if (changed.length === 0 || !select.modify) return undefined;
    if (this.version === 1) return { old: Object.fromEntries(changed.map((column) => [column.name, toWire(column, old[column.name], table.name)])), new: this.whole(watched, row) };
    return { modify: Object.fromEntries(changed.map((column) => [column.name, difference(column, old[column.name], row[column.name], table.name)])) };
  }

  private whole({ table, columns }: Watched, row: Row): Json {
    return Object.fromEntries(columns.map((column) => [column.name, toWire(column, row[column.name], table.name)]));
  }

  /** Without what has its default. */
  private brief({ table, columns }: Watched, row: Row): Json {
    return Object.fromEntries(columns.filter((column) => !sameValue(row[column.name], defaultValue(column))).map((column) => [column.name, toWire(column, row[column.name], table.name)]));
  }
}
