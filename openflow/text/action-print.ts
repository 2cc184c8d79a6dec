/** Actions as ovs-ofctl prints them. */
import { port, type Action, type CtAction } from "../actions/action.js";
import type { EncapProperty } from "../actions/nicira.js";
import { rowOf } from "../fields/table.js";
import { bundleAlgorithms, directions, encapTypes, hashFields, innerType, memberType, multipathAlgorithms, nsh, ownTable, reasonOfAction, reasons, wholePacket } from "./action-names.js";
import { printCt, printNat } from "./ct-text.js";
import { textOf } from "./field-names.js";
import { printLearn } from "./learn-text.js";
import { dotted } from "./scan.js";
import { printRef, printSubfield } from "./subfield-text.js";
import { hex, hexOr0, ones, printIpv4, printMac, printPort, printValue } from "./value-text.js";

type Of<T extends Action["type"]> = Extract<Action, { readonly type: T }>;
type Printers = { readonly [T in Action["type"]]: (item: Of<T>) => string };

const four = (ethType: number): string => `0x${ethType.toString(16).padStart(4, "0")}`;
const mac = (bytes: Uint8Array): string => printMac(BigInt(`0x${Buffer.from(bytes).toString("hex")}`));
const named = (names: readonly string[], index: number): string => names[index] ?? String(index);

function printOutput({ port: to, maxLen }: Of<"output">): string {
  if (to === port.controller) return `CONTROLLER:${maxLen}`;
  const text = printPort(to);
  return /^\d/.test(text) ? `output:${text}` : text; // how much of the packet goes there counts for the controller alone
}

function printResubmit(inPort: number, tableId: number, isCt: boolean): string {
  const to = inPort === port.inPort ? "" : printPort(inPort);
  // Of neither a port nor a table ovs-ofctl prints "resubmit(,)", and reads no text at all.
  if (tableId === ownTable && !isCt) return `resubmit:${printPort(inPort)}`;
  return `resubmit(${to},${tableId === ownTable ? "" : tableId}${isCt ? ",ct" : ""})`;
}

interface ToController {
  readonly reason?: number;
  readonly maxLen?: number;
  readonly controllerId?: number;
  readonly userdata?: Uint8Array;
  readonly pause?: true;
  readonly meterId?: number;
}
function printController({ reason = reasonOfAction, maxLen = wholePacket, controllerId = 0, userdata, pause, meterId }: ToController): string {
  const parts: string[] = [];
  if (reason !== reasonOfAction) parts.push(`reason=${named(reasons, reason)}`);
  if (maxLen !== wholePacket) parts.push(`max_len=${maxLen}`);
  if (controllerId !== 0) parts.push(`id=${controllerId}`);
  if (userdata !== undefined && userdata.length > 0) parts.push(`userdata=${dotted(userdata)}`);
  if (pause === true) parts.push("pause");
  if (meterId !== undefined) parts.push(`meter_id=${meterId}`);
  return parts.length === 0 || (parts.length === 1 && maxLen !== wholePacket) ? `CONTROLLER:${maxLen}` : `controller(${parts.join(",")})`;
}

function printBundle({ type, fields, basis, algorithm, slaveType, to }: Of<"bundle" | "bundleLoad">): string {
  const target = to.range === undefined || to.target === undefined ? "" : `${printSubfield({ field: to.target, ...to.range })},`;
  const members = to.slaves.map(printPort).join(",");
  return `${type === "bundle" ? "bundle" : "bundle_load"}(${named(hashFields, fields)},${basis},${named(bundleAlgorithms, algorithm)},${slaveType === memberType ? "ofport" : hex(slaveType)},${target}members:${members})`;
}

type Sample = Omit<Of<"sample">, "type"> & { readonly samplingPort?: number; readonly direction?: number };
function printSample({ probability, collectorSetId, obsDomainId, obsPointId, samplingPort = port.any, direction = 0 }: Sample): string {
  const parts = [`probability=${probability}`, `collector_set_id=${collectorSetId}`, `obs_domain_id=${obsDomainId}`, `obs_point_id=${obsPointId}`];
  if (samplingPort !== port.any) parts.push(`sampling_port=${printPort(samplingPort)}`);
  if (direction !== 0) parts.push(named(directions, direction - 1));
  return `sample(${parts.join(",")})`;
}

function printEncapProperty({ propClass, propType, data }: EncapProperty): string {
  if (propClass === nsh.propClass && propType === nsh.mdType && data.length === 1) return `md_type=${data[0]}`;
  const head = Buffer.from(data);
  const length = head[3];
  if (propClass === nsh.propClass && propType === nsh.tlv && length !== undefined && 4 + length <= head.length) {
    return `tlv(${four(head.readUInt16BE(0))},${head[2]},0x${head.toString("hex", 4, 4 + length)})`;
  }
  return `unknown(${propClass},${propType},0x${head.toString("hex")})`;
}
function printEncap({ packetType, properties }: Of<"encap">): string {
  const name = encapTypes.find(([, type]) => type === packetType)?.[0] ?? hex(packetType);
  return properties.length === 0 ? `encap(${name})` : `encap(${name}(${properties.map(printEncapProperty).join(",")}))`;
}

function printSetField({ field }: Of<"setField" | "regLoad2">): string {
  const { text, format } = textOf(field.name);
  const row = rowOf(field.name);
  const all = ones(row.isVariable && field.width !== undefined ? field.width * 8 : row.bits);
  const value = BigInt(field.value);
  // 16 bits of a port: the reserved ones have 32-bit numbers in all texts.
  const shown = field.name === "nxInPort" && value >= 0xff00n ? value + 0xffff0000n : value;
  const isMasked = field.mask !== undefined && (BigInt(field.mask) & all) !== all;
  return `set_field:${printValue(format, isMasked ? { value: shown, mask: BigInt(field.mask ?? 0n) } : { value: shown }, "0")}->${text}`;
}

const move = (item: Of<"regMove" | "copyField">): string =>
  `move:${printSubfield({ field: item.source, offset: item.sourceOffset, bits: item.bits })}->${printSubfield({ field: item.target, offset: item.targetOffset, bits: item.bits })}`;
const metadata = (value: bigint, mask: bigint): string => `write_metadata:${hexOr0(value)}${mask === ones(64) ? "" : `/${hexOr0(mask)}`}`;
export { metadata as printMetadata };
const printClone = (actions: readonly Action[]): string => `clone(${printActions(actions)})`;
const word = (text: string) => (): string => text;

const printers: Printers = {
  output: printOutput,
  group: ({ groupId }) => `group:${groupId}`,
  setQueue: ({ queueId }) => `set_queue:${queueId}`,
  popQueue: word("pop_queue"),
  enqueue: ({ port: to, queueId }) => `enqueue:${printPort(to)}:${queueId}`,
  outputReg: ({ source, range }) => `output:${printSubfield({ field: source, ...range })}`,
  outputReg2: ({ source, range }) => `output:${printSubfield({ field: source, ...range })}`,
  outputTrunc: ({ port: to, maxLen }) => `output(port=${printPort(to)},max_len=${maxLen})`,
  controller: ({ type: _, ...options }) => printController(options),
  controller2: ({ options }) => printController(options),
  resubmit16: ({ inPort }) => printResubmit(inPort, ownTable, false),
  resubmit: ({ inPort, tableId }) => printResubmit(inPort, tableId, false),
  resubmitCt: ({ inPort, tableId }) => printResubmit(inPort, tableId, true),
  bundle: printBundle,
  bundleLoad: printBundle,
  multipath: ({ fields, basis, algorithm, maxLink, arg, range, target }) =>
    `multipath(${named(hashFields, fields)},${basis},${named(multipathAlgorithms, algorithm)},${maxLink + 1},${arg},${printSubfield({ field: target, ...range })})`,
  setField: printSetField,
  regLoad2: printSetField,
  regLoad: ({ field, offset, bits, value }) => `load:${hexOr0(value)}->${printSubfield({ field, offset, bits })}`,
  regMove: move,
  copyField: move,
  stackPush: (item) => `push:${printSubfield(item)}`,
  stackPop: (item) => `pop:${printSubfield(item)}`,
  setTunnel: ({ tunId }) => `set_tunnel:${hex(tunId)}`,
  setTunnel64: ({ tunId }) => `set_tunnel64:${hex(tunId)}`,
  // OpenFlow 1.0's, which set a field of the packet without telling which protocol has it.
  setVlanVid: ({ vlanVid }) => `mod_vlan_vid:${vlanVid}`,
  setVlanPcp: ({ vlanPcp }) => `mod_vlan_pcp:${vlanPcp}`,
  stripVlan: word("strip_vlan"),
  setDlSrc: ({ dlAddr }) => `mod_dl_src:${mac(dlAddr)}`,
  setDlDst: ({ dlAddr }) => `mod_dl_dst:${mac(dlAddr)}`,
  setNwSrc: ({ nwAddr }) => `mod_nw_src:${printIpv4(BigInt(nwAddr))}`,
  setNwDst: ({ nwAddr }) => `mod_nw_dst:${printIpv4(BigInt(nwAddr))}`,
  setNwTos: ({ nwTos }) => `mod_nw_tos:${nwTos}`,
  setNwEcn: ({ nwEcn }) => `mod_nw_ecn:${nwEcn}`,
  setTpSrc: ({ tpPort }) => `mod_tp_src:${tpPort}`,
  setTpDst: ({ tpPort }) => `mod_tp_dst:${tpPort}`,
  setNwTtl: ({ ttl }) => `mod_nw_ttl:${ttl}`,
  decNwTtl: word("dec_ttl"),
  decTtlCntIds: ({ controllerIds }) => `dec_ttl(${controllerIds.join(",")})`,
  setMplsLabel: ({ mplsLabel }) => `set_mpls_label(${mplsLabel})`,
  setMplsTc: ({ mplsTc }) => `set_mpls_tc(${mplsTc})`,
  setMplsTtl: ({ ttl }) => `set_mpls_ttl(${ttl})`,
  decMplsTtl: word("dec_mpls_ttl"),
  decNshTtl: word("dec_nsh_ttl"),
  pushVlan: ({ ethType }) => `push_vlan:${four(ethType)}`,
  popVlan: word("pop_vlan"),
  pushMpls: ({ ethType }) => `push_mpls:${four(ethType)}`,
  popMpls: ({ ethType }) => `pop_mpls:${four(ethType)}`,
  encap: printEncap,
  decap: ({ packetType }) => (packetType === innerType ? "decap()" : `decap(packet_type(ns=${packetType >>> 16},type=${hexOr0(packetType & 0xffff)}))`),
  // Not in Open vSwitch, which refuses them: the specification's words.
  pushPbb: ({ ethType }) => `push_pbb:${four(ethType)}`,
  popPbb: word("pop_pbb"),
  copyTtlOut: word("copy_ttl_out"),
  copyTtlIn: word("copy_ttl_in"),
  learn: printLearn,
  learn2: printLearn,
  ct: (item: CtAction) => printCt(item, printActions),
  nat: printNat,
  ctClear: word("ct_clear"),
  clone: ({ actions }) => printClone(actions),
  conjunction: ({ id, clause, clauses }) => `conjunction(${id},${clause + 1}/${clauses})`,
  sample: printSample,
  sample2: printSample,
  sample3: printSample,
  finTimeout: ({ finIdleTimeout, finHardTimeout }) =>
    `fin_timeout(${[...(finIdleTimeout === 0 ? [] : [`idle_timeout=${finIdleTimeout}`]), ...(finHardTimeout === 0 ? [] : [`hard_timeout=${finHardTimeout}`])].join(",")})`,
  note: ({ note }) => `note:${dotted(note)}`,
  exit: word("exit"),
  checkPktLarger: ({ pktLen, field, offset }) => `check_pkt_larger(${pktLen})->${printSubfield({ field, offset, bits: 1 })}`,
  deleteField: ({ field }) => `delete_field:${printRef(field)}`,
  writeMetadata: ({ metadata: value, mask }) => metadata(value, mask),
  meter: ({ meterId }) => `meter:${meterId}`,
  debugSlow: word("debug_slow"),
  debugRecirc: word("debug_recirc"),
  unknown: ({ bytes }) => `unknown(${Buffer.from(bytes).toString("hex")})`,
};

export const printAction = <T extends Action["type"]>(item: Of<T> & { readonly type: T }): string => (printers[item.type] as (one: Of<T>) => string)(item);

/** The actions as ovs-ofctl prints them; "drop" for none. One we do not know is printed as "unknown(HEX)", which ovs-ofctl refuses. */
export function printActions(actions: readonly Action[]): string {
  return actions.length === 0 ? "drop" : actions.map((one) => printAction(one)).join(",");
}
