import { binomialAtLeast, binomialAtMost, falseDiscoveryRates, incompleteBeta } from "./binomial.js";

/** By adding up, for small n. */
function slowly(k: number, n: number, p: number): number {
  let sum = 0;
  for (let i = k; i <= n; i++) {
    let term = 1;
    for (let j = 0; j < i; j++) term *= ((n - j) / (j + 1)) * p;
    sum += term * (1 - p) ** (n - i);
  }
  return sum;
}

test("tails are those of adding up", () => {
  for (const [k, n, p] of [[1, 10, 0.1], [3, 10, 0.5], [10, 10, 0.9], [7, 40, 0.05], [0, 5, 0.2], [20, 60, 0.25]] as const) {
    expect(binomialAtLeast(k, n, p)).toBeCloseTo(slowly(k, n, p), 12);
    expect(binomialAtMost(k, n, p)).toBeCloseTo(1 - slowly(k + 1, n, p), 12);
  }
});

test("known values, far out too", () => {
  // Added up with integers of any size.
  expect(binomialAtLeast(10, 500, 0.001)).toBeCloseTo(1.575508067365288e-10, 20);
  expect(incompleteBeta(0.5, 2, 3)).toBeCloseTo(0.6875, 12);
  expect(binomialAtMost(0, 1_000, 1 / 16)).toBeCloseTo((15 / 16) ** 1_000, 30);
  expect([binomialAtLeast(0, 5, 0.1), binomialAtLeast(6, 5, 0.1), binomialAtMost(5, 5, 0.1), binomialAtMost(-1, 5, 0.1)]).toEqual([1, 0, 1, 0]);
});

test("q-values: the published example, and tests that were not given", () => {
  // The fifteen p-values of Benjamini and Hochberg's table: at 0.05 the first four hold.
  const p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1];
  expect(falseDiscoveryRates(p).filter((q) => q <= 0.05)).toHaveLength(4);
  expect(falseDiscoveryRates([...p].reverse()).slice(-4).every((q) => q <= 0.05)).toBe(true);
  expect(falseDiscoveryRates([0.001], 100)).toEqual([0.1]);
});
