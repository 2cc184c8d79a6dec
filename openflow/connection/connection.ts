/** One OpenFlow connection with a switch: what can be asked of it and done to it. */
import { OpenFlowError } from "../errors.js";
import { readFlowStats, writeFlowRequest, type FlowFilter, type FlowStats } from "../messages/flow.js";
import { onf, onfMonitor, readFlowUpdates, writeMonitorRequest, type FlowUpdate } from "../messages/flow-monitor.js";
import { group } from "../messages/flow.js";
import { readGroupDescs, readGroupStats, type GroupDesc, type GroupStats } from "../messages/group.js";
import { allMeters, readMeterConfigs, type MeterConfig } from "../messages/meter.js";
import type { AsyncMasks } from "../messages/async.js";
import { encodeMessage, type Message, type ModBody, type Role } from "../messages/message.js";
import { readPortDescs, readPortStats, type PortDesc, type PortStats } from "../messages/port.js";
import { readSwitchDesc, readTableStats, type SwitchDesc, type TableStats } from "../messages/switch.js";
import { Reader, Writer } from "../wire/reader.js";
import { bundleAdd, bundleControl, bundleFailed, bundleFlags, type BundleControlRequest, type BundleOptions } from "./bundle.js";
import { Session, type Tracked } from "./session.js";

const multipart = { desc: 0, flow: 1, table: 3, portStats: 4, group: 6, groupDesc: 7, meterConfig: 10, portDesc: 13, flowMonitor: 16, experimenter: 0xffff } as const;
const morePartsFollow = 1;
/** More than any table dump: 60,000 flows take 8 MB. */
const maxReplyBytes = 512 << 20;
const anyPort = 0xffffffff;
const roles = ["nochange", "equal", "master", "slave"] as const;
export type RoleName = (typeof roles)[number];
const nothing = new Uint8Array(0);

/** An id and padding to 8 bytes, as several multipart requests have it. */
function idBody(id: number): Uint8Array {
  const out = new Writer();
  out.u32(id);
  out.zeros(4);
  return out.done();
}

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
   * its modification; all others are done. Rejects with RangeError, and sends nothing, when one cannot be encoded.
   */
  async apply(mods: readonly ModBody[]): Promise<readonly OpenFlowError[]> {
    const errors: OpenFlowError[] = [];
    const messages = mods.map((mod) => this.encoded(mod));
    await this.tracking(messages, errors, async () => {
      await this.writeAll(messages.map((message) => message.bytes));
      await this.barrier();
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
    const messages = mods.map((mod) => this.encoded(mod));
    const control = (request: BundleControlRequest): Promise<Message> => this.request(bundleControl(this.version, bundleId, request, flags));
    await control("open");
    await this.tracking(messages, errors, async () => {
      await this.writeAll(messages.map(({ xid, bytes }) => encodeMessage(this.version, xid, bundleAdd(this.version, bundleId, flags, bytes))));
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

  async flowStats(filter: FlowFilter = {}): Promise<FlowStats[]> {
    const out = new Writer();
    writeFlowRequest(out, filter);
    return this.list(multipart.flow, out.done(), readFlowStats);
  }
  groupDescs(): Promise<GroupDesc[]> {
    return this.list(multipart.groupDesc, nothing, readGroupDescs);
  }
  groupStats(): Promise<GroupStats[]> {
    return this.list(multipart.group, idBody(group.all), readGroupStats);
  }
  meterConfigs(): Promise<MeterConfig[]> {
    return this.list(multipart.meterConfig, idBody(allMeters), readMeterConfigs);
  }
  portDescs(): Promise<PortDesc[]> {
    return this.list(multipart.portDesc, nothing, (from) => readPortDescs(from, this.version));
  }
  portStats(): Promise<PortStats[]> {
    return this.list(multipart.portStats, idBody(anyPort), (from) => readPortStats(from, this.version));
  }
  tableStats(): Promise<TableStats[]> {
    return this.list(multipart.table, nothing, readTableStats);
  }
  async desc(): Promise<SwitchDesc> {
    const [desc] = await this.list(multipart.desc, nothing, (from) => [readSwitchDesc(from)]);
    if (desc === undefined) throw new OpenFlowError("unsupported", "the switch sent no description");
    return desc;
  }

  /**
   * Starts following all flows: resolves with those there are; every later change comes as "flowUpdates", the first of them
   * after whoever awaits this has run. Changes made on this same connection come as "abbreviated", without the flow. Once
   * a connection.
   */
  async monitorFlows(): Promise<FlowUpdate[]> {
    if (this.isMonitoring) throw new OpenFlowError("unsupported", "this connection follows the flows already");
    const { version } = this;
    const xid = this.xid();
    const out = new Writer();
    writeMonitorRequest(out, version, xid);
    const type = version >= 5 ? multipart.flowMonitor : multipart.experimenter;
    const complete = (): void => {
      this.isMonitoring = true;
      this.heldUpdates = [];
      setImmediate(() => this.releaseUpdates());
    };
    const parts = await this.parts(type, out.done(), complete, xid);
    return parts.flatMap((body) => readFlowUpdates(this.monitorBody(body), version, true));
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
      case "packetIn":
        return void this.emit("packetIn", message);
      case "portStatus":
        return void this.emit("portStatus", message);
      case "flowRemoved":
        return void this.emit("flowRemoved", message);
      case "requestForward":
        return void this.emit("requestForward", message);
      case "roleStatus":
        return void this.emit("roleStatus", message);
      case "multipartReply":
        if (this.isMonitoring && (message.multipartType === multipart.flowMonitor || message.multipartType === multipart.experimenter))
          this.updates(readFlowUpdates(this.monitorBody(message.body), this.version));
        return;
      case "experimenter":
        if (message.experimenter !== onf) return;
        if (message.expType === onfMonitor.paused) this.updates([{ event: "paused" }]);
        else if (message.expType === onfMonitor.resumed) this.updates([{ event: "resumed" }]);
        return;
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

  /** What follows the experimenter header in 1.3. */
  private monitorBody(body: Uint8Array): Reader {
    const from = new Reader(body);
    if (this.version < 5) from.sub(8);
    return from;
  }

  private encoded(mod: ModBody): { readonly xid: number; readonly bytes: Uint8Array } {
    const xid = this.xid();
    return { xid, bytes: encodeMessage(this.version, xid, mod) };
  }

  /** Runs `work` while errors to these messages are put into `errors`. */
  private async tracking(messages: readonly { readonly xid: number }[], errors: OpenFlowError[], work: () => Promise<void>): Promise<void> {
    messages.forEach(({ xid }, index) => this.tracked.set(xid, { index, errors } satisfies Tracked));
    try {
      await work();
    } finally {
      for (const { xid } of messages) this.tracked.delete(xid);
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

  private async list<T>(type: number, body: Uint8Array, read: (from: Reader) => T[]): Promise<T[]> {
    const items: T[] = [];
    for (const part of await this.parts(type, body)) for (const item of read(new Reader(part))) items.push(item);
    return items;
  }

  /** The bodies of a multipart reply. `complete` runs before the message behind it is looked at. */
  private parts(multipartType: number, body: Uint8Array, complete: () => void = () => {}, xid = this.xid()): Promise<Uint8Array[]> {
    const parts: Uint8Array[] = [];
    let size = 0;
    return this.collect(
      { type: "multipartRequest", multipartType, flags: 0, body },
      (message, resolve) => {
        if (message.type !== "multipartReply") return false;
        size += message.body.length;
        if (size > maxReplyBytes) {
          this.requests.fail(xid, new OpenFlowError("overloaded", `a reply of more than ${maxReplyBytes} bytes`, { xid }));
          return true;
        }
        parts.push(message.body);
        if ((message.flags & morePartsFollow) !== 0) return false;
        complete();
        resolve(parts);
        return true;
      },
      xid,
    );
  }
}
