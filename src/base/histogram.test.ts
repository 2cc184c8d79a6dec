import fc from "fast-check";
import { Histogram } from "./histogram.js";

test("a percentile lies within 5 % of the true one, and the longest is exact", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.02, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 }), fc.constantFrom(0.5, 0.9, 0.99, 1), (times, share) => {
      const histogram = new Histogram();
      for (const ms of times) histogram.add(ms);
      const sorted = [...times].sort((x, y) => x - y);
      const exact = sorted[Math.ceil(times.length * share) - 1] ?? 0;
      expect(Math.abs(histogram.quantile(share) / exact - 1)).toBeLessThan(0.051);
      expect(histogram.summary()).toMatchObject({ count: times.length, maxMs: sorted.at(-1) });
    }),
  );
});

test("none gives 0, too long lands in the last bucket, cleared is empty", () => {
  const histogram = new Histogram();
  expect(histogram.quantile(0.99)).toBe(0);
  histogram.add(-1);
  histogram.add(1e12);
  expect(histogram.count).toBe(2);
  expect(histogram.quantile(0.5)).toBe(0.01);
  histogram.clear();
  expect(histogram.summary()).toEqual({ count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
});
