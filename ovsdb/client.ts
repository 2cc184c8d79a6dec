/**
 * A client of one OVSDB server, or of one cluster: connects, stays connected, keeps its replicas and locks.
 *
 * After a lost connection it dials again and monitors anew. A transaction in flight at that moment rejects with
 * "outcome-unknown": it may or may not have been done.
 */
import { EventEmitter } from "node:events";
import { Connection } from "./connection.js";
import { OvsdbError, serverError } from "./errors.js";
import { parseRemote, type TlsOptions } from "./json-rpc/remote.js";
import type { Session } from "./json-rpc/session.js";
import { Acceptor, Dialler, Inbox, type SessionSource } from "./json-rpc/source.js";
import { holdToServer, isClustered, serverDatabases, type ServerDatabase, type ServerDemands } from "./leader.js";
import { Lock } from "./lock.js";
import { Replication } from "./replication.js";
import type { Replica, TableRequest } from "./replica.js";
import { parseSchema, type DatabaseSchema } from "./schema/schema.js";
import { Transaction, type Operation, type OperationResult } from "./transaction.js";

export interface ClientOptions {
  /** Silence after which the server is probed; twice that is death. Default 5,000. */
  readonly probeIntervalMs?: number;
  /** Default 1 s doubling to 8 s, as Open vSwitch; each wait is half to three halves of it. */
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
  readonly requestTimeoutMs?: number;
  /** The largest message accepted, in bytes. Default (and limit of Node's strings) 511 MiB: an initial reply can be large. */
  readonly maxMessageBytes?: number;
  /** For the jitter; default Math.random. */
  readonly random?: () => number;
  /** For ssl: and pssl:. */
  readonly tls?: TlsOptions;
  /**
   * A database that is to be reached at its cluster's leader only: give all servers as remotes. A server that does not lead
   * it is left, for "not-leader". Servers that keep it alone always lead it.
   */
  readonly leaderOnly?: string;
  /**
   * A database that is never to be read older than it was seen before: a server of its cluster that is behind what another
   * one told, or has no majority, is left, for "stale" or "not-leader". The server tells of each transaction for it.
   */
  readonly neverOlder?: string;
}

export interface ConnectOptions extends ClientOptions {
  /**
   * "unix:PATH", "tcp:HOST:PORT" or "ssl:HOST:PORT"; of several, the next is tried when one fails. Or one of "punix:PATH",
   * "ptcp:[PORT][:HOST]" and "pssl:[PORT][:HOST]": the server dials in; a second one that does waits for the first to go.
   */
  readonly remote: string | readonly string[];
  /** Ends the attempts to connect; has no effect on a connected client. */
  readonly signal?: AbortSignal;
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
  /** Connections given up for bytes that are no JSON, too long a message, or an answer that makes no sense. */
  protocolErrors: number;
  /** Servers left, or not taken, because they do not lead, or are behind. */
  notLeader: number;
  /** Replicas loaded from whole contents, and continued from their last transaction. */
  fullSyncs: number;
  fastSyncs: number;
  /** Monitors the server ended because the database got another schema. */
  conversions: number;
  /** Sent for transactions, as they went out. */
  transactionBytes: number;
  /** Of connections that are over. */
  bytesReceived: number;
  bytesSent: number;
}

const zero = { failures: 0, connects: 0, transactions: 0, updates: 0, badUpdates: 0, protocolErrors: 0, notLeader: 0, fullSyncs: 0, fastSyncs: 0, conversions: 0, transactionBytes: 0, bytesReceived: 0, bytesSent: 0 };

type Optional = "tls" | "leaderOnly" | "neverOlder";
/** The options with defaults for what was not given. */
export function completeOptions(options: ClientOptions): Required<Omit<ClientOptions, Optional>> & Pick<ClientOptions, Optional> {
  return {
    probeIntervalMs: options.probeIntervalMs ?? 5_000,
    backoff: options.backoff ?? { initialMs: 1_000, maxMs: 8_000 },
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    maxMessageBytes: options.maxMessageBytes ?? 511 << 20,
    random: options.random ?? Math.random,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    ...(options.leaderOnly === undefined ? {} : { leaderOnly: options.leaderOnly }),
    ...(options.neverOlder === undefined ? {} : { neverOlder: options.neverOlder }),
  };
}

export class OvsdbClient extends EventEmitter<ClientEvents> {
  readonly counters: ClientCounters = { ...zero };
  private readonly connection: Connection;
  private readonly replication: Replication;
  private readonly leaderOnly: string | undefined;
  private readonly demands: readonly ServerDemands[];
  private readonly locks = new Map<string, Lock>();
  private readonly schemas = new Map<string, DatabaseSchema>();
  private current: ClientState = "connecting";
  /** Why the last attempt to connect failed. */
  private why: Error | undefined;

  private constructor(source: SessionSource, options: ReturnType<typeof completeOptions>) {
    super();
    const { leaderOnly, neverOlder } = options;
    this.leaderOnly = leaderOnly;
    this.demands = [...new Set([leaderOnly, neverOlder])]
      .filter((db) => db !== undefined)
      .map((db) => ({ db, leader: db === leaderOnly, seen: db === neverOlder ? { cid: undefined, index: 0 } : undefined }));
    this.replication = new Replication({
      schemaOf: (db) => this.getSchema(db),
      forgetSchema: (db) => void this.schemas.delete(db),
      warn: (message) => this.emit("warning", message),
      counters: this.counters,
    });
    this.connection = new Connection(source, options, {
      prepare: (session) => this.prepare(session),
      connected: () => this.connected(),
      lost: (session, reason, wasConnected) => this.lost(session, reason, wasConnected),
      failed: (reason, waitMs) => this.failed(reason, waitMs),
    });
  }

  /** Resolves at the first connection; until then it keeps trying, and rejects only when `signal` aborts or a remote is malformed. */
  static async connect(options: ConnectOptions): Promise<OvsdbClient> {
    const remotes = (typeof options.remote === "string" ? [options.remote] : options.remote).map(parseRemote);
    const [first] = remotes;
    if (first === undefined) throw new OvsdbError("transport", "no remote is given");
    if (remotes.length > 1 && remotes.some(({ isPassive }) => isPassive)) throw new OvsdbError("transport", "a passive remote stands alone");
    options.signal?.throwIfAborted();
    const complete = completeOptions(options);
    if (!first.isPassive) return OvsdbClient.over(new Dialler(remotes, complete), complete, options.signal);
    const inbox = new Inbox();
    const acceptor = await Acceptor.listen(first, complete, (session) => inbox.put(session));
    inbox.onClose = () => acceptor.close();
    return OvsdbClient.over(inbox, complete, options.signal);
  }

  /** A client whose sessions come from `source`; resolves when it is connected. */
  static async over(source: SessionSource, options: ReturnType<typeof completeOptions>, signal?: AbortSignal): Promise<OvsdbClient> {
    const client = new OvsdbClient(source, options);
    const aborted = (): void => void client.close();
    signal?.addEventListener("abort", aborted, { once: true });
    await client.connection.dial();
    signal?.removeEventListener("abort", aborted);
    if (client.current === "closed") throw new OvsdbError("transport", `gave up connecting${client.why === undefined ? "" : `: ${client.why.message}`}`, {}, client.why);
    return client;
  }

  get state(): ClientState {
    return this.current;
  }

  /** The remote connected to; undefined when not connected. */
  get remote(): string | undefined {
    return this.connection.session?.remote;
  }

  async listDbs(): Promise<string[]> {
    return (await this.live().request("list_dbs", [])) as string[];
  }

  /** The server's own uuid, new at each start of it (ovsdb-server(7), section 4.1.17). */
  async serverId(): Promise<string> {
    return String(await this.live().request("get_server_id", []));
  }

  /** What the server says of its databases: whether clustered, leader, connected. Empty for servers before 2.9. */
  async databases(): Promise<ServerDatabase[]> {
    return serverDatabases(this.live());
  }

  async getSchema(db: string): Promise<DatabaseSchema> {
    const session = this.live();
    const known = this.schemas.get(db);
    if (known !== undefined) return known;
    const schema = parseSchema(await session.request("get_schema", [db]));
    // It is told of a new schema by the end of a monitor of that database, or by the end of the connection.
    if (session === this.connection.session && this.replication.hearsOfSchema(db)) this.schemas.set(db, schema);
    return schema;
  }

  /**
   * Gives a database another schema (ovsdb-server(7), section 4.1.15); what the new one lacks is lost. Replicas go on with
   * it. `schema`: a <database-schema> as of RFC 7047 section 3.2.
   */
  async convert(db: string, schema: unknown): Promise<void> {
    const session = this.live();
    await this.replication.beAware(session); // the server cuts off who converts and is not
    await session.request("convert", [db, schema]);
    this.schemas.delete(db);
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
    const sentBefore = session.bytesSent;
    const answer = session.request("transact", [db, ...operations], options);
    this.counters.transactionBytes += session.bytesSent - sentBefore;
    const reply = await answer.catch(async (error: unknown) => {
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
    const replica = this.replication.add(db, tables);
    try {
      while (replica.state !== "synced") await this.firstContents(replica);
    } catch (error) {
      replica.close();
      throw error;
    }
    return replica;
  }

  /**
   * Asks for a lock; `steal` takes it from whoever holds it. Resolves when the server has answered: `held` says whether we
   * have it, `whenHeld` waits for it. The same name gives the same lock. Rejects with "not-leader" where a clustered
   * database is served and the client does not hold to its leader: another server's lock of that name would be another one.
   */
  async lock(name: string, options: { readonly steal?: boolean } = {}): Promise<Lock> {
    const session = this.live();
    const known = this.locks.get(name);
    if (known !== undefined && options.steal !== true) return known;
    if (this.leaderOnly === undefined && (await serverDatabases(session)).some(({ model }) => model === "clustered")) {
      throw new OvsdbError("not-leader", `lock ${name} at a server of a cluster needs the option leaderOnly`);
    }
    if (known !== undefined) await session.request("unlock", [name]); // RFC 7047 section 4.1.8: before any other lock or steal
    const lock = known ?? new Lock(name, () => void this.locks.delete(name));
    this.locks.set(name, lock);
    try {
      await lock.request(session, options.steal === true ? "steal" : "lock");
    } catch (error) {
      // Without the connection it is asked for again with the next one, as any lock.
      if (!(error instanceof OvsdbError) || error.kind !== "transport") this.locks.delete(name);
      if (!(error instanceof OvsdbError) || error.kind !== "transport" || this.current === "closed") throw error;
    }
    return lock;
  }

  /** Closes the connection for good; when it resolves no timer and no socket is left. */
  async close(): Promise<void> {
    const closing = this.connection.close();
    if (this.current !== "closed") {
      this.current = "closed";
      this.emit("state", "closed");
      this.emit("closed");
    }
    await closing;
  }

  private live(): Session {
    const { session } = this.connection;
    if (session === undefined || session.closed) throw new OvsdbError("transport", "not connected");
    return session;
  }

  /** Once every replica has its contents from it, and every lock is asked for, a session is the current one. */
  private async prepare(session: Session): Promise<void> {
    this.schemas.clear();
    this.replication.begin(session);
    session.on("notification", (method, params) => this.notified(session, method, params));
    for (const demands of this.demands) await holdToServer(session, demands);
    for (const lock of this.locks.values()) await lock.request(session, "lock");
    await this.replication.startAll(session);
  }

  private connected(): void {
    this.current = "connected";
    this.counters.connects++;
    this.emit("state", "connected");
    this.emit("connected");
  }

  private failed(reason: Error, waitMs: number): void {
    this.counters.failures++;
    this.why = reason;
    this.count(reason);
    this.emit("retrying", reason, waitMs);
  }

  private count(reason: Error): void {
    if (!(reason instanceof OvsdbError)) return;
    if (reason.kind === "not-leader" || reason.kind === "stale") this.counters.notLeader++;
    if (reason.kind === "protocol") this.counters.protocolErrors++;
  }

  private lost(session: Session, reason: Error, wasConnected: boolean): void {
    this.counters.bytesReceived += session.bytesReceived;
    this.counters.bytesSent += session.bytesSent;
    this.replication.disconnected();
    for (const lock of this.locks.values()) lock.taken("disconnected");
    if (!wasConnected || this.current === "closed") return; // still dialling, or closed
    this.current = "connecting";
    this.count(reason);
    this.emit("state", "connecting");
    this.emit("disconnected", reason);
  }

  /** One try at a replica's first contents; returns, without them, when the connection was lost over it. */
  private async firstContents(replica: Replica): Promise<void> {
    try {
      await this.replication.start(this.live(), replica);
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

  private notified(session: Session, method: string, params: readonly unknown[]): void {
    if (method === "locked") this.locks.get(String(params[0]))?.granted();
    else if (method === "stolen") this.locks.get(String(params[0]))?.taken("stolen");
    else this.replication.notified(session, method, params);
  }
}

const unknownOutcome = (reason: OvsdbError): OvsdbError => new OvsdbError("outcome-unknown", `${reason.message}, but may be under way in the cluster`, {}, reason);
