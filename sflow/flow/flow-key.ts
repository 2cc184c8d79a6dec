/** The 5-tuple of a sampled header, of what is in a tunnel if it is tunnelled, read in place into numbers. */
import { ipv4Text, ipv6Text } from "../address.js";

const vlan = 0x8100;
const serviceVlan = 0x88a8;
const mplsUnicast = 0x8847;
const transparentEthernet = 0x6558;
const ip4 = 0x0800;
const ip6 = 0x86dd;
const tcp = 6;
const udp = 17;
const sctp = 132;
const icmp = 1;
const icmpv6 = 58;
const gre = 47;
const ipInIp = 4;
const ipv6InIp = 41;
const fragmentHeader = 44;
const vxlanPort = 4789;
const genevePort = 6081;
/** A tunnel in a tunnel in a tunnel: more are not gone into. */
const maxTunnels = 4;
/** header_protocol (sFlow Version 5). */
const ethernet = 1;
const rawIpv4 = 11;
const rawIpv6 = 12;

/** How a packet was tunnelled. "vni": the frame had come out of a tunnel when it was sampled, and a record says of which network. */
export const tunnelKinds = ["none", "vxlan", "geneve", "gre", "ipip", "vni"] as const;
export type TunnelKind = (typeof tunnelKinds)[number];
const kind = { none: 0, vxlan: 1, geneve: 2, gre: 3, ipip: 4, vni: 5 } as const satisfies Record<TunnelKind, number>;

export interface FlowKeyOptions {
  /**
   * What a tunnelled packet's key is of. "inner" (default): the innermost IP header, where it was sampled as far as its addresses, with the
   * tunnel's VNI or key; else the outermost. "outer": always the outermost.
   */
  readonly headers?: "inner" | "outer";
}

/**
 * One key, read again and again. Ports are those of TCP, UDP and SCTP, type and code for ICMP, 0 where there are none or where the
 * sampled bytes end before them. Tunnels are VXLAN (RFC 7348, port 4789), Geneve (RFC 8926, port 6081), GRE (RFC 2784, 2890) and IP in IP.
 */
export class FlowKey {
  /** 4 or 6; 0 when the packet is not IP. */
  version = 0;
  protocol = 0;
  srcPort = 0;
  dstPort = 0;
  /** Addresses in words, most significant first; of IPv4 only the first word is used. */
  src0 = 0;
  src1 = 0;
  src2 = 0;
  src3 = 0;
  dst0 = 0;
  dst1 = 0;
  dst2 = 0;
  dst3 = 0;
  /** Index into `tunnelKinds`: what the key's packet was in; of tunnels within tunnels the innermost that has a key. 0: it is the outermost. */
  tunnel = 0;
  /** The VNI of VXLAN and Geneve, the key of GRE; 0 where there is none (to Open vSwitch, too, no key is key 0). */
  tunnelKey = 0;
  /** Where the IP header begins that the key is of. */
  networkOffset = 0;
  private readonly goesIn: boolean;
  private transportAt = 0;
  /** Where `toNetwork` found the network header, and its EtherType. */
  private networkAt = 0;
  private networkType = 0;

  constructor({ headers = "inner" }: FlowKeyOptions = {}) {
    this.goesIn = headers === "inner";
  }

  /** Reads a sampled header of `length` bytes at `at`; false when it is not IP, or ends before its addresses do. Never throws. */
  read(bytes: Uint8Array, at: number, length: number, headerProtocol = ethernet): boolean {
    const end = Math.min(at + length, bytes.length);
    this.tunnel = kind.none;
    this.tunnelKey = 0;
    let where = at;
    let type = ip4;
    if (headerProtocol === ethernet) {
      if (at + 14 > end) return this.none();
      type = u16(bytes, at + 12);
      where = at + 14;
      if (type !== ip4 && type !== ip6) {
        this.toNetwork(bytes, where, end, type);
        where = this.networkAt;
        type = this.networkType;
      }
    } else if (headerProtocol === rawIpv6) type = ip6;
    else if (headerProtocol !== rawIpv4) return this.none();
    if (!this.network(bytes, where, end, type)) return this.none();
    // Most packets are TCP, and TCP is no tunnel.
    if (this.goesIn && this.protocol !== tcp) for (let depth = 0; depth < maxTunnels && this.enter(bytes, end); depth++);
    return true;
  }

  /**
   * The frame had left a tunnel of this virtual network when it was sampled, as the sample's extended_vni_ingress record says
   * (`SampleView.vniIngress`). Part of the key unless the frame is tunnelled itself.
   */
  cameFrom(vni: number): void {
    if (!this.goesIn || this.tunnel !== kind.none) return;
    this.tunnel = kind.vni;
    this.tunnelKey = vni;
  }

  /** The key on one line, as for `RateEstimator`: "10.0.0.1:1024>10.0.0.2:80/6 vxlan:77". */
  text(): string {
    const side = (address: string, port: number): string => (this.version === 6 ? `[${address}]:${port}` : `${address}:${port}`);
    const tunnel = this.tunnel === kind.none ? "" : ` ${tunnelKinds[this.tunnel] ?? ""}:${this.tunnelKey}`;
    return `${side(this.srcText(), this.srcPort)}>${side(this.dstText(), this.dstPort)}/${this.protocol}${tunnel}`;
  }

  srcText(): string {
    return this.addressText(this.src0, this.src1, this.src2, this.src3);
  }
  dstText(): string {
    return this.addressText(this.dst0, this.dst1, this.dst2, this.dst3);
  }

  private addressText(...words: number[]): string {
    const bytes = Buffer.alloc(16);
    words.forEach((word, i) => bytes.writeInt32BE(word, i * 4));
    return this.version === 4 ? ipv4Text(bytes, 0) : ipv6Text(bytes, 0);
  }

  private none(): boolean {
    this.version = 0;
    return false;
  }

  /** Steps over VLAN tags and labels to the network header. */
  private toNetwork(bytes: Uint8Array, from: number, end: number, etherType: number): void {
    let where = from;
    let type = etherType;
    while ((type === vlan || type === serviceVlan) && where + 4 <= end) {
      type = u16(bytes, where + 2);
      where += 4;
    }
    if (type === mplsUnicast) {
      while (where + 4 <= end && ((bytes[where + 2] ?? 0) & 1) === 0) where += 4;
      where += 4;
      type = where < end ? ((bytes[where] ?? 0) >>> 4 === 6 ? ip6 : ip4) : 0;
    }
    this.networkAt = where;
    this.networkType = type;
  }

  /** Reads the header there; false, and nothing is changed, when it is not IP or ends before its addresses do. */
  private network(bytes: Uint8Array, at: number, end: number, type: number): boolean {
    const version = (bytes[at] ?? 0) >>> 4;
    if (type === ip4) {
      if (at + 20 > end || version !== 4) return false;
      this.networkOffset = at;
      this.ipv4(bytes, at, end);
      return true;
    }
    if (type !== ip6 || at + 40 > end || version !== 6) return false;
    this.networkOffset = at;
    this.ipv6(bytes, at, end);
    return true;
  }

  /** Goes into the tunnel that the packet read last is of; false, and nothing is changed, when it is of none or what is in it was not sampled. */
  private enter(bytes: Uint8Array, end: number): boolean {
    const { protocol, dstPort } = this;
    if (protocol === udp) {
      if (dstPort === vxlanPort) return this.enterVxlan(bytes, this.transportAt + 8, end);
      return dstPort === genevePort && this.enterGeneve(bytes, this.transportAt + 8, end);
    }
    if (protocol === gre) return this.enterGre(bytes, this.transportAt, end);
    if (protocol !== ipInIp && protocol !== ipv6InIp) return false;
    if (!this.network(bytes, this.transportAt, end, protocol === ipInIp ? ip4 : ip6)) return false;
    if (this.tunnel === kind.none) this.tunnel = kind.ipip;
    return true;
  }

  private enterVxlan(bytes: Uint8Array, at: number, end: number): boolean {
    // Without the I flag there is no VNI, and the packet is not VXLAN's.
    if (at + 8 > end || ((bytes[at] ?? 0) & 0x08) === 0) return false;
    return this.inside(bytes, at + 8, end, transparentEthernet, kind.vxlan, word(bytes, at + 4) >>> 8);
  }

  private enterGeneve(bytes: Uint8Array, at: number, end: number): boolean {
    const first = bytes[at] ?? 0;
    if (at + 8 > end || first >>> 6 !== 0) return false;
    return this.inside(bytes, at + 8 + (first & 0x3f) * 4, end, u16(bytes, at + 2), kind.geneve, word(bytes, at + 4) >>> 8);
  }

  private enterGre(bytes: Uint8Array, at: number, end: number): boolean {
    const flags = u16(bytes, at);
    if (at + 4 > end || (flags & 7) !== 0) return false; // version 1 is PPTP
    let next = at + 4;
    if ((flags & 0x8000) !== 0) next += 4;
    const greKey = (flags & 0x2000) !== 0 && next + 4 <= end ? word(bytes, next) >>> 0 : 0;
    if ((flags & 0x2000) !== 0) next += 4;
    if ((flags & 0x1000) !== 0) next += 4;
    return this.inside(bytes, next, end, u16(bytes, at + 2), kind.gre, greKey);
  }

  /** The payload of a tunnel's header: an Ethernet frame or IP, by its EtherType. */
  private inside(bytes: Uint8Array, at: number, end: number, type: number, tunnel: number, tunnelKey: number): boolean {
    if (type === transparentEthernet) {
      if (at + 14 > end) return false;
      this.toNetwork(bytes, at + 14, end, u16(bytes, at + 12));
    } else this.toNetwork(bytes, at, end, type);
    if (!this.network(bytes, this.networkAt, end, this.networkType)) return false;
    this.tunnel = tunnel;
    this.tunnelKey = tunnelKey;
    return true;
  }

  private ipv4(bytes: Uint8Array, at: number, end: number): void {
    const headerLength = ((bytes[at] ?? 0) & 0x0f) * 4;
    this.version = 4;
    this.protocol = bytes[at + 9] ?? 0;
    this.src0 = word(bytes, at + 12);
    this.dst0 = word(bytes, at + 16);
    this.src1 = this.src2 = this.src3 = this.dst1 = this.dst2 = this.dst3 = 0;
    const isLater = (u16(bytes, at + 6) & 0x1fff) !== 0;
    this.ports(bytes, isLater || headerLength < 20 ? end : at + headerLength, end);
  }

  private ipv6(bytes: Uint8Array, at: number, end: number): void {
    this.version = 6;
    this.src0 = word(bytes, at + 8);
    this.src1 = word(bytes, at + 12);
    this.src2 = word(bytes, at + 16);
    this.src3 = word(bytes, at + 20);
    this.dst0 = word(bytes, at + 24);
    this.dst1 = word(bytes, at + 28);
    this.dst2 = word(bytes, at + 32);
    this.dst3 = word(bytes, at + 36);
    let protocol = bytes[at + 6] ?? 0;
    let next = at + 40;
    let isLater = false;
    while (next + 8 <= end && (protocol === 0 || protocol === 43 || protocol === 60 || protocol === fragmentHeader)) {
      if (protocol === fragmentHeader) isLater ||= (u16(bytes, next + 2) & 0xfff8) !== 0;
      const size = protocol === fragmentHeader ? 8 : ((bytes[next + 1] ?? 0) + 1) * 8;
      protocol = bytes[next] ?? 0;
      next += size;
    }
    this.protocol = protocol;
    this.ports(bytes, isLater ? end : next, end);
  }

  /** `at`: where the transport header begins; `end` where there is none. */
  private ports(bytes: Uint8Array, at: number, end: number): void {
    const { protocol } = this;
    this.transportAt = at;
    this.srcPort = 0;
    this.dstPort = 0;
    if (protocol === tcp || protocol === udp || protocol === sctp) {
      if (at + 4 > end) return;
      this.srcPort = u16(bytes, at);
      this.dstPort = u16(bytes, at + 2);
    } else if ((protocol === icmp || protocol === icmpv6) && at + 2 <= end) {
      this.srcPort = bytes[at] ?? 0;
      this.dstPort = bytes[at + 1] ?? 0;
    }
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}
