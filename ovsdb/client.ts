/**
 * A client of one OVSDB server: connects, stays connected, keeps its replicas.
 *
 * After a lost connection it dials again, at once when the connection had been stable and otherwise with doubling backoff
 * and jitter, and monitors anew. A transaction in flight at that moment rejects with "outcome-unknown": it may or may not
 * have been done.
 */
import { EventEmitter } from "node:events";
import { OvsdbError, serverError } from "./errors.js";
import { parseRemote, Session } from "./json-rpc/session.js";
import { Replica, type MonitorMethod, type TableRequest } from "./replica.js";
import { parseSchema, type DatabaseSchema } from "./schema/schema.js";
import { Transaction, type Operation, type OperationResult } from "./transaction.js";

export interface ConnectOptions {
  /** "unix:PATH" or "tcp:HOST:PORT"; of several, the next is tried when one fails. */
  readonly remote: string | readonly string[];
  /** Silence after which the server is probed; twice that is death. Default 5,000. */
  readonly probeIntervalMs?: number;
  /** Default 1 s doubling to 8 s, as Open vSwitch; each wait is half to three halves of it. */
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
  readonly requestTimeoutMs?: number;
  /** The largest message accepted, in bytes. Default (and limit of Node's strings) 511 MiB: an initial reply can be large. */
  readonly maxMessageBytes?: number;
  /** Ends the attempts to connect; has no effect on a connected client. */
  readonly signal?: AbortSignal;
  /** For the jitter; default Math.random. */
  readonly random?: () => number;
}

export type ClientState = "connecting" | "connected" | "closed";

export interface ClientEvents {
  connected: [];
  disconnected: [reason: Error];
  closed: [];
  state: [state: ClientState];
  /** An attempt to connect failed; the next one comes in about `waitMs`. */
  retrying: [reason: Error, waitMs: number];
  /** The server lacks something a replica asked for. */
  warning: [message: string];
}

export interface ClientCounters {
  /** Attempts to connect that failed. */
  failures: number;
  connects: number;
  transactions: number;
  updates: number;
  /** Updates that could not be understood; each makes the client resynchronise. */
  badUpdates: number;
}

const methods: readonly MonitorMethod[] = ["monitor_cond_since", "monitor_cond", "monitor"];
const updateMethod = new Map<string, MonitorMethod>([
  ["update", "monitor"],
  ["update2", "monitor_cond"],
  ["update3", "monitor_cond_since"],
]);

export class OvsdbClient extends EventEmitter<ClientEvents> {
  readonly counters: ClientCounters = { failures: 0, connects: 0, transactions: 0, updates: 0, badUpdates: 0 };
  private readonly options: Required<Omit<ConnectOptions, "signal" | "remote">> & { readonly remotes: readonly string[] };
  private session: Session | undefined;
  private current: ClientState = "connecting";
  private readonly replicas = new Set<Replica>();
  private readonly schemas = new Map<string, DatabaseSchema>();
  private readonly stopped = new AbortController();
  /** Replicas monitored, or about to be, on the current session. */
  private monitoring = new Map<Replica, Promise<void>>();
  private nextMonitor = 0;
  private nextRemote = 0;
  /** The wait before the next attempt, without jitter; 0 after a stable connection. */
  private waitMs = 0;
  private connectedAtMs = 0;

  private constructor(options: ConnectOptions) {
    super();
    this.options = {
      remotes: typeof options.remote === "string" ? [options.remote] : options.remote,
      probeIntervalMs: options.probeIntervalMs ?? 5_000,
      backoff: options.backoff ?? { initialMs: 1_000, maxMs: 8_000 },
      requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
      maxMessageBytes: options.maxMessageBytes ?? 511 << 20,
      random: options.random ?? Math.random,
    };
  }

  /** Resolves at the first connection; until then it keeps trying, and rejects only when `signal` aborts or a remote is malformed. */
  static async connect(options: ConnectOptions): Promise<OvsdbClient> {
    const client = new OvsdbClient(options);
    if (client.options.remotes.length === 0) throw new OvsdbError("transport", "no remote is given");
    client.options.remotes.forEach(parseRemote);
    options.signal?.throwIfAborted();
    const aborted = (): void => void client.close();
    options.signal?.addEventListener("abort", aborted, { once: true });
    await client.dial();
    options.signal?.removeEventListener("abort", aborted);
    if (client.current === "closed") throw new OvsdbError("transport", `gave up connecting to ${client.options.remotes.join(", ")}`);
    return client;
  }

  get state(): ClientState {
    return this.current;
  }

  async listDbs(): Promise<string[]> {
    return (await this.live().request("list_dbs", [])) as string[];
  }

  async getSchema(db: string): Promise<DatabaseSchema> {
    const known = this.schemas.get(db);
    if (known !== undefined) return known;
    const schema = parseSchema(await this.live().request("get_schema", [db]));
    this.schemas.set(db, schema);
    return schema;
  }

  /**
   * Runs operations as one transaction. Rejects when any of them, or the commit, failed: then nothing was done. `signal`
   * cancels it at the server; when it was too late for that, the results come all the same. In a cluster a cancelled
   * transaction may be on its way to the other servers: that is "outcome-unknown".
   */
  async transact(db: string, operations: readonly Operation[], options: { readonly signal?: AbortSignal } = {}): Promise<OperationResult[]> {
    if (options.signal?.aborted) throw new OvsdbError("cancelled", "cancelled before it was sent", {}, options.signal.reason);
    this.counters.transactions++;
    const session = this.live();
    const reply = await session.request("transact", [db, ...operations], options).catch(async (error: unknown) => {
      const isOurs = error instanceof OvsdbError && (error.kind === "cancelled" || error.kind === "timed-out") && error.error === undefined;
      if (isOurs && (await isClustered(session, db))) throw unknownOutcome(error);
      throw error;
    });
    if (!Array.isArray(reply)) throw new OvsdbError("protocol", "the results of a transaction are not an array");
    const results = reply as ((OperationResult & { error?: unknown }) | null)[];
    const failed = results.findIndex((result) => result !== null && result.error !== undefined && result.error !== null);
    if (failed >= 0) throw serverError(results[failed], failed);
    return results.map((result) => result ?? {});
  }

  async transaction(db: string): Promise<Transaction> {
    const schema = await this.getSchema(db);
    return new Transaction(schema, (operations, signal) => this.transact(db, operations, signal === undefined ? {} : { signal }));
  }

  /**
   * Replicates tables; resolves when the initial contents are complete, after reconnects if need be. Tables and columns
   * the server does not have are left out: see `Replica.absent` and the event "warning".
   */
  async replica(db: string, tables: TableRequest): Promise<Replica> {
    const replica = new Replica(db, tables, `replica-${this.nextMonitor++}`, (closing) => this.forget(closing));
    replica.on("absent", (what) => this.emit("warning", `database ${db} has no ${what}`));
    this.replicas.add(replica);
    try {
      while (replica.state !== "synced") await this.firstContents(replica);
    } catch (error) {
      replica.close();
      throw error;
    }
    return replica;
  }

  /** Closes the connection for good; when it resolves no timer and no socket is left. */
  async close(): Promise<void> {
    const { session } = this;
    if (this.current !== "closed") {
      this.current = "closed";
      this.stopped.abort();
      session?.close();
      this.emit("state", "closed");
      this.emit("closed");
    }
    await session?.ended;
  }

  private live(): Session {
    if (this.session === undefined || this.session.closed) throw new OvsdbError("transport", "not connected");
    return this.session;
  }

  /** Dials until connected or closed. */
  private async dial(): Promise<void> {
    const { signal } = this.stopped;
    for (;;) {
      if (this.waitMs > 0) await pause(this.waitMs * (0.5 + this.options.random()), signal);
      if (signal.aborted) return;
      const remote = this.options.remotes[this.nextRemote++ % this.options.remotes.length] ?? "";
      try {
        await this.adopt(await Session.open(remote, this.options, signal));
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.counters.failures++;
        this.backOff();
        this.emit("retrying", error instanceof Error ? error : new Error(String(error)), this.waitMs);
      }
    }
  }

  private backOff(): void {
    const { initialMs, maxMs } = this.options.backoff;
    this.waitMs = this.waitMs === 0 ? initialMs : Math.min(this.waitMs * 2, maxMs);
  }

  /** Makes a session the current one, once every replica has its contents from it. */
  private async adopt(session: Session): Promise<void> {
    this.session = session;
    this.schemas.clear();
    this.monitoring.clear();
    session.on("notification", (method, params) => this.notified(method, params));
    session.once("closed", (reason) => this.lost(session, reason));
    try {
      this.stopped.signal.throwIfAborted();
      for (const replica of this.replicas) await this.monitor(session, replica);
      if (session.closed) throw new OvsdbError("transport", "the connection ended at once");
    } catch (error) {
      session.close();
      throw error;
    }
    this.current = "connected";
    this.connectedAtMs = performance.now();
    this.counters.connects++;
    this.emit("state", "connected");
    this.emit("connected");
  }

  private lost(session: Session, reason: Error): void {
    if (this.session !== session) return;
    this.session = undefined;
    for (const replica of this.replicas) replica.disconnected();
    if (this.current !== "connected") return; // still dialling, or closed
    this.current = "connecting";
    // A server that takes connections and drops them is not dialled in a circle.
    const isStable = performance.now() - this.connectedAtMs >= Math.max(this.waitMs, this.options.backoff.initialMs);
    if (isStable) this.waitMs = 0;
    else this.backOff();
    void this.dial();
    this.emit("state", "connecting");
    this.emit("disconnected", reason);
  }

  /** One try at a replica's first contents; returns, without them, when the connection was lost over it. */
  private async firstContents(replica: Replica): Promise<void> {
    try {
      await this.monitor(this.live(), replica);
    } catch (error) {
      if (!(error instanceof OvsdbError) || error.kind !== "transport" || this.current === "closed") throw error;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.off("connected", done).off("closed", done);
          resolve();
        };
        this.on("connected", done).on("closed", done);
      });
    }
  }

  private forget(replica: Replica): void {
    if (!this.replicas.delete(replica) || !this.monitoring.delete(replica)) return;
    // The server answers with an error when it has not made the monitor yet or any more: all the same to us.
    this.session?.request("monitor_cancel", [replica.id]).catch((error: unknown) => error);
  }

  /** Monitors a replica on a session, once. */
  private monitor(session: Session, replica: Replica): Promise<void> {
    const started = this.monitoring.get(replica) ?? this.startMonitor(session, replica);
    this.monitoring.set(replica, started);
    return started;
  }

  private async startMonitor(session: Session, replica: Replica): Promise<void> {
    const schema = await this.getSchema(replica.db);
    const requests = replica.monitorRequests(schema);
    for (const method of methods) {
      const params = [replica.db, replica.id, requests, ...(method === "monitor_cond_since" ? [replica.lastTransactionId] : [])];
      try {
        await session.request(method, params, { onResult: (reply) => replica.load(method, reply) });
        return;
      } catch (error) {
        if (!(error instanceof OvsdbError) || error.error !== "unknown method") throw error;
      }
    }
    throw new OvsdbError("protocol", "the server knows no monitor method");
  }

  private notified(method: string, params: readonly unknown[]): void {
    const monitor = updateMethod.get(method);
    if (monitor === undefined) return;
    const replica = [...this.replicas].find((candidate) => candidate.id === params[0]);
    if (replica === undefined) return; // closed a moment ago
    this.counters.updates++;
    try {
      replica.update(monitor, params.slice(1));
    } catch (error) {
      // What the server says does not fit what we hold: start over from the whole contents.
      this.counters.badUpdates++;
      this.session?.close(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

const unknownOutcome = (reason: OvsdbError): OvsdbError => new OvsdbError("outcome-unknown", `${reason.message}, but may be under way in the cluster`, {}, reason);

/** Whether a database is kept by a RAFT cluster: ovsdb-server(5), the _Server database; servers before 2.9 have none. */
async function isClustered(session: Session, db: string): Promise<boolean> {
  const select = { op: "select", table: "Database", where: [["name", "==", db]], columns: ["model"] };
  const reply = await session.request("transact", ["_Server", select]).catch((error: unknown) => error);
  const [result] = Array.isArray(reply) ? (reply as OperationResult[]) : [];
  return result?.rows?.[0]?.["model"] === "clustered";
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
