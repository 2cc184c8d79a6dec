import { hash, SecondDistinct, SecondSums } from "./seconds.js";

test("sums are kept for 31 seconds and read over any window of them", () => {
  const sums = new SecondSums(2);
  for (let second = 100; second < 140; second++) sums.add(second, 0, second);
  expect(sums.over(0, 139, 1)).toBe(139);
  expect(sums.over(0, 139, 5)).toBe(135 + 136 + 137 + 138 + 139);
  expect(sums.over(1, 139, 30)).toBe(0);
  expect(sums.at(0, 109)).toBe(109);
  expect(sums.at(0, 108)).toBe(0);
  expect(sums.add(108, 0, 1)).toBe(false);
});

test("a gap leaves zeros, also one longer than the ring", () => {
  const sums = new SecondSums(1);
  sums.add(10, 0, 7);
  sums.add(13, 0, 1);
  expect(sums.over(0, 13, 4)).toBe(8);
  sums.add(1_000, 0, 2);
  expect(sums.over(0, 1_000, 30)).toBe(2);
});

test("the slope of a straight line is its slope", () => {
  const sums = new SecondSums(1);
  for (let second = 1; second <= 30; second++) sums.add(second, 0, 5 * second + 3);
  for (const length of [1, 5, 30]) expect(sums.slope(0, 30, length)).toBeCloseTo(5, 9);
});

test("distinct values are counted within a few per cent, and again in the next window", () => {
  for (const count of [1, 10, 500, 2_000]) {
    const distinct = new SecondDistinct();
    for (let i = 0; i < count; i++) for (const second of [50, 51]) distinct.add(second, `10.0.${i >> 8}.${i & 255}`);
    expect(Math.abs(distinct.over(51, 5) / count - 1)).toBeLessThan(0.08);
    expect(distinct.over(60, 5)).toBe(0);
  }
});

test("the hash spreads neighbouring addresses", () => {
  const buckets = new Array<number>(16).fill(0);
  for (let i = 0; i < 4_096; i++) {
    const bucket = hash(`10.0.${i >> 8}.${i & 255}`) % 16;
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  expect(Math.max(...buckets) - Math.min(...buckets)).toBeLessThan(120);
});
