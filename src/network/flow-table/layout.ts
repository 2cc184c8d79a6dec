/**
 * A packet and what it carries through the tables, in 32-bit words: fields share words as they share bits on the wire and in Open
 * vSwitch (ARP's addresses are IPv4's, ICMP's type is a source port), so a match is a list of words to compare.
 * Names and widths of fields are those of node-openflow (OpenFlow 1.5.1 section 7.2.3.8, ovs-fields(7)).
 */
import { fieldRows, type FieldName, type FieldRef } from "node-openflow";

/** Where a field lies: `count` words, most significant first; of one word, `bits` bits from `shift` on. */
export interface Slot {
  readonly word: number;
  readonly count: number;
  readonly shift: number;
  readonly bits: number;
}

const slots = new Map<string, Slot>();
let next = 0;
const place = (bits: number, ...names: readonly string[]): number => {
  const word = next;
  next += Math.ceil(bits / 32);
  for (const name of names) slots.set(name, { word, count: Math.ceil(bits / 32), shift: 0, bits });
  return word;
};
const part = (word: number, shift: number, bits: number, name: string): void => void slots.set(name, { word, count: 1, shift, bits });

for (let n = 0; n < 16; n++) place(32, `reg${n}`);
for (let n = 0; n < 8; n++) slots.set(`xreg${n}`, { word: 2 * n, count: 2, shift: 0, bits: 64 });
for (let n = 0; n < 4; n++) slots.set(`xxreg${n}`, { word: 4 * n, count: 4, shift: 0, bits: 128 });
/** First words of what the code below names itself. */
export const at = {
  metadata: place(64, "metadata"),
  tunnelId: place(64, "tunnelId"),
  tunIpv4Src: place(32, "tunIpv4Src"),
  tunIpv4Dst: place(32, "tunIpv4Dst"),
  tunIpv6Src: place(128, "tunIpv6Src"),
  tunIpv6Dst: place(128, "tunIpv6Dst"),
  tunFlags: place(16, "tunFlags"),
  tunGbpId: place(16, "tunGbpId"),
  tunGbpFlags: place(8, "tunGbpFlags"),
  tunErspanIdx: place(20, "tunErspanIdx"),
  tunErspanVer: place(4, "tunErspanVer"),
  tunErspanDir: place(1, "tunErspanDir"),
  tunErspanHwid: place(6, "tunErspanHwid"),
  tunGtpuFlags: place(8, "tunGtpuFlags"),
  tunGtpuMsgtype: place(8, "tunGtpuMsgtype"),
  inPort: place(32, "inPort", "nxInPort"),
  pktMark: place(32, "pktMark"),
  actsetOutput: place(32, "actsetOutput"),
  conjId: place(32, "conjId"),
  recircId: place(32, "recircId"),
  dpHash: place(32, "dpHash"),
  ctState: place(32, "ctState"),
  ctZone: place(16, "ctZone"),
  ctMark: place(32, "ctMark"),
  ctLabel: place(128, "ctLabel"),
  ctNwProto: place(8, "ctNwProto"),
  ctNwSrc: place(32, "ctNwSrc"),
  ctNwDst: place(32, "ctNwDst"),
  ctIpv6Src: place(128, "ctIpv6Src"),
  ctIpv6Dst: place(128, "ctIpv6Dst"),
  ctTpSrc: place(16, "ctTpSrc"),
  ctTpDst: place(16, "ctTpDst"),
  packetType: place(32, "packetType"),
  ethDst: place(48, "ethDst"),
  ethSrc: place(48, "ethSrc"),
  ethType: place(16, "ethType"),
  /** The outer tag as 802.1Q has it, bit 12 set; 0 when there is none. */
  vlanTci: place(16, "vlanTci"),
  /** The second tag, and the EtherTypes of the two (outer in the upper half). */
  vlanTci1: place(16),
  vlanTpids: place(32),
  mpls: place(32),
  /** Label stack entries below the outer one. */
  mpls1: place(32),
  mpls2: place(32),
  nwSrc: place(32, "ipv4Src", "arpSpa"),
  nwDst: place(32, "ipv4Dst", "arpTpa"),
  ipv6Src: place(128, "ipv6Src"),
  ipv6Dst: place(128, "ipv6Dst"),
  flabel: place(20, "ipv6Flabel"),
  tos: place(8, "ipTos"),
  ttl: place(8, "ipTtl"),
  /** IP protocol, or ARP's operation. */
  proto: place(8, "ipProto", "arpOp"),
  frag: place(8, "ipFrag"),
  arpSha: place(48, "arpSha", "ipv6NdSll"),
  arpTha: place(48, "arpTha", "ipv6NdTll"),
  ndTarget: place(128, "ipv6NdTarget"),
  tpSrc: place(16, "tcpSrc", "udpSrc", "sctpSrc", "icmpv4Type", "icmpv6Type"),
  tpDst: place(16, "tcpDst", "udpDst", "sctpDst", "icmpv4Code", "icmpv6Code"),
  tcpFlags: place(16, "tcpFlags"),
  ndReserved: place(32, "icmpv6NdReserved"),
  ndOptionsType: place(8, "icmpv6NdOptionsType"),
  nsh: place(8, "nshFlags"),
  nshMdtype: place(8, "nshMdtype"),
  nshNp: place(8, "nshNp"),
  nshSpi: place(24, "nshSpi"),
  nshSi: place(8, "nshSi"),
  nshC1: place(32, "nshC1"),
  nshC2: place(32, "nshC2"),
  nshC3: place(32, "nshC3"),
  nshC4: place(32, "nshC4"),
  nshTtl: place(8, "nshTtl"),
} as const;
part(at.vlanTci, 0, 13, "vlanVid");
part(at.vlanTci, 13, 3, "vlanPcp");
part(at.tos, 2, 6, "ipDscp");
part(at.tos, 0, 2, "ipEcn");
part(at.mpls, 12, 20, "mplsLabel");
part(at.mpls, 9, 3, "mplsTc");
part(at.mpls, 8, 1, "mplsBos");
part(at.mpls, 0, 8, "mplsTtl");

/** How many words a packet has. */
export const wordCount = next;

/** The words of a packet: changed in place while it passes the tables. */
export type Words = Uint32Array;

/** Bits that begin at the network header, which a pushed label hides. */
export const firstHiddenByMpls = at.nwSrc;
export const endHiddenByMpls = wordCount;

/** The place of a field; undefined for one that no packet here has (metadata of tunnels' options, PBB). */
export const slotOf = (name: string): Slot | undefined => slots.get(name);
export const nameOf = (ref: FieldRef): FieldName | undefined => (typeof ref === "string" ? ref : ref.name === "unknown" ? undefined : ref.name);

const widthMask = (bits: number): number => (bits >= 32 ? 0xffffffff : 2 ** bits - 1);
/** Bits of the first word of a slot that are the field's. */
export const firstMask = (slot: Slot): number => (slot.count === 1 ? widthMask(slot.bits) : widthMask(slot.bits - 32 * (slot.count - 1)));

/** The value of a field. */
export function getSlot(words: Words, slot: Slot): bigint {
  if (slot.count === 1) return BigInt(((words[slot.word] ?? 0) >>> slot.shift) & firstMask(slot)) & 0xffffffffn;
  let value = 0n;
  for (let i = 0; i < slot.count; i++) value = (value << 32n) | BigInt(words[slot.word + i] ?? 0);
  return value;
}

/** A change of words: each `(old & ~mask) | value`. */
export interface Patch {
  readonly words: readonly number[];
  readonly masks: readonly number[];
  readonly values: readonly number[];
}

/** The patch that writes `value` under `mask` into a field; masks in the field's own bits. */
export function patchOf(slot: Slot, value: bigint, mask: bigint): Patch {
  const [words, masks, values]: [number[], number[], number[]] = [[], [], []];
  if (slot.count === 1) {
    const own = Number(mask & BigInt(firstMask(slot)));
    words.push(slot.word);
    masks.push((own << slot.shift) >>> 0);
    values.push(((Number(value & BigInt(own)) << slot.shift) & (own << slot.shift)) >>> 0);
    return { words, masks, values };
  }
  for (let i = 0; i < slot.count; i++) {
    const shift = BigInt(32 * (slot.count - 1 - i));
    const own = Number((mask >> shift) & 0xffffffffn) & (i === 0 ? firstMask(slot) : 0xffffffff);
    if (own === 0) continue;
    words.push(slot.word + i);
    masks.push(own >>> 0);
    values.push((Number((value >> shift) & 0xffffffffn) & own) >>> 0);
  }
  return { words, masks, values };
}

export function applyPatch(target: Words, { words, masks, values }: Patch): void {
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    target[word] = (((target[word] as number) & ~(masks[i] as number)) | (values[i] as number)) >>> 0;
  }
}

export const ones = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

/** The 16-bit number of a port of OpenFlow 1.0 as 32 bits. */
export const widePort = (port: number): number => (port >= 0xff00 ? port + 0xffff0000 : port);


/** What a field presupposes of the packet, as node-openflow's table says it. */
export const prerequisiteOf = (name: string): string => fieldRows.get(name)?.prerequisite ?? "none";

export const etherType = { ipv4: 0x0800, arp: 0x0806, rarp: 0x8035, ipv6: 0x86dd, mpls: 0x8847, mplsMulticast: 0x8848, nsh: 0x894f, vlan: 0x8100, serviceVlan: 0x88a8 } as const;
export const isMpls = (type: number): boolean => type === etherType.mpls || type === etherType.mplsMulticast;

/** Whether the packet has what a field presupposes. */
export function hasPrerequisite(words: Words, what: string): boolean {
  const type = words[at.ethType] as number;
  const proto = words[at.proto] as number;
  const isIp = type === etherType.ipv4 || type === etherType.ipv6;
  const firstFragment = ((words[at.frag] as number) & 2) === 0;
  const isNd = (kind: number): boolean => type === etherType.ipv6 && proto === 58 && firstFragment && (words[at.tpSrc] as number) === kind && (words[at.tpDst] as number) === 0;
  switch (what) {
    case "none":
    case "ct":
      return true;
    case "vlan":
      return (words[at.vlanTci] as number) !== 0;
    case "ipv4":
      return type === etherType.ipv4;
    case "ipv6":
      return type === etherType.ipv6;
    case "ip":
      return isIp;
    case "arp":
      return type === etherType.arp || type === etherType.rarp;
    case "mpls":
      return isMpls(type);
    case "nsh":
      return type === etherType.nsh;
    case "tcp":
      return isIp && proto === 6 && firstFragment;
    case "udp":
      return isIp && proto === 17 && firstFragment;
    case "sctp":
      return isIp && proto === 132 && firstFragment;
    case "icmpv4":
      return type === etherType.ipv4 && proto === 1 && firstFragment;
    case "icmpv6":
      return type === etherType.ipv6 && proto === 58 && firstFragment;
    case "nd":
      return isNd(135) || isNd(136);
    case "ndSolicit":
      return isNd(135);
    case "ndAdvert":
      return isNd(136);
    default:
      return false;
  }
}
