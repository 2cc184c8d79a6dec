/**
 * The session under a connection: framing, hello, keep-alive, requests by xid, a bounded send queue.
 *
 * A message that can't be read is answered with OFPBRC_BAD_LEN and counted; the session goes on. It ends when framing is
 * lost, when a message has another version than was agreed, when the peer falls silent, and when it stops reading.
 */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { OpenFlowError } from "../errors.js";
import { switchError } from "../messages/errors.js";
import { decodeMessage, encodeMessage, type Body, type Message } from "../messages/message.js";
import { PacketInView } from "../messages/packet-in-view.js";
import type { Features } from "../messages/switch.js";
import { WireError, type Version } from "../wire/reader.js";
import { MessageFraming } from "./framing.js";
import { tick, type Liveness } from "./liveness.js";
import { commonVersion } from "./negotiation.js";
import { PacketInBudget } from "./packet-in-budget.js";
import { Requests } from "./requests.js";
import { SendQueue } from "./send-queue.js";
import { everyShared } from "./shared-interval.js";
import type { ConnectionCounters, ConnectionEvents, SessionOptions, Tracked } from "./session-types.js";

const badRequest = { errorType: 1, badType: 1, badLength: 6 } as const;
const helloFailed = { errorType: 0, incompatible: 0 } as const;
const quotedBytes = 64;
const packetInNumber = 10;
/** How long a peer that does not read may delay the end of the socket. */
const lingerMs = 500;

export abstract class Session extends EventEmitter<ConnectionEvents> {
  readonly counters: ConnectionCounters = { received: 0, sent: 0, receivedBytes: 0, sentBytes: 0, malformed: 0, unknown: 0, packetInsDropped: 0 };
  protected readonly requests: Requests;
  protected readonly tracked = new Set<Tracked>();
  protected readonly options: SessionOptions;
  private readonly socket: Socket;
  private readonly framing = new MessageFraming();
  /** Ends the looks at whether the peer is alive. */
  private readonly endLooks: () => void;
  private liveness: Liveness = { state: "alive", sinceMs: performance.now() };
  private checkedMs = performance.now();
  private negotiated: Version | undefined;
  private switchFeatures: Features | undefined;
  private nextXid = 1;
  private isClosed = false;
  private readonly out: SendQueue;
  private readonly budget: PacketInBudget;
  private agree: ((version: Version) => void) | undefined;
  private refuseAgreement: ((error: OpenFlowError) => void) | undefined;

  constructor(socket: Socket, options: SessionOptions) {
    super();
    this.socket = socket;
    this.options = options;
    this.requests = new Requests(options.requestTimeoutMs);
    this.budget = new PacketInBudget(options.packetInsPerSecond, performance.now());
    this.out = new SendQueue(socket, options, this.counters, {
      overrun: (reason) => this.end(reason),
      resumed: () => void (this.liveness = { state: "alive", sinceMs: performance.now() }),
    });
    this.on("error", () => undefined); // one that nobody listens for must not end the process
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.received(chunk));
    socket.on("error", (error) => this.end(error.message));
    socket.on("close", () => this.end("the peer closed the connection"));
    this.endLooks = everyShared(Math.max(10, options.echoIntervalMs / 4), () => this.check());
  }

  /** The wire version that was agreed; before that the highest offered. */
  get version(): Version {
    return this.negotiated ?? (Math.max(...this.options.versions) as Version);
  }
  /** The switch's features; known once the session is set up. */
  get features(): Features {
    if (this.switchFeatures === undefined) throw new OpenFlowError("not-connected", "the session is not set up");
    return this.switchFeatures;
  }
  get datapathId(): bigint {
    return this.features.datapathId;
  }

  /** Negotiates the version and reads the features. Rejects with "version-mismatch", "timeout" or "not-connected". */
  async handshake(): Promise<void> {
    const agreed = new Promise<Version>((resolve, reject) => {
      const timer = setTimeout(() => reject(new OpenFlowError("timeout", "no hello")), this.options.requestTimeoutMs);
      this.agree = (version) => {
        clearTimeout(timer);
        resolve(version);
      };
      this.refuseAgreement = (error) => {
        clearTimeout(timer);
        reject(error);
      };
    });
    try {
      this.write(encodeMessage(this.version, this.xid(), { type: "hello", versions: this.options.versions }));
      this.negotiated = await agreed;
      const reply = await this.request({ type: "featuresRequest" });
      if (reply.type !== "featuresReply") throw new OpenFlowError("unsupported", `features answered with ${reply.type}`);
      this.switchFeatures = reply;
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /**
   * Sends and forgets; false when the connection is closed. An error that the switch answers comes as event "error". RangeError
   * when the version cannot say it.
   */
  send(body: Body): boolean {
    if (this.isClosed) return false;
    try {
      this.append(this.xid(), body);
      return true;
    } catch (error) {
      if (error instanceof OpenFlowError) return false; // the peer does not read: the connection is at its end and says so
      throw error;
    }
  }

  /**
   * Sends and resolves with the one reply; rejects with the switch's error, "timeout", "not-connected" or "overloaded", and
   * with the signal's reason when that aborts: the switch may do what was asked all the same.
   */
  request(body: Body, options: { readonly signal?: AbortSignal } = {}): Promise<Message> {
    const take = (message: Message, resolve: (value: Message) => void): boolean => {
      resolve(message);
      return true;
    };
    return this.collect(body, take, this.xid(), options.signal);
  }

  /** Closes; resolves when the socket is closed. */
  async close(): Promise<void> {
    this.end("closed by us");
    if (!this.socket.closed) await new Promise<void>((resolve) => this.socket.once("close", () => resolve()));
  }

  /** Events, unknown ones included, that are no reply. */
  protected abstract unsolicited(message: Message): void;

  protected xid(): number {
    return this.xids(1);
  }
  /** The first of `count` numbers in a row. */
  protected xids(count: number): number {
    if (this.nextXid + count > 0x7fffffff) this.nextXid = 1;
    const first = this.nextXid;
    this.nextXid += count;
    return first;
  }

  /** Puts a message behind those of this turn. Throws OpenFlowError when the connection is closed or the peer does not read. */
  private append(xid: number, body: Body): void {
    this.out.append(this.version, xid, body);
  }
  /** Writes whole messages. Throws as `append`. */
  protected write(bytes: Uint8Array, messages = 1): void {
    this.out.write(bytes, messages);
  }
  /** Writes whole messages and waits while many bytes are unsent. A peer that takes nothing for a request's time-out is closed. */
  protected writeSteadily(bytes: Uint8Array, messages: number): Promise<void> {
    return this.out.writeSteadily(bytes, messages);
  }

  /** Sends a request; `take` sees each reply and returns true for the last. */
  protected collect<T>(body: Body, take: (message: Message, resolve: (value: T) => void) => boolean, xid: number, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const aborted = (): void => void this.requests.fail(xid, signal?.reason as Error);
      const settle = <V>(then: (value: V) => void) => (value: V): void => {
        signal?.removeEventListener("abort", aborted);
        then(value);
      };
      this.requests.add(xid, body.type, (message) => take(message, settle(resolve)), settle(reject));
      signal?.addEventListener("abort", aborted, { once: true });
      try {
        this.append(xid, body);
      } catch (error) {
        this.requests.fail(xid, error as Error);
      }
    });
  }

  private received(chunk: Uint8Array): void {
    this.liveness = { state: "alive", sinceMs: performance.now() };
    this.out.hold();
    try {
      this.framing.cut(chunk, this.take);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.counters.malformed++;
      this.end(`framing lost: ${error.message}`);
    } finally {
      this.out.release();
    }
  }

  private readonly take = (bytes: Uint8Array, view: DataView, start: number, end: number): void => {
    if (this.isClosed) return;
    this.counters.received++;
    this.counters.receivedBytes += end - start;
    try {
      if (view.getUint8(start + 1) === packetInNumber && view.getUint8(start) === this.negotiated) {
        if (this.budget.take()) this.emit("packetIn", new PacketInView(this.negotiated, bytes, view, start, end));
        else this.counters.packetInsDropped++;
      }
      else this.message(decodeMessage(bytes.subarray(start, end)), bytes.subarray(start, end));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.refuse(bytes.subarray(start, end), badRequest.badLength);
    }
  };

  private message(message: Message, bytes: Uint8Array): void {
    if (message.type === "hello") return this.helloCame(message.version, message.versions);
    if (this.negotiated === undefined) return this.end(message.type === "error" ? this.errorOf(message).message : `expected a hello, got ${message.type}`);
    if (message.version !== this.negotiated) {
      this.counters.malformed++;
      return this.end(`version ${message.version} in a session of version ${this.negotiated}`);
    }
    switch (message.type) {
      case "echoRequest":
        return this.reply(encodeMessage(this.version, message.xid, { type: "echoReply", data: message.data }));
      case "echoReply":
        return;
      case "error":
        return this.errorCame(this.errorOf(message), message.xid);
      case "unknown":
        this.counters.unknown++;
        if (!this.requests.settle(message)) this.refuse(bytes, badRequest.badType);
        return;
      default:
        if (!this.requests.settle(message)) this.unsolicited(message);
    }
  }

  private helloCame(version: number, bitmap: readonly number[]): void {
    if (this.negotiated !== undefined) return;
    const ours = this.options.versions;
    const common = commonVersion(ours, version, bitmap);
    if (common !== undefined) {
      this.negotiated = common; // at once: the next message may be in the same chunk
      this.agree?.(common);
      return;
    }
    const data = Buffer.from(`versions ${ours.join(", ")} are spoken here`);
    this.reply(encodeMessage(this.version, 0, { type: "error", errorType: helloFailed.errorType, code: helloFailed.incompatible, data }));
    this.end(`no common version: the peer offers ${bitmap.length > 0 ? bitmap.join(", ") : version}`, "version-mismatch");
  }

  private errorOf(message: Message & { readonly type: "error" }): OpenFlowError {
    const { name, ...facts } = switchError(message.errorType, message.code, message.data, this.version);
    const sent = this.sentUnder(message.xid);
    const index = sent === undefined ? undefined : message.xid - sent.first;
    return new OpenFlowError("switch-rejected", name, { xid: message.xid, ...facts, ...(index === undefined ? {} : { index }) });
  }

  private errorCame(error: OpenFlowError, xid: number): void {
    const tracked = this.sentUnder(xid);
    if (tracked !== undefined) tracked.errors.push(error);
    else if (!this.requests.fail(xid, error)) this.emit("error", error);
  }

  private sentUnder(xid: number): Tracked | undefined {
    for (const one of this.tracked) if (xid >= one.first && xid < one.first + one.count) return one;
    return undefined;
  }

  /** Answers with an error and counts; an error is never answered with another. */
  private refuse(bytes: Uint8Array, code: number): void {
    if (code === badRequest.badLength) this.counters.malformed++;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    if (view.getUint8(1) === 1) return;
    this.reply(encodeMessage(this.version, view.getUint32(4), { type: "error", errorType: badRequest.errorType, code, data: bytes.slice(0, quotedBytes) }));
  }

  /** Writes what no caller waits for: when it cannot be sent, the connection is at its end and says so by itself. */
  private reply(bytes: Uint8Array): void {
    try {
      this.write(bytes);
    } catch (error) {
      if (!(error instanceof OpenFlowError)) throw error;
    }
  }

  private check(): void {
    const nowMs = performance.now();
    const isLate = nowMs - this.checkedMs > this.options.echoIntervalMs;
    this.checkedMs = nowMs;
    if (isLate) return; // we were held up ourselves: what came meanwhile has not been read yet
    const { pausedSinceMs } = this.out;
    if (pausedSinceMs !== undefined) {
      if (nowMs - pausedSinceMs > 2 * this.options.echoIntervalMs) this.end(`the peer does not read: ${this.socket.writableLength} bytes are waiting`);
      return;
    }
    const [next, effect] = tick(this.liveness, nowMs, this.options.echoIntervalMs);
    this.liveness = next;
    if (effect === "send-echo-request") this.reply(encodeMessage(this.version, this.xid(), { type: "echoRequest", data: new Uint8Array(0) }));
    else if (effect === "close") this.end(`nothing received for ${2 * this.options.echoIntervalMs} ms`);
  }

  private end(reason: string, code: "not-connected" | "version-mismatch" = "not-connected"): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.out.close(reason);
    this.endLooks();
    this.socket.destroySoon(); // what is in flight, such as an error reply, still goes out
    setTimeout(() => this.socket.destroy(), lingerMs).unref();
    const error = new OpenFlowError(code, `the connection ended: ${reason}`);
    this.refuseAgreement?.(error);
    this.requests.failAll(error);
    this.emit("closed", reason);
  }
}
