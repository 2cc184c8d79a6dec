/** A captured frame read as a TCP segment (RFC 9293, 7323, 2018): Ethernet with VLAN tags, Linux cooked or raw IP; IPv4 and IPv6. */

/** Header flags, as on the wire. */
export const flag = { fin: 0x01, syn: 0x02, rst: 0x04, ack: 0x10 } as const;

/** SACK blocks kept of one segment: all that fit into the options. */
export const maxSackBlocks = 4;

/** Why a frame is no segment. */
export interface SegmentCounters {
  /** Other protocols. */
  other: number;
  /** Headers that end before they should, or say what can't be. */
  malformed: number;
  /** IP fragments: their ports are not known. */
  fragments: number;
  /** Option lists that can't be read; the rest of the segment is used. */
  badOptions: number;
}

const vlanTags = new Set([0x8100, 0x88a8, 0x9100]);
/** IPv6 extension headers passed over. */
const maxExtensions = 8;

/** One segment, overwritten by each `read`: reading allocates nothing. */
export class Segment {
  readonly counters: SegmentCounters = { other: 0, malformed: 0, fragments: 0, badOptions: 0 };
  /** Source and destination, each as four words; IPv4 as ::ffff:a.b.c.d. */
  readonly addresses = new Uint32Array(8);
  srcPort = 0;
  dstPort = 0;
  /** Outer and inner VLAN id, outer in the upper half; 0: untagged. */
  vlans = 0;
  /** Identification of IPv4; 0 with IPv6. */
  ipId = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  /** As sent, not scaled. */
  window = 0;
  payload = 0;
  /** −1: no such option. */
  windowScale = -1;
  mss = -1;
  hasSackPermitted = false;
  hasTimestamps = false;
  tsVal = 0;
  tsEcr = 0;
  sackBlocks = 0;
  /** Left and right edges in turn. */
  readonly sack = new Uint32Array(maxSackBlocks * 2);

  /** Reads a frame of LINKTYPE 1, 101, 113 or 276; false, and counted why, when it holds no whole TCP header. */
  read(bytes: Uint8Array, linkType: number): boolean {
    let at = 0;
    let type = 0;
    this.vlans = 0;
    if (linkType === 1) {
      at = 14;
      type = word16(bytes, 12);
      for (let tags = 0; tags < 4 && vlanTags.has(type); tags++) {
        if (tags < 2) this.vlans |= (word16(bytes, at) & 0x0fff) << (tags === 0 ? 16 : 0);
        type = word16(bytes, at + 2);
        at += 4;
      }
    } else if (linkType === 113) {
      at = 16;
      type = word16(bytes, 14);
    } else if (linkType === 276) {
      at = 20;
      type = word16(bytes, 0);
    } else if (linkType === 101) type = (bytes[0] ?? 0) >>> 4 === 6 ? 0x86dd : 0x0800;
    if (type === 0x0800) return this.ipv4(bytes, at);
    if (type === 0x86dd) return this.ipv6(bytes, at);
    this.counters.other++;
    return false;
  }

  private ipv4(bytes: Uint8Array, at: number): boolean {
    const first = bytes[at] ?? 0;
    const header = (first & 0x0f) * 4;
    if (bytes.length < at + 20 || first >>> 4 !== 4 || header < 20) return this.malformed();
    if (bytes[at + 9] !== 6) return this.other();
    if ((word16(bytes, at + 6) & 0x3fff) !== 0) return this.fragment();
    const total = word16(bytes, at + 2);
    this.ipId = word16(bytes, at + 4);
    const { addresses } = this;
    addresses[0] = addresses[1] = addresses[4] = addresses[5] = 0;
    addresses[2] = addresses[6] = 0xffff;
    addresses[3] = word32(bytes, at + 12);
    addresses[7] = word32(bytes, at + 16);
    return this.tcp(bytes, at + header, total - header);
  }

  private ipv6(bytes: Uint8Array, at: number): boolean {
    if (bytes.length < at + 40 || (bytes[at] ?? 0) >>> 4 !== 6) return this.malformed();
    this.ipId = 0;
    for (let i = 0; i < 8; i++) this.addresses[i] = word32(bytes, at + 8 + i * 4);
    let length = word16(bytes, at + 4);
    let next = bytes[at + 6] ?? 0;
    let header = at + 40;
    for (let i = 0; i < maxExtensions && (next === 0 || next === 43 || next === 60); i++) {
      if (bytes.length < header + 8) return this.malformed();
      const size = ((bytes[header + 1] ?? 0) + 1) * 8;
      next = bytes[header] ?? 0;
      header += size;
      length -= size;
    }
    if (next === 44) return this.fragment();
    return next === 6 ? this.tcp(bytes, header, length) : this.other();
  }

  /** `length`: of the TCP header and payload, as IP says. */
  private tcp(bytes: Uint8Array, at: number, length: number): boolean {
    if (bytes.length < at + 20) return this.malformed();
    const header = ((bytes[at + 12] ?? 0) >>> 4) * 4;
    if (header < 20 || length < header) return this.malformed();
    this.srcPort = word16(bytes, at);
    this.dstPort = word16(bytes, at + 2);
    this.seq = word32(bytes, at + 4);
    this.ack = word32(bytes, at + 8);
    this.flags = bytes[at + 13] ?? 0;
    this.window = word16(bytes, at + 14);
    this.payload = length - header;
    this.windowScale = this.mss = -1;
    this.hasSackPermitted = this.hasTimestamps = false;
    this.sackBlocks = 0;
    if (header > 20) this.options(bytes, at + 20, at + header);
    return true;
  }

  private options(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const kind = bytes[at];
      if (kind === 0) return;
      if (kind === 1) {
        at++;
        continue;
      }
      const length = bytes[at + 1] ?? 0;
      // Cut by the snap length, or a length that can't be: what was read before stays.
      if (kind === undefined || length < 2 || at + length > end || at + length > bytes.length) {
        this.counters.badOptions++;
        return;
      }
      if (kind === 2 && length === 4) this.mss = word16(bytes, at + 2);
      else if (kind === 3 && length === 3) this.windowScale = Math.min(bytes[at + 2] ?? 0, 14);
      else if (kind === 4 && length === 2) this.hasSackPermitted = true;
      else if (kind === 8 && length === 10) {
        this.hasTimestamps = true;
        this.tsVal = word32(bytes, at + 2);
        this.tsEcr = word32(bytes, at + 6);
      } else if (kind === 5 && length >= 10 && (length - 2) % 8 === 0) {
        this.sackBlocks = Math.min((length - 2) / 8, maxSackBlocks);
        for (let i = 0; i < this.sackBlocks * 2; i++) this.sack[i] = word32(bytes, at + 2 + i * 4);
      }
      at += length;
    }
  }

  private other(): false {
    this.counters.other++;
    return false;
  }
  private malformed(): false {
    this.counters.malformed++;
    return false;
  }
  private fragment(): false {
    this.counters.fragments++;
    return false;
  }
}

function word16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
function word32(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}
