/**
 * One OpenFlow session with a switch: negotiation, keep-alive, requests by xid, errors tied to what caused them.
 *
 * A message that can't be read is answered with OFPBRC_BAD_LEN and counted; the session goes on unless framing is lost.
 */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { OpenFlowError } from "../errors.js";
import { errorName } from "../messages/errors.js";
import {
  readFlowStats,
  readFlowUpdates,
  writeFlowRequest,
  writeMonitorRequest,
  type FlowFilter,
  type FlowRemoved,
  type FlowStats,
  type FlowUpdate,
  type Version,
} from "../messages/flow.js";
import { readGroupDescs, readMeterConfigs, type GroupDesc, type MeterConfig } from "../messages/group.js";
import { decodeMessage, encodeMessage, type Body, type Features, type Message, type ModBody, type PacketIn, type RequestForward } from "../messages/message.js";
import { readPortDescs, readPortStats, type PortDesc, type PortStats, type PortStatus } from "../messages/port.js";
import { Reader, WireError, Writer } from "../wire/reader.js";
import { MessageFraming } from "./framing.js";
import { tick, type Liveness } from "./liveness.js";

export interface SessionOptions {
  readonly versions: readonly Version[];
  readonly echoIntervalMs: number;
  readonly requestTimeoutMs: number;
  /** Unsent bytes beyond which the peer counts as not reading: the session is closed. */
  readonly maxSendQueueBytes: number;
}
export const defaultOptions: SessionOptions = {
  versions: [5, 4],
  echoIntervalMs: 5_000,
  requestTimeoutMs: 10_000,
  maxSendQueueBytes: 64 << 20,
};

export interface ConnectionEvents {
  packetIn: [PacketIn];
  portStatus: [PortStatus];
  flowRemoved: [FlowRemoved];
  flowUpdates: [readonly FlowUpdate[]];
  requestForward: [RequestForward];
  /** An error that belongs to no request that is waited for. */
  error: [OpenFlowError];
  closed: [reason: string];
}

export interface ConnectionCounters {
  received: number;
  sent: number;
  /** Messages that could not be read. */
  malformed: number;
  /** Messages of a type we do not know. */
  unknown: number;
}

interface Waiting {
  readonly settle: (message: Message) => boolean;
  readonly fail: (error: OpenFlowError) => void;
  readonly timer: NodeJS.Timeout;
}

const multipart = { desc: 0, flow: 1, portStats: 4, groupDesc: 7, meterConfig: 10, portDesc: 13, flowMonitor: 16 } as const;
const morePartsFollow = 1;
const badRequest = 1;
const badType = 1;
const badLength = 6;
const helloFailed = 0;

export class OpenFlowConnection extends EventEmitter<ConnectionEvents> {
  readonly counters: ConnectionCounters = { received: 0, sent: 0, malformed: 0, unknown: 0 };
  private readonly socket: Socket;
  private readonly options: SessionOptions;
  private readonly framing = new MessageFraming();
  private readonly waiting = new Map<number, Waiting>();
  /** Of a running `apply`: xid → index of the modification. */
  private readonly applying = new Map<number, { readonly index: number; readonly errors: OpenFlowError[] }>();
  private readonly probe: NodeJS.Timeout;
  private liveness: Liveness = { state: "alive", sinceMs: performance.now() };
  private negotiated: Version | undefined;
  private switchFeatures: Features | undefined;
  private nextXid = 1;
  private isMonitoring = false;
  private isClosed = false;
  private onHello: ((version: Version) => void) | undefined;

  constructor(socket: Socket, options: SessionOptions) {
    super();
    this.socket = socket;
    this.options = options;
    // An "error" nobody listens for must not end the process: it is counted by those who care.
    this.on("error", () => undefined);
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.received(chunk));
    socket.on("error", (error) => this.end(error.message));
    socket.on("close", () => this.end("the switch closed the connection"));
    this.probe = setInterval(() => this.check(), Math.max(10, options.echoIntervalMs / 4));
    this.probe.unref();
  }

  get version(): Version {
    return this.negotiated ?? 5;
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
    const highest = Math.max(...this.options.versions);
    const agreed = new Promise<Version>((resolve, reject) => {
      const timer = setTimeout(() => reject(new OpenFlowError("timeout", "no hello")), this.options.requestTimeoutMs);
      this.once("closed", (reason) => {
        clearTimeout(timer);
        reject(new OpenFlowError("version-mismatch", reason));
      });
      this.onHello = (version) => {
        clearTimeout(timer);
        resolve(version);
      };
    });
    this.write(encodeMessage(highest as Version, this.xid(), { type: "hello", versions: this.options.versions }));
    try {
      this.negotiated = await agreed;
      const reply = await this.request({ type: "featuresRequest" });
      if (reply.type !== "featuresReply") throw new OpenFlowError("unsupported", `features answered with ${reply.type}`);
      this.switchFeatures = reply;
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** Sends and forgets. An error that the switch answers comes as event "error". */
  send(body: Body): void {
    this.write(encodeMessage(this.version, this.xid(), body));
  }

  /** Sends and resolves with the one reply; rejects with the switch's error or "timeout". */
  request(body: Body): Promise<Message> {
    return this.collect(body, (message, resolve) => {
      resolve(message);
      return true;
    });
  }

  /** Resolves when the switch has done everything sent before. */
  async barrier(): Promise<void> {
    await this.request({ type: "barrierRequest" });
  }

  /**
   * Sends modifications in one go, then a barrier. Resolves with what the switch refused, each error carrying the index of
   * its modification; all others are done. The switch is not paused for it, as a bundle would (ovs-facts: 7 µs a flow).
   */
  async apply(mods: readonly ModBody[]): Promise<readonly OpenFlowError[]> {
    const errors: OpenFlowError[] = [];
    const xids: number[] = [];
    const parts: Uint8Array[] = [];
    mods.forEach((mod, index) => {
      const xid = this.xid();
      xids.push(xid);
      this.applying.set(xid, { index, errors });
      parts.push(encodeMessage(this.version, xid, mod));
    });
    try {
      this.write(Buffer.concat(parts));
      await this.barrier();
    } finally {
      for (const xid of xids) this.applying.delete(xid);
    }
    return errors;
  }

  /**
   * Applies modifications all or none (OFPT_BUNDLE, 1.4). Any error at add time discards the bundle, because OVS would
   * commit it without the refused part. Rejects with an OpenFlowError whose cause holds all errors.
   */
  async bundle(mods: readonly ModBody[], options: { readonly ordered?: boolean; readonly atomic?: boolean } = {}): Promise<void> {
    if (this.version < 5) throw new OpenFlowError("unsupported", "bundles need OpenFlow 1.4");
    const flags = (options.atomic === false ? 0 : 1) | (options.ordered === false ? 0 : 2);
    const bundleId = this.xid();
    const control = (bundleType: number): Promise<Message> => this.request({ type: "bundleControl", bundleId, bundleType, flags });
    await control(0); // OFPBCT_OPEN_REQUEST
    const errors: OpenFlowError[] = [];
    const xids: number[] = [];
    try {
      mods.forEach((mod, index) => {
        const xid = this.xid();
        xids.push(xid);
        this.applying.set(xid, { index, errors });
        const message = encodeMessage(this.version, xid, mod);
        this.write(encodeMessage(this.version, xid, { type: "bundleAdd", bundleId, flags, message }));
      });
      await this.barrier();
      if (errors.length > 0) {
        await control(6); // OFPBCT_DISCARD_REQUEST
        throw errors[0] ?? new OpenFlowError("switch-rejected", "bundle refused");
      }
      try {
        await control(4); // OFPBCT_COMMIT_REQUEST
      } catch (error) {
        throw new OpenFlowError("switch-rejected", "the bundle failed; nothing of it was applied", errors[0]?.facts ?? {}, { error, errors });
      }
    } finally {
      for (const xid of xids) this.applying.delete(xid);
    }
  }

  async flowStats(filter: FlowFilter = {}): Promise<FlowStats[]> {
    const out = new Writer();
    writeFlowRequest(out, filter);
    return (await this.multipart(multipart.flow, out.done())).flatMap((body) => readFlowStats(new Reader(body)));
  }

  async groupDescs(): Promise<GroupDesc[]> {
    return (await this.multipart(multipart.groupDesc, new Uint8Array(0))).flatMap((body) => readGroupDescs(new Reader(body)));
  }

  async meterConfigs(): Promise<MeterConfig[]> {
    const out = new Writer();
    out.u32(0xffffffff);
    out.zeros(4);
    return (await this.multipart(multipart.meterConfig, out.done())).flatMap((body) => readMeterConfigs(new Reader(body)));
  }

  async portDescs(): Promise<PortDesc[]> {
    return (await this.multipart(multipart.portDesc, new Uint8Array(0))).flatMap((body) => readPortDescs(new Reader(body), this.version));
  }

  async portStats(): Promise<PortStats[]> {
    const out = new Writer();
    out.u32(0xffffffff);
    out.zeros(4);
    return (await this.multipart(multipart.portStats, out.done())).flatMap((body) => readPortStats(new Reader(body), this.version));
  }

  /**
   * Starts following all flows: resolves with those there are; every later change comes as "flowUpdates". Changes made on
   * this same connection come as "abbreviated", without the flow. Needs OpenFlow 1.4.
   */
  async monitorFlows(): Promise<FlowUpdate[]> {
    if (this.version < 5) throw new OpenFlowError("unsupported", "flow monitoring is used from OpenFlow 1.4 on; allow it in the bridge's protocols");
    const xid = this.xid();
    const out = new Writer();
    writeMonitorRequest(out, xid);
    const initial = await this.multipart(multipart.flowMonitor, out.done(), xid, () => {
      this.isMonitoring = true;
    });
    return initial.flatMap((body) => readFlowUpdates(new Reader(body)));
  }

  /** Sets miss_send_len. A connection through a management socket gets no asynchronous messages while it is 0. */
  async setConfig(config: { readonly missSendLen: number }): Promise<void> {
    this.send({ type: "setConfig", flags: 0, missSendLen: config.missSendLen });
    await this.barrier();
  }

  /** Closes; resolves when the socket is closed. */
  async close(): Promise<void> {
    if (!this.isClosed) this.end("closed by us");
    if (!this.socket.closed) await new Promise<void>((resolve) => this.socket.once("close", () => resolve()));
  }

  private xid(): number {
    const xid = this.nextXid;
    this.nextXid = xid >= 0x7fffffff ? 1 : xid + 1;
    return xid;
  }

  private write(bytes: Uint8Array): void {
    if (this.isClosed) throw new OpenFlowError("not-connected", "the connection is closed");
    if (this.socket.writableLength + bytes.length > this.options.maxSendQueueBytes) {
      this.end(`the switch does not read: ${this.socket.writableLength} bytes are waiting`);
      throw new OpenFlowError("overloaded", "the switch does not read what is sent");
    }
    this.counters.sent++;
    this.socket.write(bytes);
  }

  private collect<T>(body: Body, take: (message: Message, resolve: (value: T) => void) => boolean, xid = this.xid()): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(xid);
        reject(new OpenFlowError("timeout", `no reply to ${body.type} within ${this.options.requestTimeoutMs} ms`, { xid }));
      }, this.options.requestTimeoutMs);
      this.waiting.set(xid, { settle: (message) => take(message, resolve), fail: reject, timer });
      try {
        this.write(encodeMessage(this.version, xid, body));
      } catch (error) {
        clearTimeout(timer);
        this.waiting.delete(xid);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  /** All parts of a multipart reply. `complete` runs before the next message is looked at. */
  private multipart(multipartType: number, body: Uint8Array, xid = this.xid(), complete: () => void = () => {}): Promise<Uint8Array[]> {
    const parts: Uint8Array[] = [];
    return this.collect(
      { type: "multipartRequest", multipartType, flags: 0, body },
      (message, resolve) => {
        if (message.type !== "multipartReply") return true;
        parts.push(message.body);
        if ((message.flags & morePartsFollow) !== 0) return false;
        complete();
        resolve(parts);
        return true;
      },
      xid,
    );
  }

  private received(chunk: Uint8Array): void {
    this.liveness = { state: "alive", sinceMs: performance.now() };
    let messages: Uint8Array[];
    try {
      messages = this.framing.push(chunk);
    } catch (error) {
      this.counters.malformed++;
      this.end(`framing lost: ${(error as Error).message}`);
      return;
    }
    for (const bytes of messages) {
      if (this.isClosed) return;
      this.counters.received++;
      try {
        this.message(decodeMessage(bytes), bytes);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        this.refuse(bytes, badRequest, badLength);
      }
    }
  }

  private refuse(bytes: Uint8Array, errorType: number, code: number): void {
    this.counters.malformed++;
    const xid = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
    if (!this.isClosed) this.write(encodeMessage(this.version, xid, { type: "error", errorType, code, data: bytes.slice(0, 64) }));
  }

  private message(message: Message, bytes: Uint8Array): void {
    if (this.negotiated === undefined && message.type !== "hello" && message.type !== "error" && this.onHello !== undefined) {
      this.end(`expected a hello, got ${message.type}`);
      return;
    }
    switch (message.type) {
      case "hello":
        return this.helloCame(message.version, message.versions);
      case "echoRequest":
        return this.write(encodeMessage(this.version, message.xid, { type: "echoReply", data: message.data }));
      case "echoReply":
        return;
      case "error":
        return this.errorCame(message.xid, message.errorType, message.code);
      case "packetIn":
        return void this.emit("packetIn", message);
      case "portStatus":
        return void this.emit("portStatus", message);
      case "flowRemoved":
        return void this.emit("flowRemoved", message);
      case "requestForward":
        return void this.emit("requestForward", message);
      case "unknown":
        this.counters.unknown++;
        if (!this.settle(message)) this.refuse(bytes, badRequest, badType);
        return;
      default:
        // OVS sends updates with xid 0, the specification with the xid of the request.
        if (message.type === "multipartReply" && message.multipartType === multipart.flowMonitor && this.isMonitoring && !this.waiting.has(message.xid)) {
          this.emit("flowUpdates", readFlowUpdates(new Reader(message.body)));
          return;
        }
        this.settle(message);
    }
  }

  private settle(message: Message): boolean {
    const waiting = this.waiting.get(message.xid);
    if (waiting === undefined) return false;
    if (!waiting.settle(message)) return true;
    clearTimeout(waiting.timer);
    this.waiting.delete(message.xid);
    return true;
  }

  private helloCame(version: number, bitmap: readonly number[]): void {
    const ours = this.options.versions;
    const common = bitmap.length > 0 ? ours.filter((candidate) => bitmap.includes(candidate)) : ours.filter((candidate) => candidate <= version);
    const agreed = common.length === 0 ? undefined : (Math.max(...common) as Version);
    if (agreed === undefined) {
      const data = Buffer.from(`versions ${ours.join(", ")} are spoken here`);
      this.write(encodeMessage(5, 0, { type: "error", errorType: helloFailed, code: 0, data }));
      this.end(`no common version: the switch offers ${bitmap.length > 0 ? bitmap.join(", ") : version}`);
      return;
    }
    this.onHello?.(agreed);
    this.onHello = undefined;
    this.negotiated ??= agreed;
  }

  private errorCame(xid: number, errorType: number, errorCode: number): void {
    const part = this.applying.get(xid);
    const facts = { xid, errorType, errorCode, ...(part === undefined ? {} : { index: part.index }) };
    const error = new OpenFlowError("switch-rejected", errorName(errorType, errorCode), facts);
    if (part !== undefined) {
      part.errors.push(error);
      return;
    }
    const waiting = this.waiting.get(xid);
    if (waiting === undefined) {
      this.emit("error", error);
      return;
    }
    clearTimeout(waiting.timer);
    this.waiting.delete(xid);
    waiting.fail(error);
  }

  private check(): void {
    const [next, effect] = tick(this.liveness, performance.now(), this.options.echoIntervalMs);
    this.liveness = next;
    if (effect === "send-echo-request") this.write(encodeMessage(this.version, this.xid(), { type: "echoRequest", data: new Uint8Array(0) }));
    else if (effect === "close") this.end(`nothing received for ${2 * this.options.echoIntervalMs} ms`);
  }

  private end(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.probe);
    this.socket.destroy();
    for (const { fail, timer } of this.waiting.values()) {
      clearTimeout(timer);
      fail(new OpenFlowError("not-connected", `the connection ended: ${reason}`));
    }
    this.waiting.clear();
    this.emit("closed", reason);
  }
}
