/**
 * The matches of fixed layout: ofp_match of OpenFlow 1.0 (section 5.2.3) and of 1.1 (section A.2.3.2). They come out as the
 * fields that say the same: a port by its 32-bit number, a VLAN with the bit of "there is a tag", layer 4 ports by protocol.
 */
import type { Reader, Writer } from "../wire/reader.js";
import { bytes, padding, port16, struct, u16, u32, u64, u8 } from "../wire/struct.js";
import type { FieldName } from "./table.js";
import type { KnownField, Match } from "./field.js";

const match10 = struct({
  wildcards: u32, inPort: port16, dlSrc: bytes(6), dlDst: bytes(6), dlVlan: u16, dlVlanPcp: u8, pad0: padding(1), dlType: u16, nwTos: u8, nwProto: u8, pad1: padding(2),
  nwSrc: u32, nwDst: u32, tpSrc: u16, tpDst: u16,
});
const match11 = struct({
  inPort: u32, wildcards: u32, dlSrc: bytes(6), dlSrcMask: bytes(6), dlDst: bytes(6), dlDstMask: bytes(6), dlVlan: u16, dlVlanPcp: u8, pad0: padding(1), dlType: u16, nwTos: u8, nwProto: u8,
  nwSrc: u32, nwSrcMask: u32, nwDst: u32, nwDstMask: u32, tpSrc: u16, tpDst: u16, mplsLabel: u32, mplsTc: u8, pad1: padding(3), metadata: u64, metadataMask: u64,
});

/** ofp_flow_wildcards: the same low bits in both versions. */
const wild = { inPort: 1, dlVlan: 2 } as const;
const wild10 = { dlSrc: 4, dlDst: 8, dlType: 16, nwProto: 32, tpSrc: 64, tpDst: 128, nwSrcShift: 8, nwDstShift: 14, dlVlanPcp: 1 << 20, nwTos: 1 << 21 } as const;
const wild11 = { dlVlanPcp: 4, dlType: 8, nwTos: 16, nwProto: 32, tpSrc: 64, tpDst: 128, mplsLabel: 256, mplsTc: 512 } as const;
const noVlan = 0xffff;
/** OFPVID_ANY of 1.1: any tag. */
const anyVlan = 0xfffe;
const vlanPresent = 0x1000n;
const etherType = { ipv4: 0x0800, arp: 0x0806, rarp: 0x8035, ipv6: 0x86dd, vlan: 0x8100, mpls: 0x8847, mplsMulticast: 0x8848 } as const;

const toNumber = (raw: Uint8Array): bigint => [...raw].reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
const toBytes = (value: bigint, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * (length - 1 - i))) & 0xffn));
const prefix = (wildBits: number): bigint => (wildBits >= 32 ? 0n : (0xffffffffn << BigInt(wildBits)) & 0xffffffffn);
const macOnes = 0xffff_ffff_ffffn;

/** Layer 4 ports by EtherType and protocol: the fields of tp_src and tp_dst. */
function transport(ethType: number | undefined, protocol: number | undefined): readonly [FieldName, FieldName] | undefined {
  if (ethType !== etherType.ipv4 && ethType !== etherType.ipv6) return undefined;
  switch (protocol) {
    case 6:
      return ["tcpSrc", "tcpDst"];
    case 17:
      return ["udpSrc", "udpDst"];
    case 132:
      return ["sctpSrc", "sctpDst"];
    case 1:
      return ethType === etherType.ipv4 ? ["icmpv4Type", "icmpv4Code"] : undefined;
    case 58:
      return ethType === etherType.ipv6 ? ["icmpv6Type", "icmpv6Code"] : undefined;
    default:
      return undefined;
  }
}

class Fields {
  readonly found: KnownField[] = [];
  add(name: FieldName, value: bigint | number, mask?: bigint): void {
    this.found.push(mask === undefined ? { name, value: BigInt(value) } : { name, value: BigInt(value), mask });
  }
}

interface Common {
  readonly dlVlan: number;
  readonly dlVlanPcp: number;
  readonly nwTos: number;
  readonly nwProto: number;
  readonly nwSrc: number;
  readonly nwDst: number;
  readonly tpSrc: number;
  readonly tpDst: number;
}

/** The fields from the VLAN up, which both layouts have alike; the masks say which count. */
function readUpper(fields: Fields, m: Common, isWild: { vlan: boolean; pcp: boolean; tos: boolean; proto: boolean; tpSrc: boolean; tpDst: boolean }, nwSrcMask: bigint, nwDstMask: bigint, ethType: number | undefined): void {
  if (!isWild.vlan) {
    if (m.dlVlan === noVlan) fields.add("vlanVid", 0n);
    else if (m.dlVlan === anyVlan) fields.add("vlanVid", vlanPresent, vlanPresent);
    else fields.add("vlanVid", BigInt(m.dlVlan & 0xfff) | vlanPresent);
  } else if (!isWild.pcp) fields.add("vlanVid", vlanPresent, vlanPresent);
  if (!isWild.pcp && (isWild.vlan || m.dlVlan !== noVlan)) fields.add("vlanPcp", m.dlVlanPcp);
  const isArp = ethType === etherType.arp || ethType === etherType.rarp;
  const isIp = ethType === etherType.ipv4 || ethType === etherType.ipv6;
  if (!isWild.tos && isIp) fields.add("ipDscp", m.nwTos >> 2);
  if (!isWild.proto && (isIp || isArp)) fields.add(isArp ? "arpOp" : "ipProto", m.nwProto);
  if (ethType === etherType.ipv4 || isArp) {
    for (const [name, value, mask] of [[isArp ? "arpSpa" : "ipv4Src", m.nwSrc, nwSrcMask], [isArp ? "arpTpa" : "ipv4Dst", m.nwDst, nwDstMask]] as const) {
      if (mask === 0xffffffffn) fields.add(name, value);
      else if (mask !== 0n) fields.add(name, BigInt(value) & mask, mask);
    }
  }
  const ports = transport(ethType, isWild.proto ? undefined : m.nwProto);
  if (ports === undefined) return;
  if (!isWild.tpSrc) fields.add(ports[0], m.tpSrc);
  if (!isWild.tpDst) fields.add(ports[1], m.tpDst);
}

export function readMatch10(from: Reader): Match {
  const m = match10.read(from);
  const has = (bit: number): boolean => (m.wildcards & bit) === 0;
  const fields = new Fields();
  if (has(wild.inPort)) fields.add("inPort", m.inPort);
  if (has(wild10.dlDst)) fields.add("ethDst", toNumber(m.dlDst));
  if (has(wild10.dlSrc)) fields.add("ethSrc", toNumber(m.dlSrc));
  const ethType = has(wild10.dlType) ? m.dlType : undefined;
  if (ethType !== undefined) fields.add("ethType", ethType);
  const isWild = { vlan: !has(wild.dlVlan), pcp: !has(wild10.dlVlanPcp), tos: !has(wild10.nwTos), proto: !has(wild10.nwProto), tpSrc: !has(wild10.tpSrc), tpDst: !has(wild10.tpDst) };
  readUpper(fields, m, isWild, prefix((m.wildcards >>> wild10.nwSrcShift) & 63), prefix((m.wildcards >>> wild10.nwDstShift) & 63), ethType);
  return fields.found;
}

/** After type and length. */
export function readMatch11(from: Reader): Match {
  const m = match11.read(from);
  const has = (bit: number): boolean => (m.wildcards & bit) === 0;
  const fields = new Fields();
  if (has(wild.inPort)) fields.add("inPort", m.inPort);
  // In 1.1 a set bit of the mask is one that does not count.
  const metadata = ~m.metadataMask & 0xffff_ffff_ffff_ffffn;
  if (metadata !== 0n) fields.add("metadata", m.metadata & metadata, metadata === 0xffff_ffff_ffff_ffffn ? undefined : metadata);
  for (const [name, value, mask] of [["ethDst", m.dlDst, m.dlDstMask], ["ethSrc", m.dlSrc, m.dlSrcMask]] as const) {
    const counts = ~toNumber(mask) & macOnes;
    if (counts !== 0n) fields.add(name, toNumber(value) & counts, counts === macOnes ? undefined : counts);
  }
  const ethType = has(wild11.dlType) ? m.dlType : undefined;
  if (ethType !== undefined) fields.add("ethType", ethType);
  const isWild = { vlan: !has(wild.dlVlan), pcp: !has(wild11.dlVlanPcp), tos: !has(wild11.nwTos), proto: !has(wild11.nwProto), tpSrc: !has(wild11.tpSrc), tpDst: !has(wild11.tpDst) };
  const counts = (mask: number): bigint => BigInt(~mask >>> 0);
  readUpper(fields, m, isWild, counts(m.nwSrcMask), counts(m.nwDstMask), ethType);
  if (ethType === etherType.mpls || ethType === etherType.mplsMulticast) {
    if (has(wild11.mplsLabel)) fields.add("mplsLabel", m.mplsLabel);
    if (has(wild11.mplsTc)) fields.add("mplsTc", m.mplsTc);
  }
  return fields.found;
}

/** What a fixed layout can say; every other field is refused by name. */
function sorted(fields: Match): Map<FieldName, KnownField> {
  const all = new Map<FieldName, KnownField>();
  for (const item of fields) {
    if (item.name === "unknown") throw new RangeError("an unknown field cannot be written into a match of OpenFlow 1.0 or 1.1");
    all.set(item.name, { ...item, value: BigInt(item.value), ...(item.mask === undefined ? {} : { mask: BigInt(item.mask) }) });
  }
  return all;
}

function taker(fields: Map<FieldName, KnownField>) {
  return (...names: readonly FieldName[]): KnownField | undefined => {
    for (const name of names) {
      const item = fields.get(name);
      if (item === undefined) continue;
      fields.delete(name);
      return item;
    }
    return undefined;
  };
}
const number = (item: KnownField | undefined): number => Number(item?.value ?? 0n);
const transportSources = ["tcpSrc", "udpSrc", "sctpSrc", "icmpv4Type", "icmpv6Type"] as const;
const transportTargets = ["tcpDst", "udpDst", "sctpDst", "icmpv4Code", "icmpv6Code"] as const;

function vlanOf(item: KnownField | undefined): number {
  if (item === undefined) return 0;
  if (item.mask !== undefined) return anyVlan;
  return item.value === 0n ? noVlan : Number(item.value & 0xfffn);
}

function none(fields: Map<FieldName, KnownField>, version: string): void {
  const [left] = fields.keys();
  if (left !== undefined) throw new RangeError(`${left} cannot be written into a match of OpenFlow ${version}`);
}

export function writeMatch10(out: Writer, match: Match): void {
  const fields = sorted(match);
  const take = taker(fields);
  let wildcards = 0;
  const absent = (item: KnownField | undefined, bit: number): KnownField | undefined => {
    if (item === undefined) wildcards |= bit;
    return item;
  };
  const exact = (item: KnownField | undefined, bit: number): KnownField | undefined => {
    if (item?.mask !== undefined) throw new RangeError(`${item.name} takes no mask in OpenFlow 1.0`);
    return absent(item, bit);
  };
  const inPort = exact(take("inPort"), wild.inPort);
  const vlan = take("vlanVid");
  if (vlan === undefined || vlan.mask !== undefined) wildcards |= wild.dlVlan;
  const dlSrc = exact(take("ethSrc"), wild10.dlSrc);
  const dlDst = exact(take("ethDst"), wild10.dlDst);
  const dlType = exact(take("ethType"), wild10.dlType);
  const proto = exact(take("ipProto", "arpOp"), wild10.nwProto);
  const tpSrc = exact(take(...transportSources), wild10.tpSrc);
  const tpDst = exact(take(...transportTargets), wild10.tpDst);
  const [nwSrc, nwDst] = [take("ipv4Src", "arpSpa"), take("ipv4Dst", "arpTpa")];
  for (const [item, shift] of [[nwSrc, wild10.nwSrcShift], [nwDst, wild10.nwDstShift]] as const) {
    const wildBits = item === undefined ? 32 : item.mask === undefined ? 0 : 32 - (item.mask.toString(2).match(/1/g)?.length ?? 0);
    if (item?.mask !== undefined && prefix(wildBits) !== item.mask) throw new RangeError(`${item.name} takes only prefixes in OpenFlow 1.0`);
    wildcards |= wildBits << shift;
  }
  const pcp = take("vlanPcp");
  // Without a tag there is no priority to leave open: Open vSwitch writes it as one that counts.
  if (vlan === undefined || vlan.value !== 0n || vlan.mask !== undefined) exact(pcp, wild10.dlVlanPcp);
  const dscp = exact(take("ipDscp"), wild10.nwTos);
  none(fields, "1.0");
  match10.write(out, {
    wildcards: wildcards >>> 0, inPort: number(inPort), dlSrc: toBytes(dlSrc?.value ?? 0n, 6), dlDst: toBytes(dlDst?.value ?? 0n, 6),
    dlVlan: vlan?.mask === undefined ? vlanOf(vlan) : 0, dlVlanPcp: number(pcp), dlType: number(dlType), nwTos: number(dscp) << 2, nwProto: number(proto),
    nwSrc: number(nwSrc), nwDst: number(nwDst), tpSrc: number(tpSrc), tpDst: number(tpDst),
  });
}

export function writeMatch11(out: Writer, match: Match): void {
  const fields = sorted(match);
  const take = taker(fields);
  let wildcards = 0;
  const exact = (item: KnownField | undefined, bit: number): KnownField | undefined => {
    if (item?.mask !== undefined) throw new RangeError(`${item.name} takes no mask in OpenFlow 1.1`);
    if (item === undefined) wildcards |= bit;
    return item;
  };
  const inPort = exact(take("inPort"), wild.inPort);
  const vlan = take("vlanVid");
  if (vlan === undefined) wildcards |= wild.dlVlan;
  const [dlSrc, dlDst, metadata] = [take("ethSrc"), take("ethDst"), take("metadata")];
  const pcp = exact(take("vlanPcp"), wild11.dlVlanPcp);
  const dlType = exact(take("ethType"), wild11.dlType);
  const dscp = exact(take("ipDscp"), wild11.nwTos);
  const proto = exact(take("ipProto", "arpOp"), wild11.nwProto);
  const tpSrc = exact(take(...transportSources), wild11.tpSrc);
  const tpDst = exact(take(...transportTargets), wild11.tpDst);
  const label = exact(take("mplsLabel"), wild11.mplsLabel);
  const tc = exact(take("mplsTc"), wild11.mplsTc);
  const [nwSrc, nwDst] = [take("ipv4Src", "arpSpa"), take("ipv4Dst", "arpTpa")];
  none(fields, "1.1");
  const ignored = (item: KnownField | undefined, ones: bigint): bigint => (item === undefined ? ones : item.mask === undefined ? 0n : ~item.mask & ones);
  out.u16(0);
  out.u16(88);
  match11.write(out, {
    inPort: number(inPort), wildcards, dlSrc: toBytes(dlSrc?.value ?? 0n, 6), dlSrcMask: toBytes(ignored(dlSrc, macOnes), 6), dlDst: toBytes(dlDst?.value ?? 0n, 6), dlDstMask: toBytes(ignored(dlDst, macOnes), 6),
    dlVlan: vlanOf(vlan), dlVlanPcp: number(pcp), dlType: number(dlType), nwTos: number(dscp) << 2, nwProto: number(proto),
    nwSrc: number(nwSrc), nwSrcMask: Number(ignored(nwSrc, 0xffffffffn)), nwDst: number(nwDst), nwDstMask: Number(ignored(nwDst, 0xffffffffn)), tpSrc: number(tpSrc), tpDst: number(tpDst),
    mplsLabel: number(label), mplsTc: number(tc), metadata: metadata?.value ?? 0n, metadataMask: ignored(metadata, 0xffff_ffff_ffff_ffffn),
  });
}

