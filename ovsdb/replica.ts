/**
 * A live copy of chosen tables and columns of a database, kept by a monitor. It survives reconnects: what the new
 * connection shows is compared with what was there, and only real differences are told.
 */
import { EventEmitter } from "node:events";
import { OvsdbError } from "./errors.js";
import { stringifyJson } from "./json-rpc/json.js";
import { applyDiff, decodeValue, defaultValue, sameValue, type Value } from "./schema/datum.js";
import type { DatabaseSchema, TableSchema } from "./schema/schema.js";

export type Row = Readonly<Record<string, Value>> & { readonly _uuid: string };

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
  /** The connection is gone: the tables are as they last were. */
  stale: [];
  /** A table or column asked for that the server does not have; those at the start are in `absent` only. */
  absent: [what: string];
}

export type MonitorMethod = "monitor" | "monitor_cond" | "monitor_cond_since";
export type TableRequest = Readonly<Record<string, readonly string[] | "all">>;
type Json = Record<string, unknown>;
export const noTransaction = "00000000-0000-0000-0000-000000000000";

export class Replica extends EventEmitter<ReplicaEvents> {
  readonly db: string;
  readonly request: TableRequest;
  /** Identifies the monitor on the wire. */
  readonly id: string;
  lastTransactionId = noTransaction;
  /** Tables and columns asked for that the server does not have: "table X", "column X.Y". */
  absent: readonly string[] = [];
  private current: ReplicaState = "syncing";
  private readonly tables = new Map<string, Map<string, Row>>();
  private schemas = new Map<string, { readonly schema: TableSchema; readonly columns: readonly string[] }>();
  private readonly onClose: (replica: Replica) => void;

  constructor(db: string, request: TableRequest, id: string, onClose: (replica: Replica) => void) {
    super();
    this.db = db;
    this.request = request;
    this.id = id;
    this.onClose = onClose;
    for (const table of Object.keys(request)) this.tables.set(table, new Map());
  }

  get state(): ReplicaState {
    return this.current;
  }

  /** Rows of a table by uuid. Throws OvsdbError "schema" for a table that is not replicated. */
  table(name: string): ReadonlyMap<string, Row> {
    const rows = this.tables.get(name);
    if (rows === undefined) throw new OvsdbError("schema", `table ${name} is not replicated`);
    return rows;
  }

  /** Ends the replica; its monitor is cancelled. */
  close(): void {
    this.onClose(this);
  }

  /** The monitor's <monitor-requests> for a server with this schema: what it does not have is left out and told. */
  monitorRequests(schema: DatabaseSchema): Json {
    const before = this.shape();
    this.schemas = new Map();
    const requests: Json = {};
    const absent: string[] = [];
    for (const [name, wanted] of Object.entries(this.request)) {
      const table = schema.tables.get(name);
      if (table === undefined) {
        absent.push(`table ${name}`);
        continue;
      }
      const columns = (wanted === "all" ? [...table.columns.keys()] : wanted).filter((column) => {
        const present = table.columns.has(column);
        if (!present) absent.push(`column ${name}.${column}`);
        return present;
      });
      this.schemas.set(name, { schema: table, columns });
      requests[name] = [{ columns }];
    }
    // Rows of another schema can't be continued: they are compared as wholes.
    if (this.shape() !== before) this.lastTransactionId = noTransaction;
    const news = absent.filter((what) => !this.absent.includes(what));
    this.absent = absent;
    for (const what of news) this.emit("absent", what);
    return requests;
  }

  /** The reply to a monitor request: complete contents, or what happened since `lastTransactionId`. */
  load(method: MonitorMethod, reply: unknown): void {
    const [isContinued, lastId, contents] = method === "monitor_cond_since" ? triple(reply) : [false, noTransaction, reply];
    this.take(lastId, () => (isContinued === true ? this.applyUpdate(method, contents) : this.replace(method, contents)), () => {
      this.current = "synced";
    });
  }

  /** The parameters of an update notification, after the monitor's id. */
  update(method: MonitorMethod, params: readonly unknown[]): void {
    const [lastId, updates] = method === "monitor_cond_since" ? params : [noTransaction, params[0]];
    this.take(lastId, () => this.applyUpdate(method, updates));
  }

  private take(lastId: unknown, apply: () => RowChange[], loaded: () => void = () => {}): void {
    let changes: RowChange[];
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

  disconnected(): void {
    if (this.current === "stale") return;
    this.current = "stale";
    this.tell("stale");
  }

  /** What rows look like: tables, columns and their types. */
  private shape(): string {
    return stringifyJson([...this.schemas.values()].map(({ schema, columns }) => [schema.name, columns.map((name) => schema.columns.get(name))]));
  }

  private replace(method: MonitorMethod, contents: unknown): RowChange[] {
    const changes: RowChange[] = [];
    const all = object(contents);
    for (const [name, rows] of this.tables) {
      const present = new Set(name in all ? Object.keys(object(all[name])) : []);
      for (const uuid of [...rows.keys()]) if (!present.has(uuid)) this.set(name, uuid, undefined, changes);
    }
    for (const [name, rows] of Object.entries(all)) {
      for (const [uuid, body] of Object.entries(object(rows))) {
        const fields = object(body);
        const row = this.row(name, uuid, method === "monitor" ? fields["new"] : (fields["initial"] ?? fields["insert"]));
        this.set(name, uuid, row, changes);
      }
    }
    return changes;
  }

  private applyUpdate(method: MonitorMethod, updates: unknown): RowChange[] {
    const changes: RowChange[] = [];
    for (const [name, rows] of Object.entries(object(updates))) {
      for (const [uuid, body] of Object.entries(object(rows))) {
        const fields = object(body);
        if (method === "monitor") {
          const row = fields["new"] === undefined || fields["new"] === null ? undefined : this.row(name, uuid, fields["new"]);
          this.set(name, uuid, row, changes);
        } else if ("delete" in fields) this.set(name, uuid, undefined, changes);
        else if ("modify" in fields) this.set(name, uuid, this.modified(name, uuid, fields["modify"]), changes);
        else this.set(name, uuid, this.row(name, uuid, fields["insert"] ?? fields["initial"]), changes);
      }
    }
    return changes;
  }

  /** A whole row, with defaults for what the server left out. */
  private row(table: string, uuid: string, body: unknown): Row {
    const json = object(body);
    const known = this.schemas.get(table);
    if (known === undefined) throw new OvsdbError("protocol", `update of table ${table}, which is not monitored`);
    const row: Record<string, Value> = {};
    for (const name of known.columns) {
      const column = known.schema.columns.get(name);
      if (column !== undefined) row[name] = name in json ? decodeValue(column, json[name]) : defaultValue(column);
    }
    return { ...row, _uuid: uuid };
  }

  private modified(table: string, uuid: string, json: unknown): Row {
    const old = this.tables.get(table)?.get(uuid);
    const known = this.schemas.get(table);
    if (old === undefined || known === undefined) throw new OvsdbError("protocol", `modify of a row that is not known: ${table} ${uuid}`);
    const row: Record<string, Value> = { ...old };
    for (const [name, diff] of Object.entries(object(json))) {
      const column = known.schema.columns.get(name);
      if (column !== undefined) row[name] = applyDiff(column, old[name], diff);
    }
    return { ...row, _uuid: uuid };
  }

  private set(table: string, uuid: string, next: Row | undefined, changes: RowChange[]): void {
    const rows = this.tables.get(table);
    if (rows === undefined) return;
    const old = rows.get(uuid);
    const names = new Set([...Object.keys(old ?? {}), ...Object.keys(next ?? {})]); // they differ when the schema has changed
    names.delete("_uuid");
    const columns = [...names].filter((name) => old === undefined || next === undefined || !sameValue(old[name], next[name]));
    if (old === undefined && next === undefined) return;
    if (old !== undefined && next !== undefined && columns.length === 0) return;
    if (next === undefined) rows.delete(uuid);
    else rows.set(uuid, next);
    changes.push({ table, uuid, old, new: next, columns });
  }
}

function triple(reply: unknown): readonly [unknown, unknown, unknown] {
  if (!Array.isArray(reply) || reply.length !== 3) throw new OvsdbError("protocol", "a reply to monitor_cond_since that is not [found, last id, contents]");
  return reply as [unknown, unknown, unknown];
}

function object(value: unknown): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new OvsdbError("protocol", `not an object: ${stringifyJson(value)}`);
}
