/** Messages of experimenters that Open vSwitch speaks: Nicira's and ONF's. Sources: nicira-ext.h's facts in ovs-fields(7) and ovs-ofctl(8). */
import { readFields, readNxm, writeField, writeNxm, type Match } from "../fields/match.js";
import { writeAction } from "../actions/action.js";
import { readInstructions, writeInstruction } from "../actions/instruction.js";
import { list, named, padding, port16, rest, struct, u16, u32, u64, u8, type Codec } from "../wire/struct.js";
import { asyncPropertyList, asyncWords } from "./async.js";
import type { FlowMod, FlowRemoved } from "./flow.js";
import { onf, niciraVendor, onfMonitor } from "./flow-monitor.js";
import { groupMod15 } from "./group.js";
import type { PacketInBody } from "./packet.js";
import { writeProperty } from "./property.js";
import { byHand } from "../wire/shape.js";

const commands = ["add", "modify", "modifyStrict", "delete", "deleteStrict"] as const;

type FlowModBody = Omit<FlowMod, "type">;
const nxFlowModHead = struct({ cookie: u64, tableId: u8, command: named(u8, commands), idleTimeout: u16, hardTimeout: u16, priority: u16, bufferId: u32, outPort: port16, flags: u16, matchLen: u16, pad0: padding(6) });
/** In 1.0 actions follow the match, later instructions. */
const nxFlowMod: Codec<FlowModBody> = byHand("nxFlowMod", {
  read: (from) => {
    const { matchLen, ...head } = nxFlowModHead.read(from);
    const match = readNxm(from, matchLen);
    // A cookie to match on is a field of an NXM match, which the table of fields does not have.
    return { ...head, cookieMask: 0n, outGroup: 0xffffffff, importance: 0, match, instructions: readInstructions(from) };
  },
  write: (out, mod) => {
    const start = out.length;
    nxFlowModHead.write(out, { ...mod, matchLen: 0 });
    writeNxm(out, start + nxFlowModHead.size - 8, mod.match);
    for (const one of mod.instructions) {
      if (out.version > 1) writeInstruction(out, one);
      else if (one.type === "applyActions") for (const action of one.actions) writeAction(out, action);
    }
  },
});
const nxRemovedHead = struct({ cookie: u64, priority: u16, reason: u8, tablePlusOne: u8, durationSec: u32, durationNsec: u32, idleTimeout: u16, matchLen: u16, packetCount: u64, byteCount: u64 });
/** It has no hard time-out. */
const nxFlowRemoved: Codec<Omit<FlowRemoved, "type">> = byHand("nxFlowRemoved", {
  read: (from) => {
    const { matchLen, tablePlusOne, ...head } = nxRemovedHead.read(from);
    return { ...head, hardTimeout: 0, tableId: tablePlusOne === 0 ? 0xff : tablePlusOne - 1, match: readNxm(from, matchLen) };
  },
  write: (out, { tableId, ...body }) => {
    const start = out.length;
    nxRemovedHead.write(out, { ...body, tablePlusOne: tableId === 0xff ? 0 : tableId + 1, matchLen: 0 });
    writeNxm(out, start + nxRemovedHead.size - 18, body.match);
  },
});
const nxPacketInHead = struct({ bufferId: u32, totalLen: u16, reason: u8, tableId: u8, cookie: u64, matchLen: u16, pad0: padding(6) });
const nxPacketIn: Codec<PacketInBody> = byHand("nxPacketIn", {
  read: (from) => {
    const { matchLen, ...head } = nxPacketInHead.read(from);
    const match = readNxm(from, matchLen);
    from.skip(2);
    return { ...head, match, data: from.rest() };
  },
  write: (out, body) => {
    const start = out.length;
    nxPacketInHead.write(out, { ...body, matchLen: 0 });
    writeNxm(out, start + nxPacketInHead.size - 8, body.match);
    out.zeros(2);
    rest.write(out, body.data);
  },
});

/** What NXT_PACKET_IN2 and NXT_RESUME hold, all of it optional. */
export interface PacketIn2 {
  readonly packet?: Uint8Array;
  readonly fullLen?: number;
  readonly bufferId?: number;
  readonly tableId?: number;
  readonly cookie?: bigint;
  readonly reason?: number;
  readonly metadata?: Match;
  readonly userdata?: Uint8Array;
  /** The switch's own; goes back as it came. */
  readonly continuation?: Uint8Array;
}
const cookieBody = struct({ pad0: padding(4), cookie: u64 });
const fieldList: Codec<Match> = {
  read: (from) => readFields(from),
  write: (out, fields) => {
    for (const one of fields) writeField(out, one);
  },
};
/** By type, in the order Open vSwitch sends them. */
const packetIn2Properties: readonly { readonly key: keyof PacketIn2; readonly type: number; readonly body: Codec<unknown> }[] = [
  { key: "packet", type: 0, body: rest },
  { key: "fullLen", type: 1, body: u32 },
  { key: "bufferId", type: 2, body: u32 },
  { key: "tableId", type: 3, body: u8 },
  { key: "cookie", type: 4, body: { read: (from) => cookieBody.read(from).cookie, write: (out, cookie) => cookieBody.write(out, { cookie: cookie as bigint }) } },
  { key: "reason", type: 5, body: u8 },
  { key: "metadata", type: 6, body: fieldList },
  { key: "continuation", type: 8, body: rest },
  { key: "userdata", type: 7, body: rest },
];
const packetIn2: Codec<PacketIn2> = byHand("packetIn2", {
  read: (from) => {
    const value: Record<string, unknown> = {};
    while (from.remaining > 0) {
      const type = from.u16();
      const length = from.u16();
      const body = from.sub(length - 4);
      const row = packetIn2Properties.find((one) => one.type === type);
      if (row === undefined || value[row.key] !== undefined) from.noteLoss();
      else {
        value[row.key] = row.body.read(body);
        if (body.remaining > 0 || body.isLossy) from.noteLoss();
      }
      from.skip((8 - (length % 8)) % 8);
    }
    return value;
  },
  write: (out, value) => {
    for (const { key, type, body } of packetIn2Properties) if (value[key] !== undefined) writeProperty(out, type, () => body.write(out, value[key]));
  },
});

const tlvMap = struct({ optionClass: u16, optionType: u8, optionLength: u8, index: u16, pad0: padding(2) });
const roleBody = struct({ role: u32 });
const tupleProperty: Codec<{ readonly propType: number; readonly data: Uint8Array }> = byHand("tupleProperty", {
  read: (from) => {
    const propType = from.u16();
    const length = from.u16();
    const data = from.copy(length - 4);
    from.skip((8 - (length % 8)) % 8);
    return { propType, data };
  },
  write: (out, { propType, data }) => writeProperty(out, propType, () => rest.write(out, data)),
});

/** Nicira's, by subtype; `last` is the last wire version that has it, 6 when nothing is said. */
const nicira = {
  nxRoleRequest: { number: 10, body: roleBody },
  nxRoleReply: { number: 11, body: roleBody },
  nxSetFlowFormat: { number: 12, last: 1, body: struct({ format: u32 }) },
  nxFlowMod: { number: 13, body: nxFlowMod },
  nxFlowRemoved: { number: 14, body: nxFlowRemoved },
  nxFlowModTableId: { number: 15, body: struct({ set: u8, pad0: padding(7) }) },
  nxSetPacketInFormat: { number: 16, body: struct({ format: u32 }) },
  nxPacketIn: { number: 17, body: nxPacketIn },
  nxFlowAge: { number: 18, body: struct({}) },
  nxSetAsyncConfig: { number: 19, body: asyncWords },
  nxSetControllerId: { number: 20, body: struct({ pad0: padding(6), controllerId: u16 }) },
  nxFlowMonitorCancel: { number: 21, last: 3, body: struct({ monitorId: u32 }) },
  nxFlowMonitorPaused: { number: 22, last: 3, body: struct({}) },
  nxFlowMonitorResumed: { number: 23, last: 3, body: struct({}) },
  nxTlvTableMod: { number: 24, body: struct({ command: named(u16, ["add", "delete", "clear"]), pad0: padding(6), maps: list(tlvMap) }) },
  nxTlvTableRequest: { number: 25, body: struct({}) },
  nxTlvTableReply: { number: 26, body: struct({ maxOptionSpace: u32, maxFields: u16, pad0: padding(10), maps: list(tlvMap) }) },
  nxSetAsyncConfig2: { number: 27, last: 4, body: asyncPropertyList },
  nxResume: { number: 28, body: packetIn2 },
  nxCtFlushZone: { number: 29, body: struct({ pad0: padding(6), zoneId: u16 }) },
  nxPacketIn2: { number: 30, body: packetIn2 },
  nxGroupMod: { number: 31, last: 1, body: groupMod15 },
  nxCtFlush: { number: 32, body: struct({ ipProto: u8, pad0: padding(7), properties: list(tupleProperty) }) },
  nxRequestForward: { number: 132, last: 3, body: struct({ request: rest }) },
} as const;

/** ONF's, which give 1.3, and only 1.3, what later versions have of their own. */
const onfMessages = {
  onfFlowMonitorCancel: { number: onfMonitor.cancel, body: struct({ monitorId: u32 }) },
  onfFlowMonitorPaused: { number: onfMonitor.paused, body: struct({}) },
  onfFlowMonitorResumed: { number: onfMonitor.resumed, body: struct({}) },
  onfRoleStatus: { number: 1911, body: struct({ role: u32, reason: u8, pad0: padding(3), generationId: u64 }) },
  onfBundleControl: { number: 2300, body: struct({ bundleId: u32, bundleType: u16, flags: u16 }) },
  onfBundleAdd: { number: 2301, body: struct({ bundleId: u32, pad0: padding(2), flags: u16, message: rest }) },
  onfRequestForward: { number: 2350, body: struct({ request: rest }) },
} as const;

type Table = typeof nicira & typeof onfMessages;
type Shown<B> = B extends Codec<infer V> ? V : never;
export type KnownExperimenter = { [K in keyof Table]: { readonly type: K } & Shown<Table[K]["body"]> }[keyof Table];

export interface ExperimenterRow {
  readonly type: KnownExperimenter["type"];
  readonly experimenter: number;
  readonly expType: number;
  /** Wire versions, from and to. */
  readonly first: number;
  readonly last: number;
  readonly body: Codec<unknown>;
}
const rowsOf = (table: Readonly<Record<string, { readonly number: number; readonly last?: number; readonly body: unknown }>>, experimenter: number, first: number, last: number): ExperimenterRow[] =>
  Object.entries(table).map(([type, row]) => ({ type: type as KnownExperimenter["type"], experimenter, expType: row.number, first, last: row.last ?? last, body: row.body as Codec<unknown> }));
export const experimenterRows: readonly ExperimenterRow[] = [...rowsOf(nicira, niciraVendor, 1, 6), ...rowsOf(onfMessages, onf, 4, 4)];
const byNumber = new Map(experimenterRows.map((row) => [`${row.experimenter}/${row.expType}`, row]));
/** Undefined when there is none, or none in this wire version. */
export function experimenterRow(experimenter: number, expType: number, version: number): ExperimenterRow | undefined {
  const row = byNumber.get(`${experimenter}/${expType}`);
  return row !== undefined && row.first <= version && version <= row.last ? row : undefined;
}
