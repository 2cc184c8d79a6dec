import { chooseTier, type TierState } from "./choose-tier.js";

const states: TierState[] = [
  { tier: "raw", deletedBeforeMs: 9_000_000, doneMs: Infinity },
  { tier: "1s", deletedBeforeMs: 7_200_000, doneMs: 10_000_000 },
  { tier: "1m", deletedBeforeMs: 3_600_000, doneMs: 9_960_000 },
  { tier: "1h", deletedBeforeMs: -Infinity, doneMs: 7_200_000 },
];

test.each([
  ["as measured, recent", { fromMs: 9_500_000, toMs: 9_600_000 }, undefined, "raw", undefined],
  ["buckets of a second", { fromMs: 8_000_000, toMs: 9_600_000 }, 1_000, "1s", undefined],
  ["buckets of half a second, no tier has them", { fromMs: 9_500_000, toMs: 9_600_000 }, 500, "raw", undefined],
  ["buckets of ninety seconds", { fromMs: 8_000_000, toMs: 9_600_000 }, 90_000, "1s", undefined],
  ["buckets of two minutes", { fromMs: 4_000_000, toMs: 9_600_000 }, 120_000, "1m", undefined],
  ["hours, of a time not rolled up to hours yet", { fromMs: 7_200_000, toMs: 10_800_000 }, 3_600_000, "1m", undefined],
  ["hours of long ago", { fromMs: 0, toMs: 3_600_000 }, 3_600_000, "1h", undefined],
  ["as measured, long ago", { fromMs: 8_000_000, toMs: 9_600_000 }, undefined, "raw", { toMs: 9_000_000, why: /tier of 1s still has it: ask in buckets of 1000 ms/ }],
  ["seconds of long ago", { fromMs: 4_000_000, toMs: 5_000_000 }, 10_000, "1s", { toMs: 5_000_000, why: /tier of 1m still has it/ }],
] as const)("%s", (_what, range, bucketMs, tier, gone) => {
  const choice = chooseTier(states, range, bucketMs);
  expect(choice.tier).toBe(tier);
  if (gone === undefined) expect(choice.gone).toBeUndefined();
  else expect(choice.gone).toMatchObject({ fromMs: range.fromMs, toMs: gone.toMs, why: expect.stringMatching(gone.why) as string });
});

test("what no tier has any more is said so", () => {
  const none = states.map((state) => ({ ...state, deletedBeforeMs: 9_000_000 }));
  expect(chooseTier(none, { fromMs: 0, toMs: 1_000 }, 1_000).gone?.why).toMatch(/no tier has it any more/);
});
