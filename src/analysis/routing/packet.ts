/** A frame down to what the routing protocols lie in: Ethernet with VLAN tags, ARP or IP, and the transport below. */
import { Reader } from "./reader.js";

export interface IpPacket {
  readonly src: string;
  readonly dst: string;
  /** IP protocol number of the payload. */
  readonly protocol: number;
  /** Time to live, or hop limit. */
  readonly ttl: number;
  readonly payload: Uint8Array;
}

export interface Packet {
  readonly ethDst: string;
  readonly ethSrc: string;
  readonly ethType: number;
  /** The outermost VLAN; undefined without a tag. */
  readonly vlanVid: number | undefined;
  readonly payload: Uint8Array;
  /** Undefined when it is not IP; a fragment that is not whole has `fragment` set in its place. */
  readonly ip: IpPacket | undefined;
  readonly isFragment: boolean;
}

const vlanTypes = new Set([0x8100, 0x88a8, 0x9100]);
const maxTags = 4;
const maxExtensions = 8;

/** Reads a frame. Throws DecodeError, nothing else. */
export function readPacket(bytes: Uint8Array): Packet {
  const from = new Reader("frame", bytes);
  const ethDst = from.mac();
  const ethSrc = from.mac();
  let ethType = from.u16();
  let vlanVid: number | undefined;
  for (let tags = 0; vlanTypes.has(ethType); tags++) {
    if (tags === maxTags) throw from.error("count", `more than ${maxTags} VLAN tags`);
    vlanVid ??= from.u16() & 0xfff;
    if (tags > 0) from.skip(2);
    ethType = from.u16();
  }
  const payload = from.rest();
  const common = { ethDst, ethSrc, ethType, vlanVid, payload };
  if (ethType === 0x0800) return { ...common, ...readIpv4(payload) };
  if (ethType === 0x86dd) return { ...common, ...readIpv6(payload) };
  return { ...common, ip: undefined, isFragment: false };
}

type Below = Pick<Packet, "ip" | "isFragment">;

/** RFC 791. */
function readIpv4(bytes: Uint8Array): Below {
  const from = new Reader("ip", bytes);
  const first = from.u8();
  if (first >> 4 !== 4) throw from.error("value", `version ${first >> 4} in an IPv4 packet`, 0);
  const headerLength = (first & 0xf) * 4;
  from.skip(1);
  const totalLength = from.u16();
  from.skip(2);
  const fragment = from.u16();
  const ttl = from.u8();
  const protocol = from.u8();
  from.skip(2);
  const src = from.ipv4();
  const dst = from.ipv4();
  if (headerLength < 20 || totalLength < headerLength) throw from.error("length", `header of ${headerLength} in ${totalLength} bytes`, 0);
  if (totalLength > bytes.length) throw from.error("truncated", `${totalLength} bytes needed, ${bytes.length} captured`, 2);
  // More fragments, or not the first: bits 13 and 0 to 12.
  if ((fragment & 0x3fff) !== 0) return { ip: undefined, isFragment: true };
  return { ip: { src, dst, protocol, ttl, payload: bytes.subarray(headerLength, totalLength) }, isFragment: false };
}

const extension = { hopByHop: 0, routing: 43, fragment: 44, authentication: 51, destination: 60 } as const;

/** RFC 8200, with the extension headers that may stand before a transport header. */
function readIpv6(bytes: Uint8Array): Below {
  const from = new Reader("ip", bytes);
  const version = from.u8() >> 4;
  if (version !== 6) throw from.error("value", `version ${version} in an IPv6 packet`, 0);
  from.skip(3);
  const length = from.u16();
  let protocol = from.u8();
  const ttl = from.u8();
  const src = from.ipv6();
  const dst = from.ipv6();
  if (length > from.remaining) throw from.error("truncated", `${length} bytes needed, ${from.remaining} captured`, 4);
  const body = from.sub(length);
  for (let count = 0; ; count++) {
    const isHeader = protocol === extension.hopByHop || protocol === extension.routing || protocol === extension.destination || protocol === extension.authentication;
    if (protocol === extension.fragment) {
      const next = body.u8();
      body.skip(1);
      const place = body.u16();
      body.skip(4);
      if ((place & 0xfff9) !== 0) return { ip: undefined, isFragment: true };
      protocol = next;
    } else if (isHeader) {
      const next = body.u8();
      const words = body.u8();
      body.skip((protocol === extension.authentication ? words * 4 + 8 : words * 8 + 8) - 2);
      protocol = next;
    } else return { ip: { src, dst, protocol, ttl, payload: body.rest() }, isFragment: false };
    if (count === maxExtensions) throw body.error("count", `more than ${maxExtensions} extension headers`);
  }
}

export interface TcpSegment {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly sequence: number;
  readonly syn: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  readonly payload: Uint8Array;
}

/** RFC 9293. Throws DecodeError. */
export function readTcp(bytes: Uint8Array): TcpSegment {
  const from = new Reader("tcp", bytes);
  const srcPort = from.u16();
  const dstPort = from.u16();
  const sequence = from.u32();
  from.skip(4);
  const headerLength = (from.u8() >> 4) * 4;
  const flags = from.u8();
  if (headerLength < 20) throw from.error("length", `header of ${headerLength} bytes`, 12);
  if (headerLength > bytes.length) throw from.error("truncated", `header of ${headerLength} in ${bytes.length} bytes`, 12);
  return { srcPort, dstPort, sequence, fin: (flags & 1) !== 0, syn: (flags & 2) !== 0, rst: (flags & 4) !== 0, payload: bytes.subarray(headerLength) };
}

export interface UdpDatagram {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly payload: Uint8Array;
}

/** RFC 768. Throws DecodeError. */
export function readUdp(bytes: Uint8Array): UdpDatagram {
  const from = new Reader("ip", bytes);
  const srcPort = from.u16();
  const dstPort = from.u16();
  const length = from.u16();
  from.skip(2);
  if (length < 8 || length > bytes.length) throw from.error("length", `datagram of ${length} in ${bytes.length} bytes`, 4);
  return { srcPort, dstPort, payload: bytes.subarray(8, length) };
}
