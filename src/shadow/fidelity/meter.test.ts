/** The meter with counters in memory: what it tells can be kept, and its alerts begin and end by the target. */
import type { NetworkEvent, Observation } from "../../base/observation.js";
import { isMetric, isWellFormed } from "../../store/limits.js";
import { fidelityFeatures } from "../../telemetry/features.js";
import { FidelityMeter } from "./meter.js";

function world(large = false) {
  let [received, copied, nowMs] = [0, 0, 1_000.5];
  const observations: Observation[] = [];
  const events: NetworkEvent[] = [];
  const meter = new FidelityMeter({
    read: () => Promise.resolve(new Map([["l1:1", { received: BigInt(received), copied: BigInt(copied), receiveDrops: 0n }]])),
    flushCounters: () => Promise.resolve(),
    isLarge: () => large,
    mode: () => "on",
    sink: { observe: (one) => observations.push(one), happened: (one) => events.push(one) },
    nowMs: () => nowMs,
    epochMs: () => 1_700_000_000_000 + nowMs,
    target: 0.99,
  });
  /** A second and a bit passes, in which so many packets came and so many were copied. */
  const second = async (came: number, went: number): Promise<void> => {
    nowMs += 1_003.4;
    received += came;
    copied += went;
    await meter.look();
  };
  return { meter, observations, events, second };
}

test("each observation can be kept, is in the catalogue, and names one window whatever the timer's jitter", async () => {
  const { observations, second } = world();
  for (let i = 0; i < 5; i++) await second(100, 100);
  const known = new Set(fidelityFeatures.map(({ name }) => name));
  expect(observations.length).toBe(5);
  for (const one of observations) {
    expect([isWellFormed(one), Number.isInteger(one.tMs), one.windowMs]).toEqual([true, true, 1_000]);
    for (const name of Object.keys(one.values)) expect([name, known.has(name) && isMetric(name)]).toEqual([name, true]);
  }
  expect(observations.slice(1).reduce((sum, { values }) => sum + (values["fidelity.selected"] ?? 0), 0)).toBe(400);
});

test("copies that stay away raise one alert, told with how many; it ends when they are back for a while", async () => {
  const { meter, events, second } = world();
  for (let i = 0; i < 4; i++) await second(100, 100);
  expect(events).toEqual([]);
  for (let i = 0; i < 5; i++) await second(100, 50);
  expect(events).toMatchObject([{ kind: "fidelity", subject: "l1:1", detail: { state: "below target", target: 0.99 } }]);
  expect(meter.measured()[0]?.alert?.why).toMatch(/packets were not copied in the last 5 s/);
  for (let i = 0; i < 20; i++) await second(100, 100);
  expect(events.map(({ detail }) => detail["state"])).toEqual(["below target", "target met"]);
  expect(meter.measured()[0]?.alert).toBeUndefined();
});

test("of a large network nothing is told of a port to which nothing happens, and what is not read again is not counted again", async () => {
  const { observations, second } = world(true);
  for (const came of [0, 5, 0, 0, 0, 7, 0]) await second(came, came);
  expect(observations.map(({ values }) => values["fidelity.received"])).toEqual([5, 7]);
});

test("few packets raise no alert, and a failed reading is told and forgets nothing", async () => {
  const { meter, events, second } = world();
  await second(1, 1);
  for (let i = 0; i < 8; i++) await second(2, 1);
  expect(events).toEqual([]);
  const failing = new FidelityMeter({
    read: () => Promise.reject(new Error("no answer")),
    flushCounters: () => Promise.reject(new Error("no socket")),
    isLarge: () => false,
    mode: () => "on",
    sink: { observe: () => undefined, happened: () => undefined },
    nowMs: () => 0,
    epochMs: () => 0,
    target: 1,
  });
  await failing.look();
  expect([failing.failure, failing.flushFailure, failing.ageMs]).toEqual(["no answer", "no socket", undefined]);
  expect(meter.measured()[0]?.received).toBe(16);
});
