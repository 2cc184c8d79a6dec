/** Multipart (up to 1.2: statistics) messages: one row for each type, with what is asked and what is answered. */
import { readActions, writeAction } from "../actions/action.js";
import { readNxm, writeNxm } from "../fields/match.js";
import type { Reader, Version, Writer } from "../wire/reader.js";
import { fromHex, list, padding, port16, struct, u16, u32, u64, u8, type Codec } from "../wire/struct.js";
import { aggregateCodec, flowRequest, flowRequestCodec, flowStatsCodec, lightFlowStatsCodec, type FlowRequest, type FlowStats } from "./flow.js";
import { flowUpdateCodec, monitorRequestCodec, niciraMonitor, niciraVendor, onf, onfMonitor } from "./flow-monitor.js";
import { groupDesc15, groupDescCodec, groupDescRequest, groupFeatures, groupRequest, groupStats13, groupStatsCodec } from "./group.js";
import { meterConfigCodec, meterFeatures, meterRequest, meterStatsCodec } from "./meter.js";
import { portCodec, portRequest, portStatsCodec } from "./port.js";
import { queueDescCodec, queueStatsCodec, queueStatsRequest } from "./queue.js";
import { bundleFeaturesReply, bundleFeaturesRequest, controllerStatusCodec, switchDescCodec } from "./switch.js";
import { tableDescCodec, tableFeaturesCodec, tableStatsCodec } from "./table.js";
import { byHand } from "../wire/shape.js";

const nothing = struct({});
/** OFPMP_PORT_DESC names a port from 1.5 on. */
const portDescRequest: Codec<{ readonly portNo?: number }> = byHand("portDescRequest", {
  read: (from) => {
    if (from.remaining === 0) return {};
    const portNo = from.u32();
    from.skip(4);
    return { portNo };
  },
  write: (out, { portNo }) => {
    if (out.version >= 6) {
      out.u32(portNo ?? 0xffffffff);
      out.zeros(4);
    }
  },
});

/** By name: type, versions, body of the request, body of the reply. */
const types = {
  desc: { number: 0, since: 1, request: nothing, reply: switchDescCodec },
  flow: { number: 1, since: 1, request: flowRequestCodec, reply: list(flowStatsCodec) },
  aggregate: { number: 2, since: 1, request: flowRequestCodec, reply: aggregateCodec },
  table: { number: 3, since: 1, request: nothing, reply: list(tableStatsCodec) },
  portStats: { number: 4, since: 1, request: portRequest, reply: list(portStatsCodec) },
  queue: { number: 5, since: 1, request: queueStatsRequest, reply: list(queueStatsCodec) },
  group: { number: 6, since: 2, request: groupRequest, reply: list(groupStatsCodec) },
  groupDesc: { number: 7, since: 2, request: groupDescRequest, reply: list(groupDescCodec) },
  groupFeatures: { number: 8, since: 3, request: nothing, reply: groupFeatures },
  meter: { number: 9, since: 4, request: meterRequest, reply: list(meterStatsCodec) },
  meterConfig: { number: 10, since: 4, request: meterRequest, reply: list(meterConfigCodec) },
  meterFeatures: { number: 11, since: 4, request: nothing, reply: meterFeatures },
  tableFeatures: { number: 12, since: 4, request: list(tableFeaturesCodec), reply: list(tableFeaturesCodec) },
  /** Specified from 1.3 on; Open vSwitch has it in all versions. */
  portDesc: { number: 13, since: 1, request: portDescRequest, reply: list(portCodec) },
  tableDesc: { number: 14, since: 5, request: nothing, reply: list(tableDescCodec) },
  queueDesc: { number: 15, since: 5, request: struct({ portNo: u32, queueId: u32 }), reply: list(queueDescCodec) },
  flowMonitor: { number: 16, since: 5, request: list(monitorRequestCodec), reply: list(flowUpdateCodec) },
  flowStats: { number: 17, since: 6, request: flowRequestCodec, reply: list(lightFlowStatsCodec) },
  controllerStatus: { number: 18, since: 6, request: nothing, reply: list(controllerStatusCodec) },
  bundleFeatures: { number: 19, since: 6, request: bundleFeaturesRequest, reply: bundleFeaturesReply },
} as const;

const nxFlowRequestHead = struct({ outPort: port16, matchLen: u16, tableId: u8, pad0: padding(3) });
const nxFlowRequest: Codec<FlowRequest> = byHand("nxFlowRequest", {
  read: (from) => {
    const { matchLen, ...head } = nxFlowRequestHead.read(from);
    return flowRequest({ ...head, match: readNxm(from, matchLen) });
  },
  write: (out, request) => {
    const start = out.length;
    nxFlowRequestHead.write(out, { ...request, matchLen: 0 });
    writeNxm(out, start + 2, request.match);
  },
});
const nxFlowHead = struct({ tableId: u8, pad0: padding(1), durationSec: u32, durationNsec: u32, priority: u16, idleTimeout: u16, hardTimeout: u16, matchLen: u16, idleAge: u16, hardAge: u16, cookie: u64, packetCount: u64, byteCount: u64 });
/** Ages in seconds plus one; 0 when they are not known. */
type NxFlowStats = FlowStats & { readonly idleAge: number; readonly hardAge: number };
const nxFlowStats: Codec<NxFlowStats> = byHand("nxFlowStats", {
  read: (from) => {
    const body = from.nested(from.u16() - 2);
    const { matchLen, ...head } = nxFlowHead.read(body);
    const match = readNxm(body, matchLen);
    const actions = readActions(body);
    if (body.isLossy) from.noteLoss();
    return { ...head, flags: 0, importance: 0, match, instructions: actions.length === 0 ? [] : [{ type: "applyActions", actions }] };
  },
  write: (out, flow) => {
    const start = out.length;
    out.u16(0);
    nxFlowHead.write(out, { ...flow, matchLen: 0 });
    writeNxm(out, start + 18, flow.match);
    for (const one of flow.instructions) if (one.type === "applyActions") for (const action of one.actions) writeAction(out, action);
    out.patchU16(start, out.length - start);
  },
});
const ipfixStats = struct({
  totalFlows: u64, currentFlows: u64, packets: u64, ipv4Packets: u64, ipv6Packets: u64, errorPackets: u64, ipv4ErrorPackets: u64, ipv6ErrorPackets: u64, txPackets: u64, txErrors: u64, collectorSetId: u32, pad0: padding(4),
});
/** `until` is the last wire version in which Open vSwitch knows it: later ones have a type of their own for the same. */
const experimenterTypes = {
  nxFlow: { vendor: niciraVendor, number: 0, since: 1, until: 1, request: nxFlowRequest, reply: list(nxFlowStats) },
  nxAggregate: { vendor: niciraVendor, number: 1, since: 1, until: 1, request: nxFlowRequest, reply: aggregateCodec },
  nxFlowMonitor: { vendor: niciraVendor, number: niciraMonitor.multipart, since: 1, until: 3, request: list(monitorRequestCodec), reply: list(flowUpdateCodec) },
  nxIpfixBridge: { vendor: niciraVendor, number: 3, since: 1, until: 6, request: nothing, reply: ipfixStats },
  nxIpfixFlow: { vendor: niciraVendor, number: 4, since: 1, until: 6, request: nothing, reply: list(ipfixStats) },
  nxGroup: { vendor: niciraVendor, number: 7, since: 1, until: 1, request: groupRequest, reply: list(groupStats13) },
  nxGroupDesc: { vendor: niciraVendor, number: 8, since: 1, until: 1, request: groupRequest, reply: list(groupDesc15) },
  nxGroupFeatures: { vendor: niciraVendor, number: 9, since: 1, until: 2, request: nothing, reply: groupFeatures },
  onfFlowMonitor: { vendor: onf, number: onfMonitor.multipart, since: 4, until: 4, request: list(monitorRequestCodec), reply: list(flowUpdateCodec) },
} as const;
const experimenter = 0xffff;

type All = typeof types & typeof experimenterTypes;
export type MultipartType = keyof All;
type BodyOf<C> = C extends Codec<infer V> ? V : never;
export type RequestBody<K extends MultipartType> = BodyOf<All[K]["request"]>;
export type ReplyBody<K extends MultipartType> = BodyOf<All[K]["reply"]>;

/** A type that is not known, by number, or of an experimenter; the body as it came. */
interface UnknownMultipart {
  readonly multipartType: "unknown";
  readonly typeNumber: number;
  readonly experimenter?: number;
  readonly expType?: number;
  readonly body: Uint8Array;
}
type Flags = {
  /** Bit 0: more parts follow. */
  readonly flags: number;
};
export type MultipartRequest = { readonly type: "multipartRequest" } & Flags & ({ [K in MultipartType]: { readonly multipartType: K; readonly body: RequestBody<K> } }[MultipartType] | UnknownMultipart);
export type MultipartReply = { readonly type: "multipartReply" } & Flags & ({ [K in MultipartType]: { readonly multipartType: K; readonly body: ReplyBody<K> } }[MultipartType] | UnknownMultipart);

interface Row {
  readonly name: MultipartType;
  readonly number: number;
  readonly vendor: number;
  /** Wire versions, from and to. */
  readonly since: number;
  readonly until: number;
  readonly request: Codec<unknown>;
  readonly reply: Codec<unknown>;
}
const rows: readonly Row[] = [
  ...Object.entries(types).map(([name, row]) => ({ name: name as MultipartType, vendor: 0, until: 6, ...row })),
  ...Object.entries(experimenterTypes).map(([name, row]) => ({ name: name as MultipartType, ...row })),
];
const byName = new Map<string, Row>(rows.map((row) => [row.name, row]));
const byNumber = new Map(rows.map((row) => [`${row.vendor}/${row.number}`, row]));
/** Names, numbers and wire versions of the types there are. */
export const multipartTypes: readonly Row[] = rows;

const isIn = (row: Row, version: Version): boolean => row.since <= version && version <= row.until;

type AnyMultipart = { readonly multipartType: string; readonly flags: number; readonly body: unknown };

function readMultipart(from: Reader, side: "request" | "reply"): AnyMultipart {
  const number = from.u16();
  const flags = from.u16();
  if (from.version > 1) from.skip(4);
  let [vendor, expType, row] = [0, 0, byNumber.get(`0/${number}`)];
  if (number === experimenter) {
    vendor = from.u32();
    if (from.remaining >= 4) expType = from.u32();
    if (from.version === 1 && vendor === niciraVendor) from.skip(4);
    row = byNumber.get(`${vendor}/${expType}`);
  }
  if (row === undefined || !isIn(row, from.version)) {
    const unknown: UnknownMultipart & Flags = { multipartType: "unknown", typeNumber: number, ...(number === experimenter ? { experimenter: vendor, expType } : {}), flags, body: from.rest() };
    return unknown;
  }
  return { multipartType: row.name, flags, body: row[side].read(from) };
}

function writeMultipart(out: Writer, value: AnyMultipart, side: "request" | "reply"): void {
  const row = byName.get(value.multipartType);
  const unknown = value as unknown as UnknownMultipart;
  if (row === undefined && unknown.multipartType !== "unknown") throw new RangeError(`there is no multipart type "${value.multipartType}"`);
  if (row !== undefined && !isIn(row, out.version)) throw new RangeError(`${row.name} is not in wire version ${out.version}`);
  const vendor = row === undefined ? unknown.experimenter : row.vendor === 0 ? undefined : row.vendor;
  out.u16(vendor === undefined ? (row?.number ?? unknown.typeNumber) : experimenter);
  out.u16(value.flags);
  if (out.version > 1) out.zeros(4);
  if (vendor !== undefined) {
    out.u32(vendor);
    out.u32(row?.number ?? unknown.expType ?? 0);
    if (out.version === 1 && vendor === niciraVendor) out.zeros(4);
  }
  if (row !== undefined) row[side].write(out, value.body);
  else out.raw(typeof unknown.body === "string" ? fromHex(unknown.body) : unknown.body);
}

export const multipartRequestCodec: Codec<Omit<MultipartRequest, "type">> = byHand("multipartRequest", { read: (from) => readMultipart(from, "request") as Omit<MultipartRequest, "type">, write: (out, value) => writeMultipart(out, value, "request") });
export const multipartReplyCodec: Codec<Omit<MultipartReply, "type">> = byHand("multipartReply", { read: (from) => readMultipart(from, "reply") as Omit<MultipartReply, "type">, write: (out, value) => writeMultipart(out, value, "reply") });
