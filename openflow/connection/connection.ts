/** One OpenFlow connection with a switch: what can be asked of it and done to it. */
import { OpenFlowError } from "../errors.js";
import type { AsyncMasks } from "../messages/async.js";
import { flowRequest, group, anyPort, type AggregateStats, type FlowFilter, type FlowStats } from "../messages/flow.js";
import { monitorRequest, type FlowUpdate } from "../messages/flow-monitor.js";
import type { GroupDesc, GroupStats } from "../messages/group.js";
import { encodeMessage, writeMessage, type Body, type Message, type ModBody, type Role } from "../messages/message.js";
import { allMeters, type MeterConfig } from "../messages/meter.js";
import type { MultipartReply, MultipartType, ReplyBody, RequestBody } from "../messages/multipart.js";
import type { PortDesc, PortStats } from "../messages/port.js";
import type { QueueStats } from "../messages/queue.js";
import type { SwitchDesc } from "../messages/switch.js";
import type { TableStats } from "../messages/table.js";
import { Writer } from "../wire/reader.js";
import { bundleAdd, bundleControl, bundleFailed, bundleFlags, type BundleControlRequest, type BundleOptions } from "./bundle.js";
import { Session } from "./session.js";
import type { Tracked } from "./session-types.js";

const morePartsFollow = 1;
/** Of a request in several messages; a message has at most 65,535. */
const maxPartBytes = 60_000;
/** Modifications are written in pieces of about this size. */
const chunkBytes = 64 << 10;
const bundleChunk = 512;
/** More than any table dump: 60,000 flows take 8 MB. */
const maxReplyItems = 10_000_000;
const roles = ["nochange", "equal", "master", "slave"] as const;
export type RoleName = (typeof roles)[number];

type FlowPresent = Extract<FlowUpdate, { readonly cookie: bigint }>;
export type FlowWatch =
  | { readonly type: "snapshot"; readonly flows: readonly FlowPresent[] }
  | { readonly type: "updates"; readonly updates: readonly FlowUpdate[] };

export class OpenFlowConnection extends Session {
  private isMonitoring = false;
  /** Updates that came behind the snapshot before its caller has seen it. */
  private heldUpdates: (readonly FlowUpdate[])[] | undefined;

  /** Resolves when the switch has done everything sent before. */
  async barrier(): Promise<void> {
    await this.request({ type: "barrierRequest" });
  }

  /**
   * Sends modifications in one go, then a barrier. Resolves with what the switch refused, each error carrying the index of
   * its modification; all others are done. Rejects with RangeError when one cannot be encoded: those before it are done,
   * those after it are not. For all or none see `bundle`. `wrote` is told how many bytes the modifications take.
   */
  async apply(mods: readonly ModBody[], wrote: (bytes: number) => void = () => undefined): Promise<readonly OpenFlowError[]> {
    const errors: OpenFlowError[] = [];
    await this.tracking({ first: this.xids(mods.length), count: mods.length, errors }, async ({ first }) => {
      // Written while it is made: the switch works at the first thousand while we encode the next.
      const out = new Writer(this.version);
      let made = 0;
      let unencodable: RangeError | undefined;
      while (made < mods.length && unencodable === undefined) {
        const before = made;
        try {
          for (; made < mods.length && out.length < chunkBytes; made++) writeMessage(out, first + made, mods[made] as ModBody);
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          unencodable = new RangeError(`modification ${made}: ${error.message}`, { cause: error });
        }
        wrote(out.length);
        await this.writeSteadily(out.done(), made - before);
        out.reset();
      }
      await this.barrier();
      if (unencodable !== undefined) throw unencodable;
    });
    return errors;
  }

  /**
   * Applies modifications all or none. Any refusal at add time discards the bundle, because Open vSwitch would commit it
   * without the refused part. Rejects with an OpenFlowError whose `cause` is the list of all refusals, with indexes.
   * Open vSwitch takes no meter-mods in bundles, and 3.1 aborts when a bundle that deletes a group in use is rolled back:
   * delete or re-point its flows before it, in the same bundle.
   */
  async bundle(mods: readonly ModBody[], options: BundleOptions = {}): Promise<void> {
    const flags = bundleFlags(options);
    const bundleId = this.xid();
    const errors: OpenFlowError[] = [];
    const first = this.xids(mods.length);
    const messages = mods.map((mod, i) => encodeMessage(this.version, first + i, bundleAdd(this.version, bundleId, flags, encodeMessage(this.version, first + i, mod))));
    const control = (request: BundleControlRequest): Promise<Message> => this.request(bundleControl(this.version, bundleId, request, flags));
    options.wrote?.(messages.reduce((sum, { length }) => sum + length, 0));
    await control("open");
    await this.tracking({ first, count: mods.length, errors }, async () => {
      for (let at = 0; at < messages.length; at += bundleChunk) await this.writeSteadily(Buffer.concat(messages.slice(at, at + bundleChunk)), Math.min(bundleChunk, messages.length - at));
      await this.barrier();
      if (errors.length > 0) {
        await control("discard");
        throw bundleFailed(mods.length, errors);
      }
      try {
        await control("commit");
      } catch (error) {
        if (!(error instanceof OpenFlowError) || error.code !== "switch-rejected") throw error;
        await this.barrier(); // the refusals of single modifications have come by then
        throw bundleFailed(mods.length, errors, error);
      }
    });
  }

  flowStats(filter: FlowFilter = {}): Promise<FlowStats[]> {
    return this.list("flow", flowRequest(filter));
  }
  aggregateStats(filter: FlowFilter = {}): Promise<AggregateStats> {
    return this.multipart("aggregate", flowRequest(filter));
  }
  groupDescs(): Promise<GroupDesc[]> {
    return this.list("groupDesc", { groupId: group.all });
  }
  groupStats(): Promise<GroupStats[]> {
    return this.list("group", { groupId: group.all });
  }
  meterConfigs(): Promise<MeterConfig[]> {
    return this.list("meterConfig", { meterId: allMeters });
  }
  portDescs(): Promise<PortDesc[]> {
    return this.list("portDesc", {});
  }
  portStats(): Promise<PortStats[]> {
    return this.list("portStats", { portNo: anyPort });
  }
  queueStats(): Promise<QueueStats[]> {
    return this.list("queue", { portNo: this.version === 1 ? 0xfffffffc : anyPort, queueId: 0xffffffff });
  }
  tableStats(): Promise<TableStats[]> {
    return this.list("table", {});
  }
  desc(): Promise<SwitchDesc> {
    return this.multipart("desc", {});
  }

  /**
   * Asks and resolves with the whole answer: of several parts the lists are joined. Rejects as `request` does, and with
   * "unsupported" when the answer is of another type.
   */
  async multipart<K extends MultipartType>(type: K, body: RequestBody<K>, options: { readonly signal?: AbortSignal } = {}): Promise<ReplyBody<K>> {
    const parts = await this.parts(type, body, undefined, options.signal);
    const [first] = parts;
    if (!Array.isArray(first?.body)) return first?.body as ReplyBody<K>;
    if (parts.length === 1) return first.body as unknown as ReplyBody<K>;
    const all: unknown[] = [];
    for (const part of parts) for (const item of part.body as readonly unknown[]) all.push(item);
    return all as unknown as ReplyBody<K>;
  }

  /**
   * Starts following all flows: resolves with those there are; every later change comes as "flowUpdates", the first of them
   * after whoever awaits this has run. Changes made on this same connection come as "abbreviated", without the flow. Once
   * a connection.
   */
  async monitorFlows(): Promise<FlowUpdate[]> {
    if (this.isMonitoring) throw new OpenFlowError("unsupported", "this connection follows the flows already");
    const monitorId = this.xid();
    const complete = (): void => {
      this.isMonitoring = true;
      this.heldUpdates = [];
      setImmediate(() => this.releaseUpdates());
    };
    const type = this.version >= 5 ? "flowMonitor" : this.version === 4 ? "onfFlowMonitor" : "nxFlowMonitor";
    const parts = await this.parts(type, [monitorRequest({ monitorId })], complete);
    const updates = parts.flatMap(({ body }) => body as readonly FlowUpdate[]);
    // Before 1.4 what is there comes as "added".
    return this.version >= 5 ? updates : updates.map((update) => (update.event === "added" ? { ...update, event: "initial" } : update));
  }

  /**
   * All flows, and then what becomes of them: first a snapshot, then updates as they come. When more than `maxQueued` updates
   * wait for a slow consumer they are thrown away, and a new snapshot comes in their place. Ends when the connection does, or
   * by `signal`. Once a connection; changes made on this same connection come as "abbreviated".
   */
  async *watchFlows(options: { readonly signal?: AbortSignal; readonly maxQueued?: number } = {}): AsyncGenerator<FlowWatch, void, undefined> {
    const { signal, maxQueued = 100_000 } = options;
    let queue: FlowUpdate[] = [];
    let isOverrun = false;
    let isOver = signal?.aborted ?? false;
    let wake: () => void = () => undefined;
    const came = (updates: readonly FlowUpdate[]): void => {
      if (queue.length + updates.length > maxQueued) [queue, isOverrun] = [[], true];
      if (!isOverrun) queue.push(...updates);
      wake();
    };
    const end = (): void => {
      isOver = true;
      wake();
    };
    this.on("flowUpdates", came).on("closed", end);
    signal?.addEventListener("abort", end, { once: true });
    try {
      const initial = await this.monitorFlows();
      yield { type: "snapshot", flows: initial.filter((update): update is FlowPresent => update.event === "initial") };
      while (!isOver) {
        if (isOverrun) {
          // What comes from here on is queued again: a change that the dump shows already does no harm when it comes twice.
          isOverrun = false;
          const flows = await this.flowStats();
          yield { type: "snapshot", flows: flows.map((flow) => ({ ...flow, event: "initial", reason: 0 })) };
        } else if (queue.length > 0) {
          const updates = queue;
          queue = [];
          yield { type: "updates", updates };
        } else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.off("flowUpdates", came).off("closed", end);
      signal?.removeEventListener("abort", end);
    }
  }

  /** Sets miss_send_len. A connection through a management socket gets no asynchronous messages while it is 0. */
  async setConfig(config: { readonly missSendLen: number }): Promise<void> {
    this.send({ type: "setConfig", flags: 0, missSendLen: config.missSendLen });
    await this.barrier();
  }

  /** Which asynchronous messages come. Those not named stay as they are; `{requestForwardMaster: allForwards}` needs 1.4. */
  async setAsync(masks: AsyncMasks): Promise<void> {
    let all = masks;
    if (this.version < 5) {
      const now = await this.request({ type: "getAsyncRequest" }); // 1.3 sets all at once
      all = { ...(now.type === "getAsyncReply" ? now.masks : {}), ...masks };
    }
    const [error] = await this.refusals(() => this.send({ type: "setAsync", masks: all }));
    if (error !== undefined) throw error;
  }

  /** Asks for a role; resolves with the one the switch gave. Rejects when `generationId` is older than the switch's. */
  async role(name: RoleName, generationId = 0n): Promise<{ readonly role: RoleName; readonly generationId: bigint }> {
    const reply = (await this.request({ type: "roleRequest", role: roles.indexOf(name), generationId })) as Role;
    return { role: roles[reply.role] ?? "nochange", generationId: reply.generationId };
  }

  protected override unsolicited(message: Message): void {
    switch (message.type) {
      case "portStatus":
        return void this.emit("portStatus", message);
      case "flowRemoved":
        return void this.emit("flowRemoved", message);
      case "requestForward":
        return void this.emit("requestForward", message);
      case "roleStatus":
        return void this.emit("roleStatus", message);
      case "multipartReply":
        if (this.isMonitoring && (message.multipartType === "flowMonitor" || message.multipartType === "onfFlowMonitor" || message.multipartType === "nxFlowMonitor")) this.updates(message.body);
        return;
      case "onfFlowMonitorPaused":
      case "nxFlowMonitorPaused":
        return this.updates([{ event: "paused" }]);
      case "onfFlowMonitorResumed":
      case "nxFlowMonitorResumed":
        return this.updates([{ event: "resumed" }]);
      case "nxPacketIn2":
        return void this.emit("packetIn2", message);
      case "nxPacketIn":
        return void this.emit("nxPacketIn", message);
      case "nxFlowRemoved":
        return void this.emit("flowRemoved", { ...message, type: "flowRemoved" });
      case "onfRoleStatus":
        return void this.emit("roleStatus", { ...message, type: "roleStatus", properties: [] });
      case "tableStatus":
        return void this.emit("tableStatus", message);
      default: // a reply nobody waits for any more
    }
  }

  private updates(updates: readonly FlowUpdate[]): void {
    if (this.heldUpdates === undefined) this.emit("flowUpdates", updates);
    else this.heldUpdates.push(updates);
  }

  private releaseUpdates(): void {
    const held = this.heldUpdates ?? [];
    this.heldUpdates = undefined;
    for (const updates of held) this.emit("flowUpdates", updates);
  }

  /** Runs `work` while errors to these messages are put into their list. */
  private async tracking(sent: Tracked, work: (sent: Tracked) => Promise<void>): Promise<void> {
    this.tracked.add(sent);
    try {
      await work(sent);
    } finally {
      this.tracked.delete(sent);
    }
  }

  /** Errors the switch answers to what `send` sends, which has no reply of its own. */
  private async refusals(send: () => void): Promise<readonly OpenFlowError[]> {
    const errors: OpenFlowError[] = [];
    const note = (error: OpenFlowError): void => void errors.push(error);
    this.on("error", note);
    try {
      send();
      await this.barrier();
    } finally {
      this.off("error", note);
    }
    return errors;
  }

  private async list<K extends MultipartType, T>(type: K, body: RequestBody<K>): Promise<T[]> {
    return (await this.multipart(type, body)) as unknown as T[];
  }

  /** The parts of a multipart reply. `complete` runs before the message behind it is looked at. */
  private parts(type: MultipartType, body: unknown, complete: () => void = () => {}, signal?: AbortSignal): Promise<MultipartReply[]> {
    const parts: MultipartReply[] = [];
    let items = 0;
    const xid = this.xid();
    const requests = this.requestParts(type, body);
    const last = requests.pop();
    for (const part of requests) this.write(encodeMessage(this.version, xid, part));
    return this.collect(
      last as Body,
      (message, resolve) => {
        if (message.type !== "multipartReply" || message.multipartType !== type) {
          this.requests.fail(xid, new OpenFlowError("unsupported", `${type} answered with ${message.type === "multipartReply" ? message.multipartType : message.type}`, { xid }));
          return true;
        }
        items += Array.isArray(message.body) ? message.body.length : 1;
        if (items > maxReplyItems) {
          this.requests.fail(xid, new OpenFlowError("overloaded", `a reply of more than ${maxReplyItems} items`, { xid }));
          return true;
        }
        parts.push(message);
        if ((message.flags & morePartsFollow) !== 0) return false;
        complete();
        resolve(parts);
        return true;
      },
      xid,
      signal,
    );
  }

  /** A request in as many messages as its list needs, all but the last with the flag that more follow. */
  private requestParts(type: MultipartType, body: unknown): Body[] {
    const part = (of: unknown, flags: number): Body => ({ type: "multipartRequest", multipartType: type, flags, body: of }) as Body;
    if (!Array.isArray(body) || body.length < 2) return [part(body, 0)];
    const lists: unknown[][] = [[]];
    let size = 0;
    for (const item of body as readonly unknown[]) {
      const { length } = encodeMessage(this.version, 0, part([item], 0));
      if (size > 0 && size + length > maxPartBytes) {
        lists.push([]);
        size = 0;
      }
      lists.at(-1)?.push(item);
      size += length;
    }
    return lists.map((list, i) => part(list, i < lists.length - 1 ? morePartsFollow : 0));
  }
}
