import { seeded } from "../base/seeded.js";
import { places, spreadOut } from "./spread.js";

const line = (count: number): Float64Array[] => places(Array.from({ length: count }, (_, i) => ({ role: "host", traffic: i })));

test("each is drawn with its chance, as many as the chances sum up to", () => {
  const chances = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? 0.5 : i % 3 === 1 ? 0.25 : 0.05)); // 16 in all
  const drawn = chances.map(() => 0);
  for (let seed = 0; seed < 3_000; seed++) {
    const picked = spreadOut(chances, line(60), seeded(seed));
    expect(picked.filter(Boolean)).toHaveLength(16);
    picked.forEach((one, i) => void (drawn[i] = (drawn[i] ?? 0) + (one ? 1 : 0)));
  }
  // Five standard deviations of a share of 3,000.
  chances.forEach((chance, i) => expect(Math.abs((drawn[i] ?? 0) / 3_000 - chance)).toBeLessThan(5 * Math.sqrt((chance * (1 - chance)) / 3_000)));
});

test("of any stretch of alike devices about as many are drawn as its chances say", () => {
  for (let seed = 0; seed < 50; seed++) {
    const picked = spreadOut(Array.from({ length: 400 }, () => 0.25), line(400), seeded(seed));
    for (let from = 0; from < 400; from += 40) expect(Math.abs(picked.slice(from, from + 40).filter(Boolean).length - 10)).toBeLessThanOrEqual(4);
  }
});

test("roles are kept apart, and devices beyond a block are drawn as well", () => {
  const devices = Array.from({ length: 2_500 }, (_, i) => ({ role: i < 500 ? "server" : "client", traffic: i % 7 }));
  const picked = spreadOut(devices.map(() => 0.2), places(devices), seeded(1));
  expect(picked.filter(Boolean)).toHaveLength(500);
  expect(Math.abs(picked.slice(0, 500).filter(Boolean).length - 100)).toBeLessThanOrEqual(1);
});

test("equal figures have one place, and traits that not all have are left out", () => {
  const [one, other, third] = places([{ role: "a", traffic: 5, traits: [1, 2] }, { role: "a", traffic: 5, traits: [1] }, { role: "a", traffic: 9, traits: [3] }]);
  expect(one).toEqual(other);
  expect(one).toHaveLength(3);
  expect(third).not.toEqual(one);
});
