/** From captured packets to UDP payloads: Ethernet (with VLAN tags), Linux cooked v1 and v2, raw IP; fragments put together. */
import { ipv4Text, ipv6Text } from "../address.js";
import type { CapturedPacket } from "./captured-packet.js";
import { Reassembler } from "./reassembly.js";

export interface UdpPayload {
  readonly tMs: number;
  readonly src: string;
  readonly dst: string;
  readonly srcPort: number;
  readonly dstPort: number;
  /** As long as the capture has it: shorter than `length` where the capture was cut. */
  readonly payload: Uint8Array;
  /** What the UDP header says the payload is long. */
  readonly length: number;
}

export interface UdpCounters {
  /** Packets that are not UDP over IP. */
  other: number;
  /** Packets of a link type that is not read. */
  unknownLink: number;
  /** Packets cut off within a header. */
  truncated: number;
  /** Fragments kept for others to come. */
  fragments: number;
  /** Packets whose fragments did not all come, or did not fit together. */
  incomplete: number;
}

const udp = 17;
const udpHeader = 8;
const vlanTags = new Set([0x8100, 0x88a8, 0x9100]);

/** Takes packets of one capture in their order. */
export class UdpExtractor {
  readonly counters: UdpCounters = { other: 0, unknownLink: 0, truncated: 0, fragments: 0, incomplete: 0 };
  private readonly reassembler = new Reassembler();

  /** The UDP payload that this packet is, or completes; undefined, and counted why, when there is none. */
  take(packet: CapturedPacket): UdpPayload | undefined {
    const at = this.network(packet);
    return at === undefined ? undefined : this.ip(packet.bytes, at, packet.tMs);
  }

  /** The capture is over: fragments still waiting are counted as incomplete. */
  end(): void {
    this.counters.incomplete += this.reassembler.waiting;
    this.reassembler.clear();
  }

  /** Where IP begins. */
  private network({ bytes, linkType }: CapturedPacket): number | undefined {
    const u16 = (at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    switch (linkType) {
      case 1: {
        let at = 12;
        for (let tags = 0; tags < 4 && vlanTags.has(u16(at)); tags++) at += 4;
        return this.ifIp(u16(at), at + 2);
      }
      case 113:
        return this.ifIp(u16(14), 16);
      case 276:
        return this.ifIp(u16(0), 20);
      case 12: // DLT_RAW, as some systems number it
      case 14:
      case 101:
      case 228:
      case 229:
        return 0;
      default:
        this.counters.unknownLink++;
        return undefined;
    }
  }

  private ifIp(type: number, at: number): number | undefined {
    if (type === 0x0800 || type === 0x86dd) return at;
    this.counters.other++;
    return undefined;
  }

  private ip(bytes: Uint8Array, at: number, tMs: number): UdpPayload | undefined {
    const version = (bytes[at] ?? 0) >>> 4;
    if (version === 4) return this.ipv4(bytes, at, tMs);
    if (version === 6) return this.ipv6(bytes, at, tMs);
    if (at < bytes.length) this.counters.other++;
    else this.counters.truncated++;
    return undefined;
  }

  private ipv4(bytes: Uint8Array, at: number, tMs: number): UdpPayload | undefined {
    if (bytes.length < at + 20) return this.cut();
    const u16 = (where: number): number => ((bytes[where] ?? 0) << 8) | (bytes[where + 1] ?? 0);
    if (bytes[at + 9] !== udp) return this.notUdp();
    const header = ((bytes[at] ?? 0) & 0x0f) * 4;
    const src = ipv4Text(bytes, at + 12);
    const dst = ipv4Text(bytes, at + 16);
    const flags = u16(at + 6);
    // Behind the IP packet there may be padding of the frame. A length of 0 is segmentation offload: all there is.
    const total = u16(at + 2);
    const body = bytes.subarray(at + Math.max(header, 20), total === 0 ? bytes.length : Math.max(at + total, at + header));
    const offset = (flags & 0x1fff) * 8;
    if ((flags & 0x3fff) === 0) return this.datagram(body, src, dst, tMs);
    return this.fragment(`${src} ${dst} ${u16(at + 4)}`, body, offset, (flags & 0x2000) !== 0, body.length >= total - header, src, dst, tMs);
  }

  private ipv6(bytes: Uint8Array, at: number, tMs: number): UdpPayload | undefined {
    if (bytes.length < at + 40) return this.cut();
    const u16 = (where: number): number => ((bytes[where] ?? 0) << 8) | (bytes[where + 1] ?? 0);
    const src = ipv6Text(bytes, at + 8);
    const dst = ipv6Text(bytes, at + 24);
    const end = at + 40 + u16(at + 4);
    let next = bytes[at + 6] ?? 0;
    let header = at + 40;
    for (let i = 0; i < 8; i++) {
      if (next === udp) return this.datagram(bytes.subarray(header, end), src, dst, tMs);
      if (bytes.length < header + 8) return this.cut();
      if (next === 44) {
        if (bytes[header] !== udp) return this.notUdp(); // what is fragmented is not UDP
        const offset = u16(header + 2) & 0xfff8;
        const more = (u16(header + 2) & 1) === 1;
        const body = bytes.subarray(header + 8, end);
        return this.fragment(`${src} ${dst} ${u16(header + 4)} ${u16(header + 6)}`, body, offset, more, bytes.length >= end, src, dst, tMs);
      }
      if (next !== 0 && next !== 43 && next !== 60) return this.notUdp();
      next = bytes[header] ?? 0;
      header += ((bytes[header + 1] ?? 0) + 1) * 8;
    }
    return this.notUdp();
  }

  private fragment(key: string, body: Uint8Array, offset: number, more: boolean, isWhole: boolean, src: string, dst: string, tMs: number): UdpPayload | undefined {
    if (!isWhole) return this.cut();
    this.counters.fragments++;
    const whole = this.reassembler.add(key, body, offset, more, tMs);
    this.counters.incomplete += this.reassembler.takeGivenUp();
    return whole === undefined ? undefined : this.datagram(whole, src, dst, tMs);
  }

  private datagram(bytes: Uint8Array, src: string, dst: string, tMs: number): UdpPayload | undefined {
    if (bytes.length < udpHeader) return this.cut();
    const u16 = (where: number): number => ((bytes[where] ?? 0) << 8) | (bytes[where + 1] ?? 0);
    const length = Math.max(0, u16(4) - udpHeader);
    return { tMs, src, dst, srcPort: u16(0), dstPort: u16(2), payload: bytes.subarray(udpHeader, udpHeader + length), length };
  }

  private cut(): undefined {
    this.counters.truncated++;
    return undefined;
  }
  private notUdp(): undefined {
    this.counters.other++;
    return undefined;
  }
}
