/**
 * Whether the shadow does with its copies what live does with the originals, with the loss of the copying itself kept apart. Pure.
 *
 * The shadow gets a share q of what comes in. If it forwards like live, it gives that share of what live gives to the hosts, and
 * the counts differ from it only by the noise of counting. What goes beyond that noise is a difference between the networks.
 */

/** Packets of one subject (an edge port, or a bridge's edge) in one window. */
export interface BothSides {
  /** Came in by the edge, on live. */
  readonly selected: number;
  /** Of those, entered the shadow. */
  readonly copied: number;
  /** Live gave to the hosts. */
  readonly liveOut: number;
  /** The shadow would have given to the hosts. */
  readonly shadowOut: number;
  /** Length of the window in ms; undefined: counts are taken to be exact at its ends. */
  readonly windowMs?: number | undefined;
  /**
   * The first and the third over a window of the same length that ended a second earlier; undefined: not known, taken for the same. The
   * shadow's ports count a packet up to about half a second after it passed (Open vSwitch's revalidators add it), so what is between the
   * two windows of live is no difference. While a rate does not change, the two are alike and nothing is allowed for.
   */
  readonly earlier?: { readonly selected: number; readonly liveOut: number } | undefined;
}

export type Cause = "none" | "mirror loss" | "the networks differ" | "both" | "too little traffic";

export interface Deviation {
  /** 1 - copied / selected, at least 0; undefined when nothing came in. */
  readonly mirrorLoss: number | undefined;
  /** shadowOut / liveOut; undefined when live gave nothing. */
  readonly outputRatio: number | undefined;
  /** shadowOut beyond what mirror loss explains, as a share of live's; undefined with too little traffic. */
  readonly deviation: number | undefined;
  /** That, over the noise of the counts. */
  readonly z: number | undefined;
  readonly cause: Cause;
}

export interface DeviationLimits {
  /** Mirror loss above this share is named. */
  readonly maxMirrorLoss: number;
  /** A |z| above this is no noise. */
  readonly maxZ: number;
  /** A deviation below this share is never worth an alarm, however sure it is: packets on their way while counters are read. */
  readonly minDeviation: number;
  /** With fewer packets than this there is nothing to say. */
  readonly minPackets: number;
}
export const defaultLimits: DeviationLimits = { maxMirrorLoss: 0.001, maxZ: 4, minDeviation: 0.01, minPackets: 100 };

/**
 * How far off, in seconds of traffic, a count may be at an end of a window, one standard deviation: switches are read one after the
 * other, and add to their counters when they come to it. So 5 s tell what is gross and 30 s what is fine.
 */
const jitterS = 0.1;
const jitter = (packets: number, windowMs: number | undefined): number => (windowMs === undefined ? 0 : (packets / (windowMs / 1_000)) * jitterS);

/** Of all between `x` and `y`, what is nearest to `value`. */
const nearest = (value: number, x: number, y: number): number => Math.min(Math.max(value, Math.min(x, y)), Math.max(x, y));

export function deviation({ selected, copied, liveOut, shadowOut, earlier, windowMs }: BothSides, network: BothSides, limits: DeviationLimits = defaultLimits): Deviation {
  const cameIn = nearest(copied, selected, earlier?.selected ?? selected);
  const mirrorLoss = selected > 0 ? (cameIn > 0 ? Math.max(0, 1 - copied / cameIn) : 0) : undefined;
  const outputRatio = liveOut > 0 ? shadowOut / liveOut : undefined;
  const isBeyondJitter = cameIn - copied > limits.maxZ * jitter(selected, windowMs);
  const isLossy = isBeyondJitter && (mirrorLoss ?? 0) > limits.maxMirrorLoss;
  if (Math.max(liveOut, shadowOut) < limits.minPackets || network.selected === 0) {
    return { mirrorLoss, outputRatio, deviation: undefined, z: undefined, cause: isLossy && selected >= limits.minPackets ? "mirror loss" : "too little traffic" };
  }
  // What goes out of a port came in anywhere: the whole network's share applies.
  const networkIn = nearest(network.copied, network.selected, network.earlier?.selected ?? network.selected);
  const share = networkIn > 0 ? Math.min(1, network.copied / networkIn) : 1;
  const expected = nearest(shadowOut, liveOut * share, (earlier?.liveOut ?? liveOut) * share);
  const off = shadowOut - expected;
  // Each packet is copied or not, by chance, with probability `share`; and each counter may be a packet off when it is read.
  const noise = Math.sqrt(liveOut * share * (1 - share) + Math.max(1, expected * 1e-4) + jitter(liveOut, windowMs) ** 2);
  const z = off / noise;
  const relative = liveOut > 0 ? off / liveOut : 1;
  const differs = Math.abs(z) > limits.maxZ && Math.abs(relative) > limits.minDeviation;
  const networkIsLossy = isLossy || (1 - share > limits.maxMirrorLoss && networkIn - network.copied > limits.maxZ * jitter(network.selected, windowMs));
  const cause: Cause = differs ? (networkIsLossy ? "both" : "the networks differ") : networkIsLossy ? "mirror loss" : "none";
  return { mirrorLoss, outputRatio, deviation: relative, z, cause };
}

/** A link's packets in one window on one side: sent into it by both ends, and the share of them that did not come out. */
export interface LinkLoss {
  readonly sent: number;
  readonly lossRatio: number;
  readonly windowMs: number;
}

/**
 * What live loses on a link beyond what the shadow loses on its copy of it (negative: the shadow more), and that over the noise: of counting, and of the two ends
 * being read one after the other. Undefined with too little traffic on a side.
 */
export function lossDifference(live: LinkLoss, shadow: LinkLoss, limits: DeviationLimits = defaultLimits): { readonly difference: number; readonly z: number } | undefined {
  if (Math.min(live.sent, shadow.sent) < limits.minPackets) return undefined;
  const difference = live.lossRatio - shadow.lossRatio;
  // Each packet is lost by chance; and a share is at least as uncertain as one packet makes it.
  const variance = ({ sent, lossRatio, windowMs }: LinkLoss): number => Math.max(lossRatio * (1 - lossRatio), 1 / sent) / sent + (jitter(sent, windowMs) / sent) ** 2;
  return { difference, z: difference / Math.sqrt(variance(live) + variance(shadow)) };
}

/**
 * The |z| that noise alone exceeds `perDay` times a day over `subjects` subjects judged once a second, by the normal tail: the limit for
 * a controlled rate of false alarms.
 */
export function zForFalseAlarms(perDay: number, subjects: number): number {
  const tail = perDay / (86_400 * Math.max(1, subjects)) / 2;
  let [low, high] = [0, 40];
  for (let i = 0; i < 60; i++) {
    const at = (low + high) / 2;
    if (upperTail(at) > tail) low = at;
    else high = at;
  }
  return (low + high) / 2;
}

/** P(Z > z) of a standard normal, for z ≥ 0 (Abramowitz and Stegun 26.2.17 below 3, the asymptotic series above). */
function upperTail(z: number): number {
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z > 3) return (density / z) * (1 - 1 / z ** 2 + 3 / z ** 4 - 15 / z ** 6);
  const t = 1 / (1 + 0.2316419 * z);
  return density * t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
}
