/**
 * The attack model's view: features of the traffic to one destination, from sampled packets, by one code path for training
 * (pcap) and inference (sFlow). Windows of one second, moved by half a second. Pure: time is the packets'.
 */
import type { PacketHeader } from "sflow-collector";
import { featureNames } from "./features.js";
import type { ObservedPacket } from "./observed-packet.js";

export const windowMs = 1_000;
export const hopMs = 500;

/** What came in by one edge port in a window; the classes say by what rule it could be met. */
export interface IngressEvidence {
  readonly bridge: string;
  readonly ofport: number;
  /** Estimated packets/s. */
  readonly packetsPerS: number;
  /** Estimated packets/s by class: "tcp-syn:80", "tcp-other:80", "udp:dst:53", "udp:src:123", "icmp:8", "fragment:17". */
  readonly classes: Readonly<Record<string, number>>;
}

export interface DestinationVector {
  /** The destination's address. */
  readonly subject: string;
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  /** Values in the order of `features`. */
  readonly values: Float64Array;
  /** Sampled packets in. */
  readonly samples: number;
  readonly evidence: readonly IngressEvidence[];
  /** For training: share of the packets in that belong to an attack. */
  readonly attackRatio: number;
}

const syn = 0x02;
const ack = 0x10;
const finRst = 0x05;
const reflectorPorts = new Set([19, 53, 123, 161, 389, 1900, 11211]);
const smallFrame = 100;
/** Weight of a new half second in the average rate: half-life about 5 s. */
const averageGain = 0.07;

/** Bounds: beyond them packets are still counted in the rates, and `overflow` says how many were not told apart. */
const maxDestinations = 8_192;
const maxDistinct = 4_096;
const maxClasses = 16;

class Counts {
  readonly counts = new Map<string | number, number>();
  total = 0;
  add(key: string | number, count = 1): void {
    this.total += count;
    const old = this.counts.get(key);
    if (old !== undefined) this.counts.set(key, old + count);
    else if (this.counts.size < maxDistinct) this.counts.set(key, count);
  }
  merge(other: Counts): void {
    for (const [key, count] of other.counts) this.add(key, count);
  }
  /** Entropy over its largest possible value with this many samples; 0 for fewer than two samples. */
  entropy(): number {
    if (this.total < 2) return 0;
    let sum = 0;
    for (const count of this.counts.values()) sum -= (count / this.total) * Math.log2(count / this.total);
    return sum / Math.log2(this.total);
  }
}

/** Half a second of traffic to (and from) one destination. */
class Bin {
  samples = 0;
  packets = 0;
  bytes = 0;
  syn = 0;
  ack = 0;
  data = 0;
  udp = 0;
  icmp = 0;
  fragment = 0;
  reflector = 0;
  small = 0;
  finRst = 0;
  attack = 0;
  out = 0;
  outData = 0;
  readonly src = new Counts();
  readonly srcPort = new Counts();
  readonly dstPort = new Counts();
  readonly ingress = new Map<string, { readonly bridge: string; readonly ofport: number; packets: number; readonly classes: Map<string, number> }>();

  addIn(packet: ObservedPacket): void {
    const { header, weight } = packet;
    const { protocol, tcpFlags } = header;
    this.samples++;
    this.packets += weight;
    this.bytes += weight * packet.frameLength;
    if (packet.isAttack === true) this.attack += weight;
    if (protocol === 6) {
      if ((tcpFlags & (syn | ack)) === syn) this.syn += weight;
      if ((tcpFlags & (syn | ack)) === ack) this.ack += weight;
      if (header.payloadLength > 0 && (tcpFlags & syn) === 0) this.data += weight;
      if ((tcpFlags & finRst) !== 0) this.finRst += weight;
    } else if (protocol === 17) {
      this.udp += weight;
      if (reflectorPorts.has(header.srcPort)) this.reflector += weight;
    } else if (protocol === 1 || protocol === 58) this.icmp += weight;
    if (header.fragment) this.fragment += weight;
    if (packet.frameLength < smallFrame) this.small += weight;
    this.src.add(header.src ?? "");
    this.srcPort.add(header.srcPort);
    this.dstPort.add(header.dstPort);
    if (packet.ingress !== undefined) this.addIngress(packet.ingress, trafficClass(header), weight);
  }

  private addIngress({ bridge, ofport }: { readonly bridge: string; readonly ofport: number }, name: string, weight: number): void {
    const key = `${bridge}:${ofport}`;
    let seen = this.ingress.get(key);
    if (seen === undefined) {
      seen = { bridge, ofport, packets: 0, classes: new Map() };
      this.ingress.set(key, seen);
    }
    seen.packets += weight;
    const at = seen.classes.has(name) || seen.classes.size < maxClasses ? name : "other";
    seen.classes.set(at, (seen.classes.get(at) ?? 0) + weight);
  }

  merge(other: Bin): void {
    const sums = ["samples", "packets", "bytes", "syn", "ack", "data", "udp", "icmp", "fragment", "reflector", "small", "finRst", "attack", "out", "outData"] as const;
    for (const name of sums) this[name] += other[name];
    this.src.merge(other.src);
    this.srcPort.merge(other.srcPort);
    this.dstPort.merge(other.dstPort);
    for (const { bridge, ofport, classes } of other.ingress.values()) for (const [name, weight] of classes) this.addIngress({ bridge, ofport }, name, weight);
  }
}

/** The class of a packet by which an OpenFlow rule could meet it. */
export function trafficClass(header: PacketHeader): string {
  if (header.laterFragment) return `fragment:${header.protocol ?? 0}`;
  switch (header.protocol) {
    case 6:
      return (header.tcpFlags & (syn | ack)) === syn ? `tcp-syn:${header.dstPort}` : `tcp-other:${header.dstPort}`;
    case 17:
      return reflectorPorts.has(header.srcPort) ? `udp:src:${header.srcPort}` : `udp:dst:${header.dstPort}`;
    case 1:
      return `icmp:${header.srcPort}`;
    default:
      return `ip:${header.protocol ?? 0}`;
  }
}

interface Destination {
  previous: Bin;
  current: Bin;
  averageLogPps: number;
}

/** Collects packets and gives, each half second, the vector of every destination that got any in the last second. */
export class FeatureWindows {
  /** Packets to destinations beyond the bound: not told apart. */
  overflow = 0;
  private readonly destinations = new Map<string, Destination>();
  private binEndMs: number | undefined;

  /** Takes a packet; returns the vectors of windows that ended before it. Packets come in order of time, nearly. */
  add(packet: ObservedPacket): DestinationVector[] {
    const ended = this.advance(packet.tMs);
    const { src, dst, protocol } = packet.header;
    if (src === undefined || dst === undefined || protocol === undefined) return ended;
    this.destination(dst)?.current.addIn(packet);
    const from = this.destinations.get(src);
    if (from !== undefined) {
      from.current.out += packet.weight;
      if (protocol === 6 && packet.header.payloadLength > 0) from.current.outData += packet.weight;
    }
    return ended;
  }

  /** Lets time pass to `nowMs`; returns the vectors of windows that ended. */
  advance(nowMs: number): DestinationVector[] {
    this.binEndMs ??= Math.floor(nowMs / hopMs) * hopMs + hopMs;
    const ended: DestinationVector[] = [];
    // After a long silence there is nothing to tell of the time between.
    if (nowMs - this.binEndMs > 20 * windowMs) {
      this.destinations.clear();
      this.binEndMs = Math.floor(nowMs / hopMs) * hopMs + hopMs;
    }
    while (nowMs >= this.binEndMs) {
      ended.push(...this.endBin(this.binEndMs));
      this.binEndMs += hopMs;
    }
    return ended;
  }

  private destination(address: string): Destination | undefined {
    const known = this.destinations.get(address);
    if (known !== undefined) return known;
    if (this.destinations.size >= maxDestinations) {
      this.overflow++;
      return undefined;
    }
    const fresh = { previous: new Bin(), current: new Bin(), averageLogPps: 0 };
    this.destinations.set(address, fresh);
    return fresh;
  }

  private endBin(endMs: number): DestinationVector[] {
    const vectors: DestinationVector[] = [];
    for (const [subject, destination] of this.destinations) {
      const bin = new Bin();
      bin.merge(destination.previous);
      bin.merge(destination.current);
      if (bin.samples > 0) vectors.push(vector(subject, endMs, bin, destination.averageLogPps));
      const logPps = Math.log1p(destination.current.packets * (1_000 / hopMs));
      destination.averageLogPps += averageGain * (logPps - destination.averageLogPps);
      destination.previous = destination.current;
      destination.current = new Bin();
      // Forgotten once it has been silent and its average says nothing any more.
      if (bin.samples === 0 && destination.averageLogPps < 0.5) this.destinations.delete(subject);
    }
    return vectors;
  }
}

function vector(subject: string, endMs: number, bin: Bin, averageLogPps: number): DestinationVector {
  const all = Math.max(bin.packets, 1);
  const logPps = Math.log1p(bin.packets * (1_000 / windowMs));
  const counts = [...bin.src.counts.values()];
  const byName: Readonly<Record<string, number>> = {
    logPps,
    surge: Math.max(0, logPps - averageLogPps),
    synRatio: bin.syn / all,
    ackRatio: bin.ack / all,
    dataRatio: bin.data / all,
    udpRatio: bin.udp / all,
    icmpRatio: bin.icmp / all,
    fragmentRatio: bin.fragment / all,
    reflectorRatio: bin.reflector / all,
    srcEntropy: bin.src.entropy(),
    singleSrcRatio: counts.filter((count) => count === 1).length / Math.max(bin.src.total, 1),
    topSrcRatio: counts.reduce((most, count) => Math.max(most, count), 0) / Math.max(bin.src.total, 1),
    srcPortEntropy: bin.srcPort.entropy(),
    dstPortEntropy: bin.dstPort.entropy(),
    meanLength: bin.bytes / all / 1_500,
    smallRatio: bin.small / all,
    returnRatio: Math.min(1, bin.out / all),
    dataReturnRatio: Math.min(1, bin.outData / all),
    finRstRatio: bin.finRst / all,
  };
  return {
    subject,
    windowStartMs: endMs - windowMs,
    windowEndMs: endMs,
    values: Float64Array.from(featureNames, (name) => byName[name] ?? 0),
    samples: bin.samples,
    evidence: [...bin.ingress.values()].map(({ bridge, ofport, packets, classes }) => ({ bridge, ofport, packetsPerS: packets, classes: Object.fromEntries(classes) })),
    attackRatio: bin.attack / all,
  };
}
