/**
 * Which flow entries a packet's way through a bridge meets, and which one of them says most about it. Pure.
 *
 * OpenFlow counts by entry, not by connection: an entry that matches one address carries all connections to it. So of the entries on the way
 * the most specific one is taken, and how many known flows it carries is told beside its counters.
 */
import { field, isKnown, port as reserved, type FieldName, type KnownField } from "node-openflow";
import type { PacketHeader } from "sflow-collector";
import type { FlowEntry } from "../../network/flow-entry.js";
import { packetOf, type SoftwareSwitch, type SwitchAnswer, type Words } from "../../network/flow-table.js";
import { readCookie } from "../../network/pipeline.js";

const [tcp, udp, sctp, icmp, icmpv6] = [6, 17, 132, 1, 58];
const number = (name: FieldName, value: number): KnownField => ({ name, value: BigInt(value) });

/** The packet with this header, coming in by `inPort`; undefined where it is no Ethernet frame. Of DSCP, ECN and a tag's priority, which are not in the header, it has 0. */
export function packetOfHeader(header: PacketHeader, inPort: number): Words {
  const { src, dst, protocol, ethType, srcPort, dstPort } = header;
  const fields: KnownField[] = [number("inPort", inPort), field("ethDst", header.ethDst), field("ethSrc", header.ethSrc), number("ethType", ethType > 1_500 ? ethType : 0x05ff)];
  if (header.vlanVid !== undefined) fields.push(number("vlanTci", 0x1000 | header.vlanVid));
  if (src !== undefined && dst !== undefined && protocol !== undefined) {
    const isV6 = src.includes(":");
    fields.push(isV6 ? field("ipv6Src", src) : field("ipv4Src", src), isV6 ? field("ipv6Dst", dst) : field("ipv4Dst", dst));
    fields.push(number("ipProto", protocol), number("ipTtl", header.ttl ?? 64), number("ipFrag", header.laterFragment ? 3 : header.fragment ? 1 : 0));
    if (!header.laterFragment) {
      if (protocol === tcp) fields.push(number("tcpSrc", srcPort), number("tcpDst", dstPort), number("tcpFlags", header.tcpFlags));
      else if (protocol === udp) fields.push(number("udpSrc", srcPort), number("udpDst", dstPort));
      else if (protocol === sctp) fields.push(number("sctpSrc", srcPort), number("sctpDst", dstPort));
      else if (protocol === icmp && !isV6) fields.push(number("icmpv4Type", srcPort), number("icmpv4Code", dstPort));
      else if (protocol === icmpv6 && isV6) fields.push(number("icmpv6Type", srcPort), number("icmpv6Code", dstPort));
    }
  }
  return packetOf(fields);
}

/** What connection tracking says of this flow's packets in a zone: ct_state bits and mark; undefined: it does not know the connection. */
export type Tracked = (zone: number) => { readonly state: number; readonly mark: number } | undefined;

export interface Way {
  /** The most specific entry that the packet meets; undefined when it meets none that is of any flow. */
  readonly entry: FlowEntry | undefined;
  /** Zones in which connection tracking looks at the packet. */
  readonly zones: readonly number[];
  /** OpenFlow ports it leaves by, without those of copies. */
  readonly outputs: readonly number[];
  /** Why it may have gone another way. */
  readonly undecided: readonly string[];
}

/** CS_TRACKED and CS_NEW. */
const trackedNew = 0x21;

const bits = (value: bigint): number => value.toString(2).replaceAll("0", "").length;
/** Fields that say nothing of the packet itself: where it was before, or what our own tables noted. */
const isAside = (name: string): boolean => /^(reg\d+|xreg\d+|xxreg\d+|metadata|inPort|nxInPort|inPhyPort|actsetOutput|pktMark|ctState)$/.test(name);
const widths: Readonly<Record<string, number>> = {
  ethDst: 48, ethSrc: 48, ethType: 16, vlanVid: 13, vlanPcp: 3, vlanTci: 16, ipProto: 8, ipDscp: 6, ipEcn: 2, ipTtl: 8, ipv4Src: 32, ipv4Dst: 32, ipv6Src: 128, ipv6Dst: 128, tcpSrc: 16, tcpDst: 16, udpSrc: 16, udpDst: 16,
  sctpSrc: 16, sctpDst: 16, tcpFlags: 12, icmpv4Type: 8, icmpv4Code: 8, icmpv6Type: 8, icmpv6Code: 8, arpOp: 16, arpSpa: 32, arpTpa: 32, ctZone: 16, ctMark: 32, ctLabel: 128,
};
const otherWidth = 32;

/** How many bits of a packet's headers an entry looks at. */
export function specificity({ match }: Pick<FlowEntry, "match">): number {
  return match.reduce((sum, item) => {
    if (!isKnown(item) || isAside(item.name)) return sum;
    return sum + (item.mask === undefined ? (widths[item.name] ?? otherWidth) : bits(item.mask));
  }, 0);
}

/** Entries of ours that every packet meets, whatever flow it is of: no flow's counters are theirs. */
const ofNoFlow = new Set(["entry", "discovery", "learn", "replicate", "poke"]);

/** Follows a packet on `bridge`. `leavesOut`: ports that copies leave by. RangeError when `tables` has no such bridge. */
export function wayOf(tables: SoftwareSwitch, bridge: string, packet: Words, tracked: Tracked, leavesOut: (port: number) => boolean): Way {
  const zones = new Set<number>();
  const answer: SwitchAnswer = tables.process(bridge, packet, {
    explain: true,
    track: (_packet, zone) => {
      zones.add(zone);
      return tracked(zone) ?? { state: trackedNew };
    },
  });
  let entry: FlowEntry | undefined;
  let most = -1;
  for (const { flow } of answer.steps) {
    if (flow === undefined || flow === null || ofNoFlow.has(readCookie(flow.cookie)?.kind ?? "")) continue;
    const looksAt = specificity(flow);
    // Of two that say as much the later one: it is nearer to where the packet leaves.
    if (looksAt >= most) [entry, most] = [flow, looksAt];
  }
  const outputs = [...new Set(answer.outputs.filter((one) => one.bridge === bridge && one.port !== reserved.controller && !leavesOut(one.port)).map((one) => one.port))];
  return { entry, zones: [...zones], outputs, undecided: answer.undecided };
}
