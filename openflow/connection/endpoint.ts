/** Both ends of the wire: dialling a switch, and listening for switches that dial us. */
import { EventEmitter } from "node:events";
import net from "node:net";
import { OpenFlowError } from "../errors.js";
import type { Version } from "../wire/reader.js";
import { OpenFlowConnection } from "./connection.js";
import { defaultOptions, type SessionOptions } from "./session-types.js";
import { createTlsServer, dialTls, type TlsFiles } from "./tls.js";

export interface ConnectOptions {
  /** "unix:PATH", "tcp:HOST:PORT" or "ssl:HOST:PORT". */
  readonly remote: string;
  /** Needed for "ssl:"; read at each dial. */
  readonly tls?: TlsFiles;
  /** Wire versions to offer; default all, 1.0 to 1.5. */
  readonly versions?: readonly Version[];
  readonly signal?: AbortSignal;
  readonly echoIntervalMs?: number;
  readonly requestTimeoutMs?: number;
  readonly maxSendQueueBytes?: number;
  readonly packetInsPerSecond?: number;
}

function sessionOptions(options: Partial<SessionOptions>): SessionOptions {
  const given = Object.entries(options).filter(([key, value]) => value !== undefined && key in defaultOptions);
  return { ...defaultOptions, ...(Object.fromEntries(given) as Partial<SessionOptions>) };
}

function dial({ remote, tls }: ConnectOptions): { readonly socket: net.Socket; readonly ready: "connect" | "secureConnect" } {
  const unix = /^unix:(.+)$/.exec(remote);
  if (unix?.[1] !== undefined) return { socket: net.connect({ path: unix[1] }), ready: "connect" };
  const inet = /^(tcp|ssl):(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(remote);
  const host = inet?.[2] ?? inet?.[3];
  if (host === undefined || inet?.[4] === undefined) throw new RangeError(`"${remote}" is not a remote: expected unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT`);
  const to = { host, port: Number(inet[4]) };
  if (inet[1] === "tcp") return { socket: net.connect(to), ready: "connect" };
  if (tls === undefined) throw new RangeError(`"${remote}" needs the paths of certificate, key and CA certificate`);
  return { socket: dialTls(to, tls), ready: "secureConnect" };
}

/** Dials a switch and sets the session up. Rejects with OpenFlowError. */
export async function connect(options: ConnectOptions): Promise<OpenFlowConnection> {
  const { remote, signal } = options;
  const socket = await new Promise<net.Socket>((resolve, reject) => {
    const { socket: opening, ready } = dial(options);
    const failed = (error: Error): void => {
      opening.destroy();
      signal?.removeEventListener("abort", aborted);
      reject(new OpenFlowError("not-connected", `cannot connect to ${remote}: ${error.message}`, {}, error));
    };
    const aborted = (): void => failed(new Error("aborted"));
    signal?.addEventListener("abort", aborted, { once: true });
    opening.once("error", failed);
    opening.once(ready, () => {
      opening.off("error", failed);
      signal?.removeEventListener("abort", aborted);
      resolve(opening);
    });
    if (signal?.aborted === true) aborted();
  });
  const connection = new OpenFlowConnection(socket, sessionOptions(options));
  const aborted = (): void => void connection.close();
  signal?.addEventListener("abort", aborted, { once: true });
  try {
    await connection.handshake();
  } finally {
    signal?.removeEventListener("abort", aborted);
  }
  return connection;
}

export interface ListenOptions extends Partial<SessionOptions> {
  /** "ptcp:PORT[:HOST]" or "pssl:PORT[:HOST]" (all addresses when no host is given, port 0 for any), or "punix:PATH". */
  readonly remote: string;
  /** Needed for "pssl:"; read again when they change. */
  readonly tls?: TlsFiles;
}

export interface ServerEvents {
  /** A switch dialled in and its session is set up. */
  connection: [OpenFlowConnection];
  /** An auxiliary connection (1.3 and later) of a switch, by its features' auxiliaryId and datapathId. */
  auxiliary: [OpenFlowConnection];
  /** A peer that did not become a session, and why. */
  rejected: [reason: string];
}

/** More than the switches that may come at once: a listen queue that overflows costs them seconds of retries. */
const backlog = 4096;
/** Peers at one time; one more is dropped and counted. */
const maxConnections = 16_384;

/** Listens for switches. What one peer sends never touches another. */
export class OpenFlowServer extends EventEmitter<ServerEvents> {
  readonly counters = { accepted: 0, rejected: 0, dropped: 0 };
  private readonly server: net.Server;
  private readonly connections = new Set<OpenFlowConnection>();

  private constructor(server: net.Server) {
    super();
    this.server = server;
  }

  static async listen(options: ListenOptions): Promise<OpenFlowServer> {
    const inet = /^p(tcp|ssl):(\d+)(?::(.+))?$/.exec(options.remote);
    const unix = /^punix:(.+)$/.exec(options.remote);
    if (inet === null && unix === null) throw new RangeError(`"${options.remote}" is not a place to listen: expected ptcp:PORT[:HOST], pssl:PORT[:HOST] or punix:PATH`);
    const isTls = inet?.[1] === "ssl";
    if (isTls && options.tls === undefined) throw new RangeError(`"${options.remote}" needs the paths of certificate, key and CA certificate`);
    const refused = (error: Error): void => listening.reject(`TLS: ${error.message}`);
    const server: net.Server = isTls && options.tls !== undefined ? createTlsServer(options.tls, refused) : net.createServer();
    server.maxConnections = maxConnections;
    const listening = new OpenFlowServer(server);
    server.on(isTls ? "secureConnection" : "connection", (socket: net.Socket) => void listening.accept(socket, sessionOptions(options)));
    server.on("tlsClientError", refused);
    server.on("drop", () => listening.counters.dropped++);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.once("listening", () => {
        server.off("error", reject);
        // Accepting one peer failed, as when no file descriptors are left: the others go on.
        server.on("error", () => listening.counters.dropped++);
      });
      server.listen(unix?.[1] === undefined ? { port: Number(inet?.[2]), ...(inet?.[3] === undefined ? {} : { host: inet[3] }), backlog } : { path: unix[1], backlog }, resolve);
    });
    return listening;
  }

  /** The TCP port that is listened on. */
  get port(): number | undefined {
    const address = this.server.address();
    return typeof address === "object" ? address?.port : undefined;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    await Promise.all([...this.connections].map((connection) => connection.close()));
    await closed;
  }

  private async accept(socket: net.Socket, options: SessionOptions): Promise<void> {
    const connection = new OpenFlowConnection(socket, options);
    this.connections.add(connection);
    connection.once("closed", () => this.connections.delete(connection));
    try {
      await connection.handshake();
    } catch (error) {
      this.reject(error instanceof Error ? error.message : String(error));
      return;
    }
    this.counters.accepted++;
    this.emit(connection.features.auxiliaryId === 0 ? "connection" : "auxiliary", connection);
  }

  private reject(reason: string): void {
    this.counters.rejected++;
    this.emit("rejected", reason);
  }
}
