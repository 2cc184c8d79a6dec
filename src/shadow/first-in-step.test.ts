import { FirstInStep } from "./first-in-step.js";

test("waits until the bridges are in step; one that does not come is left behind, said once, and waited for no more", async () => {
  const inStep = new Set<string>();
  const late: string[][] = [];
  let now = 0;
  let steps = 0;
  const first = new FirstInStep({
    isInStep: (bridge) => inStep.has(bridge),
    advance: () => {
      now += 100;
      if (++steps === 3) inStep.add("a");
      return Promise.resolve();
    },
    late: (bridges) => late.push([...bridges]),
    nowMs: () => now,
    waitMs: 1_000,
  });
  await first.wait(["a"]);
  expect([steps, late]).toEqual([3, []]);
  await first.wait(["a", "b"]);
  expect([steps, late, [...first.late]]).toEqual([13, [["b"]], ["b"]]);
  await first.wait(["a", "b"]);
  expect([steps, late]).toEqual([13, [["b"]]]);
  inStep.add("b");
  await first.wait(["a", "b"]);
  expect([...first.late]).toEqual([]);
});
