/**
 * A live copy of chosen tables, columns and rows of a database, kept by a monitor. It survives reconnects: what the new
 * connection shows is compared with what was there, and only real differences are told.
 */
import { EventEmitter } from "node:events";
import { Conditions, type AnyOf } from "./conditions.js";
import { OvsdbError } from "./errors.js";
import { stringifyJson } from "./json-rpc/json.js";
import { RowIndex } from "./row-index.js";
import { differences, fieldsOf, RowCodec, type Row } from "./schema/row-codec.js";
import type { BaseType, DatabaseSchema, TableSchema } from "./schema/schema.js";

export type { Row } from "./schema/row-codec.js";

export interface RowChange {
  readonly table: string;
  readonly uuid: string;
  /** Undefined for a row that is new. */
  readonly old: Row | undefined;
  /** Undefined for a row that is gone. */
  readonly new: Row | undefined;
  /** Columns whose value changed; all columns of a row that came or went. */
  readonly columns: readonly string[];
}

export type ReplicaState = "syncing" | "synced" | "stale";

export interface ReplicaEvents {
  /** One event for each update of the server, which is one transaction; the tables already hold it. */
  changes: [changes: readonly RowChange[]];
  synced: [];
  /** The connection is gone, or the database gets another schema: the tables are as they last were. */
  stale: [];
  /** A table or column asked for that the server does not have; those at the start are in `absent` only. */
  absent: [what: string];
}

export type MonitorMethod = "monitor" | "monitor_cond" | "monitor_cond_since";
export interface RowRequest {
  readonly columns: readonly string[] | "all";
  /** The rows wanted: those for which any of these holds (as the server does it; a transaction's `where` asks for all). */
  readonly anyOf?: AnyOf;
}
export type TableRequest = Readonly<Record<string, readonly string[] | "all" | RowRequest>>;
type Json = Record<string, unknown>;
export const noTransaction = "00000000-0000-0000-0000-000000000000";

/** A row as it is to be; undefined: gone. */
interface PreparedRow {
  readonly table: string;
  readonly uuid: string;
  readonly next: Row | undefined;
}
/** Rows made in one step of loading(): well below a millisecond. */
const rowsPerStep = 128;

export interface ReplicaHooks {
  close(replica: Replica): void;
  /** The rows wanted have changed: the server is to be told. */
  conditionsChanged(replica: Replica): void;
}

const isList = (request: TableRequest[string]): request is readonly string[] => Array.isArray(request);
const columnsOf = (request: TableRequest[string]): readonly string[] | "all" => (request === "all" || isList(request) ? request : request.columns);
const anyOf = (request: TableRequest[string]): AnyOf => (request === "all" || isList(request) ? undefined : request.anyOf);

export class Replica extends EventEmitter<ReplicaEvents> {
  readonly db: string;
  readonly request: TableRequest;
  /** Identifies the monitor on the wire. */
  readonly id: string;
  readonly conditions: Conditions;
  lastTransactionId = noTransaction;
  /** Tables and columns asked for that the server does not have: "table X", "column X.Y". */
  absent: readonly string[] = [];
  private current: ReplicaState = "syncing";
  private readonly tables = new Map<string, Map<string, Row>>();
  private codecs = new Map<string, RowCodec>();
  private readonly indexes = new Map<string, RowIndex[]>();
  private readonly hooks: ReplicaHooks;
  /** Whether anyone listens to what changes. */
  private isHeard = false;

  constructor(db: string, request: TableRequest, id: string, hooks: ReplicaHooks) {
    super();
    this.db = db;
    this.request = request;
    this.id = id;
    this.hooks = hooks;
    this.conditions = new Conditions(Object.entries(request).map(([table, wanted]) => [table, anyOf(wanted)]));
    for (const table of Object.keys(request)) this.tables.set(table, new Map());
  }

  get state(): ReplicaState {
    return this.current;
  }

  /** Rows of a table by uuid. Throws OvsdbError "schema" for a table that is not replicated. */
  table(name: string): ReadonlyMap<string, Row> {
    return this.rowsOf(name);
  }

  /** The schema of a table as replicated; undefined where the server has no such table, or before the first contents. */
  schemaOf(name: string): TableSchema | undefined {
    return this.codecs.get(name)?.schema;
  }

  /** An index by one column or several together; the same columns give the same index. It is kept as long as the replica. */
  index(table: string, columns: readonly string[]): RowIndex {
    const known = this.indexes.get(table)?.find((index) => index.columns.join() === columns.join());
    if (known !== undefined) return known;
    const index = new RowIndex(columns);
    for (const [uuid, row] of this.rowsOf(table)) index.change(uuid, undefined, row);
    this.indexes.set(table, [...(this.indexes.get(table) ?? []), index]);
    return index;
  }

  /** The rows that a column of a row refers to, of those that are replicated, in the column's order. */
  references(table: string, row: Row, column: string): Row[] {
    const schema = this.codecs.get(table)?.schema.columns.get(column);
    if (schema === undefined) throw new OvsdbError("schema", `table ${table} has no column ${column}`);
    const value = row[column];
    const found: Row[] = [];
    const look = (type: BaseType, atoms: Iterable<unknown>): void => {
      const rows = type.refTable === undefined ? undefined : this.tables.get(type.refTable);
      if (rows === undefined) return;
      for (const atom of atoms) {
        const target = rows.get(String(atom));
        if (target !== undefined) found.push(target);
      }
    };
    if (value instanceof Map) {
      look(schema.key, value.keys() as Iterable<unknown>);
      if (schema.value !== undefined) look(schema.value, value.values() as Iterable<unknown>);
    } else look(schema.key, Array.isArray(value) ? (value as unknown[]) : [value]);
    return found;
  }

  /** The replicated rows that refer to a row, with the column that does. Keeps an index for each such column; keys of maps count, their values don't. */
  referrers(table: string, uuid: string): { readonly table: string; readonly column: string; readonly row: Row }[] {
    return [...this.codecs].flatMap(([name, { columns, schema }]) =>
      columns
        .filter((column) => schema.columns.get(column)?.key.refTable === table)
        .flatMap((column) => [...this.index(name, [column]).get(uuid).values()].map((row) => ({ table: name, column, row }))),
    );
  }

  /**
   * Wants other rows of a table: those for which any condition holds, none (`false`), all (undefined). Resolves when the
   * replica holds them; the rows that come and go are told as changes. Kept across reconnects. Rejects with "schema" when
   * a condition does not fit the table, with "transport" when the replica is closed first.
   */
  async where(table: string, rows: AnyOf): Promise<void> {
    const schema = this.codecs.get(table)?.schema;
    if (schema === undefined) throw new OvsdbError("schema", `table ${table} is not replicated`);
    this.conditions.change(schema, rows);
    this.hooks.conditionsChanged(this);
    await this.conditions.settled();
  }

  /** Ends the replica; its monitor is cancelled. */
  close(): void {
    this.conditions.close();
    this.hooks.close(this);
  }

  /** The monitor's <monitor-requests> for a server with this schema: what it does not have is left out and told. */
  monitorRequests(schema: DatabaseSchema): Json {
    const before = this.shape();
    this.codecs = new Map();
    const requests: Json = {};
    const absent: string[] = [];
    for (const [name, request] of Object.entries(this.request)) {
      const table = schema.tables.get(name);
      if (table === undefined) {
        absent.push(`table ${name}`);
        continue;
      }
      const wanted = columnsOf(request);
      const columns = (wanted === "all" ? [...table.columns.keys()] : wanted).filter((column) => {
        const present = table.columns.has(column);
        if (!present) absent.push(`column ${name}.${column}`);
        return present;
      });
      this.codecs.set(name, new RowCodec(table, columns));
      let where: unknown[] | undefined;
      try {
        where = this.conditions.encode(table);
      } catch (error) {
        if (!(error instanceof OvsdbError)) throw error;
        absent.push(`what the condition on ${name} asks for: ${error.message}`); // every row, then
      }
      requests[name] = [where === undefined ? { columns } : { columns, where }];
    }
    // Rows of another schema, or chosen otherwise, can't be continued: they are compared as wholes.
    if (this.shape() !== before || this.conditions.acknowledged !== this.conditions.version) this.lastTransactionId = noTransaction;
    const news = absent.filter((what) => !this.absent.includes(what));
    this.absent = absent;
    for (const what of news) this.emit("absent", what);
    return requests;
  }

  /** The parameters of monitor_cond_change for the rows wanted now. */
  changeRequests(): Json {
    return this.conditions.changeRequests([...this.codecs.values()].map(({ schema }) => schema));
  }

  /** The reply to a monitor request: complete contents, or what happened since `lastTransactionId`. */
  load(method: MonitorMethod, reply: unknown): void {
    const loading = this.loading(method, reply);
    while (loading.next().done !== true);
  }

  /**
   * As load(), in steps of some rows each, so that the caller may do other things in between: the tables stay as they were until the
   * last step, which puts in place what was made. No update may come before that. `version`: of the conditions that the contents are of.
   */
  *loading(method: MonitorMethod, reply: unknown, version = this.conditions.acknowledged): Generator<void, void> {
    const prepared: { readonly set: PreparedRow[]; error: unknown } = { set: [], error: undefined };
    const [isContinued, lastId, contents] = method === "monitor_cond_since" ? triple(reply) : [false, noTransaction, reply];
    if (isContinued !== true) {
      try {
        yield* this.compare(method, contents, prepared.set);
      } catch (error) {
        prepared.error = error;
      }
    }
    const apply = (): RowChange[] => {
      if (prepared.error !== undefined) throw prepared.error as Error;
      return isContinued === true ? this.applyUpdate(method, contents) : this.replace(prepared.set);
    };
    this.conditions.acknowledged = version;
    this.take(lastId, apply, () => {
      this.current = "synced";
    });
    this.conditions.settle();
  }

  /** The parameters of an update notification, after the monitor's id. */
  update(method: MonitorMethod, params: readonly unknown[]): void {
    const [lastId, updates] = method === "monitor_cond_since" ? params : [noTransaction, params[0]];
    this.take(lastId, () => this.applyUpdate(method, updates));
  }

  /** The next monitor is to be answered with whole contents. */
  startOver(): void {
    this.lastTransactionId = noTransaction;
  }

  disconnected(): void {
    if (this.current === "stale") return;
    this.current = "stale";
    this.tell("stale");
  }

  private rowsOf(table: string): Map<string, Row> {
    const rows = this.tables.get(table);
    if (rows === undefined) throw new OvsdbError("schema", `table ${table} is not replicated`);
    return rows;
  }

  private take(lastId: unknown, apply: () => RowChange[], loaded: () => void = () => {}): void {
    let changes: RowChange[];
    this.isHeard = this.listenerCount("changes") > 0;
    try {
      changes = apply();
      this.lastTransactionId = String(lastId);
    } catch (error) {
      this.lastTransactionId = noTransaction; // the next monitor starts over, from whole contents
      throw error instanceof OvsdbError ? error : new OvsdbError("protocol", `not an update: ${String(error)}`, {}, error);
    }
    const wasSynced = this.current === "synced";
    loaded();
    if (changes.length > 0) this.tell("changes", changes);
    if (!wasSynced && this.current === "synced") this.tell("synced");
  }

  /** Emits; a listener that throws does not end the connection, it is an uncaught exception of its own. */
  private tell(...event: ["changes", readonly RowChange[]] | ["synced"] | ["stale"]): void {
    try {
      if (event[0] === "changes") this.emit("changes", event[1]);
      else this.emit(event[0]);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }

  /** What rows look like: tables, columns and their types. */
  private shape(): string {
    return stringifyJson([...this.codecs.values()].map(({ schema, columns }) => [schema.name, columns.map((name) => schema.columns.get(name))]));
  }

  /** What of whole contents differs from what is held, rows that are gone included. */
  private *compare(method: MonitorMethod, contents: unknown, into: PreparedRow[]): Generator<void, void> {
    const all = fieldsOf(contents);
    let sinceYield = 0;
    for (const [table, rows] of this.tables) {
      if (rows.size === 0) continue;
      const present = Object.hasOwn(all, table) ? fieldsOf(all[table]) : {};
      for (const uuid of rows.keys()) {
        if (!Object.hasOwn(present, uuid)) into.push({ table, uuid, next: undefined });
        if (++sinceYield % rowsPerStep === 0) yield;
      }
    }
    for (const [table, rows] of Object.entries(all)) {
      const codec = this.codec(table);
      const held = this.rowsOf(table);
      const bodies = fieldsOf(rows);
      for (const uuid in bodies) {
        const fields = fieldsOf(bodies[uuid]);
        const next = codec.decode(uuid, fieldsOf(method === "monitor" ? fields["new"] : (fields["initial"] ?? fields["insert"])));
        const old = held.get(uuid);
        if (old === undefined || differences(old, next).length > 0) into.push({ table, uuid, next });
        if (++sinceYield % rowsPerStep === 0) yield;
      }
    }
  }

  private replace(rows: readonly PreparedRow[]): RowChange[] {
    const changes: RowChange[] = [];
    for (const { table, uuid, next } of rows) this.set(table, uuid, next, changes);
    return changes;
  }

  private applyUpdate(method: MonitorMethod, updates: unknown): RowChange[] {
    const changes: RowChange[] = [];
    for (const [name, rows] of Object.entries(fieldsOf(updates))) {
      const codec = this.codec(name);
      for (const [uuid, body] of Object.entries(fieldsOf(rows))) {
        const fields = fieldsOf(body);
        if (method === "monitor") {
          const row = fields["new"] === undefined || fields["new"] === null ? undefined : codec.decode(uuid, fieldsOf(fields["new"]));
          this.set(name, uuid, row, changes);
        } else if ("delete" in fields) this.set(name, uuid, undefined, changes);
        else if ("modify" in fields) {
          const old = this.tables.get(name)?.get(uuid);
          if (old === undefined) throw new OvsdbError("protocol", `modify of a row that is not known: ${name} ${uuid}`);
          this.set(name, uuid, codec.modify(old, fieldsOf(fields["modify"])), changes);
        } else this.set(name, uuid, codec.decode(uuid, fieldsOf(fields["insert"] ?? fields["initial"])), changes);
      }
    }
    return changes;
  }

  private codec(table: string): RowCodec {
    const codec = this.codecs.get(table);
    if (codec === undefined) throw new OvsdbError("protocol", `update of table ${table}, which is not monitored`);
    return codec;
  }

  private set(table: string, uuid: string, next: Row | undefined, changes: RowChange[]): void {
    const rows = this.rowsOf(table);
    const old = rows.get(uuid);
    if (old === undefined && next === undefined) return;
    let columns: readonly string[];
    if (old !== undefined && next !== undefined) {
      columns = differences(old, next);
      if (columns.length === 0) return;
    } else columns = next === undefined ? Object.keys(old ?? {}).filter((name) => name !== "_uuid") : this.codec(table).columns;
    if (next === undefined) rows.delete(uuid);
    else rows.set(uuid, next);
    for (const index of this.indexes.get(table) ?? []) index.change(uuid, old, next);
    if (this.isHeard) changes.push({ table, uuid, old, new: next, columns });
  }
}

function triple(reply: unknown): readonly [unknown, unknown, unknown] {
  if (!Array.isArray(reply) || reply.length !== 3) throw new OvsdbError("protocol", "a reply to monitor_cond_since that is not [found, last id, contents]");
  return reply as [unknown, unknown, unknown];
}
