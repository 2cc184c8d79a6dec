import fc from "fast-check";
import { seeded } from "../base/seeded.js";
import { anomaly, Baseline, differences, largestZ, noAnomaly, type AnomalyState } from "./baseline.js";

const filled = (values: readonly number[], options = {}): Baseline => {
  const baseline = new Baseline(options);
  values.forEach((value, i) => baseline.add(i * 1_000, value));
  return baseline;
};

test("nothing is usual until enough is known", () => {
  expect(filled(Array<number>(29).fill(5)).zScore(0, 5)).toBeUndefined();
  expect(filled(Array<number>(30).fill(5)).zScore(0, 5)).toBe(0);
});

test("the spread of normal values is their standard deviation, and outliers do not move it", () => {
  const random = seeded(1);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const values = Array.from({ length: 300 }, () => 100 + 10 * normal());
  const clean = filled(values).usual(0);
  expect(Math.abs((clean?.spread ?? 0) - 10)).toBeLessThan(1.5);
  const soiled = filled(values.map((value, i) => (i % 10 === 0 ? 1e9 : value))).usual(0);
  expect(Math.abs((soiled?.median ?? 0) - 100)).toBeLessThan(4);
  expect(soiled?.spread ?? 0).toBeLessThan(16);
});

test("what never moves makes no alarm of a little", () => {
  const baseline = filled(Array<number>(100).fill(1_000));
  expect(baseline.zScore(0, 1_010)).toBeCloseTo(0.5, 9);
  expect(baseline.zScore(0, 2_000)).toBeCloseTo(50, 9);
});

test("each part of a season has its own", () => {
  const baseline = new Baseline({ periodMs: 1_000, slots: 2, minCount: 10 });
  for (let i = 0; i < 100; i++) {
    baseline.add(i * 1_000 + 100, 10 + (i % 3));
    baseline.add(i * 1_000 + 600, 500 + (i % 30));
  }
  expect(baseline.zScore(200, 510)).toBeGreaterThan(100);
  expect(Math.abs(baseline.zScore(700, 510) ?? 99)).toBeLessThan(2);
  expect(baseline.zScore(-800, 11)).toBeCloseTo(0, 9);
});

test("old values go when new ones come, and no numbers teach nothing", () => {
  const baseline = new Baseline({ kept: 50 });
  for (let i = 0; i < 100; i++) baseline.add(0, i < 50 ? 1 : 9);
  baseline.add(0, NaN);
  expect(baseline.usual(0)?.median).toBe(9);
});

test("differences name the metrics, the largest first, and do not take what is missing for zero", () => {
  const usual = (centre: number): Baseline => filled(Array.from({ length: 60 }, (_, i) => centre + (i % 5)));
  const compared = differences(0, { rttMs: 22, loss: 400, other: 1 }, new Map([["rttMs", usual(20)], ["loss", usual(2)], ["window", usual(9)]]), new Map([["rttMs", "ms"]]));
  expect(compared.differences.map(({ metric, unit }) => [metric, unit])).toEqual([["loss", ""], ["rttMs", "ms"]]);
  expect(compared.missing).toEqual(["other", "window"]);
  expect(largestZ(compared)).toBe(Math.abs(compared.differences[0]?.z ?? 0));
  expect(largestZ({ differences: [], missing: [] })).toBe(0);
});

test("an anomaly needs a row of high scores to begin and a row of low ones to end", () => {
  const options = { threshold: 3, onset: 3, clear: 2 };
  const states: AnomalyState[] = [];
  [9, 9, 1, 9, 9, 9, 1, 9, 1, 1, 9].reduce((state, z, i) => {
    const next = anomaly(state, i, z, options);
    states.push(next);
    return next;
  }, noAnomaly);
  expect(states.map(({ isAnomalous }) => isAnomalous)).toEqual([false, false, false, false, false, true, true, true, true, false, false]);
  expect(states[5]?.sinceMs).toBe(3);
  expect(states[9]?.sinceMs).toBeUndefined();
});

test("a z-score keeps its order whatever the baseline", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 30, maxLength: 60 }), fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.double({ min: 0, max: 1e6, noNaN: true }), (values, low, more) => {
      const baseline = filled(values);
      expect(baseline.zScore(0, low + more)).toBeGreaterThanOrEqual(baseline.zScore(0, low) ?? 0);
    }),
  );
});
