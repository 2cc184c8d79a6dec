import fc from "fast-check";
import { seeded } from "../base/seeded.js";
import { chances, drawSubset, representation, type Device, type Taken } from "./subset.js";

/** Devices of three roles whose traffic is log-normal, as hosts' is. */
function network(count: number, seed: number): Device[] {
  const random = seeded(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: count }, (_, i) => {
    const role = ["client", "client", "client", "server"][i % 4] as string;
    return { name: `l${i % 10}:${i}`, role, critical: i % 50 === 0, traffic: Math.exp(normal() + (role === "server" ? 3 : 1)) };
  });
}

test("a quarter of 400 devices has the distribution of all: distance below 0.1 for nine of ten seeds and more", () => {
  const distances = Array.from({ length: 40 }, (_, seed) => {
    const devices = network(400, seed + 100);
    const taken = drawSubset(devices, { share: 0.25, seed });
    expect(taken).toHaveLength(100);
    return representation(devices, taken, (device) => device.traffic, seed, 50).ks;
  }).sort((x, y) => x - y);
  expect(distances[35]).toBeLessThan(0.1);
});

test("it stands for the whole in figures that it was not drawn by, better than any devices with equal chances", () => {
  const random = seeded(17);
  // What a device does later goes with its traffic and its trait, and not with them alone.
  const devices = network(160, 5).map((device) => ({ ...device, critical: false, traits: [random()] }));
  const later = new Map(devices.map(({ name, traffic, traits: [trait = 0] }) => [name, [traffic * (0.5 + random()), trait + 0.3 * random()] as const]));
  const ks = (taken: readonly Taken[], which: 0 | 1): number => representation(devices, taken, ({ name }) => later.get(name)?.[which] ?? 0, 1, 1).ks;
  const by = (draw: (seed: number) => readonly Taken[]): number[] => ([0, 1] as const).map((which) => Array.from({ length: 60 }, (_, seed) => ks(draw(seed), which)).sort((x, y) => x - y)[30] ?? NaN);
  const plain = (seed: number): Taken[] => {
    const luck = seeded(seed);
    return devices.map(({ name }) => ({ name, at: luck() })).sort((x, y) => x.at - y.at).slice(0, 40).map(({ name }) => ({ name, chance: 0.25 }));
  };
  const [spread, chance] = [by((seed) => drawSubset(devices, { share: 0.25, seed })), by(plain)];
  for (const which of [0, 1]) expect(spread[which] ?? NaN).toBeLessThan(0.85 * (chance[which] ?? NaN));
});

test("critical devices are always taken, the same seed gives the same part, another another", () => {
  const devices = network(200, 1);
  const names = (seed: number): string[] => drawSubset(devices, { share: 0.25, seed }).map(({ name }) => name);
  for (const device of devices.filter(({ critical }) => critical)) expect(names(3)).toContain(device.name);
  expect(names(3)).toEqual(names(3));
  expect(names(3)).not.toEqual(names(4));
});

test("chances follow the weights, none above 1, and sum up to the count", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1, maxLength: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), (weights, share) => {
      const count = Math.round(weights.length * share);
      const all = chances(weights, count);
      expect(all.reduce((sum, one) => sum + one, 0)).toBeCloseTo(count, 6);
      for (const one of all) expect(one).toBeLessThanOrEqual(1 + 1e-9);
    }),
  );
});

test("the interval of a quantile holds the whole's value about as often as it says; a part that is all has no distance", () => {
  let held = 0;
  for (let seed = 0; seed < 40; seed++) {
    const devices = network(300, seed);
    const { quantiles } = representation(devices, drawSubset(devices, { share: 0.25, seed }), (device) => device.traffic, seed, 200);
    const median = quantiles.find(({ share }) => share === 0.5);
    if (median !== undefined && median.low <= median.whole && median.whole <= median.high) held++;
  }
  expect(held).toBeGreaterThanOrEqual(34);
  const devices = network(50, 1);
  expect(representation(devices, drawSubset(devices, { share: 1, seed: 1 }), (device) => device.traffic, 1).ks).toBeCloseTo(0, 9);
});

test("a share that is none is refused", () => {
  for (const share of [0, -1, 1.01, Number.NaN]) expect(() => drawSubset(network(4, 1), { share, seed: 1 })).toThrow(RangeError);
});
