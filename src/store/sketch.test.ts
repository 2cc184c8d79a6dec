import { quantileOf, valueOfKey } from "./duckdb/sketch.js";

test("a key's value is within 2 % of every value that has the key; zero and negative ones too", () => {
  const key = (value: number): number => (value === 0 ? 0 : Math.sign(value) * Math.max(1, 1_000 + Math.ceil(Math.log(Math.abs(value)) / Math.log(1.04))));
  for (const value of [0, 1e-6, 0.5, 1, 7, 1_234.5, 9.87e9, 3e14, -42]) expect(Math.abs(valueOfKey(key(value)) - value)).toBeLessThanOrEqual(Math.abs(value) * 0.02);
});

test("quantiles by rank", () => {
  const counts = [[0, 90], [1_000, 9], [1_100, 1]] as const;
  expect([quantileOf(counts, 0.5), quantileOf(counts, 0.95), quantileOf(counts, 1)]).toEqual([0, valueOfKey(1_000), valueOfKey(1_100)]);
  expect(quantileOf([], 0.5)).toBeUndefined();
});
