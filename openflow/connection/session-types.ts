/** What a session is told, tells and counts. */
import type { OpenFlowError } from "../errors.js";
import type { PacketIn2 } from "../messages/experimenter.js";
import type { FlowRemoved } from "../messages/flow.js";
import type { FlowUpdate } from "../messages/flow-monitor.js";
import type { RequestForward, RoleStatus } from "../messages/message.js";
import type { PacketInBody } from "../messages/packet.js";
import type { PacketInView } from "../messages/packet-in-view.js";
import type { PortStatus } from "../messages/port.js";
import type { TableDesc } from "../messages/table.js";
import type { Version } from "../wire/reader.js";

export interface SessionOptions {
  readonly versions: readonly Version[];
  readonly echoIntervalMs: number;
  readonly requestTimeoutMs: number;
  /** Unsent bytes beyond which the peer counts as not reading: the session is closed. */
  readonly maxSendQueueBytes: number;
  /** Packet-ins a second that are handed on, and as many at once; more are dropped and counted. */
  readonly packetInsPerSecond: number;
}
export const defaultOptions: SessionOptions = {
  versions: [6, 5, 4, 3, 2, 1],
  echoIntervalMs: 5_000,
  requestTimeoutMs: 10_000,
  maxSendQueueBytes: 64 << 20,
  packetInsPerSecond: Infinity,
};

export interface ConnectionEvents {
  /** Read as far as it is looked at; see PacketInView. */
  packetIn: [PacketInView];
  portStatus: [PortStatus];
  flowRemoved: [FlowRemoved];
  flowUpdates: [readonly FlowUpdate[]];
  requestForward: [RequestForward];
  roleStatus: [RoleStatus];
  /** NXT_PACKET_IN, in OpenFlow 1.0 and 1.1 after nxSetPacketInFormat with format 1. */
  nxPacketIn: [PacketInBody];
  /** NXT_PACKET_IN2, after nxSetPacketInFormat with format 2. */
  packetIn2: [PacketIn2];
  tableStatus: [{ readonly reason: number; readonly table: TableDesc }];
  /** An error that belongs to no request that is waited for. */
  error: [OpenFlowError];
  closed: [reason: string];
}

export interface ConnectionCounters {
  received: number;
  sent: number;
  /** Of whole messages, header included. */
  receivedBytes: number;
  sentBytes: number;
  /** Messages that could not be read. */
  malformed: number;
  /** Messages of a type we do not know. */
  unknown: number;
  /** Packet-ins above the rate. */
  packetInsDropped: number;
}

/** Modifications in flight, by the xids they were sent under: which one an error belongs to. */
export interface Tracked {
  readonly first: number;
  readonly count: number;
  readonly errors: OpenFlowError[];
}
