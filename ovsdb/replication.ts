/** The replicas of a client: their monitors on the session of the moment. */
import { OvsdbError } from "./errors.js";
import type { Session } from "./json-rpc/session.js";
import { Replica, type MonitorMethod, type TableRequest } from "./replica.js";
import type { DatabaseSchema } from "./schema/schema.js";

export interface ReplicationContext {
  schemaOf(db: string): Promise<DatabaseSchema>;
  /** The schema has changed: it is to be asked for anew. */
  forgetSchema(db: string): void;
  warn(message: string): void;
  readonly counters: { updates: number; badUpdates: number; fullSyncs: number; fastSyncs: number; conversions: number };
}

const methods: readonly MonitorMethod[] = ["monitor_cond_since", "monitor_cond", "monitor"];
const updateMethod = new Map<string, MonitorMethod>([
  ["update", "monitor"],
  ["update2", "monitor_cond"],
  ["update3", "monitor_cond_since"],
]);

/** How long contents are taken in before others have their turn. */
const sliceMs = 8;

export class Replication {
  private readonly context: ReplicationContext;
  private readonly replicas = new Map<string, Replica>();
  /** Replicas monitored, or about to be, on the current session. */
  private monitoring = new Map<Replica, Promise<void>>();
  private session: Session | undefined;
  /** Whether the server keeps the connection when a database is converted, and ends its monitors instead. */
  private isAware = false;
  private next = 0;

  constructor(context: ReplicationContext) {
    this.context = context;
  }

  add(db: string, tables: TableRequest): Replica {
    const replica = new Replica(db, tables, `replica-${this.next++}`, {
      close: (closing) => this.forget(closing),
      conditionsChanged: (changed) => this.changeConditions(changed),
    });
    replica.on("absent", (what) => this.context.warn(`database ${db} has no ${what}`));
    this.replicas.set(replica.id, replica);
    return replica;
  }

  /** A new session: nothing is monitored on it. */
  begin(session: Session): void {
    this.session = session;
    this.monitoring.clear();
    this.isAware = false;
  }

  async startAll(session: Session): Promise<void> {
    for (const replica of this.replicas.values()) await this.start(session, replica);
  }

  /** Monitors a replica on a session, once. */
  start(session: Session, replica: Replica): Promise<void> {
    const started = this.monitoring.get(replica) ?? this.monitor(session, replica);
    this.monitoring.set(replica, started);
    return started;
  }

  disconnected(): void {
    for (const replica of this.replicas.values()) replica.disconnected();
  }

  /** Whether a change of the schema would be heard of: the server cuts off who is not aware, and ends the monitors of who is. */
  hearsOfSchema(db: string): boolean {
    return !this.isAware || [...this.monitoring.keys()].some((replica) => replica.db === db);
  }

  /** ovsdb-server(7), section 4.1.16. Older servers do not know it, and have no conversion either. */
  async beAware(session: Session): Promise<void> {
    if (this.isAware) return;
    await session.request("set_db_change_aware", [true]).then(
      () => (this.isAware = true),
      (error: unknown) => {
        if (!(error instanceof OvsdbError) || error.kind !== "server") throw error;
      },
    );
  }

  notified(session: Session, method: string, params: readonly unknown[]): void {
    const replica = this.replicas.get(String(params[0]));
    if (replica === undefined) return; // closed a moment ago
    if (method === "monitor_canceled") {
      this.converted(session, replica);
      return;
    }
    const monitor = updateMethod.get(method);
    if (monitor === undefined) return;
    this.context.counters.updates++;
    try {
      replica.update(monitor, params.slice(1));
    } catch (error) {
      // What the server says does not fit what we hold: start over from the whole contents.
      this.context.counters.badUpdates++;
      session.close(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The database got another schema, or is gone: read the schema, and monitor anew. */
  private converted(session: Session, replica: Replica): void {
    this.context.counters.conversions++;
    this.context.forgetSchema(replica.db);
    this.monitoring.delete(replica);
    replica.disconnected();
    replica.startOver();
    // A database that is gone may come back: the connection's backoff asks for it until it does.
    this.start(session, replica).catch((error: unknown) => session.close(error instanceof Error ? error : new Error(String(error))));
  }

  private forget(replica: Replica): void {
    if (!this.replicas.delete(replica.id) || !this.monitoring.delete(replica)) return;
    // The server answers with an error when it has not made the monitor yet or any more: all the same to us.
    this.session?.request("monitor_cancel", [replica.id]).catch((error: unknown) => error);
  }

  private async monitor(session: Session, replica: Replica): Promise<void> {
    await this.beAware(session);
    const schema = await this.context.schemaOf(replica.db);
    const requests = replica.monitorRequests(schema);
    const version = replica.conditions.version;
    for (const method of methods) {
      if (method === "monitor" && replica.conditions.isAny) throw new OvsdbError("protocol", "the server knows no conditional monitoring");
      const params = [replica.db, replica.id, requests, ...(method === "monitor_cond_since" ? [replica.lastTransactionId] : [])];
      try {
        await session.request(method, params, { onResult: (reply) => this.load(session, replica, method, reply, version) });
        return;
      } catch (error) {
        if (!(error instanceof OvsdbError) || error.error !== "unknown method") throw error;
      }
    }
    throw new OvsdbError("protocol", "the server knows no monitor method");
  }

  /** Takes whole contents in, a few milliseconds at a time; the session reads on when it resolves. */
  private async load(session: Session, replica: Replica, method: MonitorMethod, reply: unknown, version: number): Promise<void> {
    const isContinued = method === "monitor_cond_since" && Array.isArray(reply) && reply[0] === true;
    const loading = replica.loading(method, reply, version);
    for (let startedMs = performance.now(); loading.next().done !== true; ) {
      if (performance.now() - startedMs < sliceMs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      // Its monitor went with the session: what was made so far is of no use.
      if (session.closed) throw new OvsdbError("transport", "the connection ended while contents were taken in");
      startedMs = performance.now();
    }
    this.context.counters[isContinued ? "fastSyncs" : "fullSyncs"]++;
    if (replica.conditions.version !== version) this.changeConditions(replica); // changed while this was under way
  }

  /** Tells the server the conditions of now. */
  private changeConditions(replica: Replica): void {
    const { session } = this;
    if (session === undefined || session.closed || replica.state !== "synced") return; // the next monitor has them
    const { version } = replica.conditions;
    const acknowledged = (): void => {
      // The rows that come and go have been told before this answer.
      replica.conditions.acknowledged = Math.max(replica.conditions.acknowledged, version);
      replica.conditions.settle();
    };
    session.request("monitor_cond_change", [replica.id, replica.id, replica.changeRequests()], { onResult: acknowledged }).catch((error: unknown) => {
      // With another session, or another monitor, the rows wanted are asked for as a whole.
      if (!session.closed && this.monitoring.has(replica)) session.close(error instanceof Error ? error : new Error(String(error)));
    });
  }
}
