/**
 * A switch for unit tests: speaks any version, keeps flows and groups as a switch would, and does what a test tells it. It
 * forwards no packets. Where the real thing runs, test against that too.
 */
import { EventEmitter, once } from "node:events";
import net from "node:net";
import { MessageFraming } from "../connection/framing.js";
import { matchKey } from "../fields/match.js";
import type { FlowMod, FlowStats } from "../messages/flow.js";
import type { GroupDesc, GroupMod } from "../messages/group.js";
import { decodeMessage, encodeMessage, type Body, type Message } from "../messages/message.js";
import type { MultipartReply, MultipartRequest } from "../messages/multipart.js";
import type { PacketIn } from "../messages/packet.js";
import type { PortDesc } from "../messages/port.js";
import { WireError, type Version } from "../wire/reader.js";

export interface MockSwitchOptions {
  /** The controller's "HOST:PORT", or the path of its unix socket. */
  readonly controller: { readonly host: string; readonly port: number } | { readonly path: string };
  /** Versions in its hello; default 1.3. The highest that the controller has too is spoken. */
  readonly versions?: readonly Version[];
  readonly datapathId?: bigint;
  readonly auxiliaryId?: number;
  readonly ports?: readonly PortDesc[];
}

interface MockEvents {
  message: [Message];
  closed: [];
}

const multipartFlow = new Set(["flow", "nxFlow"]);
const notFound = { errorType: 5, code: 0 } as const;

export class MockSwitch extends EventEmitter<MockEvents> {
  /** All that came from the controller, oldest first. */
  readonly received: Message[] = [];
  /** By table, priority and match. */
  readonly flows = new Map<string, FlowStats>();
  readonly groups = new Map<number, GroupDesc>();
  /** Takes a message before the switch does; true when that was all there was to do. */
  intercept: (message: Message) => boolean = () => false;
  version: Version;
  private readonly options: MockSwitchOptions;
  private readonly socket: net.Socket;
  private readonly framing = new MessageFraming();

  private constructor(options: MockSwitchOptions, socket: net.Socket) {
    super();
    this.options = options;
    this.socket = socket;
    this.version = Math.max(...(options.versions ?? [4])) as Version;
    socket.on("data", (chunk) => this.framing.push(chunk).forEach((bytes) => this.came(bytes)));
    socket.on("error", () => undefined);
    socket.on("close", () => this.emit("closed"));
  }

  /** Dials the controller and says hello; resolves when the socket is open. */
  static async connect(options: MockSwitchOptions): Promise<MockSwitch> {
    const socket = net.connect(options.controller);
    await once(socket, "connect");
    const mock = new MockSwitch(options, socket);
    mock.send(0, { type: "hello", versions: options.versions ?? [4] });
    return mock;
  }

  /** Resolves with the next message of this type, or with the last one if it has come already and was not asked for before. */
  async next<T extends Body["type"]>(type: T): Promise<Extract<Message, { readonly type: T }>> {
    for (;;) {
      const at = this.received.findIndex((message) => message.type === type && !this.handedOut.has(message));
      const found = this.received[at];
      if (found !== undefined) {
        this.handedOut.add(found);
        return found as Extract<Message, { readonly type: T }>;
      }
      await once(this, "message");
    }
  }
  private readonly handedOut = new WeakSet<Message>();

  send(xid: number, body: Body): void {
    this.socket.write(encodeMessage(this.version, xid, body));
  }

  /** Asks the controller what to do with a frame. */
  packetIn(parts: Partial<Omit<PacketIn, "type">> & { readonly inPort: number; readonly data: Uint8Array }): void {
    const { inPort, data, ...rest } = parts;
    this.send(0, { type: "packetIn", bufferId: 0xffffffff, totalLen: data.length, reason: 0, tableId: 0, cookie: 0xffff_ffff_ffff_ffffn, match: [{ name: "inPort", value: BigInt(inPort) }], data, ...rest });
  }

  /** Refuses a message of the controller's. */
  refuse(message: Message, errorType: number, code: number): void {
    const { version, xid, ...body } = message;
    this.send(xid, { type: "error", errorType, code, data: encodeMessage(version as Version, xid, body).subarray(0, 64) });
  }

  /** Bytes as they are, to see what a controller makes of them. */
  sendBytes(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }
  /** Reads no more, as a switch that hangs. */
  stall(): void {
    this.socket.pause();
  }

  async close(): Promise<void> {
    if (this.socket.closed) return;
    this.socket.destroy();
    await once(this.socket, "close");
  }

  private came(bytes: Uint8Array): void {
    let message: Message;
    try {
      message = decodeMessage(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return;
    }
    this.received.push(message);
    if (!this.intercept(message)) this.answer(message);
    this.emit("message", message);
  }

  private answer(message: Message): void {
    const { xid } = message;
    switch (message.type) {
      case "hello":
        this.version = Math.max(...(this.options.versions ?? [4]).filter((one) => one <= message.version)) as Version;
        return;
      case "featuresRequest":
        return this.send(xid, {
          type: "featuresReply", datapathId: this.options.datapathId ?? 1n, nBuffers: 0, nTables: 254, auxiliaryId: this.options.auxiliaryId ?? 0, capabilities: 0, reserved: 0,
          ...(this.version < 4 ? { ports: this.options.ports ?? [] } : {}),
        });
      case "echoRequest":
        return this.send(xid, { type: "echoReply", data: message.data });
      case "barrierRequest":
        return this.send(xid, { type: "barrierReply" });
      case "getConfigRequest":
        return this.send(xid, { type: "getConfigReply", flags: 0, missSendLen: 65_535 });
      case "roleRequest":
        return this.send(xid, { type: "roleReply", role: message.role, generationId: message.generationId });
      case "flowMod":
        return this.flowMod(message);
      case "groupMod":
        return this.groupMod(message);
      case "multipartRequest":
        return this.multipart(message);
      default: // nothing is owed
    }
  }

  private flowMod(mod: FlowMod & Message): void {
    const key = (flow: Pick<FlowStats, "tableId" | "priority" | "match">): string => `${flow.tableId}/${flow.priority}/${matchKey(flow.match)}`;
    const isStrict = mod.command.endsWith("Strict");
    const chosen = [...this.flows].filter(([, flow]) => (mod.tableId === 0xff || flow.tableId === mod.tableId) && (mod.match.length === 0 || matchKey(flow.match) === matchKey(mod.match)) && (!isStrict || flow.priority === mod.priority));
    switch (mod.command) {
      case "add":
        this.flows.set(key(mod), { ...mod, durationSec: 0, durationNsec: 0, packetCount: 0n, byteCount: 0n });
        return;
      case "modify":
      case "modifyStrict":
        for (const [name, flow] of chosen) this.flows.set(name, { ...flow, instructions: mod.instructions });
        return;
      case "delete":
      case "deleteStrict":
        for (const [name] of chosen) this.flows.delete(name);
    }
  }

  private groupMod(mod: GroupMod & Message): void {
    const { command, groupId, groupType, buckets } = mod;
    if (command === "delete") {
      if (groupId >= 0xffffff00) this.groups.clear();
      else this.groups.delete(groupId);
    } else if (command === "add" || command === "modify") this.groups.set(groupId, { groupId, groupType, buckets });
    else this.refuse(mod, notFound.errorType, notFound.code);
  }

  private multipart(request: MultipartRequest & Message): void {
    const reply = (body: unknown): void => this.send(request.xid, { type: "multipartReply", multipartType: request.multipartType, flags: 0, body } as MultipartReply);
    if (multipartFlow.has(request.multipartType)) return reply([...this.flows.values()]);
    switch (request.multipartType) {
      case "desc":
        return reply({ manufacturer: "node-openflow", hardware: "mock", software: "", serialNumber: "", datapath: "" });
      case "portDesc":
        return reply(this.options.ports ?? []);
      case "groupDesc":
        return reply([...this.groups.values()]);
      case "aggregate":
        return reply({ packetCount: 0n, byteCount: 0n, flowCount: this.flows.size });
      case "table":
      case "portStats":
      case "group":
      case "meterConfig":
      case "queue":
        return reply([]);
      default:
        this.refuse(request, 1, 2); // OFPBRC_BAD_MULTIPART
    }
  }
}
