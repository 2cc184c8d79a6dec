/** The names of match fields in ovs-fields(7), and in what format their values are written. */
import { fieldRows, rowOf, type FieldName } from "../fields/table.js";

export type Format =
  | "decimal" | "hex" | "mac" | "ipv4" | "ipv6" | "port" | "frag" | "packetType"
  /** Names of bits: "+est-new". */
  | "ctState" | "tcpFlags" | "tunFlags";

export interface FieldText {
  readonly name: FieldName;
  /** As set_field and matches name it. */
  readonly text: string;
  readonly format: Format;
  /** As subfields are printed: the Nicira name where there is one. */
  readonly code: string;
  readonly aliases: readonly string[];
}

type Line = readonly [text: string, format: Format, code: string, ...aliases: string[]];
/** Without a code name: not in Open vSwitch, under the specification's name. */
const named: { readonly [K in FieldName]?: Line } = {
  packetType: ["packet_type", "packetType", "OXM_OF_PACKET_TYPE"],
  inPort: ["in_port_oxm", "port", "OXM_OF_IN_PORT"],
  nxInPort: ["in_port", "port", "NXM_OF_IN_PORT"],
  inPhyPort: ["in_phy_port", "port", "OXM_OF_IN_PHY_PORT"],
  metadata: ["metadata", "hex", "OXM_OF_METADATA"],
  ethDst: ["eth_dst", "mac", "NXM_OF_ETH_DST", "dl_dst", "OXM_OF_ETH_DST"],
  ethSrc: ["eth_src", "mac", "NXM_OF_ETH_SRC", "dl_src", "OXM_OF_ETH_SRC"],
  ethType: ["eth_type", "hex", "NXM_OF_ETH_TYPE", "dl_type", "OXM_OF_ETH_TYPE"],
  vlanTci: ["vlan_tci", "hex", "NXM_OF_VLAN_TCI"],
  vlanVid: ["vlan_vid", "decimal", "OXM_OF_VLAN_VID"],
  vlanPcp: ["vlan_pcp", "decimal", "OXM_OF_VLAN_PCP"],
  ipDscp: ["ip_dscp", "decimal", "OXM_OF_IP_DSCP"],
  ipTos: ["nw_tos", "decimal", "NXM_OF_IP_TOS"],
  ipEcn: ["nw_ecn", "decimal", "NXM_NX_IP_ECN", "ip_ecn", "OXM_OF_IP_ECN"],
  ipProto: ["nw_proto", "decimal", "NXM_OF_IP_PROTO", "ip_proto", "OXM_OF_IP_PROTO"],
  ipv4Src: ["ip_src", "ipv4", "NXM_OF_IP_SRC", "nw_src", "OXM_OF_IPV4_SRC"],
  ipv4Dst: ["ip_dst", "ipv4", "NXM_OF_IP_DST", "nw_dst", "OXM_OF_IPV4_DST"],
  tcpSrc: ["tcp_src", "decimal", "NXM_OF_TCP_SRC", "tp_src", "OXM_OF_TCP_SRC"],
  tcpDst: ["tcp_dst", "decimal", "NXM_OF_TCP_DST", "tp_dst", "OXM_OF_TCP_DST"],
  udpSrc: ["udp_src", "decimal", "NXM_OF_UDP_SRC", "OXM_OF_UDP_SRC"],
  udpDst: ["udp_dst", "decimal", "NXM_OF_UDP_DST", "OXM_OF_UDP_DST"],
  sctpSrc: ["sctp_src", "decimal", "OXM_OF_SCTP_SRC"],
  sctpDst: ["sctp_dst", "decimal", "OXM_OF_SCTP_DST"],
  icmpv4Type: ["icmp_type", "decimal", "NXM_OF_ICMP_TYPE", "OXM_OF_ICMPV4_TYPE"],
  icmpv4Code: ["icmp_code", "decimal", "NXM_OF_ICMP_CODE", "OXM_OF_ICMPV4_CODE"],
  arpOp: ["arp_op", "decimal", "NXM_OF_ARP_OP", "OXM_OF_ARP_OP"],
  arpSpa: ["arp_spa", "ipv4", "NXM_OF_ARP_SPA", "OXM_OF_ARP_SPA"],
  arpTpa: ["arp_tpa", "ipv4", "NXM_OF_ARP_TPA", "OXM_OF_ARP_TPA"],
  arpSha: ["arp_sha", "mac", "NXM_NX_ARP_SHA", "OXM_OF_ARP_SHA"],
  arpTha: ["arp_tha", "mac", "NXM_NX_ARP_THA", "OXM_OF_ARP_THA"],
  ipv6Src: ["ipv6_src", "ipv6", "NXM_NX_IPV6_SRC", "OXM_OF_IPV6_SRC"],
  ipv6Dst: ["ipv6_dst", "ipv6", "NXM_NX_IPV6_DST", "OXM_OF_IPV6_DST"],
  ipv6Flabel: ["ipv6_label", "hex", "NXM_NX_IPV6_LABEL", "OXM_OF_IPV6_FLABEL"],
  icmpv6Type: ["icmpv6_type", "decimal", "NXM_NX_ICMPV6_TYPE", "OXM_OF_ICMPV6_TYPE"],
  icmpv6Code: ["icmpv6_code", "decimal", "NXM_NX_ICMPV6_CODE", "OXM_OF_ICMPV6_CODE"],
  ipv6NdTarget: ["nd_target", "ipv6", "NXM_NX_ND_TARGET", "OXM_OF_IPV6_ND_TARGET"],
  ipv6NdSll: ["nd_sll", "mac", "NXM_NX_ND_SLL", "OXM_OF_IPV6_ND_SLL"],
  ipv6NdTll: ["nd_tll", "mac", "NXM_NX_ND_TLL", "OXM_OF_IPV6_ND_TLL"],
  mplsLabel: ["mpls_label", "decimal", "OXM_OF_MPLS_LABEL"],
  mplsTc: ["mpls_tc", "decimal", "OXM_OF_MPLS_TC"],
  mplsBos: ["mpls_bos", "decimal", "OXM_OF_MPLS_BOS"],
  mplsTtl: ["mpls_ttl", "decimal", "NXM_NX_MPLS_TTL"],
  pbbIsid: ["pbb_isid", "hex", "OXM_OF_PBB_ISID"],
  tunnelId: ["tun_id", "hex", "NXM_NX_TUN_ID", "tunnel_id", "OXM_OF_TUNNEL_ID"],
  ipv6Exthdr: ["ipv6_exthdr", "hex", "OXM_OF_IPV6_EXTHDR"],
  pbbUca: ["pbb_uca", "decimal", "OXM_OF_PBB_UCA"],
  tcpFlags: ["tcp_flags", "tcpFlags", "NXM_NX_TCP_FLAGS", "ONFOXM_ET_TCP_FLAGS", "OXM_OF_TCP_FLAGS"],
  actsetOutput: ["actset_output", "port", "ONFOXM_ET_ACTSET_OUTPUT", "OXM_OF_ACTSET_OUTPUT"],
  ipFrag: ["ip_frag", "frag", "NXM_NX_IP_FRAG", "nw_frag"],
  ipTtl: ["nw_ttl", "decimal", "NXM_NX_IP_TTL"],
  tunIpv4Src: ["tun_src", "ipv4", "NXM_NX_TUN_IPV4_SRC"],
  tunIpv4Dst: ["tun_dst", "ipv4", "NXM_NX_TUN_IPV4_DST"],
  tunIpv6Src: ["tun_ipv6_src", "ipv6", "NXM_NX_TUN_IPV6_SRC"],
  tunIpv6Dst: ["tun_ipv6_dst", "ipv6", "NXM_NX_TUN_IPV6_DST"],
  tunFlags: ["tun_flags", "tunFlags", "NXM_NX_TUN_FLAGS"],
  tunGbpId: ["tun_gbp_id", "decimal", "NXM_NX_TUN_GBP_ID"],
  tunGbpFlags: ["tun_gbp_flags", "hex", "NXM_NX_TUN_GBP_FLAGS"],
  tunErspanIdx: ["tun_erspan_idx", "hex", "NXOXM_ET_ERSPAN_IDX"],
  tunErspanVer: ["tun_erspan_ver", "decimal", "NXOXM_ET_ERSPAN_VER"],
  tunErspanDir: ["tun_erspan_dir", "decimal", "NXOXM_ET_ERSPAN_DIR"],
  tunErspanHwid: ["tun_erspan_hwid", "hex", "NXOXM_ET_ERSPAN_HWID"],
  tunGtpuFlags: ["tun_gtpu_flags", "hex", "NXOXM_ET_GTPU_FLAGS", "gtpu_flags"],
  tunGtpuMsgtype: ["tun_gtpu_msgtype", "decimal", "NXOXM_ET_GTPU_MSGTYPE", "gtpu_msgtype"],
  pktMark: ["pkt_mark", "hex", "NXM_NX_PKT_MARK"],
  dpHash: ["dp_hash", "hex", "NXM_NX_DP_HASH", "NXOXM_ET_DP_HASH"],
  recircId: ["recirc_id", "hex", "NXM_NX_RECIRC_ID"],
  conjId: ["conj_id", "decimal", "NXM_NX_CONJ_ID"],
  ctState: ["ct_state", "ctState", "NXM_NX_CT_STATE"],
  ctZone: ["ct_zone", "hex", "NXM_NX_CT_ZONE"],
  ctMark: ["ct_mark", "hex", "NXM_NX_CT_MARK"],
  ctLabel: ["ct_label", "hex", "NXM_NX_CT_LABEL"],
  ctNwProto: ["ct_nw_proto", "decimal", "NXM_NX_CT_NW_PROTO"],
  ctNwSrc: ["ct_nw_src", "ipv4", "NXM_NX_CT_NW_SRC"],
  ctNwDst: ["ct_nw_dst", "ipv4", "NXM_NX_CT_NW_DST"],
  ctIpv6Src: ["ct_ipv6_src", "ipv6", "NXM_NX_CT_IPV6_SRC"],
  ctIpv6Dst: ["ct_ipv6_dst", "ipv6", "NXM_NX_CT_IPV6_DST"],
  ctTpSrc: ["ct_tp_src", "decimal", "NXM_NX_CT_TP_SRC"],
  ctTpDst: ["ct_tp_dst", "decimal", "NXM_NX_CT_TP_DST"],
  nshFlags: ["nsh_flags", "decimal", "NXOXM_NSH_FLAGS"],
  nshMdtype: ["nsh_mdtype", "decimal", "NXOXM_NSH_MDTYPE"],
  nshNp: ["nsh_np", "decimal", "NXOXM_NSH_NP"],
  nshSpi: ["nsh_spi", "hex", "NXOXM_NSH_SPI", "nsp"],
  nshSi: ["nsh_si", "decimal", "NXOXM_NSH_SI", "nsi"],
  nshC1: ["nsh_c1", "hex", "NXOXM_NSH_C1", "nshc1"],
  nshC2: ["nsh_c2", "hex", "NXOXM_NSH_C2", "nshc2"],
  nshC3: ["nsh_c3", "hex", "NXOXM_NSH_C3", "nshc3"],
  nshC4: ["nsh_c4", "hex", "NXOXM_NSH_C4", "nshc4"],
  nshTtl: ["nsh_ttl", "decimal", "NXOXM_NSH_TTL"],
  icmpv6NdReserved: ["nd_reserved", "decimal", "ERICOXM_OF_ICMPV6_ND_RESERVED"],
  icmpv6NdOptionsType: ["nd_options_type", "decimal", "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE"],
};

/** reg3, xreg3, xxreg3 and tun_metadata3: one line for all of a kind. */
function lineOf(name: FieldName): Line {
  const line = named[name];
  if (line !== undefined) return line;
  const [, kind = "", number = ""] = /^(xx?reg|reg|tunMetadata)(\d+)$/.exec(name) ?? [];
  switch (kind) {
    case "reg":
      return [name, "hex", `NXM_NX_REG${number}`];
    case "xreg":
      return [name, "hex", `OXM_OF_PKT_REG${number}`];
    case "xxreg":
      return [name, "hex", `NXM_NX_XXREG${number}`];
    case "tunMetadata":
      return [`tun_metadata${number}`, "hex", `NXM_NX_TUN_METADATA${number}`];
    default:
      return [name, "hex", name]; // "cookie", which is of messages rather than of packets
  }
}

const rows: readonly FieldText[] = [...fieldRows.values()].map(({ name }) => {
  const [text, format, code, ...aliases] = lineOf(name);
  return { name, text, format, code, aliases };
});
const byName = new Map(rows.map((row) => [row.name, row]));
const byText = new Map(rows.flatMap((row) => [row.text, row.code, ...row.aliases].map((text) => [text, row] as const)));

export function textOf(name: FieldName): FieldText {
  const row = byName.get(name);
  if (row === undefined) throw new RangeError(`unknown match field "${name}"`);
  return row;
}
/** By any of its names; undefined when there is no such field. */
export const fieldOfText = (text: string): FieldText | undefined => byText.get(text);

/** How many bits the whole of a field has where parts of it are named. Open vSwitch leaves out the bit that says "there is a tag". */
export const bitsOf = (name: FieldName): number => (name === "vlanVid" ? 12 : rowOf(name).bits);
