/**
 * An OVSDB server in memory, for unit tests: it speaks the protocol on a real socket, so what is tested is the client as it
 * is. It knows transactions with their constraints, monitors of all three kinds, conditions, locks and `cancel`; no files,
 * no clusters, no conversion. Like a standalone ovsdb-server it never continues a monitor from a last transaction.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { OvsdbError } from "../errors.js";
import { JsonFraming } from "../json-rpc/framing.js";
import { stringifyJson } from "../json-rpc/json.js";
import { noTransaction } from "../replica.js";
import { parseSchema } from "../schema/schema.js";
import { Database, Waiting } from "./database.js";
import { Locks } from "./locks.js";
import { Monitor, type MonitorVersion } from "./monitor.js";
import { fault } from "./values.js";

export interface MemoryServerOptions {
  /** Each a <database-schema> of RFC 7047 section 3.2. */
  readonly schemas: readonly unknown[];
  /** Methods answered with "unknown method", as an older server would. */
  readonly unknownMethods?: readonly string[];
  /** The largest request accepted, in bytes. Default 64 MiB. */
  readonly maxMessageBytes?: number;
}

interface Deferred {
  readonly client: Client;
  readonly id: unknown;
  readonly database: Database;
  readonly operations: readonly unknown[];
  readonly sinceMs: number;
  timer: NodeJS.Timeout | undefined;
}

interface Client {
  readonly socket: net.Socket;
  readonly monitors: Map<string, { readonly id: unknown; readonly monitor: Monitor }>;
}

const maxDeferred = 10_000;
const monitorVersions: Readonly<Record<string, MonitorVersion>> = { monitor: 1, monitor_cond: 2, monitor_cond_since: 3 };
const updateMethods = { 1: "update", 2: "update2", 3: "update3" } as const;

export class MemoryServer implements AsyncDisposable {
  /** What a client is to connect to. */
  readonly remote: string;
  /** Messages that made no sense; their connections were closed. */
  protocolErrors = 0;
  private readonly dir: string;
  private readonly listener: net.Server;
  private readonly clients = new Set<Client>();
  private readonly schemas = new Map<string, unknown>();
  private readonly databases = new Map<string, Database>();
  private readonly locks = new Locks<Client>((client, method, lock) => this.send(client, { method, params: [lock], id: null }));
  private deferred: Deferred[] = [];
  private readonly options: MemoryServerOptions;
  private readonly serverId = randomUUID();

  private constructor(options: MemoryServerOptions) {
    this.options = options;
    for (const json of options.schemas) {
      const schema = parseSchema(json);
      this.schemas.set(schema.name, json);
      this.databases.set(schema.name, new Database(schema));
    }
    this.dir = mkdtempSync(`${tmpdir()}/ovsdb-`);
    this.remote = `unix:${this.dir}/sock`;
    this.listener = net.createServer((socket) => this.accept(socket)).listen(`${this.dir}/sock`);
  }

  static async start(options: MemoryServerOptions): Promise<MemoryServer> {
    const server = new MemoryServer(options);
    await once(server.listener, "listening");
    return server;
  }

  get connections(): number {
    return this.clients.size;
  }

  /** Runs operations as a client would; returns the results, errors among them. */
  transact(db: string, operations: readonly unknown[]): unknown[] {
    const outcome = this.database(db).transact(operations, Infinity, () => true);
    if (outcome instanceof Waiting) throw fault("timed out", "it would wait");
    this.publish(this.database(db), outcome.changes);
    return outcome.results;
  }

  /** Ends every connection, as a server that goes away for a moment. */
  disconnect(): void {
    for (const { socket } of this.clients) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.listener, "close");
    this.listener.close();
    this.disconnect();
    for (const { timer } of this.deferred) clearTimeout(timer);
    await closed;
    rmSync(this.dir, { recursive: true });
  }

  private database(name: unknown): Database {
    const database = this.databases.get(String(name));
    if (database === undefined) throw fault("unknown database", String(name));
    return database;
  }

  private accept(socket: net.Socket): void {
    const client: Client = { socket, monitors: new Map() };
    const framing = new JsonFraming(this.options.maxMessageBytes ?? 64 << 20);
    this.clients.add(client);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.clients.delete(client);
      this.drop((waiting) => waiting.client === client);
      this.locks.leave(client);
    });
    socket.on("data", (chunk) => {
      try {
        for (const message of framing.push(chunk)) this.message(client, message as Record<string, unknown>);
      } catch {
        this.protocolErrors++;
        socket.destroy();
      }
    });
  }

  private send({ socket }: Client, message: unknown): void {
    if (!socket.destroyed) socket.write(stringifyJson(message));
  }

  private message(client: Client, { method, params, id }: Record<string, unknown>): void {
    if (typeof method !== "string") return; // the answer to an echo of ours, of which there are none
    const given = Array.isArray(params) ? (params as unknown[]) : [];
    if (method === "cancel") {
      this.drop((waiting) => waiting.client === client && waiting.id === given[0]);
      return;
    }
    try {
      const result = this.options.unknownMethods?.includes(method) === true ? undefined : this.answer(client, method, given, id);
      if (result === deferredAnswer) return;
      if (result === undefined) this.send(client, { result: null, error: "unknown method", id });
      else this.send(client, { result, error: null, id });
    } catch (error) {
      const { error: tag, details, message } = error instanceof OvsdbError ? error : fault("syntax error", String(error));
      this.send(client, { result: null, error: { error: tag ?? "error", details: details ?? message }, id });
    }
  }

  /** The result of a request; undefined for a method that is not known. */
  private answer(client: Client, method: string, params: readonly unknown[], id: unknown): unknown {
    const version = monitorVersions[method];
    if (version !== undefined) return this.monitor(client, version, params);
    switch (method) {
      case "echo":
        return params;
      case "list_dbs":
        return [...this.databases.keys()];
      case "get_schema":
        this.database(params[0]);
        return this.schemas.get(String(params[0]));
      case "get_server_id":
        return this.serverId;
      case "set_db_change_aware":
        return {};
      case "transact":
        return this.transaction({ client, id, database: this.database(params[0]), operations: params.slice(1), sinceMs: performance.now(), timer: undefined });
      case "monitor_cancel":
        if (!client.monitors.delete(stringifyJson(params[0]))) throw fault("unknown monitor", stringifyJson(params[0]));
        return {};
      case "monitor_cond_change":
        return this.changeConditions(client, params);
      case "lock":
      case "steal":
        return this.locks.take(client, String(params[0]), method === "steal");
      case "unlock":
        this.locks.release(client, String(params[0]));
        return {};
      default:
        return undefined;
    }
  }

  private monitor(client: Client, version: MonitorVersion, [db, id, requests]: readonly unknown[]): unknown {
    const key = stringifyJson(id);
    if (client.monitors.has(key)) throw fault("syntax error", "duplicate monitor ID");
    const monitor = new Monitor(this.database(db), requests, version);
    const initial = monitor.initial();
    client.monitors.set(key, { id, monitor });
    return version === 3 ? [false, noTransaction, initial] : initial;
  }

  private changeConditions(client: Client, [oldId, newId, requests]: readonly unknown[]): unknown {
    const found = client.monitors.get(stringifyJson(oldId));
    if (found === undefined) throw fault("unknown monitor", stringifyJson(oldId));
    const updates = found.monitor.changeConditions(requests);
    client.monitors.delete(stringifyJson(oldId));
    client.monitors.set(stringifyJson(newId), { id: newId, monitor: found.monitor });
    if (updates !== undefined) this.update(client, newId, found.monitor, updates);
    return {};
  }

  private update(client: Client, id: unknown, { version }: Monitor, updates: unknown): void {
    this.send(client, { method: updateMethods[version], params: version === 3 ? [id, noTransaction, updates] : [id, updates], id: null });
  }

  /** Tells what has changed, then tries again what waits for a change. */
  private publish(database: Database, changes: Parameters<Monitor["updates"]>[0]): void {
    if (changes.length === 0) return;
    for (const client of this.clients) {
      for (const { id, monitor } of client.monitors.values()) {
        const updates = monitor.database === database ? monitor.updates(changes) : undefined;
        if (updates !== undefined) this.update(client, id, monitor, updates);
      }
    }
    for (const waiting of this.deferred.filter((each) => each.database === database)) if (this.deferred.includes(waiting)) this.again(waiting);
  }

  private transaction(request: Deferred): unknown {
    const { client, database } = request;
    const outcome = database.transact(request.operations, performance.now() - request.sinceMs, (lock) => this.locks.holds(client, lock));
    if (outcome instanceof Waiting) {
      if (this.deferred.length >= maxDeferred) throw fault("resources exhausted", "too many transactions wait");
      this.deferred.push(request);
      if (outcome.timeoutMs !== Infinity) request.timer = setTimeout(() => this.again(request), Math.max(0, request.sinceMs + outcome.timeoutMs - performance.now()) + 1);
      return deferredAnswer;
    }
    this.publish(database, outcome.changes); // its own client sees the update before the answer
    return outcome.results;
  }

  private again(waiting: Deferred): void {
    this.drop((each) => each === waiting);
    const result = this.transaction(waiting);
    if (result !== deferredAnswer) this.send(waiting.client, { result, error: null, id: waiting.id });
  }

  private drop(isIt: (waiting: Deferred) => boolean): void {
    for (const waiting of this.deferred) if (isIt(waiting)) clearTimeout(waiting.timer);
    this.deferred = this.deferred.filter((waiting) => !isIt(waiting));
  }
}

/** Answered later, or never. */
const deferredAnswer = Symbol("deferred");
