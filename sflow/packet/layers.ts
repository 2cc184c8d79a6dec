/** What the layers of a decoded packet look like. Numbers are as on the wire unless a unit is said; addresses are text. */

export interface EthernetLayer {
  readonly protocol: "ethernet";
  readonly dst: string;
  readonly src: string;
  /** EtherType, or, at most 1500, the length of an IEEE 802.3 frame. */
  readonly type: number;
}
/** IEEE 802.1Q and 802.1ad. */
export interface VlanLayer {
  readonly protocol: "vlan";
  readonly tpid: number;
  readonly pcp: number;
  readonly dei: boolean;
  readonly vid: number;
  readonly type: number;
}
/** RFC 3032. */
export interface MplsLayer {
  readonly protocol: "mpls";
  readonly label: number;
  readonly tc: number;
  readonly bottom: boolean;
  readonly ttl: number;
}
/** RFC 826. Addresses are text for Ethernet and IPv4, else hex. */
export interface ArpLayer {
  readonly protocol: "arp";
  readonly operation: number;
  readonly senderHardware: string;
  readonly sender: string;
  readonly targetHardware: string;
  readonly target: string;
}
export interface Ipv4Layer {
  readonly protocol: "ipv4";
  readonly src: string;
  readonly dst: string;
  readonly headerLength: number;
  readonly tos: number;
  readonly totalLength: number;
  readonly identification: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** In bytes. */
  readonly fragmentOffset: number;
  readonly ttl: number;
  readonly next: number;
}
export interface Ipv6Layer {
  readonly protocol: "ipv6";
  readonly src: string;
  readonly dst: string;
  readonly trafficClass: number;
  readonly flowLabel: number;
  readonly payloadLength: number;
  readonly hopLimit: number;
  /** Extension headers passed over (RFC 8200), by number, in order. */
  readonly extensions: readonly number[];
  readonly fragment?: { readonly identification: number; readonly offset: number; readonly more: boolean };
  /** What comes behind the extension headers. */
  readonly next: number;
}
export interface TcpOption {
  readonly kind: number;
  readonly name: "mss" | "windowScale" | "sackPermitted" | "sack" | "timestamps" | "other";
  /** Of mss and windowScale. */
  readonly value?: number;
  /** Of timestamps: TSval and TSecr; of sack: left and right edges by turns. */
  readonly values?: readonly number[];
}
export interface TcpLayer {
  readonly protocol: "tcp";
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly headerLength: number;
  /** With NS as bit 8. */
  readonly flags: number;
  readonly window: number;
  readonly options: readonly TcpOption[];
}
export interface UdpLayer {
  readonly protocol: "udp";
  readonly srcPort: number;
  readonly dstPort: number;
  readonly length: number;
}
export interface SctpLayer {
  readonly protocol: "sctp";
  readonly srcPort: number;
  readonly dstPort: number;
  readonly verificationTag: number;
  /** Type of the first chunk. */
  readonly chunkType?: number;
}
export interface IcmpLayer {
  readonly protocol: "icmp" | "icmpv6";
  readonly type: number;
  readonly code: number;
  /** Of echo requests and replies. */
  readonly identifier?: number;
  readonly sequence?: number;
}
/** RFC 2784 and 2890. */
export interface GreLayer {
  readonly protocol: "gre";
  readonly type: number;
  readonly key?: number;
  readonly sequence?: number;
}
export interface VxlanLayer {
  readonly protocol: "vxlan";
  readonly vni: number;
}
export interface GeneveLayer {
  readonly protocol: "geneve";
  readonly vni: number;
  readonly type: number;
  /** Bytes of options. */
  readonly optionsLength: number;
}
export type Layer =
  | EthernetLayer
  | VlanLayer
  | MplsLayer
  | ArpLayer
  | Ipv4Layer
  | Ipv6Layer
  | TcpLayer
  | UdpLayer
  | SctpLayer
  | IcmpLayer
  | GreLayer
  | VxlanLayer
  | GeneveLayer;

/** header_protocol of a sampled header that can be taken apart. */
export const headerProtocols = { ethernet: 1, ipv4: 11, ipv6: 12, mpls: 13 } as const;

export interface DecodedPacket {
  /** From the outside in; the headers within a tunnel follow those of the tunnel. */
  readonly layers: readonly Layer[];
  /** The sampled bytes end within a header that began. */
  readonly truncated: boolean;
}
