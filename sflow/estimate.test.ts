import { RateEstimator } from "./index.js";

/** mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("at 1-in-1 the rate is exact; at 1-in-64 the error is about 1.96 / sqrt(n)", () => {
  const exact = new RateEstimator({ windowMs: 1_000 });
  for (let i = 0; i < 100; i++) exact.add("a", 1, 150, i * 10);
  expect(exact.estimates(1_000)[0]).toMatchObject({ key: "a", samples: 90, packetsErrorRatio: 0, bytesErrorRatio: 0 });
  expect(exact.estimates(990)[0]?.packetsPerS).toBeCloseTo(90 / 0.9);
  const sampled = new RateEstimator({ windowMs: 1_000 });
  for (let i = 0; i < 100; i++) sampled.add("a", 64, 150, 500);
  const [one] = sampled.estimates(999);
  expect(one?.packetsErrorRatio).toBeCloseTo((1.96 / 10) * Math.sqrt(63 / 64), 10);
  expect(one?.bytesErrorRatio).toBeCloseTo(one?.packetsErrorRatio ?? NaN, 10);
});

test("the interval holds the truth in 95 of 100 windows, over sizes and sampling rates", () => {
  const random = seeded(7);
  for (const rate of [4, 32]) {
    let packetsIn = 0;
    let bytesIn = 0;
    const windows = 400;
    const sent = rate * 100;
    for (let window = 0; window < windows; window++) {
      const estimator = new RateEstimator({ windowMs: 1_000, stepMs: 1_000 });
      let bytes = 0;
      // Begins the window.
      estimator.add("other", 1, 0, 0);
      for (let i = 0; i < sent; i++) {
        const length = random() < 0.5 ? 64 : 1_500;
        bytes += length;
        if (random() * rate < 1) estimator.add("a", rate, length, 500);
      }
      const estimate = estimator.estimates(999.999).find(({ key }) => key === "a");
      if (estimate === undefined) continue;
      if (Math.abs(estimate.packetsPerS - sent) <= estimate.packetsErrorRatio * estimate.packetsPerS + 1) packetsIn++;
      if (Math.abs(estimate.bytesPerS - bytes) <= estimate.bytesErrorRatio * estimate.bytesPerS + 1_000) bytesIn++;
    }
    // 95 % give or take four standard deviations of such a count.
    expect(packetsIn / windows).toBeGreaterThan(0.906);
    expect(bytesIn / windows).toBeGreaterThan(0.906);
    expect(packetsIn / windows).toBeLessThan(0.994);
  }
});

test("the window slides: what has left it no longer counts", () => {
  const estimator = new RateEstimator({ windowMs: 1_000, stepMs: 500 });
  estimator.add("a", 10, 100, 0);
  estimator.add("b", 10, 100, 600);
  expect(estimator.estimates(999).map(({ key }) => key)).toEqual(["a", "b"]);
  expect(estimator.estimates(1_000).map(({ key }) => key)).toEqual(["b"]);
  expect(estimator.estimates(1_500)).toEqual([]);
});

test("an error beyond what was asked for is told, with the samples that would do", () => {
  const estimator = new RateEstimator({ windowMs: 1_000, maxErrorRatio: 0.1 });
  for (let i = 0; i < 100; i++) estimator.add("few", 1_024, 100, 0);
  for (let i = 0; i < 1_000; i++) estimator.add("many", 1_024, 100, 0);
  const [few, many] = estimator.estimates(100);
  expect(few?.warning).toMatchObject({ askedErrorRatio: 0.1, samplesNeeded: 384 });
  expect(few?.warning?.errorRatio).toBeCloseTo(0.196, 3);
  expect(many).not.toHaveProperty("warning");
});

test("a rate that changes within the window is weighed sample by sample", () => {
  const estimator = new RateEstimator({ windowMs: 1_000, stepMs: 1_000 });
  for (let i = 0; i < 10; i++) estimator.add("a", 100, 100, 0);
  for (let i = 0; i < 100; i++) estimator.add("a", 10, 100, 500);
  expect(estimator.estimates(999.999)[0]?.packetsPerS).toBeCloseTo(2_000, 1);
});

test("keys are bounded, and come back when others have gone", () => {
  const estimator = new RateEstimator<number>({ windowMs: 1_000, maxKeys: 3 });
  for (let key = 0; key < 10; key++) estimator.add(key, 1, 1, 0);
  expect(estimator.estimates(0)).toHaveLength(3);
  expect(estimator.rest).toBe(7);
  estimator.add(9, 1, 1, 2_000);
  expect(estimator.estimates(2_000).map(({ key }) => key)).toEqual([9]);
  expect(() => new RateEstimator({ windowMs: 0 })).toThrow(RangeError);
});
