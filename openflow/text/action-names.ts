/** Words of ovs-actions(7) that stand for numbers, by their order. */
export const hashFields = ["eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "nw_src", "nw_dst"] as const;
export const multipathAlgorithms = ["modulo_n", "hash_threshold", "hrw", "iter_hash"] as const;
export const bundleAlgorithms = ["active_backup", "hrw"] as const;
/** ofp_packet_in_reason. */
export const reasons = ["no_match", "action", "invalid_ttl", "action_set", "group", "packet_out"] as const;
export const reasonOfAction = 1;
/** nx_action_sample_direction, less the first, which says none. */
export const directions = ["ingress", "egress"] as const;
/** What a bundle chooses among: the header of NXM_OF_IN_PORT. */
export const memberType = 2;
/** Packet types of headers that encap puts on (ovs-ofctl names them). */
export const encapTypes = [["ethernet", 0x00000], ["nsh", 0x1894f], ["mpls", 0x18847], ["mpls_mc", 0x18848]] as const;
/** decap's "whatever is inside". */
export const innerType = 0xfffe;
/** Class and types of NSH's properties. */
export const nsh = { propClass: 4, mdType: 1, tlv: 2 } as const;
export const ownTable = 0xff;
export const wholePacket = 0xffff;
