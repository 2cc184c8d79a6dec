/**
 * A live copy of chosen tables and columns of a database, kept by a monitor. It survives reconnects: what the new
 * connection shows is compared with what was there, and only real differences are told.
 */
import { EventEmitter } from "node:events";
import { OvsdbError } from "./errors.js";
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
  /** A table or column asked for that the server does not have. */
  absent: [what: string];
}

export type MonitorMethod = "monitor" | "monitor_cond" | "monitor_cond_since";
export type TableRequest = Readonly<Record<string, readonly string[] | "all">>;
type Json = Record<string, unknown>;

export class Replica extends EventEmitter<ReplicaEvents> {
  readonly db: string;
  readonly request: TableRequest;
  /** Identifies the monitor on the wire. */
  readonly id: string;
  lastTransactionId = "00000000-0000-0000-0000-000000000000";
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
    this.schemas = new Map();
    const requests: Json = {};
    for (const [name, wanted] of Object.entries(this.request)) {
      const table = schema.tables.get(name);
      if (table === undefined) {
        this.emit("absent", `table ${name}`);
        continue;
      }
      const columns = (wanted === "all" ? [...table.columns.keys()] : wanted).filter((column) => {
        const present = table.columns.has(column);
        if (!present) this.emit("absent", `column ${name}.${column}`);
        return present;
      });
      this.schemas.set(name, { schema: table, columns });
      requests[name] = [{ columns }];
    }
    return requests;
  }

  /** The complete contents, from the reply to a monitor request. `diffs`: the reply continues what the replica holds. */
  load(method: MonitorMethod, contents: unknown, diffs: boolean): void {
    const changes = diffs ? this.applyUpdate(method, contents) : this.replace(method, contents);
    const wasSynced = this.current === "synced";
    this.current = "synced";
    if (changes.length > 0) this.emit("changes", changes);
    if (!wasSynced) this.emit("synced");
  }

  /** An update notification's <table-updates>. */
  update(method: MonitorMethod, updates: unknown): void {
    const changes = this.applyUpdate(method, updates);
    if (changes.length > 0) this.emit("changes", changes);
  }

  disconnected(): void {
    if (this.current === "stale") return;
    this.current = "stale";
    this.emit("stale");
  }

  private replace(method: MonitorMethod, contents: unknown): RowChange[] {
    const changes: RowChange[] = [];
    const all = contents as Record<string, Json>;
    for (const [name, rows] of this.tables) {
      const present = new Set(Object.keys(all[name] ?? {}));
      for (const uuid of [...rows.keys()]) if (!present.has(uuid)) this.set(name, uuid, undefined, changes);
    }
    for (const [name, updates] of Object.entries(all)) {
      for (const [uuid, body] of Object.entries(updates)) {
        const fields = body as Json;
        const row = this.row(name, uuid, (method === "monitor" ? fields["new"] : (fields["initial"] ?? fields["insert"])) as Json);
        this.set(name, uuid, row, changes);
      }
    }
    return changes;
  }

  private applyUpdate(method: MonitorMethod, updates: unknown): RowChange[] {
    const changes: RowChange[] = [];
    for (const [name, rows] of Object.entries(updates as Record<string, Json>)) {
      for (const [uuid, body] of Object.entries(rows)) {
        const fields = body as Json;
        if (method === "monitor") {
          const row = fields["new"] === undefined || fields["new"] === null ? undefined : this.row(name, uuid, fields["new"] as Json);
          this.set(name, uuid, row, changes);
        } else if ("delete" in fields) this.set(name, uuid, undefined, changes);
        else if ("modify" in fields) this.set(name, uuid, this.modified(name, uuid, fields["modify"] as Json), changes);
        else this.set(name, uuid, this.row(name, uuid, (fields["insert"] ?? fields["initial"]) as Json), changes);
      }
    }
    return changes;
  }

  /** A whole row, with defaults for what the server left out. */
  private row(table: string, uuid: string, json: Json): Row {
    const known = this.schemas.get(table);
    if (known === undefined) throw new OvsdbError("protocol", `update of table ${table}, which is not monitored`);
    const row: Record<string, Value> = {};
    for (const name of known.columns) {
      const column = known.schema.columns.get(name);
      if (column !== undefined) row[name] = name in json ? decodeValue(column, json[name]) : defaultValue(column);
    }
    return { ...row, _uuid: uuid };
  }

  private modified(table: string, uuid: string, json: Json): Row {
    const old = this.tables.get(table)?.get(uuid);
    const known = this.schemas.get(table);
    if (old === undefined || known === undefined) throw new OvsdbError("protocol", `modify of a row that is not known: ${table} ${uuid}`);
    const row: Record<string, Value> = { ...old };
    for (const [name, diff] of Object.entries(json)) {
      const column = known.schema.columns.get(name);
      if (column !== undefined) row[name] = applyDiff(column, old[name], diff);
    }
    return { ...row, _uuid: uuid };
  }

  private set(table: string, uuid: string, next: Row | undefined, changes: RowChange[]): void {
    const rows = this.tables.get(table);
    if (rows === undefined) return;
    const old = rows.get(uuid);
    const columns = Object.keys(next ?? old ?? {}).filter((name) => name !== "_uuid" && (old === undefined || next === undefined || !sameValue(old[name], next[name])));
    if (old === undefined && next === undefined) return;
    if (old !== undefined && next !== undefined && columns.length === 0) return;
    if (next === undefined) rows.delete(uuid);
    else rows.set(uuid, next);
    changes.push({ table, uuid, old, new: next, columns });
  }
}
