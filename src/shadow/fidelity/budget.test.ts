/** When the copy goes, and when it comes back. */
import { Budget, type Pressure } from "./budget.js";

const options = { limits: { cpu: 0.6, upcallsPerS: 1_000, megaflows: 10_000, receiveDropsPerS: 10 }, looks: 2, holdMs: 5_000 };
const calm: Pressure = { cpu: 0.1, upcallsPerS: 1, megaflows: 5, receiveDropsPerS: 0 };
const run = (budget: Budget, pressure: Pressure, fromMs: number, toMs: number): number[] => Array.from({ length: (toMs - fromMs) / 500 }, (_, i) => budget.take(pressure, fromMs + i * 500));

test("each pressure sheds the copy at the second look, and says why", () => {
  for (const pressure of [{ ...calm, cpu: 0.7 }, { ...calm, upcallsPerS: 2_000 }, { ...calm, megaflows: 10_001 }, { ...calm, receiveDropsPerS: 11 }]) {
    const budget = new Budget(options);
    expect(run(budget, pressure, 0, 2_000)).toEqual([1, 0, 0, 0]);
    expect(budget.why).toMatch(/is above/);
    expect(budget.sheds).toBe(1);
  }
});

test("one outlier, and what can't be measured, shed nothing", () => {
  const budget = new Budget(options);
  expect([budget.take({ cpu: 0.9 }, 0), budget.take(calm, 500), budget.take({ cpu: 0.9 }, 1_000), budget.take({}, 1_500)]).toEqual([1, 1, 1, 1]);
});

test("it comes back after the hold, not while pressure is only a little below the limit", () => {
  const budget = new Budget(options);
  run(budget, { cpu: 0.9 }, 0, 1_000);
  expect(new Set(run(budget, { cpu: 0.59 }, 1_000, 30_000))).toEqual(new Set([0]));
  const back = run(budget, calm, 30_000, 40_000);
  expect(back.indexOf(1)).toBe(10);
});

test("going again soon doubles the hold", () => {
  const budget = new Budget(options);
  run(budget, { cpu: 0.9 }, 0, 1_000);
  expect(run(budget, calm, 1_000, 7_000).at(-1)).toBe(1);
  run(budget, { cpu: 0.9 }, 7_000, 8_000);
  expect(run(budget, calm, 8_000, 20_000).indexOf(1)).toBe(20);
});
