/**
 * The routing interceptor: listens to copies of what routers and hosts say to each other, takes no part, and knows from it who
 * neighbours whom, which destinations are announced, and which address is where. Frames in, events and a snapshot out.
 */
import type { ObservationSink, Side } from "../../base/observation.js";
import { readArp } from "./arp.js";
import { bgpPort, BgpSessions, type BgpCounters, type BgpNeighbour } from "./bgp-sessions.js";
import { Bindings, type Binding, type Heard, type Ipv6Router } from "./bindings.js";
import { readDhcp4, readDhcp6 } from "./dhcp.js";
import { readDns } from "./dns.js";
import { Leases, Names, type Lease, type NameBinding } from "./leases.js";
import { LldpNeighbours, type KnownLldpNeighbour } from "./lldp-neighbours.js";
import { readLldp } from "./lldp-tlv.js";
import { readNd } from "./nd.js";
import { ospfProtocol, readOspf } from "./ospf.js";
import { readOspf3 } from "./ospf3.js";
import { OspfAreas, type KnownLsa, type OspfCounters, type OspfNeighbour } from "./ospf-areas.js";
import { readPacket, readTcp, readUdp, type IpPacket, type Packet } from "./packet.js";
import { DecodeError, type DecodeErrorCode, type Protocol } from "./reader.js";
import { Rib, type RibCounters, type Route } from "./rib.js";
import { routingEvent, type Tell } from "./routing-event.js";

/** A copied frame. */
export interface Frame {
  /** Since the epoch, in ms. */
  readonly tMs: number;
  /** Whole, from the Ethernet header on. */
  readonly bytes: Uint8Array;
  /** Where it came in: "bridge:ofport", or the device it was captured on. */
  readonly at: string;
  /** Whether `at` is a port; false: its port is not known yet. */
  readonly isLocated?: boolean;
}

export interface InterceptorOptions {
  readonly sink: Pick<ObservationSink, "happened">;
  readonly side: Side;
  /** Routes kept at most, of all neighbours together; beyond, the oldest of the neighbour with the most goes. */
  readonly maxRoutes?: number;
}

export interface Snapshot {
  readonly routes: Iterable<Route>;
  readonly bgp: readonly BgpNeighbour[];
  readonly ospf: readonly OspfNeighbour[];
  readonly lsas: readonly KnownLsa[];
  readonly bindings: readonly Binding[];
  readonly ipv6Routers: readonly Ipv6Router[];
  readonly leases: readonly Lease[];
  readonly names: readonly NameBinding[];
  readonly lldp: readonly KnownLldpNeighbour[];
}

export interface InterceptorCounters {
  readonly frames: number;
  /** Frames of nothing that is listened to. */
  readonly other: number;
  /** IP fragments, which are not put together. */
  readonly fragments: number;
  /** Bad input by "protocol code". */
  readonly malformed: Readonly<Record<string, number>>;
  readonly bgp: BgpCounters;
  readonly ospf: OspfCounters;
  readonly rib: RibCounters & { readonly size: number };
  /** Bindings, leases, names and neighbours forgotten because their table was full. */
  readonly evicted: number;
  readonly bindingConflicts: number;
}

const defaultMaxRoutes = 200_000;
const ethTypes = { arp: 0x0806, lldp: 0x88cc } as const;
const protocols = { tcp: 6, udp: 17, icmp6: 58 } as const;
/** Neighbour discovery must not have come over a router (RFC 4861 section 6.1). */
const ndHopLimit = 255;

export class RoutingInterceptor {
  /** The table of routes; other listeners (BMP) put theirs in, too. */
  readonly rib: Rib;
  readonly tell: Tell;
  private readonly bgp: BgpSessions;
  private readonly ospf: OspfAreas;
  private readonly bindings: Bindings;
  private readonly leases: Leases;
  private readonly names: Names;
  private readonly lldp: LldpNeighbours;
  private readonly malformed: Record<string, number> = {};
  /** The last faults by protocol, for people: what and where. */
  readonly lastFaults = new Map<Protocol, string>();
  private readonly counts = { frames: 0, other: 0, fragments: 0 };

  constructor({ sink, side, maxRoutes = defaultMaxRoutes }: InterceptorOptions) {
    this.tell = (tMs, what, subject, detail) => sink.happened(routingEvent(tMs, side, what, subject, detail));
    const failed = (error: DecodeError): void => this.failed(error);
    this.rib = new Rib(maxRoutes, this.tell);
    this.bgp = new BgpSessions(this.rib, this.tell, failed);
    this.ospf = new OspfAreas(this.rib, this.tell, failed);
    this.bindings = new Bindings(this.tell);
    this.leases = new Leases(this.tell);
    this.names = new Names(this.tell);
    this.lldp = new LldpNeighbours(this.tell);
  }

  /** Takes a frame in. Never throws for what is in it: bad input is counted by protocol and kind. */
  frame(frame: Frame): void {
    this.counts.frames++;
    try {
      const packet = readPacket(frame.bytes);
      if (packet.isFragment) this.counts.fragments++;
      else if (packet.ip !== undefined) this.ip(packet, packet.ip, frame);
      else if (packet.ethType === ethTypes.arp) this.bindings.arp(readArp(packet.payload), heard(packet, frame));
      else if (packet.ethType === ethTypes.lldp) this.lldp.add(readLldp(packet.payload), packet.ethSrc, frame.at, frame.tMs);
      else this.counts.other++;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.failed(error);
    }
  }

  /** Where hardware addresses are, "bridge:ofport": bindings heard before that was known get their place. */
  locate(places: ReadonlyMap<string, string>): void {
    this.bindings.locate(places);
  }

  /** Lets time pass: hold times, dead intervals, lifetimes. Call about once a second. */
  advance(nowMs: number): void {
    this.bgp.advance(nowMs);
    this.ospf.advance(nowMs);
    this.bindings.advance(nowMs);
    this.leases.advance(nowMs);
    this.names.advance(nowMs);
    this.lldp.advance(nowMs);
  }

  /** Counts a fault of the input, also of other listeners. */
  failed({ protocol, code, message }: DecodeError): void {
    const key: `${Protocol} ${DecodeErrorCode}` = `${protocol} ${code}`;
    this.malformed[key] = (this.malformed[key] ?? 0) + 1;
    this.lastFaults.set(protocol, message);
  }

  snapshot(): Snapshot {
    return {
      routes: this.rib.routes(),
      bgp: this.bgp.neighbours(),
      ospf: this.ospf.neighbours(),
      lsas: this.ospf.lsas(),
      bindings: this.bindings.bindings(),
      ipv6Routers: this.bindings.ipv6Routers(),
      leases: this.leases.leases(),
      names: this.names.names(),
      lldp: this.lldp.neighbours(),
    };
  }

  counters(): InterceptorCounters {
    return {
      ...this.counts,
      malformed: { ...this.malformed },
      bgp: this.bgp.counters(),
      ospf: { ...this.ospf.counters },
      rib: { ...this.rib.counters, size: this.rib.size },
      evicted: this.bindings.evicted + this.leases.evicted + this.names.evicted + this.lldp.evicted,
      bindingConflicts: this.bindings.conflicts,
    };
  }

  private ip(packet: Packet, ip: IpPacket, frame: Frame): void {
    switch (ip.protocol) {
      case protocols.tcp: {
        const tcp = readTcp(ip.payload);
        if (tcp.srcPort === bgpPort || tcp.dstPort === bgpPort) this.bgp.add(ip, tcp, frame.tMs);
        else this.counts.other++;
        break;
      }
      case protocols.udp:
        this.udp(ip, frame.tMs);
        break;
      case protocols.icmp6: {
        const message = readNd(ip.payload);
        if (message === undefined || ip.ttl !== ndHopLimit) this.counts.other++;
        else this.bindings.nd(message, ip.src, heard(packet, frame));
        break;
      }
      case ospfProtocol:
        this.ospf.add(ip.src.includes(":") ? readOspf3(ip.payload) : readOspf(ip.payload), ip.src, frame.tMs);
        break;
      default:
        this.counts.other++;
    }
  }

  private udp(ip: IpPacket, tMs: number): void {
    const { srcPort, dstPort, payload } = readUdp(ip.payload);
    const isOf = (a: number, b: number): boolean => (srcPort === a || srcPort === b) && (dstPort === a || dstPort === b);
    if (isOf(67, 68)) this.leases.dhcp4(readDhcp4(payload), tMs);
    else if (isOf(546, 547)) this.leases.dhcp6(readDhcp6(payload), tMs);
    else if (srcPort === 53) this.names.dns(readDns(payload), tMs);
    else if (dstPort !== 53) this.counts.other++;
  }
}

const heard = (packet: Packet, { tMs, at, isLocated = true }: Frame): Heard => ({ nowMs: tMs, ethSrc: packet.ethSrc, vlanVid: packet.vlanVid, at, isLocated });
