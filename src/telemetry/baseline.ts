/**
 * What is usual for a number, and how far a value is from it. Robust (median and MAD, so that a few bad seconds do not move it) and by
 * season (a time of day has its own). Pure; bounded.
 */

export interface Usual {
  readonly median: number;
  /** Median absolute deviation, scaled to be the standard deviation of normal values (times 1.4826). */
  readonly spread: number;
  /** Values it rests on. */
  readonly count: number;
}

/** Median and spread are worked out anew when this share of the values is new: sorting them each time would be most of the work. */
const staleShare = 0.03;

/** Of normal values the MAD is this part of the standard deviation: 1 / Φ⁻¹(3/4). */
const madToDeviation = 1.4826;

export interface BaselineOptions {
  /** Length of a season in ms: a day, by default. */
  readonly periodMs?: number;
  /** Parts of a season, each with what is usual in it; 1: no seasons. */
  readonly slots?: number;
  /** Values kept for each slot; the oldest goes when a new one comes. */
  readonly kept?: number;
  /** Values needed before a judgement is given. */
  readonly minCount?: number;
  /** The spread is never taken to be less than this share of the median: what hardly ever moves would make an alarm of nothing. */
  readonly minRelativeSpread?: number;
}

const defaults: Required<BaselineOptions> = { periodMs: 86_400_000, slots: 1, kept: 300, minCount: 30, minRelativeSpread: 0.02 };

export class Baseline {
  private readonly options: Required<BaselineOptions>;
  private readonly slots: { readonly values: Float64Array; count: number; next: number; cache: Usual | undefined; unseen: number }[];

  constructor(options: BaselineOptions = {}) {
    this.options = { ...defaults, ...options };
    this.slots = Array.from({ length: this.options.slots }, () => ({ values: new Float64Array(this.options.kept), count: 0, next: 0, cache: undefined, unseen: 0 }));
  }

  /** Learns a value. Values that are no numbers teach nothing. */
  add(tMs: number, value: number): void {
    if (!Number.isFinite(value)) return;
    const slot = this.slot(tMs);
    slot.values[slot.next] = value;
    slot.next = (slot.next + 1) % slot.values.length;
    slot.count = Math.min(slot.count + 1, slot.values.length);
    slot.unseen++;
  }

  /** What is usual at `tMs`; undefined until enough is known. */
  usual(tMs: number): Usual | undefined {
    const slot = this.slot(tMs);
    if (slot.count < this.options.minCount) return undefined;
    if (slot.cache === undefined || slot.unseen > slot.count * staleShare) {
      slot.unseen = 0;
      const values = slot.values.slice(0, slot.count).sort();
      const median = middle(values);
      const distances = values.map((value) => Math.abs(value - median)).sort();
      const least = Math.abs(median) * this.options.minRelativeSpread;
      slot.cache = { median, spread: Math.max(middle(distances) * madToDeviation, least, Number.MIN_VALUE), count: slot.count };
    }
    return slot.cache;
  }

  /** How many spreads `value` is above (or below) what is usual at `tMs`; undefined until enough is known. At most 1e6 either way. */
  zScore(tMs: number, value: number): number | undefined {
    const usual = this.usual(tMs);
    if (usual === undefined || !Number.isFinite(value)) return undefined;
    return Math.max(-1e6, Math.min(1e6, (value - usual.median) / usual.spread));
  }

  private slot(tMs: number): (typeof this.slots)[number] {
    const { periodMs, slots } = this.options;
    const phase = ((tMs % periodMs) + periodMs) % periodMs;
    const slot = this.slots[Math.min(slots - 1, Math.floor((phase / periodMs) * slots))];
    if (slot === undefined) throw new Error("a baseline has at least one slot");
    return slot;
  }
}

function middle(sorted: Float64Array): number {
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? 0) + upper) / 2;
}

export interface MetricDifference {
  readonly metric: string;
  readonly unit: string;
  readonly value: number;
  readonly usual: number;
  readonly difference: number;
  readonly z: number;
}

export interface Comparison {
  readonly differences: readonly MetricDifference[];
  /** Metrics of the baseline without a value now, and the other way round: they are not judged, and not taken for 0. */
  readonly missing: readonly string[];
}

/**
 * The vector of differences between what was measured (latency, loss, window and whatever else) and what is usual, each with its z-score,
 * largest first.
 */
export function differences(tMs: number, values: Readonly<Record<string, number>>, baselines: ReadonlyMap<string, Baseline>, units: ReadonlyMap<string, string>): Comparison {
  const found: MetricDifference[] = [];
  const missing: string[] = [];
  for (const metric of new Set([...Object.keys(values), ...baselines.keys()])) {
    const value = values[metric];
    const baseline = baselines.get(metric);
    const usual = baseline?.usual(tMs);
    const z = value === undefined ? undefined : baseline?.zScore(tMs, value);
    if (value === undefined || usual === undefined || z === undefined) missing.push(metric);
    else found.push({ metric, unit: units.get(metric) ?? "", value, usual: usual.median, difference: value - usual.median, z });
  }
  return { differences: found.sort((x, y) => Math.abs(y.z) - Math.abs(x.z)), missing: missing.sort() };
}

/** The largest |z| of a comparison; 0 when nothing could be judged. */
export const largestZ = ({ differences: [first] }: Comparison): number => (first === undefined ? 0 : Math.abs(first.z));

export interface AnomalyState {
  readonly isAnomalous: boolean;
  /** Comparisons in a row above the threshold, and below it. */
  readonly above: number;
  readonly below: number;
  /** When the row that is going on began. */
  readonly sinceMs: number | undefined;
}
export const noAnomaly: AnomalyState = { isAnomalous: false, above: 0, below: 0, sinceMs: undefined };

/** Takes the z-score of `tMs`: anomalous after `onset` in a row above `threshold`, until `clear` in a row are not. */
export function anomaly(state: AnomalyState, tMs: number, z: number, options: { readonly threshold: number; readonly onset: number; readonly clear: number }): AnomalyState {
  if (z > options.threshold) {
    const above = state.above + 1;
    return { isAnomalous: state.isAnomalous || above >= options.onset, above, below: 0, sinceMs: state.sinceMs ?? tMs };
  }
  const below = state.below + 1;
  const goesOn = state.isAnomalous && below < options.clear;
  return goesOn ? { ...state, above: 0, below } : { ...noAnomaly, below };
}
