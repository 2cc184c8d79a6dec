/** Takes a sampled header apart, layer by layer, tunnels and what is in them too. What is cut off is simply absent. */
import { ipv4Text, ipv6Text, macText } from "../address.js";
import { headerProtocols, type DecodedPacket, type Layer, type TcpOption } from "./layers.js";

/** A header in a header in a header: more are not looked into. */
const maxLayers = 32;
const vxlanPort = 4789;
const genevePort = 6081;
const transparentEthernet = 0x6558;
const extensionHeaders = new Set([0, 43, 60, 135, 139, 140]);
const fragmentHeader = 44;
const authenticationHeader = 51;

/** The sampled bytes ended. */
class Cut extends Error {}

class Cursor {
  readonly bytes: Uint8Array;
  readonly layers: Layer[] = [];
  at = 0;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  /** Where `length` bytes begin that are there; steps over them. */
  take(length: number): number {
    const at = this.at;
    if (at + length > this.bytes.length) throw new Cut();
    this.at = at + length;
    return at;
  }
  u8(at: number): number {
    return this.bytes[at] ?? 0;
  }
  u16(at: number): number {
    return (this.u8(at) << 8) | this.u8(at + 1);
  }
  u32(at: number): number {
    return ((this.u16(at) << 16) | this.u16(at + 2)) >>> 0;
  }
  hex(at: number, length: number): string {
    return Buffer.from(this.bytes.subarray(at, at + length)).toString("hex");
  }
}

/** Reads one layer and gives what reads the next; undefined at the end. */
type Step = ((from: Cursor) => Step) | undefined;

function byEtherType(type: number): Step {
  switch (type) {
    case 0x8100:
    case 0x88a8:
    case 0x9100:
      return (from) => vlan(from, type);
    case 0x8847:
    case 0x8848:
      return mpls;
    case 0x0806:
      return arp;
    case 0x0800:
      return ip4;
    case 0x86dd:
      return ip6;
    case transparentEthernet:
      return ethernet;
    default:
      return undefined;
  }
}

function ethernet(from: Cursor): Step {
  const at = from.take(14);
  const type = from.u16(at + 12);
  from.layers.push({ protocol: "ethernet", dst: macText(from.bytes, at), src: macText(from.bytes, at + 6), type });
  return byEtherType(type);
}

function vlan(from: Cursor, tpid: number): Step {
  const at = from.take(4);
  const tci = from.u16(at);
  const type = from.u16(at + 2);
  from.layers.push({ protocol: "vlan", tpid, pcp: tci >>> 13, dei: (tci & 0x1000) !== 0, vid: tci & 0xfff, type });
  return byEtherType(type);
}

function mpls(from: Cursor): Step {
  const at = from.take(4);
  const entry = from.u32(at);
  const bottom = (entry & 0x100) !== 0;
  from.layers.push({ protocol: "mpls", label: entry >>> 12, tc: (entry >>> 9) & 7, bottom, ttl: entry & 0xff });
  if (!bottom) return mpls;
  // Nothing says what is inside; an IP version in its first bits is what everyone goes by (RFC 4928).
  const version = from.u8(from.at) >>> 4;
  return version === 4 ? ip4 : version === 6 ? ip6 : undefined;
}

function arp(from: Cursor): Step {
  const at = from.take(8);
  const hardwareLength = from.u8(at + 4);
  const protocolLength = from.u8(at + 5);
  const isUsual = hardwareLength === 6 && protocolLength === 4;
  const hardware = (where: number): string => (isUsual ? macText(from.bytes, where) : from.hex(where, hardwareLength));
  const network = (where: number): string => (isUsual ? ipv4Text(from.bytes, where) : from.hex(where, protocolLength));
  const sender = from.take(2 * (hardwareLength + protocolLength));
  const target = sender + hardwareLength + protocolLength;
  from.layers.push({
    protocol: "arp",
    operation: from.u16(at + 6),
    senderHardware: hardware(sender),
    sender: network(sender + hardwareLength),
    targetHardware: hardware(target),
    target: network(target + hardwareLength),
  });
  return undefined;
}

function ip4(from: Cursor): Step {
  const at = from.take(20);
  if (from.u8(at) >>> 4 !== 4) return undefined;
  const headerLength = (from.u8(at) & 0x0f) * 4;
  const fragment = from.u16(at + 6);
  const fragmentOffset = (fragment & 0x1fff) * 8;
  const next = from.u8(at + 9);
  from.layers.push({
    protocol: "ipv4",
    src: ipv4Text(from.bytes, at + 12),
    dst: ipv4Text(from.bytes, at + 16),
    headerLength,
    tos: from.u8(at + 1),
    totalLength: from.u16(at + 2),
    identification: from.u16(at + 4),
    dontFragment: (fragment & 0x4000) !== 0,
    moreFragments: (fragment & 0x2000) !== 0,
    fragmentOffset,
    ttl: from.u8(at + 8),
    next,
  });
  if (headerLength < 20) return undefined;
  from.take(headerLength - 20);
  return fragmentOffset === 0 ? byProtocol(next) : undefined;
}

function ip6(from: Cursor): Step {
  const at = from.take(40);
  if (from.u8(at) >>> 4 !== 6) return undefined;
  const word = from.u32(at);
  const extensions: number[] = [];
  let fragment: { identification: number; offset: number; more: boolean } | undefined;
  let next = from.u8(at + 6);
  let isCut = false;
  while (extensions.length < maxLayers && (extensionHeaders.has(next) || next === fragmentHeader || next === authenticationHeader)) {
    const header = from.at;
    const size = next === fragmentHeader ? 8 : next === authenticationHeader ? (from.u8(header + 1) + 2) * 4 : (from.u8(header + 1) + 1) * 8;
    if (header + Math.max(size, 2) > from.bytes.length) {
      isCut = true;
      break;
    }
    from.take(size);
    extensions.push(next);
    if (next === fragmentHeader) fragment = { identification: from.u32(header + 4), offset: from.u16(header + 2) & 0xfff8, more: (from.u16(header + 2) & 1) === 1 };
    next = from.u8(header);
  }
  from.layers.push({
    protocol: "ipv6",
    src: ipv6Text(from.bytes, at + 8),
    dst: ipv6Text(from.bytes, at + 24),
    trafficClass: (word >>> 20) & 0xff,
    flowLabel: word & 0xfffff,
    payloadLength: from.u16(at + 4),
    hopLimit: from.u8(at + 7),
    extensions,
    ...(fragment === undefined ? {} : { fragment }),
    next,
  });
  if (isCut) throw new Cut();
  return (fragment?.offset ?? 0) === 0 ? byProtocol(next) : undefined;
}

function byProtocol(protocol: number): Step {
  switch (protocol) {
    case 1:
      return (from) => icmp(from, "icmp", 8, 0);
    case 58:
      return (from) => icmp(from, "icmpv6", 128, 129);
    case 4:
      return ip4;
    case 41:
      return ip6;
    case 6:
      return tcp;
    case 17:
      return udp;
    case 47:
      return gre;
    case 132:
      return sctp;
    case 137:
      return mpls;
    default:
      return undefined;
  }
}

function icmp(from: Cursor, protocol: "icmp" | "icmpv6", echo: number, reply: number): Step {
  const at = from.take(4);
  const type = from.u8(at);
  const isEcho = (type === echo || type === reply) && from.bytes.length >= at + 8;
  from.layers.push({ protocol, type, code: from.u8(at + 1), ...(isEcho ? { identifier: from.u16(at + 4), sequence: from.u16(at + 6) } : {}) });
  return undefined;
}

function tcp(from: Cursor): Step {
  const at = from.take(20);
  const headerLength = (from.u8(at + 12) >>> 4) * 4;
  from.layers.push({
    protocol: "tcp",
    srcPort: from.u16(at),
    dstPort: from.u16(at + 2),
    seq: from.u32(at + 4),
    ack: from.u32(at + 8),
    headerLength,
    flags: from.u16(at + 12) & 0x1ff,
    window: from.u16(at + 14),
    options: tcpOptions(from, at + 20, Math.min(at + headerLength, from.bytes.length)),
  });
  return undefined;
}

/** RFC 9293, 7323 and 2018. Ends at the first option that can't be. */
function tcpOptions(from: Cursor, start: number, end: number): TcpOption[] {
  const options: TcpOption[] = [];
  for (let at = start; at < end; ) {
    const kind = from.u8(at);
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = from.u8(at + 1);
    if (length < 2 || at + length > end) break;
    const words = (): number[] => Array.from({ length: (length - 2) >>> 2 }, (_, i) => from.u32(at + 2 + 4 * i));
    if (kind === 2 && length === 4) options.push({ kind, name: "mss", value: from.u16(at + 2) });
    else if (kind === 3 && length === 3) options.push({ kind, name: "windowScale", value: from.u8(at + 2) });
    else if (kind === 4) options.push({ kind, name: "sackPermitted" });
    else if (kind === 5) options.push({ kind, name: "sack", values: words() });
    else if (kind === 8) options.push({ kind, name: "timestamps", values: words() });
    else options.push({ kind, name: "other" });
    at += length;
  }
  return options;
}

function udp(from: Cursor): Step {
  const at = from.take(8);
  const dstPort = from.u16(at + 2);
  from.layers.push({ protocol: "udp", srcPort: from.u16(at), dstPort, length: from.u16(at + 4) });
  if (dstPort === vxlanPort) return vxlan;
  return dstPort === genevePort ? geneve : undefined;
}

function sctp(from: Cursor): Step {
  const at = from.take(12);
  const chunk = from.bytes.length > at + 12 ? { chunkType: from.u8(at + 12) } : {};
  from.layers.push({ protocol: "sctp", srcPort: from.u16(at), dstPort: from.u16(at + 2), verificationTag: from.u32(at + 4), ...chunk });
  return undefined;
}

function gre(from: Cursor): Step {
  const at = from.take(4);
  const flags = from.u16(at);
  if ((flags & 7) !== 0) return undefined; // version 1 is PPTP
  const type = from.u16(at + 2);
  if ((flags & 0x8000) !== 0) from.take(4); // checksum
  const key = (flags & 0x2000) !== 0 ? { key: from.u32(from.take(4)) } : {};
  const sequence = (flags & 0x1000) !== 0 ? { sequence: from.u32(from.take(4)) } : {};
  from.layers.push({ protocol: "gre", type, ...key, ...sequence });
  return byEtherType(type);
}

/** RFC 7348. */
function vxlan(from: Cursor): Step {
  const at = from.take(8);
  from.layers.push({ protocol: "vxlan", vni: from.u32(at + 4) >>> 8 });
  return ethernet;
}

/** RFC 8926. */
function geneve(from: Cursor): Step {
  const at = from.take(8);
  const optionsLength = (from.u8(at) & 0x3f) * 4;
  const type = from.u16(at + 2);
  from.layers.push({ protocol: "geneve", vni: from.u32(at + 4) >>> 8, type, optionsLength });
  from.take(optionsLength);
  return byEtherType(type);
}

const starts: Readonly<Record<number, Step>> = {
  [headerProtocols.ethernet]: ethernet,
  [headerProtocols.ipv4]: ip4,
  [headerProtocols.ipv6]: ip6,
  [headerProtocols.mpls]: mpls,
};

/**
 * The layers of a sampled header; `protocol` is its header_protocol (1 Ethernet, 11 IPv4, 12 IPv6, 13 MPLS; others give no
 * layers). Bytes may be cut anywhere. Never throws, looks into at most 32 layers.
 */
export function decodePacket(bytes: Uint8Array, protocol: number = headerProtocols.ethernet): DecodedPacket {
  const from = new Cursor(bytes);
  try {
    let step = starts[protocol];
    while (step !== undefined && from.layers.length < maxLayers) step = step(from);
    return { layers: from.layers, truncated: false };
  } catch (error) {
    if (!(error instanceof Cut)) throw error;
    return { layers: from.layers, truncated: true };
  }
}
