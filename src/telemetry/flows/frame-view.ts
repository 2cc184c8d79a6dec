/**
 * A captured or sampled frame, read in place: which flow it is of, where its payload begins, and a fingerprint by which the same packet is known
 * again elsewhere. Reading allocates nothing but the key.
 */
import { ipv4Text, ipv6Text } from "sflow-collector";
import type { HeaderEnds } from "./tuple.js";

/** LINKTYPEs. */
const [ethernet, rawIp, cooked, cooked2] = [1, 101, 113, 276];
const vlanTags = new Set([0x8100, 0x88a8, 0x9100]);
const [tcp, udp, sctp] = [6, 17, 132];
/** Hop-by-hop, routing, destination options; and fragment. */
const extensions = new Set([0, 43, 60]);
const fragmentHeader = 44;
const maxExtensions = 8;
const serviceTag = 0x88a8;
/** The fingerprint ends here, counted from the IP header on: as far as both a sampled header and a capture of 128 bytes reach, with two tags. */
const fingerprintBytes = 104;

export class FrameView {
  /** 4 or 6. */
  version = 0;
  protocol = 0;
  srcPort = 0;
  dstPort = 0;
  tcpFlags = 0;
  /** The first tag's VLAN id where it is a service tag (802.1ad), else -1. */
  serviceVid = -1;
  /** Where the payload begins in the frame: behind TCP's or UDP's header, of others behind IP's; -1 where it was not captured that far. */
  payloadAt = -1;
  /** Bytes of payload on the wire, as IP says. */
  payloadLength = 0;
  /** The group bit of the destination address. */
  isGroup = false;
  /** The flow: protocol and ends, the one that sorts first in front; and whether this frame is from that one (0) or the other (1). */
  key = "";
  direction: 0 | 1 = 0;
  private networkAt = 0;
  private transportAt = 0;
  private bytes: Buffer = Buffer.alloc(0);

  /** Reads a frame of LINKTYPE 1, 101, 113 or 276; false when it is not IP or ends before its addresses do. Never throws. */
  read(frame: Uint8Array, linkType = ethernet): boolean {
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    this.bytes = bytes;
    let [type, at] = [0, 0];
    this.serviceVid = -1;
    this.isGroup = false;
    if (linkType === ethernet) {
      this.isGroup = ((bytes[0] ?? 0) & 1) !== 0;
      [type, at] = [u16(bytes, 12), 14];
      if (type === serviceTag) this.serviceVid = u16(bytes, 14) & 0x0fff;
      for (let tags = 0; tags < 3 && vlanTags.has(type); tags++, at += 4) type = u16(bytes, at + 2);
    } else if (linkType === cooked) [type, at] = [u16(bytes, 14), 16];
    else if (linkType === cooked2) [type, at] = [u16(bytes, 0), 20];
    else if (linkType === rawIp) type = (bytes[0] ?? 0) >>> 4 === 6 ? 0x86dd : 0x0800;
    this.networkAt = at;
    if (type === 0x0800) return this.ipv4(bytes, at);
    return type === 0x86dd && this.ipv6(bytes, at);
  }

  /** The ends of the frame's flow in words; of ICMP the ports are 0. */
  ends(): HeaderEnds {
    const { bytes, networkAt: at, version, protocol, srcPort, dstPort } = this;
    const [source, destination] = version === 4 ? [ipv4Text(bytes, at + 12), ipv4Text(bytes, at + 16)] : [ipv6Text(bytes, at + 8), ipv6Text(bytes, at + 24)];
    return { protocol, from: { address: source, port: srcPort }, to: { address: destination, port: dstPort } };
  }

  /**
   * 53 bits of what no hop changes: addresses, protocol, identification, and the transport header with the first payload bytes. Packets that are
   * equal in all of that have one fingerprint.
   */
  fingerprint(): number {
    const { bytes, networkAt: at, version } = this;
    const end = Math.min(bytes.length, at + fingerprintBytes);
    let low = 0x811c9dc5 ^ this.protocol;
    let high = 0x9e3779b1 ^ this.payloadLength;
    const mix = (word: number): void => {
      low = Math.imul(low ^ word, 0x85ebca6b);
      low ^= low >>> 13;
      high = Math.imul(high ^ word, 0xc2b2ae35);
      high ^= high >>> 16;
    };
    if (version === 4) {
      mix(u16(bytes, at + 4));
      for (let i = at + 12; i < at + 20; i += 2) mix(u16(bytes, i));
    } else for (let i = at + 8; i < at + 40; i += 2) mix(u16(bytes, i));
    for (let i = this.transportAt; i < end; i += 2) mix(u16(bytes, i));
    return (high >>> 11) * 4_294_967_296 + (low >>> 0);
  }

  private ipv4(bytes: Buffer, at: number): boolean {
    const header = ((bytes[at] ?? 0) & 0x0f) * 4;
    if (bytes.length < at + 20 || (bytes[at] ?? 0) >>> 4 !== 4 || header < 20) return false;
    this.version = 4;
    this.protocol = bytes[at + 9] ?? 0;
    const isLater = (u16(bytes, at + 6) & 0x1fff) !== 0;
    this.transport(bytes, at + header, Math.max(0, u16(bytes, at + 2) - header), isLater);
    this.makeKey(bytes, at + 12, 4);
    return true;
  }

  private ipv6(bytes: Buffer, at: number): boolean {
    if (bytes.length < at + 40 || (bytes[at] ?? 0) >>> 4 !== 6) return false;
    this.version = 6;
    let protocol = bytes[at + 6] ?? 0;
    let [next, length] = [at + 40, u16(bytes, at + 4)];
    let isLater = false;
    for (let i = 0; i < maxExtensions && next + 8 <= bytes.length && (extensions.has(protocol) || protocol === fragmentHeader); i++) {
      if (protocol === fragmentHeader) isLater ||= (u16(bytes, next + 2) & 0xfff8) !== 0;
      const size = protocol === fragmentHeader ? 8 : ((bytes[next + 1] ?? 0) + 1) * 8;
      protocol = bytes[next] ?? 0;
      next += size;
      length -= size;
    }
    this.protocol = protocol;
    this.transport(bytes, next, Math.max(0, length), isLater);
    this.makeKey(bytes, at + 8, 16);
    return true;
  }

  /** `length`: of the transport header and payload on the wire. */
  private transport(bytes: Buffer, at: number, length: number, isLater: boolean): void {
    const { protocol } = this;
    this.transportAt = at;
    this.srcPort = this.dstPort = this.tcpFlags = 0;
    this.payloadAt = at <= bytes.length ? at : -1;
    this.payloadLength = length;
    if (isLater || (protocol !== tcp && protocol !== udp && protocol !== sctp) || bytes.length < at + 4) return;
    this.srcPort = u16(bytes, at);
    this.dstPort = u16(bytes, at + 2);
    if (protocol === sctp) return;
    this.tcpFlags = protocol === tcp ? (bytes[at + 13] ?? 0) : 0;
    const header = protocol === udp ? 8 : bytes.length > at + 12 ? ((bytes[at + 12] ?? 0) >>> 4) * 4 : 20;
    this.payloadAt = at + header <= bytes.length ? at + header : -1;
    this.payloadLength = Math.max(0, length - header);
  }

  private makeKey(bytes: Buffer, at: number, size: number): void {
    const source = `${bytes.toString("latin1", at, at + size)}${String.fromCharCode(this.srcPort)}`;
    const destination = `${bytes.toString("latin1", at + size, at + 2 * size)}${String.fromCharCode(this.dstPort)}`;
    this.direction = source <= destination ? 0 : 1;
    this.key = `${String.fromCharCode(this.protocol)}${this.direction === 0 ? source + destination : destination + source}`;
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
