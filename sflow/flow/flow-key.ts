/** The 5-tuple of a sampled header, read in place into numbers. */
import { ipv4Text, ipv6Text } from "../address.js";

const vlan = 0x8100;
const serviceVlan = 0x88a8;
const mplsUnicast = 0x8847;
const ip4 = 0x0800;
const ip6 = 0x86dd;
const tcp = 6;
const udp = 17;
const sctp = 132;
const icmp = 1;
const icmpv6 = 58;
const fragmentHeader = 44;
/** header_protocol (sFlow Version 5). */
const ethernet = 1;
const rawIpv4 = 11;
const rawIpv6 = 12;

/**
 * One key, read again and again. Of a tunnelled packet it is the outer one. Ports are those of TCP, UDP and SCTP, type and code
 * for ICMP, 0 where there are none or where the sampled bytes end before them.
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

  /** Reads a sampled header of `length` bytes at `at`; false when it is not IP, or ends before its addresses do. Never throws. */
  read(bytes: Uint8Array, at: number, length: number, headerProtocol = ethernet): boolean {
    const end = Math.min(at + length, bytes.length);
    let type = ip4;
    let where = at;
    if (headerProtocol === ethernet) {
      if (at + 14 > end) return this.none();
      type = u16(bytes, at + 12);
      where = at + 14;
      while ((type === vlan || type === serviceVlan) && where + 4 <= end) {
        type = u16(bytes, where + 2);
        where += 4;
      }
      if (type === mplsUnicast) {
        while (where + 4 <= end && ((bytes[where + 2] ?? 0) & 1) === 0) where += 4;
        where += 4;
        type = where < end ? ((bytes[where] ?? 0) >>> 4 === 6 ? ip6 : ip4) : 0;
      }
    } else if (headerProtocol === rawIpv6) type = ip6;
    else if (headerProtocol !== rawIpv4) return this.none();
    if (type === ip4) return this.ipv4(bytes, where, end);
    return type === ip6 ? this.ipv6(bytes, where, end) : this.none();
  }

  srcText(): string {
    return this.text(this.src0, this.src1, this.src2, this.src3);
  }
  dstText(): string {
    return this.text(this.dst0, this.dst1, this.dst2, this.dst3);
  }

  private text(...words: number[]): string {
    const bytes = Buffer.alloc(16);
    words.forEach((word, i) => bytes.writeInt32BE(word, i * 4));
    return this.version === 4 ? ipv4Text(bytes, 0) : ipv6Text(bytes, 0);
  }

  private none(): boolean {
    this.version = 0;
    return false;
  }

  private ipv4(bytes: Uint8Array, at: number, end: number): boolean {
    const first = bytes[at] ?? 0;
    if (at + 20 > end || first >>> 4 !== 4) return this.none();
    this.version = 4;
    this.protocol = bytes[at + 9] ?? 0;
    this.src0 = word(bytes, at + 12);
    this.dst0 = word(bytes, at + 16);
    this.src1 = this.src2 = this.src3 = this.dst1 = this.dst2 = this.dst3 = 0;
    const isLater = (u16(bytes, at + 6) & 0x1fff) !== 0;
    this.ports(bytes, isLater ? end : at + (first & 0x0f) * 4, end);
    return true;
  }

  private ipv6(bytes: Uint8Array, at: number, end: number): boolean {
    if (at + 40 > end || (bytes[at] ?? 0) >>> 4 !== 6) return this.none();
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
    return true;
  }

  private ports(bytes: Uint8Array, at: number, end: number): void {
    const { protocol } = this;
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
