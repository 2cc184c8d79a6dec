/**
 * The watch over both networks: takes sampled packets and, each second, the port counters of live and of the shadow, and gives
 * observations of windows of 1, 5 and 30 s, with what the shadow does otherwise.
 */
import { errorText } from "../base/error-text.js";
import { subjectKey, type Observation, type ObservationSink, type Side, type Subject } from "../base/observation.js";
import { inTime } from "../base/in-time.js";
import { edgePorts, portKey, type Network } from "../network/model.js";
import { CounterWindows, type PortReading } from "./counter-windows.js";
import { defaultLimits, deviation, lossDifference, type BothSides, type Cause, type DeviationLimits, type LinkLoss } from "./deviation.js";
import type { LinkCrossing, ObservedPacket } from "./observed-packet.js";
import { isLarge, whoseTurn, type Whose } from "./reading-turns.js";
import { SwitchCounters, type SwitchReading } from "./switch-counters.js";
import { trafficObservation, TrafficWindows, type TrafficVector } from "./traffic-windows.js";

export interface ObservatoryParts {
  /** Where observations go. */
  readonly sink: ObservationSink;
  /** Port counters of bridges of one side; the shadow's under the names of live. Rejects when they can't be read. */
  readonly readPorts: (side: Side, whose: Whose) => Promise<readonly PortReading[]>;
  readonly network: () => Network;
  /** ms since the epoch. */
  readonly nowMs: () => number;
  /** Counters beside the ports', likewise. */
  readonly readSwitches: (side: Side) => Promise<readonly SwitchReading[]>;
  readonly limits?: DeviationLimits;
}

/** A subject whose shadow does otherwise than live, or whose copy is poor. */
export interface DeviatingSubject {
  readonly subject: Subject;
  readonly cause: Cause;
  readonly windowMs: number;
  readonly tMs: number;
  readonly mirrorLoss: number | undefined;
  readonly deviation: number | undefined;
  readonly z: number | undefined;
  /** What differs, where it is not the packets. */
  readonly metric?: string;
}

/**
 * A cause is told when it was found in so many seconds in a row, to the same side. Open vSwitch adds to the counters of patch ports, the
 * shadow's, when its revalidators come by, up to about half a second after the packets: what begins or ends at a window's edge, or a busy
 * machine, looks like a difference for a second or two.
 */
const confirmedAfter = 3;

const everyMs = 1_000;
/** Seconds that are told late, at most. */
const maxCatchUpMs = 2_000;
/** A flood with spoofed sources has thousands of subjects a second, of which nobody wants to hear one by one. */
const minToldSamples = 8;
const maxToldSubjects = 512;
/** Tables, meters and groups are read every so many seconds; of a large network the longest window apart. */
const switchesEvery = { small: 5, large: 30 } as const;
/** Switches that take longer than this to tell their counters are left out of the second. */
const maxReadMs = 900;
/** Latest observations kept for the API: as many subjects as the windows tell apart, times three windows and two sides. */
const maxLatest = 65_536;
/** A latest observation older than this is no longer shown. */
const latestForMs = 60_000;

export class Observatory {
  readonly counters = { observations: 0, readFailures: 0 };
  private counted: readonly DeviatingSubject[] = [];
  /** Pairs of hosts that differ, as judged elsewhere (`PairComparison`). */
  deviatingPairs: readonly DeviatingSubject[] = [];
  /** Why counters could not be read last; undefined while they can. */
  failure: string | undefined;
  private readonly parts: ObservatoryParts;
  private readonly traffic = new TrafficWindows({ minSamples: minToldSamples, maxTold: maxToldSubjects });
  private readonly ports = { live: new CounterWindows("live"), shadow: new CounterWindows("shadow") };
  private readonly switches = { live: new SwitchCounters("live"), shadow: new SwitchCounters("shadow") };
  private seconds = 0;
  /** The end of the last second that was told, ms since the epoch. */
  private toldMs = -Infinity;
  /** Live's observations of the second before. */
  private liveBefore: ReadonlyMap<string, Observation> = new Map();
  /** By subject and window: its cause, to which side, and in how many seconds in a row. */
  private suspected: ReadonlyMap<string, { readonly what: string; readonly seconds: number }> = new Map();
  private edges: { readonly of: Network; readonly names: ReadonlySet<string> } | undefined;
  private readonly latestByKey = new Map<string, Observation>();
  private readonly listeners = new Set<(observation: Observation) => void>();
  private timer: NodeJS.Timeout | undefined;
  private reading: Promise<void> | undefined;

  constructor(parts: ObservatoryParts) {
    this.parts = parts;
  }

  /** Subjects with a cause, in windows of 5 and of 30 s that end now. A subject may be in it twice. */
  get deviating(): readonly DeviatingSubject[] {
    return [...this.counted, ...this.deviatingPairs];
  }

  start(): void {
    this.timer = setInterval(() => {
      this.reading ??= this.everySecond().finally(() => (this.reading = undefined));
    }, everyMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.reading;
  }

  /** Sampled packets, as they come. */
  packets(packets: readonly ObservedPacket[]): void {
    for (const packet of packets) this.took(this.traffic.add(packet));
  }

  /** Packets that crossed links, likewise. */
  crossings(crossings: readonly LinkCrossing[]): void {
    for (const crossing of crossings) this.took(this.traffic.cross(crossing));
  }

  /** An observation made elsewhere, to be told with the others. */
  tell(observation: Observation): void {
    this.emit(observation);
  }

  /** The newest observations, of the kinds of subjects and windows asked for; all without. */
  latest(filter: { readonly subject?: string | undefined; readonly kind?: string | undefined; readonly windowMs?: number | undefined } = {}): Observation[] {
    const since = this.parts.nowMs() - latestForMs;
    return [...this.latestByKey.values()].filter(
      ({ tMs, windowMs, subject }) =>
        tMs + windowMs >= since && (filter.subject === undefined || subject.name === filter.subject) && (filter.kind === undefined || subject.kind === filter.kind) && (filter.windowMs === undefined || windowMs === filter.windowMs),
    );
  }

  /** Calls `listener` with every observation until the returned function is called. */
  watch(listener: (observation: Observation) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private async everySecond(): Promise<void> {
    const { nowMs, readPorts, network } = this.parts;
    this.took(this.traffic.advance(nowMs()));
    const failures: string[] = [];
    // Seconds that were over when the first side was read: the other's reading, a little later, covers them too.
    let readMs: number | undefined;
    this.seconds++;
    const large = isLarge(network());
    for (const side of ["live", "shadow"] as const) {
      try {
        const readings = await inTime(readPorts(side, whoseTurn(this.seconds)), maxReadMs);
        const tMs = nowMs();
        readMs ??= tMs;
        for (const reading of readings) this.ports[side].add(tMs, reading);
        if (this.seconds % switchesEvery[large ? "large" : "small"] === 0) for (const reading of await inTime(this.parts.readSwitches(side), maxReadMs)) for (const observation of this.switches[side].take(nowMs(), reading)) this.emit(observation);
      } catch (error) {
        this.counters.readFailures++;
        failures.push(`${side}: ${errorText(error)}`);
      }
    }
    this.failure = failures.length === 0 ? undefined : failures.join("; ");
    const current = network();
    const endMs = Math.floor((readMs ?? nowMs()) / 1_000) * 1_000;
    // A timer that comes late once leaves a second between two rounds.
    const fromMs = Math.max(endMs - maxCatchUpMs, Math.min(endMs, this.toldMs + everyMs));
    for (let toMs = fromMs; toMs <= endMs; toMs += everyMs) this.tellSecond(current, toMs, large);
    this.toldMs = endMs;
    for (const windows of Object.values(this.ports)) windows.keepOnly(current);
  }

  /** The windows that end at `endMs`, of both sides and compared. */
  private tellSecond(network: Network, endMs: number, large: boolean): void {
    const seen = { live: this.ports.live.observations(network, endMs, large), shadow: this.ports.shadow.observations(network, endMs, large) };
    for (const observation of [...seen.live, ...seen.shadow]) this.emit(observation);
    this.compare(seen.live, seen.shadow);
  }

  /** Deviation of every edge port and bridge that both sides saw. */
  private compare(live: readonly Observation[], shadow: readonly Observation[]): void {
    // Of a large network nobody is read in most seconds.
    if (live.length === 0) {
      this.liveBefore = new Map();
      this.suspected = new Map();
      this.counted = [];
      return;
    }
    const key = ({ subject, windowMs }: Observation): string => `${subjectKey(subject)} ${windowMs}`;
    const copies = new Map(shadow.map((observation) => [key(observation), observation]));
    const isEdge = this.edgesOf(this.parts.network());
    const pairs = live.flatMap((original) => {
      const copy = copies.get(key(original));
      const isCompared = original.subject.kind === "bridge" || (original.subject.kind === "port" && isEdge.has(original.subject.name));
      return copy === undefined || !isCompared ? [] : [{ original, sides: bothSides(original, copy, this.liveBefore.get(key(original))) }];
    });
    for (const original of live) {
      const copy = original.subject.kind === "link" ? copies.get(key(original)) : undefined;
      const lost = copy === undefined ? undefined : lossDifference(linkLoss(original), linkLoss(copy), this.parts.limits ?? defaultLimits);
      if (lost !== undefined) this.emit({ tMs: original.tMs, windowMs: original.windowMs, side: "shadow", subject: original.subject, values: { lossDifference: lost.difference, lossDifferenceZ: lost.z } });
    }
    const whole = new Map<number, BothSides>();
    for (const { original, sides } of pairs) {
      if (original.subject.kind !== "port") continue;
      const sum = whole.get(original.windowMs);
      whole.set(original.windowMs, sum === undefined ? sides : added(sum, sides));
    }
    this.liveBefore = new Map(live.map((observation) => [key(observation), observation]));
    const found: DeviatingSubject[] = [];
    const suspected = new Map<string, { readonly what: string; readonly seconds: number }>();
    for (const { original, sides } of pairs) {
      const { subject, windowMs, tMs } = original;
      const judged = deviation(sides, whole.get(windowMs) ?? sides, this.parts.limits ?? defaultLimits);
      const { mirrorLoss, outputRatio, deviation: relative, z } = judged;
      const values = Object.fromEntries(Object.entries({ mirrorLoss, outputRatio, deviation: relative, deviationZ: z }).filter((entry): entry is [string, number] => entry[1] !== undefined));
      if (Object.keys(values).length > 0) this.emit({ tMs, windowMs, side: "shadow", subject, values });
      if (windowMs === 1_000 || judged.cause === "none" || judged.cause === "too little traffic") continue;
      const what = judged.cause === "mirror loss" ? judged.cause : `other by ${Math.sign(relative ?? 0)}`;
      const before = this.suspected.get(key(original));
      const seconds = before?.what === what ? before.seconds + 1 : 1;
      suspected.set(key(original), { what, seconds });
      if (seconds >= confirmedAfter) found.push({ subject, windowMs, tMs, cause: judged.cause, mirrorLoss, deviation: relative, z });
    }
    this.suspected = suspected;
    this.counted = found;
  }

  /** Names of the edge ports; the same set while the network is the same. */
  private edgesOf(network: Network): ReadonlySet<string> {
    if (this.edges?.of !== network) this.edges = { of: network, names: new Set(edgePorts(network).map(portKey)) };
    return this.edges.names;
  }

  private took(vectors: readonly TrafficVector[]): void {
    for (const vector of vectors) this.emit(trafficObservation(vector));
  }

  private emit(observation: Observation): void {
    this.counters.observations++;
    // Traffic and deviation of one subject and window are two observations: told apart by what they measure.
    const [first = ""] = Object.keys(observation.values);
    const key = `${observation.side} ${subjectKey(observation.subject)} ${observation.windowMs} ${first}`;
    this.latestByKey.delete(key);
    this.latestByKey.set(key, observation);
    if (this.latestByKey.size > maxLatest) {
      const [oldest] = this.latestByKey.keys();
      if (oldest !== undefined) this.latestByKey.delete(oldest);
    }
    this.parts.sink.observe(observation);
    for (const listener of this.listeners) listener(observation);
  }
}

const linkLoss = ({ values, windowMs }: Observation): LinkLoss => ({ sent: ((values["outPacketsPerS"] ?? 0) * windowMs) / 1_000, lossRatio: values["lossRatio"] ?? 0, windowMs });

function added(x: BothSides, y: BothSides): BothSides {
  const before = (sides: BothSides) => sides.earlier ?? sides;
  return {
    selected: x.selected + y.selected,
    copied: x.copied + y.copied,
    liveOut: x.liveOut + y.liveOut,
    shadowOut: x.shadowOut + y.shadowOut,
    windowMs: x.windowMs,
    earlier: { selected: before(x).selected + before(y).selected, liveOut: before(x).liveOut + before(y).liveOut },
  };
}

/** `before`: live's window of the same length that ended a second earlier; any other is left out. */
function bothSides(live: Observation, shadow: Observation, before: Observation | undefined): BothSides {
  const s = live.windowMs / 1_000;
  const count = (observation: Observation, name: string): number => (observation.values[name] ?? 0) * s;
  const earlier = before === undefined || live.tMs - before.tMs !== everyMs ? undefined : { selected: count(before, "inPacketsPerS"), liveOut: count(before, "outPacketsPerS") };
  return { earlier, windowMs: live.windowMs, selected: count(live, "inPacketsPerS"), copied: count(shadow, "inPacketsPerS"), liveOut: count(live, "outPacketsPerS"), shadowOut: count(shadow, "outPacketsPerS") };
}
