/**
 * A client of one OVSDB server: connects, stays connected, keeps its replicas.
 *
 * After a lost connection it dials again with doubling backoff and jitter, and monitors anew. A transaction in flight at
 * that moment rejects with "outcome-unknown": it may or may not have been done.
 */
import { EventEmitter } from "node:events";
import { OvsdbError, serverError } from "./errors.js";
import { Session } from "./json-rpc/session.js";
import { Replica, type MonitorMethod, type TableRequest } from "./replica.js";
import { parseSchema, type DatabaseSchema } from "./schema/schema.js";
import { Transaction, type Operation, type OperationResult } from "./transaction.js";

export interface ConnectOptions {
  /** "unix:PATH" or "tcp:HOST:PORT"; of several, the next is tried when one fails. */
  readonly remote: string | readonly string[];
  /** Silence after which the server is probed; twice that is death. Default 5,000. */
  readonly probeIntervalMs?: number;
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
  readonly requestTimeoutMs?: number;
  /** The largest message accepted. Default 1 GiB: an initial reply can be large. */
  readonly maxMessageBytes?: number;
  readonly signal?: AbortSignal;
  /** For the jitter; default Math.random. */
  readonly random?: () => number;
}

export type ClientState = "connecting" | "connected" | "closed";

export interface ClientEvents {
  connected: [];
  disconnected: [reason: Error];
  closed: [];
}

export interface ClientCounters {
  connects: number;
  transactions: number;
  updates: number;
  /** Updates that could not be understood; each makes the client resynchronise. */
  badUpdates: number;
}

const methods: readonly MonitorMethod[] = ["monitor_cond_since", "monitor_cond", "monitor"];
const updateMethod: Readonly<Record<string, MonitorMethod>> = { update: "monitor", update2: "monitor_cond", update3: "monitor_cond_since" };

export class OvsdbClient extends EventEmitter<ClientEvents> {
  readonly counters: ClientCounters = { connects: 0, transactions: 0, updates: 0, badUpdates: 0 };
  private readonly options: Required<Omit<ConnectOptions, "signal" | "remote">> & { readonly remotes: readonly string[] };
  private session: Session | undefined;
  private current: ClientState = "connecting";
  private readonly replicas = new Set<Replica>();
  private readonly schemas = new Map<string, DatabaseSchema>();
  private readonly stopped = new AbortController();
  private nextMonitor = 0;
  private nextRemote = 0;

  private constructor(options: ConnectOptions) {
    super();
    this.options = {
      remotes: typeof options.remote === "string" ? [options.remote] : options.remote,
      probeIntervalMs: options.probeIntervalMs ?? 5_000,
      backoff: options.backoff ?? { initialMs: 1_000, maxMs: 8_000 },
      requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
      maxMessageBytes: options.maxMessageBytes ?? 1 << 30,
      random: options.random ?? Math.random,
    };
  }

  /** Resolves at the first connection; until then it keeps trying, and rejects only when `signal` aborts. */
  static async connect(options: ConnectOptions): Promise<OvsdbClient> {
    const client = new OvsdbClient(options);
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

  /** Runs operations as one transaction. Rejects when any of them, or the commit, failed: then nothing was done. */
  async transact(db: string, operations: readonly Operation[], options: { readonly signal?: AbortSignal } = {}): Promise<OperationResult[]> {
    options.signal?.throwIfAborted();
    this.counters.transactions++;
    const results = (await this.live().request("transact", [db, ...operations])) as ((OperationResult & { error?: unknown }) | null)[];
    const failed = results.findIndex((result) => result !== null && result.error !== undefined && result.error !== null);
    if (failed >= 0) throw serverError(results[failed], failed);
    return results.map((result) => result ?? {});
  }

  async transaction(db: string): Promise<Transaction> {
    const schema = await this.getSchema(db);
    return new Transaction(schema, (operations, signal) => this.transact(db, operations, signal === undefined ? {} : { signal }));
  }

  /** Replicates tables; resolves when the initial contents are complete. */
  async replica(db: string, tables: TableRequest): Promise<Replica> {
    const replica = new Replica(db, tables, `replica-${this.nextMonitor++}`, (closing) => {
      this.replicas.delete(closing);
      if (this.session?.closed === false) void this.session.request("monitor_cancel", [closing.id]).catch(() => undefined);
    });
    this.replicas.add(replica);
    await this.monitor(this.live(), replica);
    return replica;
  }

  /** Closes the connection for good; no timer and no socket is left. */
  async close(): Promise<void> {
    if (this.current === "closed") return;
    this.current = "closed";
    this.stopped.abort();
    this.session?.close();
    await Promise.resolve();
    this.emit("closed");
  }

  private live(): Session {
    if (this.session === undefined || this.session.closed) throw new OvsdbError("transport", "not connected");
    return this.session;
  }

  /** Dials until connected or closed. */
  private async dial(): Promise<void> {
    let backoffMs = this.options.backoff.initialMs;
    const { signal } = this.stopped;
    while (!signal.aborted) {
      const remote = this.options.remotes[this.nextRemote++ % this.options.remotes.length] ?? "";
      try {
        const session = await Session.open(remote, this.options, signal);
        await this.adopt(session);
        return;
      } catch {
        // Half to three halves of the backoff, so that many clients do not come back at one moment.
        await pause(backoffMs * (0.5 + this.options.random()), signal);
        backoffMs = Math.min(backoffMs * 2, this.options.backoff.maxMs);
      }
    }
  }

  private async adopt(session: Session): Promise<void> {
    this.session = session;
    this.schemas.clear();
    session.on("notification", (method, params) => this.notified(method, params));
    session.once("closed", (reason) => this.lost(session, reason));
    for (const replica of this.replicas) await this.monitor(session, replica);
    this.current = "connected";
    this.counters.connects++;
    this.emit("connected");
  }

  private lost(session: Session, reason: Error): void {
    if (this.session !== session) return;
    this.session = undefined;
    for (const replica of this.replicas) replica.disconnected();
    if (this.current !== "connected") return; // still dialling, or closed
    this.current = "connecting";
    this.emit("disconnected", reason);
    void this.dial();
  }

  private async monitor(session: Session, replica: Replica): Promise<void> {
    const schema = await this.getSchema(replica.db);
    const requests = replica.monitorRequests(schema);
    for (const method of methods) {
      const params = [replica.db, replica.id, requests, ...(method === "monitor_cond_since" ? [replica.lastTransactionId] : [])];
      try {
        await session.request(method, params, (reply) => {
          if (method === "monitor_cond_since") {
            const [found, lastId, contents] = reply as [boolean, string, unknown];
            replica.lastTransactionId = lastId;
            replica.load(method, contents, found);
          } else replica.load(method, reply, false);
        });
        return;
      } catch (error) {
        if (!(error instanceof OvsdbError) || error.facts.error !== "unknown method") throw error;
      }
    }
    throw new OvsdbError("protocol", "the server knows no monitor method");
  }

  private notified(method: string, params: readonly unknown[]): void {
    const monitor = updateMethod[method];
    if (monitor === undefined) return;
    const replica = [...this.replicas].find((candidate) => candidate.id === params[0]);
    if (replica === undefined) return;
    this.counters.updates++;
    try {
      if (monitor === "monitor_cond_since") replica.lastTransactionId = String(params[1]);
      replica.update(monitor, monitor === "monitor_cond_since" ? params[2] : params[1]);
    } catch (error) {
      if (!(error instanceof OvsdbError)) throw error;
      // What the server says does not fit what we hold: start over from the whole contents.
      this.counters.badUpdates++;
      replica.lastTransactionId = "00000000-0000-0000-0000-000000000000";
      this.session?.close(error);
    }
  }
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
