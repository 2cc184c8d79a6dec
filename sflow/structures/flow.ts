/**
 * flow_data: what a flow sample says of a packet. By format "ENTERPRISE:FORMAT" (sflow.org, "sFlow Structure Numbers").
 *
 * Sources: sFlow Version 5 (1 to 1012), sFlow 802.11 Structures (1013 to 1015), sFlow Port NAT (1020), sFlow Tunnel Structures
 * (1021 to 1030), sFlow Dropped Packet Notification Structures (1036 to 1038), sFlow Host Structures (2100, 2101), sFlow
 * Application Structures (2202 to 2205). Open vSwitch 3.1 sends 1, 1001, 1006, 1023, 1024, 1029 and 1030.
 */
import { address, ipv4, ipv6, list, mac, named, opaque, struct, text, u32, u64 } from "./field.js";

const sampledEthernet = { length: u32, srcMac: mac, dstMac: mac, type: u32 };
const sampledIpv4 = { length: u32, protocol: u32, srcIp: ipv4, dstIp: ipv4, srcPort: u32, dstPort: u32, tcpFlags: u32, tos: u32 };
const sampledIpv6 = { length: u32, protocol: u32, srcIp: ipv6, dstIp: ipv6, srcPort: u32, dstPort: u32, tcpFlags: u32, priority: u32 };
const context = struct({ application: text, operation: text, attributes: text });

export const flowStructures = {
  /**
   * header_protocol 1 is Ethernet, 11 IPv4, 12 IPv6, 13 MPLS. `frameLength`: bytes on the wire before sampling cut it, those in
   * `stripped` counted in (Open vSwitch gives 4, the frame check sequence): `frameLength - stripped` is what a capture shows.
   */
  "0:1": named("sampledHeader", { protocol: u32, frameLength: u32, stripped: u32, header: opaque }),
  "0:2": named("sampledEthernet", sampledEthernet),
  "0:3": named("sampledIpv4", sampledIpv4),
  "0:4": named("sampledIpv6", sampledIpv6),
  /** 0xffffffff where unknown. */
  "0:1001": named("extendedSwitch", { srcVlan: u32, srcPriority: u32, dstVlan: u32, dstPriority: u32 }),
  "0:1002": named("extendedRouter", { nexthop: address, srcMaskLen: u32, dstMaskLen: u32 }),
  /** as_path_type: 1 is a set of AS numbers, 2 a sequence. */
  "0:1003": named("extendedGateway", {
    nexthop: address,
    as: u32,
    srcAs: u32,
    srcPeerAs: u32,
    dstAsPath: list(struct({ type: u32, as: list(u32) })),
    communities: list(u32),
    localpref: u32,
  }),
  /** Character sets by MIBEnum (RFC 2978); 106 is UTF-8, as which both names are read. */
  "0:1004": named("extendedUser", { srcCharset: u32, srcUser: text, dstCharset: u32, dstUser: text }),
  /** direction 1: the address is the source's; 2: the destination's. */
  "0:1005": named("extendedUrl", { direction: u32, url: text, host: text }),
  /** Labels with class, bottom bit and TTL as on the wire (RFC 3032), top of the stack first. */
  "0:1006": named("extendedMpls", { nexthop: address, inStack: list(u32), outStack: list(u32) }),
  "0:1007": named("extendedNat", { srcAddress: address, dstAddress: address }),
  "0:1008": named("extendedMplsTunnel", { tunnelLspName: text, tunnelId: u32, tunnelCos: u32 }),
  "0:1009": named("extendedMplsVc", { vcInstanceName: text, vllVcId: u32, vcLabelCos: u32 }),
  "0:1010": named("extendedMplsFTN", { mplsFTNDescr: text, mplsFTNMask: u32 }),
  "0:1011": named("extendedMplsLDPFEC", { mplsFecAddrPrefixLength: u32 }),
  /** TPID and TCI of each stripped tag as one number, outermost first. */
  "0:1012": named("extendedVlantunnel", { stack: list(u32) }),
  "0:1013": named("extended80211Payload", { ciphersuite: u32, data: opaque }),
  /** Durations in µs, speed in bit/s. */
  "0:1014": named("extended80211Rx", { ssid: text, bssid: mac, version: u32, channel: u32, speed: u64, rsni: u32, rcpi: u32, packetDuration: u32 }),
  "0:1015": named("extended80211Tx", {
    ssid: text,
    bssid: mac,
    version: u32,
    transmissions: u32,
    packetDuration: u32,
    retransDuration: u32,
    channel: u32,
    speed: u64,
    power: u32,
  }),
  "0:1020": named("extendedNatPort", { srcPort: u32, dstPort: u32 }),
  "0:1021": named("extendedL2TunnelEgress", { header: struct(sampledEthernet) }),
  "0:1022": named("extendedL2TunnelIngress", { header: struct(sampledEthernet) }),
  "0:1023": named("extendedIpv4TunnelEgress", { header: struct(sampledIpv4) }),
  "0:1024": named("extendedIpv4TunnelIngress", { header: struct(sampledIpv4) }),
  "0:1025": named("extendedIpv6TunnelEgress", { header: struct(sampledIpv6) }),
  "0:1026": named("extendedIpv6TunnelIngress", { header: struct(sampledIpv6) }),
  "0:1027": named("extendedDecapsulateEgress", { innerHeaderOffset: u32 }),
  "0:1028": named("extendedDecapsulateIngress", { innerHeaderOffset: u32 }),
  "0:1029": named("extendedVniEgress", { vni: u32 }),
  "0:1030": named("extendedVniIngress", { vni: u32 }),
  "0:1036": named("extendedEgressQueue", { queue: u32 }),
  "0:1037": named("extendedAcl", { number: u32, name: text, direction: u32 }),
  "0:1038": named("extendedFunction", { symbol: text }),
  "0:2100": named("extendedSocketIpv4", { protocol: u32, localIp: ipv4, remoteIp: ipv4, localPort: u32, remotePort: u32 }),
  "0:2101": named("extendedSocketIpv6", { protocol: u32, localIp: ipv6, remoteIp: ipv6, localPort: u32, remotePort: u32 }),
  /** uS: how long the operation took, in µs. */
  "0:2202": named("appOperation", { context, statusDescr: text, reqBytes: u64, respBytes: u64, uS: u32, status: u32 }),
  "0:2203": named("appParentContext", { context }),
  "0:2204": named("appInitiator", { actor: text }),
  "0:2205": named("appTarget", { actor: text }),
} as const;
