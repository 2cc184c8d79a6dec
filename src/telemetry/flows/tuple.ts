/** Which flow a packet belongs to: the 5-tuple, both directions being one flow. */
import type { PacketHeader } from "sflow-collector";

export interface FlowEnd {
  readonly address: string;
  /** 0 for protocols without ports, and for later fragments. */
  readonly port: number;
}

/** IP protocols that have ports. */
const withPorts = new Set([6, 17, 132]);
export const protocolNames: Readonly<Record<number, string>> = { 1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 89: "ospf", 132: "sctp" };
export const protocolName = (protocol: number): string => protocolNames[protocol] ?? `ip${protocol}`;

const endText = ({ address, port }: FlowEnd): string => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`);

/** A flow and which of its two directions is meant: 0 is from the end that sorts first. */
export interface Directed {
  readonly key: string;
  readonly direction: 0 | 1;
}

/** "tcp 10.0.0.1:1024 10.0.0.2:80", the end that sorts first in front. */
export function flowKeyOf(protocol: number, from: FlowEnd, to: FlowEnd): Directed {
  const [source, destination] = [endText(from), endText(to)];
  const direction = source <= destination ? 0 : 1;
  return { key: `${protocolName(protocol)} ${direction === 0 ? `${source} ${destination}` : `${destination} ${source}`}`, direction };
}

export interface HeaderEnds {
  readonly protocol: number;
  readonly from: FlowEnd;
  readonly to: FlowEnd;
}

/** The ends of a packet; undefined when it is not IP. ICMP's type and code are no ports. */
export function endsOf({ src, dst, protocol, srcPort, dstPort }: PacketHeader): HeaderEnds | undefined {
  if (src === undefined || dst === undefined || protocol === undefined) return undefined;
  const hasPorts = withPorts.has(protocol);
  return { protocol, from: { address: src, port: hasPorts ? srcPort : 0 }, to: { address: dst, port: hasPorts ? dstPort : 0 } };
}

/** "10.0.0.1:1024>10.0.0.2:80/tcp": as flows are named, from the client. */
export const flowName = (protocol: number, client: FlowEnd, server: FlowEnd): string => `${endText(client)}>${endText(server)}/${protocolName(protocol)}`;
