/**
 * Features of the traffic of hosts, bridges, host pairs and links over windows of 1, 5 and 30 s, from sampled packets. The same code for
 * sFlow as it comes and for captures: time is the packets'. Of links only samples tell. Pure.
 */
import { subjectKey, type Observation, type Subject } from "../base/observation.js";
import { trafficFeatures } from "./features.js";
import type { LinkCrossing, ObservedPacket } from "./observed-packet.js";
import { longestWindowS, SecondDistinct, SecondSums, windowLengthsS } from "./seconds.js";

export interface TrafficVector {
  readonly subject: Subject;
  /** End of the window, ms; a whole second. */
  readonly endMs: number;
  readonly windowMs: number;
  /** Sampled packets in the window. */
  readonly samples: number;
  /** In the order of `trafficFeatures`. */
  readonly values: Float64Array;
  /** Of a link: the share of its packets whose samples did not say that they went there. */
  readonly inferredRatio?: number;
}

const field = { samples: 0, packets: 1, bytes: 2, tcp: 3, udp: 4, icmp: 5, syn: 6, finRst: 7, fragment: 8, small: 9, out: 10, outBytes: 11, whole: 12, outSamples: 13, inferred: 14 } as const;
const fields = Object.keys(field).length;

/** Subjects told apart; packets of others are counted in `overflow` and in nothing else. */
const maxSubjects = 8_192;
const smallFrame = 100;
/** A packet this much older than the newest is too late for its window and is dropped and counted. */
const latenessS = 1;

interface Traffic {
  readonly subject: Subject;
  readonly sums: SecondSums;
  /** Undefined for a pair, which has one of each. */
  readonly sources: SecondDistinct | undefined;
  readonly destinations: SecondDistinct | undefined;
  readonly services: SecondDistinct;
}

export interface TrafficOptions {
  /** A subject with fewer samples in 30 s, either way, is not told: a spoofed source shows once. */
  readonly minSamples?: number;
  /** The busiest of the others that are told each second. */
  readonly maxTold?: number;
}

export class TrafficWindows {
  /** Packets of subjects beyond the bound. */
  overflow = 0;
  /** Subjects that were not told at the ends of their seconds. */
  untold = 0;
  private readonly minSamples: number;
  private readonly maxTold: number;
  /** Packets that came after their window had ended. */
  late = 0;
  private readonly subjects = new Map<string, Traffic>();
  /** The second that has not ended yet. */
  private current: number | undefined;

  /** Without options every subject is told. */
  constructor({ minSamples = 1, maxTold = Infinity }: TrafficOptions = {}) {
    this.minSamples = minSamples;
    this.maxTold = maxTold;
  }

  /** Takes a packet; returns the vectors of the windows that ended before it. */
  add(packet: ObservedPacket): TrafficVector[] {
    const { second, ended, isLate } = this.timeOf(packet.tMs);
    if (isLate) return ended;
    const { src, dst } = packet.header;
    if (packet.ingress !== undefined) this.into({ kind: "bridge", name: packet.ingress.bridge }, second, packet);
    if (src === undefined || dst === undefined) return ended;
    this.into({ kind: "host", name: dst }, second, packet);
    this.outOf({ kind: "host", name: src }, second, packet);
    this.into({ kind: "pair", name: `${src}>${dst}` }, second, packet);
    this.outOf({ kind: "pair", name: `${dst}>${src}` }, second, packet);
    return ended;
  }

  /** Takes a packet that crossed a link; likewise. */
  cross(crossing: LinkCrossing): TrafficVector[] {
    const { second, ended, isLate } = this.timeOf(crossing.tMs);
    if (isLate) return ended;
    const traffic = this.into({ kind: "link", name: crossing.link }, second, crossing);
    if (crossing.isInferred) traffic?.sums.add(second, field.inferred, crossing.weight);
    return ended;
  }

  private timeOf(tMs: number): { readonly second: number; readonly ended: TrafficVector[]; readonly isLate: boolean } {
    const second = Math.floor(tMs / 1_000);
    // A clock that stepped back far starts anew; packets a little late are only late.
    if (this.current !== undefined && second < this.current - longestWindowS) this.reset();
    const ended = this.advance(tMs);
    const isLate = this.current !== undefined && second < this.current - latenessS;
    if (isLate) this.late++;
    return { second, ended, isLate };
  }

  /** Lets time pass to `nowMs`; returns the vectors of windows that ended. A second is held open for one second more, for packets out of order. */
  advance(nowMs: number): TrafficVector[] {
    const second = Math.floor(nowMs / 1_000);
    this.current ??= second;
    if (second - this.current > longestWindowS + latenessS) {
      // After a long silence there is nothing to tell of the time between.
      const ended = this.end(this.current - latenessS);
      this.subjects.clear();
      this.current = second;
      return ended;
    }
    const ended: TrafficVector[] = [];
    while (this.current < second) {
      ended.push(...this.end(this.current - latenessS));
      this.current++;
    }
    return ended;
  }

  private reset(): void {
    this.subjects.clear();
    this.current = undefined;
  }

  private traffic(subject: Subject): Traffic | undefined {
    const key = subjectKey(subject);
    const known = this.subjects.get(key);
    if (known !== undefined) return known;
    if (this.subjects.size >= maxSubjects) {
      this.overflow++;
      return undefined;
    }
    const isPair = subject.kind === "pair";
    const fresh = { subject, sums: new SecondSums(fields), sources: isPair ? undefined : new SecondDistinct(), destinations: isPair ? undefined : new SecondDistinct(), services: new SecondDistinct() };
    this.subjects.set(key, fresh);
    return fresh;
  }

  private into(subject: Subject, second: number, { header, weight, frameLength }: Pick<ObservedPacket, "header" | "weight" | "frameLength">): Traffic | undefined {
    const traffic = this.traffic(subject);
    if (traffic === undefined) return undefined;
    const { sums } = traffic;
    const { protocol, tcpFlags } = header;
    sums.add(second, field.samples, 1);
    sums.add(second, field.packets, weight);
    sums.add(second, field.bytes, weight * frameLength);
    if (weight === 1) sums.add(second, field.whole, 1);
    if (protocol === 6) {
      sums.add(second, field.tcp, weight);
      if ((tcpFlags & 0x12) === 0x02) sums.add(second, field.syn, weight);
      if ((tcpFlags & 0x05) !== 0) sums.add(second, field.finRst, weight);
    } else if (protocol === 17) sums.add(second, field.udp, weight);
    else if (protocol === 1 || protocol === 58) sums.add(second, field.icmp, weight);
    if (header.fragment) sums.add(second, field.fragment, weight);
    if (frameLength < smallFrame) sums.add(second, field.small, weight);
    if (header.src !== undefined) traffic.sources?.add(second, header.src);
    if (header.dst !== undefined) traffic.destinations?.add(second, header.dst);
    if (protocol === 6 || protocol === 17) traffic.services.add(second, header.dstPort);
    return traffic;
  }

  private outOf(subject: Subject, second: number, { weight, frameLength }: ObservedPacket): void {
    const sums = this.traffic(subject)?.sums;
    sums?.add(second, field.out, weight);
    sums?.add(second, field.outSamples, 1);
    sums?.add(second, field.outBytes, weight * frameLength);
  }

  private end(second: number): TrafficVector[] {
    const told: { readonly traffic: Traffic; readonly samples: number }[] = [];
    for (const [key, traffic] of this.subjects) {
      if (traffic.sums.latest <= second - longestWindowS) {
        this.subjects.delete(key);
        continue;
      }
      const samples = traffic.sums.over(field.samples, second, longestWindowS) + traffic.sums.over(field.outSamples, second, longestWindowS);
      if (samples >= this.minSamples) told.push({ traffic, samples });
      else this.untold++;
    }
    if (told.length > this.maxTold) {
      told.sort((x, y) => y.samples - x.samples);
      this.untold += told.length - this.maxTold;
      told.length = this.maxTold;
    }
    return told.flatMap(({ traffic }) => windowLengthsS.flatMap((length) => vector(traffic, second, length)));
  }
}

/** The vector of one window; none when nothing came in it, either way. */
function vector({ subject, sums, sources, destinations, services }: Traffic, second: number, length: number): TrafficVector[] {
  const sum = (name: keyof typeof field): number => sums.over(field[name], second, length);
  const samples = sum("samples");
  const packets = sum("packets");
  const out = sum("out");
  if (samples === 0 && out === 0) return [];
  const share = (name: keyof typeof field): number => (packets === 0 ? 0 : sum(name) / packets);
  const byName: Readonly<Record<string, number>> = {
    packetsPerS: packets / length,
    bitsPerS: (sum("bytes") * 8) / length,
    packetsSlope: sums.slope(field.packets, second, length),
    bitsSlope: sums.slope(field.bytes, second, length) * 8,
    meanBytes: share("bytes"),
    tcpRatio: share("tcp"),
    udpRatio: share("udp"),
    icmpRatio: share("icmp"),
    synRatio: share("syn"),
    finRstRatio: share("finRst"),
    fragmentRatio: share("fragment"),
    smallRatio: share("small"),
    sources: sources?.over(second, length) ?? 1,
    destinations: destinations?.over(second, length) ?? 1,
    services: services.over(second, length),
    outPacketsPerS: out / length,
    outBitsPerS: (sum("outBytes") * 8) / length,
    relativeError: samples === 0 || sum("whole") === samples ? 0 : 1.96 / Math.sqrt(samples),
  };
  return [
    {
      subject,
      endMs: (second + 1) * 1_000,
      windowMs: length * 1_000,
      samples,
      values: Float64Array.from(trafficFeatures, ({ name }) => byName[name] ?? 0),
      ...(subject.kind === "link" ? { inferredRatio: share("inferred") } : {}),
    },
  ];
}

/** The observation that a vector is. */
export function trafficObservation({ subject, endMs, windowMs, samples, values, inferredRatio }: TrafficVector): Observation {
  const named = trafficFeatures.map(({ name }, i): [string, number] => [name, values[i] ?? 0]);
  return { tMs: endMs - windowMs, windowMs, side: "live", subject, values: { ...Object.fromEntries(named), samples, ...(inferredRatio === undefined ? {} : { inferredRatio }) } };
}
