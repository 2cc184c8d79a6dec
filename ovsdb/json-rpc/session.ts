/** One JSON-RPC 1.0 connection to an OVSDB server: requests by id, notifications, echo, inactivity probe. */
import { EventEmitter } from "node:events";
import net from "node:net";
import { OvsdbError, serverError } from "../errors.js";
import { JsonFraming } from "./framing.js";
import { tick, type Liveness } from "./liveness.js";

export interface SessionOptions {
  readonly probeIntervalMs: number;
  readonly requestTimeoutMs: number;
  readonly maxMessageBytes: number;
}

export interface SessionEvents {
  notification: [method: string, params: readonly unknown[]];
  closed: [reason: Error];
}

interface Pending {
  readonly method: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** "unix:PATH", "tcp:HOST:PORT" (IPv6 in brackets), as ovsdb(7) writes connection methods. */
export function parseRemote(remote: string): net.NetConnectOpts {
  const unix = /^unix:(.+)$/.exec(remote);
  if (unix?.[1] !== undefined) return { path: unix[1] };
  const tcp = /^tcp:(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(remote);
  const host = tcp?.[1] ?? tcp?.[2];
  if (host !== undefined && tcp?.[3] !== undefined) return { host, port: Number(tcp[3]) };
  throw new OvsdbError("transport", `"${remote}" is not a remote: expected unix:PATH or tcp:HOST:PORT`);
}

export class Session extends EventEmitter<SessionEvents> {
  private readonly socket: net.Socket;
  private readonly options: SessionOptions;
  private readonly pending = new Map<number, Pending>();
  private readonly framing: JsonFraming;
  private readonly probe: NodeJS.Timeout;
  private liveness: Liveness = { state: "alive", sinceMs: performance.now() };
  private nextId = 0;
  private isClosed = false;

  /** Opens a connection; rejects with OvsdbError "transport". */
  static open(remote: string, options: SessionOptions, signal?: AbortSignal): Promise<Session> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(parseRemote(remote));
      const failed = (error: Error): void => {
        socket.destroy();
        signal?.removeEventListener("abort", aborted);
        reject(new OvsdbError("transport", `cannot connect to ${remote}: ${error.message}`, {}, error));
      };
      const aborted = (): void => failed(new Error("aborted"));
      signal?.addEventListener("abort", aborted, { once: true });
      socket.once("error", failed);
      socket.once("connect", () => {
        socket.off("error", failed);
        signal?.removeEventListener("abort", aborted);
        resolve(new Session(socket, options));
      });
      if (signal?.aborted) aborted();
    });
  }

  private constructor(socket: net.Socket, options: SessionOptions) {
    super();
    this.socket = socket;
    this.options = options;
    this.framing = new JsonFraming(options.maxMessageBytes);
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.received(chunk));
    socket.on("error", (error) => this.end(new OvsdbError("transport", error.message, {}, error)));
    socket.on("close", () => this.end(new OvsdbError("transport", "the server closed the connection")));
    this.probe = setInterval(() => this.check(), Math.max(10, options.probeIntervalMs / 4));
    this.probe.unref();
  }

  get closed(): boolean {
    return this.isClosed;
  }

  /**
   * Sends a request and resolves with its result. Rejects with the server's error, "timed-out" after the request timeout,
   * or "outcome-unknown" when the connection ends before the reply to a `transact`. `onResult` sees the result before the
   * next message is looked at: an update may follow a monitor's reply in the same segment.
   */
  request(method: string, params: readonly unknown[], onResult: (result: unknown) => void = () => {}): Promise<unknown> {
    if (this.isClosed) return Promise.reject(new OvsdbError("transport", "not connected"));
    const id = this.nextId++;
    const timeoutMs = this.options.requestTimeoutMs;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new OvsdbError("timed-out", `no reply to ${method} within ${timeoutMs} ms`));
      }, timeoutMs);
      const settle = (result: unknown): void => {
        try {
          onResult(result);
          resolve(result);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      this.pending.set(id, { method, resolve: settle, reject, timer });
      this.send({ method, params, id });
    });
  }

  notify(method: string, params: readonly unknown[]): void {
    if (!this.isClosed) this.send({ method, params, id: null });
  }

  close(reason: Error = new OvsdbError("transport", "closed by us")): void {
    this.end(reason);
  }

  private send(message: unknown): void {
    this.socket.write(JSON.stringify(message));
  }

  private received(chunk: Uint8Array): void {
    this.liveness = { state: "alive", sinceMs: performance.now() };
    try {
      for (const value of this.framing.push(chunk)) this.message(value);
    } catch (error) {
      this.end(error instanceof Error ? error : new OvsdbError("protocol", String(error)));
    }
  }

  private message(value: unknown): void {
    const message = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
    const { method, id } = message;
    if (typeof method === "string") {
      const params = Array.isArray(message["params"]) ? (message["params"] as unknown[]) : [];
      if (method === "echo") this.send({ result: params, error: null, id });
      else this.emit("notification", method, params);
      return;
    }
    const waiting = typeof id === "number" ? this.pending.get(id) : undefined;
    if (waiting === undefined || typeof id !== "number") return; // a reply to a request that timed out, or our echo
    this.pending.delete(id);
    clearTimeout(waiting.timer);
    const { error } = message;
    if (error !== null && error !== undefined) waiting.reject(serverError(error));
    else waiting.resolve(message["result"]);
  }

  private check(): void {
    const [next, effect] = tick(this.liveness, performance.now(), this.options.probeIntervalMs);
    this.liveness = next;
    if (effect === "send-echo") this.send({ method: "echo", params: [], id: "echo" });
    else if (effect === "close") this.end(new OvsdbError("transport", `nothing received for ${2 * this.options.probeIntervalMs} ms`));
  }

  private end(reason: Error): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.probe);
    this.socket.destroy();
    for (const { method, reject, timer } of this.pending.values()) {
      clearTimeout(timer);
      reject(new OvsdbError(method === "transact" ? "outcome-unknown" : "transport", `the connection ended before the reply to ${method}`, {}, reason));
    }
    this.pending.clear();
    this.emit("closed", reason);
  }
}
