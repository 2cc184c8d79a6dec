/**
 * The first bytes of a frame in one flat value, outermost IP header only: Ethernet, VLAN tags, IPv4, IPv6, TCP, UDP, SCTP, ICMP.
 * What is cut off is simply absent. `decodePacket` gives every layer, tunnels included.
 */
import { ipv4Text, ipv6Text, macText } from "../address.js";

export interface PacketHeader {
  readonly ethDst: string;
  readonly ethSrc: string;
  /** After any VLAN tags. */
  readonly ethType: number;
  readonly vlanVid: number | undefined;
  /** IP addresses as text, IPv6 by RFC 5952; undefined when the packet is not IP. */
  readonly src: string | undefined;
  readonly dst: string | undefined;
  /** IP protocol or IPv6 next header, extension headers skipped. */
  readonly protocol: number | undefined;
  /** A fragment that is not the first: it has no ports. */
  readonly laterFragment: boolean;
  /** Any fragment. */
  readonly fragment: boolean;
  readonly ttl: number | undefined;
  /** TCP, UDP and SCTP ports; ICMP type and code. 0 where there are none. */
  readonly srcPort: number;
  readonly dstPort: number;
  /** TCP flags, low 8 bits. */
  readonly tcpFlags: number;
  /** Length of the IP payload behind the transport header, from the IP header's length; 0 when unknown. */
  readonly payloadLength: number;
}

const vlanTypes = new Set([0x8100, 0x88a8]);
const extensionHeaders = new Set([0, 43, 60, 135, 139, 140]);
const fragmentHeader = 44;
const tcp = 6;
const udp = 17;
const sctp = 132;
const icmp = 1;
const icmpv6 = 58;

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

const noIp = { src: undefined, dst: undefined, protocol: undefined, laterFragment: false, fragment: false, ttl: undefined, srcPort: 0, dstPort: 0, tcpFlags: 0, payloadLength: 0 };

type Network = Omit<PacketHeader, "ethDst" | "ethSrc" | "ethType" | "vlanVid">;

function transport(bytes: Uint8Array, at: number, protocol: number, length: number): Pick<Network, "srcPort" | "dstPort" | "tcpFlags" | "payloadLength"> {
  const none = { srcPort: 0, dstPort: 0, tcpFlags: 0, payloadLength: Math.max(0, length) };
  if (bytes.length < at + 4) return none;
  if (protocol === tcp) {
    const header = bytes.length > at + 12 ? ((bytes[at + 12] ?? 0) >> 4) * 4 : 20;
    return { srcPort: u16(bytes, at), dstPort: u16(bytes, at + 2), tcpFlags: bytes[at + 13] ?? 0, payloadLength: Math.max(0, length - header) };
  }
  if (protocol === udp) return { srcPort: u16(bytes, at), dstPort: u16(bytes, at + 2), tcpFlags: 0, payloadLength: Math.max(0, length - 8) };
  if (protocol === sctp) return { ...none, srcPort: u16(bytes, at), dstPort: u16(bytes, at + 2) };
  if (protocol === icmp || protocol === icmpv6) return { ...none, srcPort: bytes[at] ?? 0, dstPort: bytes[at + 1] ?? 0 };
  return none;
}

function readIpv4(bytes: Uint8Array, at: number): Network {
  if (bytes.length < at + 20) return noIp;
  const headerLength = ((bytes[at] ?? 0) & 0x0f) * 4;
  const fragmentBits = u16(bytes, at + 6);
  const laterFragment = (fragmentBits & 0x1fff) !== 0;
  const protocol = bytes[at + 9] ?? 0;
  const rest = u16(bytes, at + 2) - headerLength;
  return {
    src: ipv4Text(bytes, at + 12),
    dst: ipv4Text(bytes, at + 16),
    protocol,
    laterFragment,
    fragment: laterFragment || (fragmentBits & 0x2000) !== 0,
    ttl: bytes[at + 8],
    ...(laterFragment ? { srcPort: 0, dstPort: 0, tcpFlags: 0, payloadLength: Math.max(0, rest) } : transport(bytes, at + headerLength, protocol, rest)),
  };
}

function readIpv6(bytes: Uint8Array, at: number): Network {
  if (bytes.length < at + 40) return noIp;
  let protocol = bytes[at + 6] ?? 0;
  let next = at + 40;
  let length = u16(bytes, at + 4);
  let fragment = false;
  let laterFragment = false;
  for (let hops = 0; hops < 8 && next + 8 <= bytes.length; hops++) {
    let size: number;
    if (protocol === fragmentHeader) {
      fragment = true;
      laterFragment = (u16(bytes, next + 2) & 0xfff8) !== 0;
      size = 8;
    } else if (extensionHeaders.has(protocol)) size = ((bytes[next + 1] ?? 0) + 1) * 8;
    else break;
    protocol = bytes[next] ?? 0;
    next += size;
    length -= size;
  }
  return {
    src: ipv6Text(bytes, at + 8),
    dst: ipv6Text(bytes, at + 24),
    protocol,
    laterFragment,
    fragment,
    ttl: bytes[at + 7],
    ...(laterFragment ? { srcPort: 0, dstPort: 0, tcpFlags: 0, payloadLength: Math.max(0, length) } : transport(bytes, next, protocol, length)),
  };
}

/** Reads IP from its first byte on. */
export function decodeIp(bytes: Uint8Array, at: number, ethType: number): Network {
  if (ethType === 0x0800) return readIpv4(bytes, at);
  if (ethType === 0x86dd) return readIpv6(bytes, at);
  return noIp;
}

/** Reads a frame that may be cut anywhere; undefined when not even the Ethernet header is there. */
export function decodePacketHeader(bytes: Uint8Array): PacketHeader | undefined {
  if (bytes.length < 14) return undefined;
  let at = 12;
  let ethType = u16(bytes, at);
  let vlanVid: number | undefined;
  for (let tags = 0; tags < 2 && vlanTypes.has(ethType) && bytes.length >= at + 6; tags++) {
    vlanVid ??= u16(bytes, at + 2) & 0x0fff;
    at += 4;
    ethType = u16(bytes, at);
  }
  return { ethDst: macText(bytes, 0), ethSrc: macText(bytes, 6), ethType, vlanVid, ...decodeIp(bytes, at + 2, ethType) };
}
