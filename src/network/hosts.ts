/**
 * The table of hosts: learned from packets of unknown senders at edge ports, bounded, pure.
 *
 * A MAC address is believed from any frame that a host would send through a network; an IP address only from ARP and
 * neighbour discovery, where the sender speaks of itself: in an IP header a router writes the addresses of others.
 */
import { isKnown, type Match } from "node-openflow";
import type { Host, PortRef } from "./model.js";
import { readCookie } from "./pipeline.js";

/** How often a MAC address changed its port lately. */
interface Moves {
  readonly sinceMs: number;
  readonly count: number;
}

export interface HostTable {
  /** By MAC address. */
  readonly hosts: ReadonlyMap<string, Host>;
  /** Senders not taken in because a bound was reached. */
  readonly refused: number;
  /** Changes of port, and those not followed because the address had moved too often within the last second. */
  readonly moved: number;
  readonly movesHeld: number;
  /** By MAC address, of those that moved within the last second. */
  readonly recent: ReadonlyMap<string, Moves>;
}
export const emptyHostTable: HostTable = { hosts: new Map(), refused: 0, moved: 0, movesHeld: 0, recent: new Map() };

export interface HostBounds {
  readonly perPort: number;
  readonly inAll: number;
  /** Two senders with one address would otherwise rewrite the forwarding with every packet. */
  readonly movesPerS: number;
}
export const defaultHostBounds: HostBounds = { perPort: 64, inAll: 100_000, movesPerS: 4 };

const maxAddresses = 16;
const windowMs = 1_000;

/** EtherTypes and numbers of the headers we look into (RFC 826, RFC 8200, RFC 4861). */
const arp = 0x0806;
const ipv6 = 0x86dd;
const vlanTags = new Set([0x8100, 0x88a8]);
const icmpv6 = 58;
const neighbourDiscovery = new Set([133, 134, 135, 136]);
const neighbourAdvertisement = 136;

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

export function macText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** RFC 5952: lower case, the longest run of two or more zero groups (the first of equals) as "::". */
export function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => u16(bytes, 2 * i).toString(16));
  let best = { at: 0, length: 0 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === "0") length++;
    if (length > best.length) best = { at, length };
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.at).join(":")}::${groups.slice(best.at + best.length).join(":")}`;
}

interface Sender {
  readonly mac: string;
  readonly addresses: readonly string[];
}

/** Who sent a frame that may be cut anywhere behind the Ethernet header; undefined for what no host behind a port sends. */
function readSender(frame: Uint8Array): Sender | undefined {
  if (frame.length < 14 || ((frame[6] ?? 0) & 1) === 1) return undefined; // a group address sends nothing
  // 01:80:c2:00:00:0X stays on one cable (IEEE 802.1Q, 8.6.3): the switch at its end speaks, which is no host.
  if (macText(frame.subarray(0, 5)) === "01:80:c2:00:00" && (frame[5] ?? 0) < 0x10) return undefined;
  const mac = macText(frame.subarray(6, 12));
  if (mac === "00:00:00:00:00:00") return undefined;
  let at = 12;
  for (let tags = 0; tags < 2 && vlanTags.has(u16(frame, at)); tags++) at += 4;
  const type = u16(frame, at);
  const body = frame.subarray(at + 2);
  return { mac, addresses: type === arp ? arpSender(body, mac) : type === ipv6 ? discoverySender(body) : [] };
}

function arpSender(body: Uint8Array, mac: string): string[] {
  // Only Ethernet and IPv4, and only who speaks for itself. A probe (RFC 5227) has no address yet.
  if (body.length < 28 || u16(body, 0) !== 1 || u16(body, 2) !== 0x0800 || macText(body.subarray(8, 14)) !== mac) return [];
  const address = body.subarray(14, 18).join(".");
  return address === "0.0.0.0" ? [] : [address];
}

function discoverySender(body: Uint8Array): string[] {
  const type = body[40] ?? 0;
  // Hop limit 255: it comes from this network and from no router (RFC 4861, 6.1 and 7.1).
  if (body.length < 48 || body[6] !== icmpv6 || body[7] !== 255 || !neighbourDiscovery.has(type)) return [];
  const given = type === neighbourAdvertisement && body.length >= 64 ? [body.subarray(8, 24), body.subarray(48, 64)] : [body.subarray(8, 24)];
  return [...new Set(given.map(ipv6Text))].filter((address) => address !== "::");
}

/** Takes in the sender of a frame seen at an edge port. The same table comes back when nothing is new; never throws. */
export function learnHost(table: HostTable, seen: PortRef & { readonly data: Uint8Array }, nowMs: number, bounds: HostBounds = defaultHostBounds): HostTable {
  const sender = readSender(seen.data);
  if (sender === undefined) return table;
  const at: PortRef = { bridge: seen.bridge, ofport: seen.ofport };
  const old = table.hosts.get(sender.mac);
  const fresh = sender.addresses.filter((address) => !(old?.addresses.includes(address) ?? false));
  const addresses = [...(old?.addresses ?? []), ...fresh].slice(-maxAddresses);
  const hosts = (): ReadonlyMap<string, Host> => new Map(table.hosts).set(sender.mac, { mac: sender.mac, addresses, at });
  if (old !== undefined && isAt(old, at)) return fresh.length === 0 ? table : { ...table, hosts: hosts() };
  if ((old === undefined && table.hosts.size >= bounds.inAll) || isFull(table, at, bounds.perPort)) return { ...table, refused: table.refused + 1 };
  if (old === undefined) return { ...table, hosts: hosts() };
  const recent = new Map([...table.recent].filter(([, moves]) => nowMs - moves.sinceMs < windowMs));
  const { sinceMs, count } = recent.get(sender.mac) ?? { sinceMs: nowMs, count: 0 };
  if (count >= bounds.movesPerS) return { ...table, movesHeld: table.movesHeld + 1 };
  return { ...table, hosts: hosts(), moved: table.moved + 1, recent: recent.set(sender.mac, { sinceMs, count: count + 1 }) };
}

const isAt = (host: Host, at: PortRef): boolean => host.at.ofport === at.ofport && host.at.bridge === at.bridge;

function isFull(table: HostTable, at: PortRef, perPort: number): boolean {
  let here = 0;
  for (const host of table.hosts.values()) if (isAt(host, at)) here++;
  return here >= perPort;
}

/** Bit 32 of a learning flow's serial: the lower 32 bits are the host's IPv4 address. */
const hasAddress = 1n << 32n;

/** The first IPv4 address of a host; undefined when none is known. */
export function ipv4Of(host: Host): string | undefined {
  return host.addresses.find((address) => address.includes("."));
}

/** What the cookie of a host's learning flow carries: its first IPv4 address, so that a restarted controller knows it. */
export function learnSerial(host: Host): bigint {
  const address = ipv4Of(host);
  return address === undefined ? 0n : address.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 1n);
}

function addressesOf(cookie: bigint | undefined): string[] {
  const serial = cookie === undefined ? 0n : (readCookie(cookie)?.serial ?? 0n);
  return (serial & hasAddress) === 0n ? [] : [[24n, 16n, 8n, 0n].map((shift) => (serial >> shift) & 0xffn).join(".")];
}

/** Hosts that the learning flows on a bridge tell of: how a restarted controller knows who is where. */
export function hostsFromFlows(bridge: string, flows: readonly { readonly match: Match; readonly cookie?: bigint }[]): Host[] {
  return flows.flatMap(({ match, cookie }) => {
    const known = match.filter(isKnown);
    const inPort = known.find((field) => field.name === "inPort");
    const ethSrc = known.find((field) => field.name === "ethSrc");
    if (inPort === undefined || ethSrc === undefined || known.length !== 2) return [];
    const mac = ethSrc.value.toString(16).padStart(12, "0").replace(/..(?=.)/g, "$&:");
    return [{ mac, addresses: addressesOf(cookie), at: { bridge, ofport: Number(inPort.value) } }];
  });
}
