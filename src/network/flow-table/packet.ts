/** Packets from fields and into text. */
import { isKnown, parseMatch, printMatch, type FieldName, type KnownField, type Match, type MatchOptions } from "node-openflow";
import { at, getSlot, hasPrerequisite, ones, patchOf, applyPatch, prerequisiteOf, slotOf, widePort, wordCount, type Words } from "./layout.js";

/** actset_output while the action set has no output (OFPP_UNSET). */
export const unsetPort = 0xfffffff7;

/** A packet of these fields; those not given are 0. RangeError for a field no packet here has. A mask leaves the other bits 0. */
export function packetOf(fields: Match): Words {
  const words = new Uint32Array(wordCount);
  words[at.actsetOutput] = unsetPort;
  for (const item of fields) {
    if (!isKnown(item)) throw new RangeError(`a field that is not known: ${Buffer.from(item.bytes).toString("hex")}`);
    const slot = slotOf(item.name);
    if (slot === undefined) throw new RangeError(`a packet here has no ${item.name}`);
    const value = item.name === "nxInPort" ? BigInt(widePort(Number(item.value))) : item.value;
    applyPatch(words, patchOf(slot, value, item.mask ?? ones(slot.bits)));
    if (item.name === "vlanPcp") words[at.vlanTci] = ((words[at.vlanTci] as number) | 0x1000) >>> 0;
  }
  if ((words[at.vlanTci] as number) !== 0) words[at.vlanTpids] = 0x81000000;
  return words;
}

/** A packet from text as `ovs-appctl ofproto/trace` takes it: "in_port=1,tcp,nw_dst=10.0.0.1". TextError with the offset otherwise. */
export const parsePacket = (text: string, options: MatchOptions = {}): Words => packetOf(parseMatch(text, options));

const shown: readonly FieldName[] = [
  ...Array.from({ length: 16 }, (_, n) => `reg${n}` as FieldName),
  "metadata", "tunnelId", "tunIpv4Src", "tunIpv4Dst", "inPort", "pktMark", "ctState", "ctZone", "ctMark", "ctLabel", "ethDst", "ethSrc", "ethType", "vlanTci", "mplsLabel", "mplsTc", "mplsBos", "mplsTtl",
  "ipProto", "ipv4Src", "ipv4Dst", "ipv6Src", "ipv6Dst", "ipv6Flabel", "ipDscp", "ipEcn", "ipTtl", "ipFrag", "arpOp", "arpSpa", "arpTpa", "arpSha", "arpTha",
  "tcpSrc", "tcpDst", "tcpFlags", "udpSrc", "udpDst", "sctpSrc", "sctpDst", "icmpv4Type", "icmpv4Code", "icmpv6Type", "icmpv6Code", "ipv6NdTarget", "ipv6NdSll", "ipv6NdTll",
  "nshFlags", "nshMdtype", "nshNp", "nshSpi", "nshSi", "nshC1", "nshC2", "nshC3", "nshC4", "nshTtl",
];
const alwaysShown = new Set<FieldName>(["inPort", "ethDst", "ethSrc", "ethType", "vlanTci"]);

/** The fields a packet has: those its headers carry, and of registers and the like those that are not 0. */
export function fieldsOf(words: Words): KnownField[] {
  const found: KnownField[] = [];
  for (const name of shown) {
    const slot = slotOf(name);
    const prerequisite = prerequisiteOf(name);
    if (slot === undefined || (prerequisite !== "none" && !hasPrerequisite(words, prerequisite))) continue;
    const value = getSlot(words, slot);
    if (value === 0n && prerequisite === "none" && !alwaysShown.has(name)) continue;
    if (name === "ethType" && value === 0n) continue;
    found.push({ name, value });
  }
  return found;
}

/** A packet as text; without registers and other things of its way when `onWire`. */
export function printPacket(words: Words, onWire = false): string {
  const fields = fieldsOf(words).filter(({ name }) => !onWire || !/^(reg\d+|metadata|inPort|ctState|ctZone|ctMark|ctLabel|pktMark|tun.*)$/.test(name));
  const second = words[at.vlanTci1] as number;
  return `${printMatch(fields)}${second === 0 ? "" : `,dl_vlan1=${second & 0xfff},dl_vlan_pcp1=${second >>> 13}`}`;
}
