import { Random } from "../../../test/support/random.js";
import { flowDifferences, pairedLimits, testsOf, type PairedCounts } from "./paired.js";
import { Pairing } from "./pairing.js";
import { RecentPackets } from "./recent-packets.js";

const randomOf = (seed: number): (() => number) => {
  const random = new Random(seed);
  return () => random.next();
};
const bridge = () => ({ number: 0, sampledFromMs: -Infinity, sampledToMs: Infinity });

interface Flow {
  /** Shares that live, and the shadow, do not deliver. */
  readonly liveLoss?: number;
  readonly shadowLoss?: number;
  readonly notCopied?: number;
}

/** One flow for two minutes, packet by packet, as samples and captures tell of it. */
function flowOf(random: () => number, samplingRate: number, packetsPerS: number, { liveLoss = 0, shadowLoss = 0, notCopied = 0 }: Flow): PairedCounts {
  const pairing = new Pairing();
  const known = bridge();
  for (let i = 0; i < 110 * packetsPerS; i++) {
    const tMs = (i * 1_000) / packetsPerS;
    const isCopied = random() >= notCopied;
    const index = isCopied && random() >= shadowLoss ? pairing.delivered(tMs, known) : undefined;
    const isSampled = random() >= liveLoss && random() < 1 / samplingRate;
    if (isSampled) pairing.judged(tMs, samplingRate, index !== undefined ? "found" : isCopied ? "missing" : "not copied", index);
  }
  const counts = pairing.counts(110_000, samplingRate, 2_500);
  return { samples: 0, notCopied: 0, missing: 0, elsewhere: 0, span: 0, found: 0, samplingRate, ...counts, lostSamples: 0 };
}

const looked = (random: () => number, samplingRate: number, flows: readonly Flow[], packetsPerS = 40) => flowDifferences(flows.map((flow, i) => ({ flow: i, counts: flowOf(random, samplingRate, packetsPerS, flow) })));

test.each([1, 8, 64])("of equal networks nothing is told, sampled one in %i: 800 flows, a tenth of them poorly copied", (samplingRate) => {
  const random = randomOf(samplingRate);
  const flows = Array.from({ length: 800 }, (_, i): Flow => (i % 10 === 0 ? { notCopied: 0.3 } : {}));
  expect(looked(random, samplingRate, flows, 4)).toEqual([]);
});

test("at the limit of what counts as equal, of 2,000 tests no more than the expected share is told", () => {
  const random = randomOf(5);
  // Both networks lose exactly what is still called equal: the hardest case.
  const equal: Flow = { liveLoss: pairedLimits.minDifference, shadowLoss: pairedLimits.minDifference };
  const found = looked(random, 1, Array.from({ length: 1_000 }, () => equal), 4);
  expect(found.length).toBeLessThanOrEqual(2_000 * pairedLimits.falseDiscoveryRate);
});

test("a flow that differs is told among 210 that don't, and no other", () => {
  const random = randomOf(11);
  const flows = Array.from({ length: 210 }, (_, i): Flow => (i === 17 ? { shadowLoss: 0.02 } : i === 100 ? { liveLoss: 0.02 } : i === 200 ? { notCopied: 0.2 } : {}));
  const found = looked(random, 1, flows);
  expect(found.map(({ flow, cause }) => `${flow} ${cause}`).sort()).toEqual(["100 live lacks packets", "17 the shadow lacks packets"]);
  for (const { difference, error, z, q } of found) {
    expect(Math.abs(difference - 0.02)).toBeLessThan(3 * error);
    expect(z).toBeGreaterThan(4);
    expect(q).toBeLessThan(pairedLimits.falseDiscoveryRate);
  }
});

test("what live lacks is estimated without bias, sampled one in 8", () => {
  const random = randomOf(3);
  const estimates = Array.from({ length: 40 }, () => testsOf(flowOf(random, 8, 40, { liveLoss: 0.3 }), pairedLimits).find(({ cause }) => cause === "live lacks packets"));
  const mean = estimates.reduce((sum, one) => sum + (one?.difference ?? 0), 0) / estimates.length;
  // The spell that says most against equal networks is left out, and leans the mean a little.
  expect(Math.abs(mean - 0.3)).toBeLessThan(0.03);
  const covered = estimates.filter((one) => one !== undefined && Math.abs(one.difference - 0.3) <= one.error + 0.02).length;
  expect(covered).toBeGreaterThan(0.85 * estimates.length);
});

test("mirror loss is no difference, however large, and is told beside one", () => {
  const random = randomOf(7);
  const [found, ...others] = looked(random, 1, [{ notCopied: 0.5, shadowLoss: 0.1 }, { notCopied: 0.9 }]);
  expect(others).toEqual([]);
  expect(found?.cause).toBe("the shadow lacks packets");
  expect(found?.mirrorLoss).toBeGreaterThan(0.4);
  expect(found?.mirrorLoss).toBeLessThan(0.6);
});

test("what happens in one spell is no difference: a table that changed", () => {
  const pairing = new Pairing();
  const known = bridge();
  for (let i = 0; i < 4_000; i++) {
    const tMs = i * 10;
    const isLost = tMs >= 20_000 && tMs < 22_000;
    const index = isLost ? undefined : pairing.delivered(tMs, known);
    pairing.judged(tMs, 1, isLost ? "missing" : "found", index);
  }
  const counts = pairing.counts(40_000, 1, 2_500);
  expect([counts?.missing, counts?.samples]).toEqual([0, 3_600]);
});

test("a flow that live delivers nothing of is told by what the shadow delivered while samples came, and not before", () => {
  const pairing = new Pairing();
  const known = { number: 0, sampledFromMs: 0, sampledToMs: 60_000 };
  for (let i = 0; i < 600; i++) pairing.delivered(i * 100, known);
  const counts = pairing.counts(60_000, 16, 2_500);
  expect(counts).toMatchObject({ samples: 0, found: 0 });
  const flow = { flow: "x", counts: { ...(counts as Omit<PairedCounts, "lostSamples">), lostSamples: 0 } };
  expect(flowDifferences([flow]).map(({ cause, difference }) => [cause, difference])).toEqual([["live lacks packets", 1]]);
  // What may have been lost on the way here excuses it.
  expect(flowDifferences([{ ...flow, counts: { ...flow.counts, lostSamples: 40 } }])).toEqual([]);
  expect(pairing.counts(60_000, 16, Infinity)).toBeUndefined();
});

test("packets that are remembered: equal ones by number, the oldest forgotten", () => {
  const recent = new RecentPackets(3);
  recent.add(7, 1, 1, 0);
  recent.add(7, 2, 2, 0);
  expect([recent.take(7)?.index, recent.take(7)?.index, recent.take(7)]).toEqual([2, 2, undefined]);
  recent.add(8, 3, 3, 5);
  // Full, and nothing was forgotten before the first packet went.
  expect(recent.completeSinceMs).toBe(1);
  recent.add(9, 4, 4, 0);
  recent.add(10, 5, 5, 0);
  recent.add(11, 6, 6, 0);
  expect([recent.take(8), recent.take(9)?.index, recent.completeSinceMs]).toEqual([undefined, 4, 4]);
  expect(() => new RecentPackets(0)).toThrow(RangeError);
});
