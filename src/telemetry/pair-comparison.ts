/**
 * Latency, loss and window of pairs of hosts, live beside shadow, over 30 s: what TCP of live's hosts met, read from the copies, and
 * what TCP of the same hosts' nodes met in the shadow, by the same code. Differences are live's less the shadow's. Pure.
 *
 * The latency is that from where data enters the network to where its acknowledgement does (`tcpPathMs`): the other half of a round trip
 * depends on when an application sends again. Of that, the wait is what lies above the least of the connection: links of live
 * have a length and the shadow's have none, which is no difference of what the networks do.
 */
import type { Observation } from "../base/observation.js";
import { defaultLimits } from "./deviation.js";
import type { DeviatingSubject } from "./observatory.js";

/** One metric of a pair on both sides. */
export interface Compared {
  /** Median of the seconds; of loss, the share over all of them. */
  readonly live: number;
  readonly shadow: number;
  /** Over the noise; beyond ±4 it is none. */
  readonly z: number;
}

export interface PairComparisonResult {
  readonly pair: string;
  /** From the data's edge to its acknowledgement's, in ms; of that, above its least. */
  readonly path: Compared | undefined;
  readonly wait: Compared | undefined;
  /** Share of the segments. */
  readonly loss: Compared | undefined;
  /** bytes */
  readonly window: Compared | undefined;
}

interface Second {
  readonly tMs: number;
  readonly pathMs: number | undefined;
  readonly waitMs: number | undefined;
  readonly windowBytes: number | undefined;
  readonly segments: number;
  readonly lost: number;
}

interface Sides {
  live: Second[];
  shadow: Second[];
  /** In how many seconds in a row each metric differed, and to which side. */
  readonly streaks: Map<string, { readonly sign: number; readonly seconds: number }>;
}

const keptMs = 30_000;
/** With fewer seconds on a side nothing is said. */
const leastSeconds = 8;
const leastSegments = 100;
/** In a second with less data a latency is that of single answers, which hosts give when they like (delayed acknowledgements). */
const leastBytes = 20_000;
/** What is smaller is a matter of processors, not of networks: ms, and shares of the larger value. */
const leastWait = { ms: 1, share: 0.25 };
const leastLoss = 0.005;
const confirmedAfter = 3;

export class PairComparison {
  results: readonly PairComparisonResult[] = [];
  /** Pairs whose wait or loss differs, three seconds in a row to the same side. */
  deviating: readonly DeviatingSubject[] = [];
  private readonly pairs = new Map<string, Sides>();

  /** These are compared from now on ("from>to"), and no others. */
  setPairs(names: readonly string[]): void {
    for (const name of this.pairs.keys()) if (!names.includes(name)) this.pairs.delete(name);
    for (const name of names) if (!this.pairs.has(name)) this.pairs.set(name, { live: [], shadow: [], streaks: new Map() });
  }

  take({ side, subject, windowMs, tMs, values }: Observation): void {
    if (subject.kind !== "pair" || windowMs !== 1_000) return;
    const sides = this.pairs.get(subject.name);
    const { tcpSegments: segments, tcpRetransmissions = 0, tcpSpurious = 0, tcpBytes = 0, tcpWindow: windowBytes } = values;
    const { tcpPathMs, tcpPathLeastMs: leastMs } = values;
    if (sides === undefined || segments === undefined) return;
    const pathMs = tcpBytes >= leastBytes ? tcpPathMs : undefined;
    const waitMs = pathMs === undefined || leastMs === undefined ? undefined : Math.max(0, pathMs - leastMs);
    sides[side].push({ tMs, segments, lost: Math.max(0, tcpRetransmissions - tcpSpurious), pathMs, waitMs, windowBytes });
  }

  /** Forgets what the shadow did: its probes were held, and what was on its way is lost for that reason. */
  restart(): void {
    for (const sides of this.pairs.values()) sides.shadow = [];
  }

  /** Compares what the last 30 s said. */
  advance(nowMs: number): Observation[] {
    const deviating: DeviatingSubject[] = [];
    const observations: Observation[] = [];
    this.results = [...this.pairs].map(([pair, sides]) => {
      for (const side of ["live", "shadow"] as const) sides[side] = sides[side].filter(({ tMs }) => nowMs - tMs <= keptMs);
      const path = ranked(sides, ({ pathMs }) => pathMs);
      const wait = ranked(sides, ({ waitMs }) => waitMs);
      const loss = lossOf(sides);
      const window = ranked(sides, ({ windowBytes }) => windowBytes);
      const values = { ...named("path", path), ...named("wait", wait), ...named("loss", loss), ...named("window", window) };
      const at = { tMs: nowMs - keptMs, windowMs: keptMs, subject: { kind: "pair", name: pair } } as const;
      if (Object.keys(values).length > 0) observations.push({ ...at, side: "shadow", values });
      const larger = wait === undefined ? 0 : Math.max(wait.live, wait.shadow);
      const judged = [
        { metric: "wait", compared: wait, least: Math.max(leastWait.ms, leastWait.share * larger), scale: larger },
        { metric: "loss", compared: loss, least: leastLoss, scale: 1 },
      ];
      for (const { metric, compared, least, scale } of judged) {
        if (compared === undefined || !this.confirmed(sides, metric, compared, least)) continue;
        deviating.push({ ...at, cause: "the networks differ", metric, mirrorLoss: undefined, deviation: (compared.live - compared.shadow) / scale, z: compared.z });
      }
      return { pair, path, wait, loss, window };
    });
    this.deviating = deviating;
    return observations;
  }

  private confirmed({ streaks }: Sides, metric: string, { live, shadow, z }: Compared, least: number): boolean {
    if (Math.abs(z) <= defaultLimits.maxZ || Math.abs(live - shadow) <= least) {
      streaks.delete(metric);
      return false;
    }
    const before = streaks.get(metric);
    const seconds = before?.sign === Math.sign(z) ? before.seconds + 1 : 1;
    streaks.set(metric, { sign: Math.sign(z), seconds });
    return seconds >= confirmedAfter;
  }
}

const named = (what: string, compared: Compared | undefined): Record<string, number> =>
  compared === undefined ? {} : { [`${what}Difference`]: compared.live - compared.shadow, [`${what}DifferenceZ`]: compared.z };

/** By ranks (Mann and Whitney), which no single stall moves: medians, and how surely one side's seconds lie above the other's. */
function ranked({ live, shadow }: Sides, read: (second: Second) => number | undefined): Compared | undefined {
  const [x, y] = [live, shadow].map((seconds) => seconds.flatMap((second) => read(second) ?? []));
  if (x === undefined || y === undefined || Math.min(x.length, y.length) < leastSeconds) return undefined;
  return { live: median(x), shadow: median(y), z: mannWhitneyZ(x, y) };
}

/** Share of the segments lost, with the noise of what came in bursts: by seconds, not by segments, and never less than by chance alone. */
function lossOf({ live, shadow }: Sides): Compared | undefined {
  const [x, y] = [live, shadow].map((seconds) => {
    const segments = seconds.reduce((sum, second) => sum + second.segments, 0);
    const share = segments === 0 ? 0 : seconds.reduce((sum, second) => sum + second.lost, 0) / segments;
    const bursts = seconds.reduce((sum, second) => sum + (second.lost - share * second.segments) ** 2, 0) / segments ** 2;
    const chance = Math.max(share * (1 - share), 1 / segments) / segments;
    return { seconds: seconds.length, segments, share, variance: Math.max(bursts, chance) };
  });
  if (x === undefined || y === undefined || Math.min(x.seconds, y.seconds) < leastSeconds || Math.min(x.segments, y.segments) < leastSegments) return undefined;
  return { live: x.share, shadow: y.share, z: (x.share - y.share) / Math.sqrt(x.variance + y.variance) };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}

/** The normal deviate of the rank sum, ties taken into account; 0 when all values are the same. */
export function mannWhitneyZ(x: readonly number[], y: readonly number[]): number {
  const all = [...x.map((value) => ({ value, isX: true })), ...y.map((value) => ({ value, isX: false }))].sort((a, b) => a.value - b.value);
  const n = all.length;
  let rankSum = 0;
  let ties = 0;
  for (let from = 0; from < n; ) {
    let to = from;
    while (to < n && all[to]?.value === all[from]?.value) to++;
    const rank = (from + 1 + to) / 2;
    for (let i = from; i < to; i++) if (all[i]?.isX === true) rankSum += rank;
    ties += (to - from) ** 3 - (to - from);
    from = to;
  }
  const [nx, ny] = [x.length, y.length];
  const variance = ((nx * ny) / 12) * (n + 1 - ties / (n * (n - 1)));
  return variance <= 0 ? 0 : (rankSum - (nx * (n + 1)) / 2) / Math.sqrt(variance);
}
