/**
 * How to spend a budget of samples: one rate for each bridge, so that estimates are sharpest where that matters most (`fairShares`). Pure.
 * A silent bridge is looked at whole: it costs nothing until it speaks.
 */
import { fairShares } from "../base/fair-shares.js";

export interface BridgeTraffic {
  readonly bridge: string;
  /** Packets/s that its edge ports take in. */
  readonly packetsPerS: number;
  /** How much it matters: 1 is usual; more where something is suspected, or where an estimate's error is too large for what hangs on it. */
  readonly weight: number;
}

export interface SamplingBudget {
  readonly samplesPerS: number;
  /** One in this many at most, and at least. */
  readonly minRate: number;
  readonly maxRate: number;
  /** Share of a core that may be used, by us or by ovs-vswitchd's thread: above it the budget shrinks with the excess. */
  readonly maxCpu: number;
}

export interface SamplingPlan {
  /** One packet in so many, by bridge; powers of two. */
  readonly rates: ReadonlyMap<string, number>;
  /** Samples/s that are expected of them. */
  readonly samplesPerS: number;
}

/**
 * The rates for the traffic of now. `cpu` is the share of a core in use, of the busier of the two threads. A rate of `before` stays unless
 * the wanted one is at least twice off: every change is a database transaction, which pauses forwarding.
 */
export function planSampling(traffic: readonly BridgeTraffic[], budget: SamplingBudget, cpu: number, before: ReadonlyMap<string, number> = new Map()): SamplingPlan {
  const allowed = budget.samplesPerS * Math.min(1, cpu > budget.maxCpu ? budget.maxCpu / cpu : 1);
  const shares = fairShares(traffic.map(({ packetsPerS, weight }) => ({ most: packetsPerS / budget.minRate, weight })), allowed);
  const rates = new Map<string, number>();
  let samplesPerS = 0;
  for (const [at, { bridge, packetsPerS }] of traffic.entries()) {
    const samples = shares[at] ?? 0;
    const wanted = packetsPerS === 0 ? 1 : samples <= 0 ? budget.maxRate : packetsPerS / samples;
    const bounded = Math.min(budget.maxRate, Math.max(budget.minRate, 2 ** Math.ceil(Math.log2(Math.max(1, wanted)))));
    const old = before.get(bridge);
    const isNear = old !== undefined && old >= budget.minRate && old <= budget.maxRate && bounded / old < 2 && old / bounded < 4;
    const rate = isNear ? old : bounded;
    rates.set(bridge, rate);
    samplesPerS += packetsPerS / rate;
  }
  return { rates, samplesPerS };
}

/** Half width of the 95 % interval of a rate after a second, as a share of it. */
export function relativeError(packetsPerS: number, rate: number): number {
  return rate <= 1 ? 0 : 1.96 / Math.sqrt(Math.max(packetsPerS / rate, 1e-9));
}
