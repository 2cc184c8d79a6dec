import fc from "fast-check";
import { planSampling, relativeError, type BridgeTraffic, type SamplingBudget } from "./sampling-plan.js";

const budget: SamplingBudget = { samplesPerS: 1_000, minRate: 1, maxRate: 4_096, maxCpu: 0.5 };
const bridge = (name: string, packetsPerS: number, weight = 1): BridgeTraffic => ({ bridge: name, packetsPerS, weight });
const rates = (traffic: readonly BridgeTraffic[], cpu = 0, before = new Map<string, number>()): Record<string, number> => Object.fromEntries(planSampling(traffic, budget, cpu, before).rates);

test("alike bridges get alike samples, whatever their traffic", () => {
  expect(rates([bridge("a", 64_000), bridge("b", 8_000)])).toEqual({ a: 128, b: 16 });
});

test("a quiet bridge is seen whole and leaves the rest to the others", () => {
  expect(rates([bridge("a", 100), bridge("b", 100_000)])).toEqual({ a: 1, b: 128 });
});

test("what is suspected gets more", () => {
  const [calm, suspected] = [rates([bridge("a", 100_000), bridge("b", 100_000)]), rates([bridge("a", 100_000, 64), bridge("b", 100_000)])];
  expect(calm["a"]).toBe(calm["b"]);
  expect(suspected["a"]).toBeLessThan(calm["a"] ?? 0);
  expect(suspected["b"]).toBeGreaterThan(suspected["a"] ?? 0);
});

test("a busy processor shrinks the budget", () => {
  expect(rates([bridge("a", 64_000)], 0.4)).toEqual({ a: 64 });
  expect(rates([bridge("a", 64_000)], 1)).toEqual({ a: 128 });
});

test("a rate that still serves is left alone: each change is a transaction", () => {
  const before = new Map([["a", 64]]);
  expect(rates([bridge("a", 50_000)], 0, before)).toEqual({ a: 64 });
  expect(rates([bridge("a", 30_000)], 0, before)).toEqual({ a: 64 });
  expect(rates([bridge("a", 200_000)], 0, before)).toEqual({ a: 256 });
  expect(rates([bridge("a", 4_000)], 0, before)).toEqual({ a: 4 });
});

test("a silent bridge is looked at whole: it costs nothing until it speaks", () => {
  expect(rates([bridge("a", 0), bridge("b", 1_000)])).toEqual({ a: 1, b: 1 });
});

test("the budget is held while the load changes tenfold", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ packetsPerS: fc.double({ min: 0, max: 1e6, noNaN: true }), weight: fc.double({ min: 1, max: 100, noNaN: true }) }), { minLength: 1, maxLength: 20 }), (list) => {
      const traffic = list.map((one, i) => ({ bridge: `b${i}`, ...one }));
      const plan = planSampling(traffic, { ...budget, maxRate: 2 ** 30 }, 0);
      expect(plan.samplesPerS).toBeLessThanOrEqual(budget.samplesPerS * 1.05);
      for (const rate of plan.rates.values()) expect(Math.log2(rate) % 1).toBe(0);
    }),
  );
});

test("the error is that of counting", () => {
  expect(relativeError(10_000, 100)).toBeCloseTo(0.196, 9);
  expect(relativeError(10, 1)).toBe(0);
});
