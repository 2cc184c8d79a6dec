/** One JSON-RPC 1.0 connection to an OVSDB server: requests by id, notifications, echo, inactivity probe. */
import { EventEmitter } from "node:events";
import type net from "node:net";
import { OvsdbError, serverError } from "../errors.js";
import { JsonFraming } from "./framing.js";
import { stringifyJson } from "./json.js";
import { tick, type Liveness } from "./liveness.js";
import { connectionError } from "./remote.js";

export interface SessionOptions {
  readonly probeIntervalMs: number;
  readonly requestTimeoutMs: number;
  readonly maxMessageBytes: number;
}

export interface SessionEvents {
  notification: [method: string, params: readonly unknown[]];
  closed: [reason: Error];
}

export interface RequestOptions {
  /**
   * Sees the result before the next message is looked at: an update may follow a monitor's reply in the same segment. While a promise of it
   * is open nothing further is read.
   */
  readonly onResult?: (result: unknown) => void | Promise<void>;
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly method: string;
  readonly settle: (result: unknown) => void | Promise<void>;
  readonly reject: (error: Error) => void;
  /** Why it was cancelled by us; the server's answer then decides what is told. */
  cancelled: OvsdbError | undefined;
  timer: NodeJS.Timeout;
}

/** Requests without an answer, and bytes the server does not take, beyond which we do not go on. */
const maxPending = 10_000;
const maxUnsentBytes = 256 << 20;
/** A message from this length on is parsed in one turn of the event loop and acted on in the next. */
const largeBytes = 256 << 10;
/** How long a cancelled transaction may take to say what became of it. */
const cancelGraceMs = 1_000;

export class Session extends EventEmitter<SessionEvents> {
  readonly remote: string;
  private readonly socket: net.Socket;
  private readonly options: SessionOptions;
  private readonly pending = new Map<number, Pending>();
  private readonly framing: JsonFraming;
  private readonly probe: NodeJS.Timeout;
  /** Resolves when the socket is closed. */
  readonly ended: Promise<void>;
  private liveness: Liveness = { state: "alive", sinceMs: performance.now() };
  private nextId = 0;
  private isClosed = false;
  /** While one message is being taken in: those that came behind it, which are few, since nothing is read. */
  private isHolding = false;
  private readonly held: unknown[] = [];

  /** Takes a connected socket. `remote`: what it is connected to, for people. */
  constructor(socket: net.Socket, options: SessionOptions, remote = "") {
    super();
    this.remote = remote;
    this.socket = socket;
    this.options = options;
    this.framing = new JsonFraming(options.maxMessageBytes);
    this.ended = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.received(chunk));
    socket.on("error", (error) => this.end(connectionError("the connection failed", error)));
    socket.on("close", () => this.end(new OvsdbError("transport", "the server closed the connection")));
    this.probe = setInterval(() => this.check(), Math.max(10, options.probeIntervalMs / 4));
    this.probe.unref();
  }

  get bytesReceived(): number {
    return this.socket.bytesRead;
  }
  get bytesSent(): number {
    return this.socket.bytesWritten;
  }
  get closed(): boolean {
    return this.isClosed;
  }

  /**
   * Sends a request and resolves with its result. Rejects with the server's error, or "timed-out" after the request
   * timeout, or "cancelled" by `signal`. A `transact` is cancelled at the server in both cases, and it resolves all the same
   * when that was too late; "outcome-unknown" when the server falls silent, or when the connection ends first.
   */
  request(method: string, params: readonly unknown[], options: RequestOptions = {}): Promise<unknown> {
    const { onResult, signal } = options;
    if (this.isClosed) return Promise.reject(new OvsdbError("transport", "not connected"));
    if (signal?.aborted) return Promise.reject(new OvsdbError("cancelled", `${method} was cancelled`, {}, signal.reason));
    if (this.pending.size >= maxPending) return Promise.reject(new OvsdbError("transport", `${maxPending} requests are waiting for the server`));
    const id = this.nextId++;
    const timeoutMs = this.options.requestTimeoutMs;
    return new Promise((resolve, reject) => {
      const aborted = (): void => this.cancel(id, new OvsdbError("cancelled", `${method} was cancelled`, {}, signal?.reason));
      const timedOut = (): void => this.cancel(id, new OvsdbError("timed-out", `no reply to ${method} within ${timeoutMs} ms`));
      const release = (): void => signal?.removeEventListener("abort", aborted);
      const fail = (error: Error): void => {
        release();
        reject(error);
      };
      const failed = (error: unknown): void => fail(error instanceof Error ? error : new Error(String(error)));
      const done = (result: unknown): void => {
        release();
        resolve(result);
      };
      const settle = (result: unknown): void | Promise<void> => {
        try {
          const taken = onResult?.(result);
          if (taken !== undefined) return taken.then(() => done(result), failed);
          done(result);
        } catch (error) {
          failed(error);
        }
      };
      this.pending.set(id, { method, settle, reject: fail, cancelled: undefined, timer: setTimeout(timedOut, timeoutMs) });
      signal?.addEventListener("abort", aborted, { once: true });
      this.send({ method, params, id });
    });
  }

  /** Ends the connection; `ended` resolves when the socket is gone. */
  close(reason: Error = new OvsdbError("transport", "closed by us")): void {
    this.end(reason);
  }

  private cancel(id: number, reason: OvsdbError): void {
    const waiting = this.pending.get(id);
    if (waiting === undefined || waiting.cancelled !== undefined) return;
    clearTimeout(waiting.timer);
    if (waiting.method !== "transact") {
      this.pending.delete(id);
      waiting.reject(reason);
      return;
    }
    waiting.cancelled = reason;
    waiting.timer = setTimeout(() => {
      this.pending.delete(id);
      waiting.reject(new OvsdbError("outcome-unknown", `${reason.message}, and the server does not say what became of it`, {}, reason));
    }, cancelGraceMs);
    this.send({ method: "cancel", params: [id], id: null });
    // ovsdb-server 3.1 drops the transaction without a word (RFC 7047 section 4.1.4 has it say "canceled"). What it says to
    // a later request comes after all it has to say about this one.
    const settled = (): void => {
      if (this.pending.get(id) !== waiting) return;
      clearTimeout(waiting.timer);
      this.pending.delete(id);
      waiting.reject(reason);
    };
    this.request("echo", []).then(settled, () => undefined); // without an answer the timer tells, or the connection's end
  }

  private send(message: unknown): void {
    this.socket.write(stringifyJson(message));
    if (this.socket.writableLength > maxUnsentBytes) this.end(new OvsdbError("transport", "the server does not read what we send"));
  }

  private received(chunk: Uint8Array): void {
    this.liveness = { state: "alive", sinceMs: performance.now() };
    try {
      const values = this.framing.push(chunk);
      if (this.isHolding) this.held.push(...values);
      else if (this.framing.largest < largeBytes) this.messages(values);
      else {
        // The last of reading it and doing what it says may each take a while: others come in between.
        this.hold(values, new Promise((resolve) => setImmediate(resolve)));
      }
    } catch (error) {
      this.end(error instanceof Error ? error : new OvsdbError("protocol", String(error)));
    }
  }

  /** Acts on messages in their order; while one is being taken in, the rest waits and nothing is read. */
  private messages(values: readonly unknown[]): void {
    try {
      for (let i = 0; i < values.length; i++) {
        if (this.isClosed) return;
        const taken = this.message(values[i]);
        if (taken !== undefined) return this.hold(values.slice(i + 1), taken);
      }
    } catch (error) {
      this.end(error instanceof Error ? error : new OvsdbError("protocol", String(error)));
    }
  }

  private hold(values: readonly unknown[], until: Promise<void>): void {
    this.isHolding = true;
    this.held.unshift(...values);
    this.socket.pause();
    void until.then(() => {
      this.isHolding = false;
      this.liveness = { state: "alive", sinceMs: performance.now() }; // silent because we did not listen
      this.messages(this.held.splice(0));
      if (!this.isClosed && !this.isHolding) this.socket.resume();
    });
  }

  /** A promise while what it says is being taken in. */
  private message(value: unknown): Promise<void> | undefined {
    const message = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
    const { method, id } = message;
    if (typeof method === "string") {
      const params = Array.isArray(message["params"]) ? (message["params"] as unknown[]) : [];
      if (method === "echo") this.send({ result: params, error: null, id });
      else this.emit("notification", method, params);
      return undefined;
    }
    const waiting = typeof id === "number" ? this.pending.get(id) : undefined;
    if (waiting === undefined || typeof id !== "number") return undefined; // a reply to a request that timed out, or our echo
    this.pending.delete(id);
    clearTimeout(waiting.timer);
    const { error } = message;
    if (error === null || error === undefined) return waiting.settle(message["result"]) ?? undefined;
    const told = serverError(error);
    waiting.reject(told.kind === "cancelled" && waiting.cancelled !== undefined ? waiting.cancelled : told);
    return undefined;
  }

  private check(): void {
    if (this.isHolding) return;
    const before = this.liveness;
    const [next, effect] = tick(before, performance.now(), this.options.probeIntervalMs);
    if (effect !== "close") this.liveness = next;
    if (effect === "send-echo") this.send({ method: "echo", params: [], id: "echo" });
    // When we were the busy ones, the answer lies in the socket: it is read before the immediate runs.
    else if (effect === "close") setImmediate(() => this.giveUp(before));
  }

  private giveUp(silentSince: Liveness): void {
    if (this.liveness === silentSince) this.end(new OvsdbError("transport", `nothing received for ${2 * this.options.probeIntervalMs} ms`));
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
