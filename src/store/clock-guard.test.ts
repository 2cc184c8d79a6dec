import { lookAtClock } from "./clock-guard.js";

test("an ordinary clock lets old rows be deleted; one that leaps forward does not for an hour", () => {
  let state = lookAtClock(undefined, 1_000_000, 0);
  expect(state.mayDelete).toBe(true);
  state = lookAtClock(state, 1_005_000, 5_000);
  expect(state.mayDelete).toBe(true);
  // A year ahead, between two looks.
  state = lookAtClock(state, 1_010_000 + 365 * 86_400_000, 10_000);
  expect(state.mayDelete).toBe(false);
  state = lookAtClock(state, 1_015_000 + 365 * 86_400_000, 15_000);
  expect(state.mayDelete).toBe(false);
  state = lookAtClock(state, 1_010_000 + 365 * 86_400_000 + 3_600_000, 10_000 + 3_600_000);
  expect(state.mayDelete).toBe(true);
});

test("a step back holds nothing up, and a process that slept is no leap of the wall clock alone", () => {
  const state = lookAtClock(undefined, 1_000_000_000, 0);
  expect(lookAtClock(state, 1_000_000, 5_000).mayDelete).toBe(true);
  expect(lookAtClock(state, 1_000_000_000 + 7_200_000, 7_200_000).mayDelete).toBe(true);
});
