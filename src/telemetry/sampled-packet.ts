/** The header of a sampled frame as a packet for the software switch. */
import { field, type FieldName, type KnownField } from "node-openflow";
import { decodePacket, headerProtocols, type Layer } from "sflow-collector";
import { packetOf, type Words } from "../network/flow-table.js";

const number = (name: FieldName, value: number): KnownField => ({ name, value: BigInt(value) });
const anyFragment = 1;
const laterFragment = 2;

/** Fields of one layer; undefined ends the packet: what lies behind it (a tunnel's inside) is no field of it. */
function fieldsOf(layer: Layer, seen: ReadonlySet<FieldName>): readonly KnownField[] | undefined {
  switch (layer.protocol) {
    case "ethernet":
      return seen.has("ethSrc") ? undefined : [field("ethDst", layer.dst), field("ethSrc", layer.src), number("ethType", layer.type > 1500 ? layer.type : 0x05ff)];
    case "vlan":
      // Of two tags the outer one is matched; the EtherType is that of what follows the last.
      return [...(seen.has("vlanTci") ? [] : [number("vlanTci", (layer.pcp << 13) | 0x1000 | layer.vid)]), number("ethType", layer.type)];
    case "mpls":
      return seen.has("mplsLabel") ? [] : [number("mplsLabel", layer.label), number("mplsTc", layer.tc), number("mplsBos", layer.bottom ? 1 : 0), number("mplsTtl", layer.ttl)];
    case "arp":
      if (!/^[\d.]+$/.test(layer.sender)) return undefined;
      return [number("arpOp", layer.operation), field("arpSpa", layer.sender), field("arpTpa", layer.target), field("arpSha", layer.senderHardware), field("arpTha", layer.targetHardware)];
    case "ipv4": {
      if (seen.has("ipProto") || seen.has("mplsLabel")) return undefined;
      const frag = (layer.moreFragments || layer.fragmentOffset > 0 ? anyFragment : 0) | (layer.fragmentOffset > 0 ? laterFragment : 0);
      return [field("ipv4Src", layer.src), field("ipv4Dst", layer.dst), number("ipProto", layer.next), number("ipDscp", layer.tos >> 2), number("ipEcn", layer.tos & 3), number("ipTtl", layer.ttl), number("ipFrag", frag)];
    }
    case "ipv6": {
      if (seen.has("ipProto") || seen.has("mplsLabel")) return undefined;
      const { fragment } = layer;
      const frag = fragment === undefined ? 0 : anyFragment | (fragment.offset > 0 ? laterFragment : 0);
      return [
        field("ipv6Src", layer.src), field("ipv6Dst", layer.dst), number("ipv6Flabel", layer.flowLabel), number("ipProto", layer.next),
        number("ipDscp", layer.trafficClass >> 2), number("ipEcn", layer.trafficClass & 3), number("ipTtl", layer.hopLimit), number("ipFrag", frag),
      ];
    }
    case "tcp":
      return [number("tcpSrc", layer.srcPort), number("tcpDst", layer.dstPort), number("tcpFlags", layer.flags)];
    case "udp":
      return [number("udpSrc", layer.srcPort), number("udpDst", layer.dstPort)];
    case "sctp":
      return [number("sctpSrc", layer.srcPort), number("sctpDst", layer.dstPort)];
    case "icmp":
      return [number("icmpv4Type", layer.type), number("icmpv4Code", layer.code)];
    case "icmpv6":
      return [number("icmpv6Type", layer.type), number("icmpv6Code", layer.code)];
    default:
      return undefined;
  }
}

/**
 * The packet whose first bytes these are, coming in by `inPort`. Of what was cut off, and of what lies in a tunnel, it has nothing.
 * Undefined for what is no Ethernet frame.
 */
export function sampledPacket(header: Uint8Array, inPort: number): { readonly packet: Words; readonly isTruncated: boolean } | undefined {
  const { layers, truncated } = decodePacket(header, headerProtocols.ethernet);
  if (layers[0]?.protocol !== "ethernet") return undefined;
  const fields = new Map<FieldName, KnownField>([["inPort", number("inPort", inPort)]]);
  // What was cut off behind the packet's own headers, as within a tunnel, is nothing that it is matched by.
  let isTruncated = truncated;
  for (const layer of layers) {
    const found = fieldsOf(layer, new Set(fields.keys()));
    if (found === undefined) {
      isTruncated = false;
      break;
    }
    for (const one of found) fields.set(one.name, one);
  }
  return { packet: packetOf([...fields.values()]), isTruncated };
}
