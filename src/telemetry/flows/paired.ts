/**
 * Whether the shadow delivers the packets of a flow that live delivers, packet by packet. Pure.
 *
 * Of live, sFlow tells a random part of the packets that it delivers, one in N. Each is looked for among the copies and among what the shadow delivered, all of
 * which are captured. So of each sampled packet it is known whether it was copied, and whether the shadow delivered it too and by the same port: mirror loss is
 * told apart from a difference of the networks packet by packet. The other way round, the packets that the shadow delivered between two sampled ones are
 * counted; if live delivers them all, one in N of them is sampled.
 */
import { binomialAtLeast, binomialAtMost, falseDiscoveryRates } from "./binomial.js";

/** One direction of a flow, over the last two minutes. Packets, unless it says samples. */
export interface PairedCounts {
  /** Samples of packets that live delivered by one edge port, and that could be judged. */
  readonly samples: number;
  /** Of those: no copy of it was there. */
  readonly notCopied: number;
  /** Of those: copied, and not delivered by the shadow. */
  readonly missing: number;
  /** Of those: delivered by the shadow, by another port. */
  readonly elsewhere: number;
  /** Packets that the shadow delivered up to the last one that was sampled on live, and found, from behind the first such one. */
  readonly span: number;
  /** Samples found in it. Where no sample came at all: 0, and `span` is all that is so old that a sample would have come. */
  readonly found: number;
  /** One in this many is sampled. */
  readonly samplingRate: number;
  /** Samples that may have been lost on their way here, at most. */
  readonly lostSamples: number;
}

export interface PairedLimits {
  /** Share of false ones among those told. */
  readonly falseDiscoveryRate: number;
  /** What differs by less is never told, and is what the tests are against: packets that were under way when a flow table changed. */
  readonly minDifference: number;
}
export const pairedLimits: PairedLimits = { falseDiscoveryRate: 0.001, minDifference: 0.002 };

export type PairedCause = "the shadow lacks packets" | "the shadow delivers elsewhere" | "live lacks packets";

export interface PairedTest {
  readonly cause: PairedCause;
  /** Share of the packets that differ: of live's for the first two causes, of the shadow's for the third. */
  readonly difference: number;
  /** Half its 95 % interval. */
  readonly error: number;
  /** How far the count is from what would be expected of equal networks, in standard deviations. */
  readonly z: number;
  /** Chance of as many or more if the networks were equal up to `minDifference`. */
  readonly p: number;
}

export interface FlowDifference<F> extends PairedTest {
  readonly flow: F;
  /** Expected share of false ones among all that are told with it. */
  readonly q: number;
  /** Share of live's packets that were not copied; undefined without samples. */
  readonly mirrorLoss: number | undefined;
}

const z95 = 1.96;

/** Both tests of one direction; none where there is nothing to test. */
export function testsOf(counts: PairedCounts, { minDifference }: PairedLimits): PairedTest[] {
  const tests: PairedTest[] = [];
  const { samples, notCopied, missing, elsewhere, samplingRate, lostSamples } = counts;
  const copied = samples - notCopied;
  if (copied > 0) {
    const differing = missing + elsewhere;
    const share = differing / copied;
    const expected = copied * minDifference;
    tests.push({
      cause: elsewhere > missing ? "the shadow delivers elsewhere" : "the shadow lacks packets",
      difference: share,
      error: z95 * Math.sqrt(Math.max(share * (1 - share), 1 / copied) / copied),
      z: (differing - expected) / Math.sqrt(expected * (1 - minDifference) || 1),
      p: binomialAtLeast(differing, copied, minDifference),
    });
  }
  const { span } = counts;
  if (span > 0) {
    // All that may have been lost is taken for found: a lost datagram has samples of one moment, and so of few flows.
    const found = counts.found + lostSamples;
    // The chance of being sampled, of a packet that live delivers.
    const chance = (1 - minDifference) / samplingRate;
    const expected = span * chance;
    tests.push({
      cause: "live lacks packets",
      difference: 1 - (found * samplingRate) / span,
      error: (z95 * Math.sqrt(Math.max(found, 1) * (1 - chance)) * samplingRate) / span,
      z: (expected - found) / Math.sqrt(Math.max(expected * (1 - chance), 1)),
      p: binomialAtMost(found, span, chance),
    });
  }
  return tests;
}

/** The flows whose networks differ, the surest first, with the share of false ones among them held. */
export function flowDifferences<F>(all: readonly { readonly flow: F; readonly counts: PairedCounts }[], limits: PairedLimits = pairedLimits): FlowDifference<F>[] {
  const tested = all.flatMap(({ flow, counts }) => testsOf(counts, limits).map((test) => ({ flow, test, mirrorLoss: counts.samples > 0 ? counts.notCopied / counts.samples : undefined })));
  const rates = falseDiscoveryRates(tested.map(({ test }) => test.p));
  return tested
    .map(({ flow, test, mirrorLoss }, i): FlowDifference<F> => ({ flow, ...test, q: rates[i] ?? 1, mirrorLoss }))
    .filter(({ q, difference }) => q <= limits.falseDiscoveryRate && difference > limits.minDifference)
    .sort((x, y) => x.p - y.p);
}
