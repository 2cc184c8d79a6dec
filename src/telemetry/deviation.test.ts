import { seeded } from "../base/seeded.js";
import { deviation, zForFalseAlarms, type BothSides, lossDifference } from "./deviation.js";

const judge = (one: BothSides) => deviation(one, one);

test("equal networks: no cause", () => {
  expect(judge({ selected: 10_000, copied: 10_000, liveOut: 9_000, shadowOut: 9_000 })).toMatchObject({ mirrorLoss: 0, outputRatio: 1, deviation: 0, cause: "none" });
});

test("a copy that loses a tenth is mirror loss, and not a difference of the networks", () => {
  const seen = judge({ selected: 10_000, copied: 9_000, liveOut: 10_000, shadowOut: 8_990 });
  expect(seen.mirrorLoss).toBeCloseTo(0.1, 9);
  expect(seen.cause).toBe("mirror loss");
});

test("a shadow that drops what live delivers differs, with a whole copy and with a poor one", () => {
  expect(judge({ selected: 10_000, copied: 10_000, liveOut: 10_000, shadowOut: 9_000 }).cause).toBe("the networks differ");
  expect(judge({ selected: 10_000, copied: 9_000, liveOut: 10_000, shadowOut: 5_000 }).cause).toBe("both");
});

test("a shadow that gives to hosts what live does not differs", () => {
  expect(judge({ selected: 10_000, copied: 10_000, liveOut: 0, shadowOut: 10_000 }).cause).toBe("the networks differ");
});

test("little traffic says nothing", () => {
  expect(judge({ selected: 20, copied: 20, liveOut: 20, shadowOut: 3 })).toMatchObject({ deviation: undefined, cause: "too little traffic" });
  expect(judge({ selected: 0, copied: 0, liveOut: 0, shadowOut: 0 })).toMatchObject({ mirrorLoss: undefined, outputRatio: undefined });
});

test("the false alarms of a lossy copy are as rare as asked", () => {
  const random = seeded(7);
  const share = 0.8;
  let above = 0;
  const trials = 4_000;
  for (let i = 0; i < trials; i++) {
    let [copied, shadowOut] = [0, 0];
    for (let j = 0; j < 500; j++) {
      const isCopied = random() < share ? 1 : 0;
      copied += isCopied;
      shadowOut += random() < share ? 1 : 0;
    }
    const { z } = deviation({ selected: 500, copied, liveOut: 500, shadowOut }, { selected: 50_000, copied: 50_000 * share, liveOut: 500, shadowOut });
    if (Math.abs(z ?? 0) > 2.5758) above++;
  }
  // 1 % of normal scores are beyond 2.5758.
  expect(above / trials).toBeLessThan(0.015);
  expect(above / trials).toBeGreaterThan(0.003);
});

test("the limit for a rate of false alarms follows the normal tail", () => {
  expect(zForFalseAlarms(86_400 * 0.01, 1)).toBeCloseTo(2.5758, 3);
  expect(zForFalseAlarms(1, 1_000)).toBeGreaterThan(zForFalseAlarms(1, 1));
  expect(zForFalseAlarms(1, 1)).toBeCloseTo(4.38, 1);
});

test("packets that the shadow counts a second late are no difference while a rate changes, and are none of the tolerance while it does not", () => {
  // 500 packets/s begin within the window: the shadow has counted all but the last 400 ms of them.
  const rising = { selected: 1_500, copied: 1_300, liveOut: 1_500, shadowOut: 1_300, earlier: { selected: 1_000, liveOut: 1_000 } };
  expect(deviation(rising, rising)).toMatchObject({ cause: "none", mirrorLoss: 0, deviation: 0 });
  const steady = { ...rising, earlier: { selected: 1_500, liveOut: 1_500 } };
  expect(deviation({ ...steady, copied: 1_500 }, { ...steady, copied: 1_500 })).toMatchObject({ cause: "the networks differ" });
  // At 1,000/s, 300 too many may be what was counted late; 600 of 30 s and 1,000 of 5 s are not.
  const over = (windowMs: number, surplus: number) => {
    const packets = windowMs;
    const sides = { selected: packets, copied: packets, liveOut: packets, shadowOut: packets + surplus, windowMs };
    return deviation(sides, sides).cause;
  };
  expect([over(5_000, 300), over(30_000, 300), over(30_000, 600), over(5_000, 1_000)]).toEqual(["none", "none", "the networks differ", "the networks differ"]);
  const without = { selected: 1_500, copied: 1_500, liveOut: 1_500, shadowOut: 900, earlier: { selected: 1_000, liveOut: 1_000 } };
  expect(deviation(without, without)).toMatchObject({ cause: "the networks differ", deviation: -100 / 1_500 });
});

test("loss of a link on both sides: beyond noise where live loses, none where both lose alike, nothing of little traffic", () => {
  const link = (sent: number, lossRatio: number, windowMs = 30_000) => ({ sent, lossRatio, windowMs });
  const lossy = lossDifference(link(30_000, 0.05), link(30_000, 0));
  expect(lossy?.difference).toBeCloseTo(0.05, 9);
  expect(lossy?.z).toBeGreaterThan(4);
  expect(lossDifference(link(30_000, 0), link(30_000, 0.05))?.z).toBeLessThan(-4);
  // What 5 s can't tell: a counter may be a tenth of a second off.
  expect(Math.abs(lossDifference(link(5_000, 0.02, 5_000), link(5_000, 0, 5_000))?.z ?? NaN)).toBeLessThan(4);
  expect(lossDifference(link(99, 0.5), link(30_000, 0))).toBeUndefined();
});

test("loss by chance, the same on both sides, is told as different as seldom as the limit has it", () => {
  const random = seeded(7);
  const seen = (sent: number, ratio: number): number => Array.from({ length: sent }, () => random()).filter((one) => one < ratio).length / sent;
  let beyond = 0;
  const windows = 2_000;
  for (let i = 0; i < windows; i++) {
    const side = () => ({ sent: 500, lossRatio: seen(500, 0.1), windowMs: 30_000 });
    if (Math.abs(lossDifference(side(), side())?.z ?? 0) > 2.576) beyond++;
  }
  // One in a hundred by counting alone; what is allowed for reading the counters makes it a little less.
  expect(beyond / windows).toBeGreaterThan(0.002);
  expect(beyond / windows).toBeLessThan(0.015);
});
