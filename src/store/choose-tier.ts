/** Which tier answers a question, and what of it is gone. Pure. */
import { tiers, tierStepMs, type Gone, type Tier, type TimeRange } from "./store.js";

/** What a tier has of the kind of subject asked for. */
export interface TierState {
  readonly tier: Tier;
  /** What is older was deleted; -Infinity when nothing was yet. */
  readonly deletedBeforeMs: number;
  /** Rolled up to here; the rest must come from a finer tier. Infinity for raw. */
  readonly doneMs: number;
}

export interface Choice {
  readonly tier: Tier;
  readonly gone?: Gone;
}

/**
 * The coarsest tier that fits the buckets and still has the start of the range; when none has it, the one that reaches back
 * furthest, with what is gone. Values as measured come from raw alone.
 */
export function chooseTier(states: readonly TierState[], range: TimeRange, bucketMs: number | undefined): Choice {
  const state = (tier: Tier): TierState => states.find((one) => one.tier === tier) ?? { tier, deletedBeforeMs: -Infinity, doneMs: tier === "raw" ? Infinity : -Infinity };
  const fitting = tiers.filter((tier) => tier === "raw" || (bucketMs !== undefined && bucketMs % tierStepMs[tier] === 0)).map(state);
  const whole = fitting.filter(({ deletedBeforeMs }) => deletedBeforeMs <= range.fromMs);
  // A tier that has rolled up nothing of the range would only pass the question on.
  const useful = whole.filter(({ doneMs }) => doneMs > range.fromMs);
  const best = useful.at(-1) ?? whole[0];
  if (best !== undefined) return { tier: best.tier };
  const [first, ...others] = fitting;
  if (first === undefined) throw new Error("raw always fits");
  const deepest = others.reduce((one, other) => (other.deletedBeforeMs < one.deletedBeforeMs ? other : one), first);
  const { tier, deletedBeforeMs } = deepest;
  const coarser = tiers.map(state).find((one) => one.deletedBeforeMs <= range.fromMs);
  const elsewhere = coarser === undefined ? "and no tier has it any more" : `the tier of ${coarser.tier} still has it: ask in buckets of ${tierStepMs[coarser.tier]} ms or a multiple`;
  return {
    tier,
    gone: {
      fromMs: range.fromMs,
      toMs: Math.min(range.toMs, deletedBeforeMs),
      keptSinceMs: deletedBeforeMs,
      why: `tier ${tier} is kept since ${new Date(deletedBeforeMs).toISOString()}; ${elsewhere}`,
    },
  };
}

/** The gone part of a range of something kept since `keptSinceMs`; undefined when all of it is there. */
export function goneBefore(range: TimeRange, keptSinceMs: number, what: string): Gone | undefined {
  if (range.fromMs >= keptSinceMs) return undefined;
  return { fromMs: range.fromMs, toMs: Math.min(range.toMs, keptSinceMs), keptSinceMs, why: `${what} are kept since ${new Date(keptSinceMs).toISOString()}` };
}
