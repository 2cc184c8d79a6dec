import type { Observation, Side } from "../base/observation.js";
import { seeded } from "../base/seeded.js";
import { mannWhitneyZ, PairComparison } from "./pair-comparison.js";

const pair = "10.0.0.1>10.0.0.2";
interface Given {
  readonly pathMs?: number;
  readonly leastMs?: number;
  readonly lost?: number;
  readonly bytes?: number;
  readonly window?: number;
}
const second = (side: Side, tMs: number, { pathMs = 1, leastMs = 0.5, lost = 0, bytes = 50_000, window = 65_536 }: Given): Observation => ({
  tMs, windowMs: 1_000, side, subject: { kind: "pair", name: pair },
  values: { tcpSegments: 200, tcpRetransmissions: lost + 1, tcpSpurious: 1, tcpPathMs: pathMs, tcpPathLeastMs: leastMs, tcpBytes: bytes, tcpWindow: window },
});

function compared(seconds: number, live: (i: number) => Given, shadow: (i: number) => Given): PairComparison {
  const comparison = new PairComparison();
  comparison.setPairs([pair]);
  for (let i = 0; i < seconds; i++) {
    comparison.take(second("live", i * 1_000, live(i)));
    comparison.take(second("shadow", i * 1_000, shadow(i)));
    comparison.advance((i + 1) * 1_000);
  }
  return comparison;
}

test("the rank statistic is that of a table: ties, no difference, and complete separation", () => {
  // x = 1..5, y = 6..10: U = 0, sigma = sqrt(25 · 11 / 12) = 4.787; z = -12.5 / 4.787.
  expect(mannWhitneyZ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])).toBeCloseTo(-2.611, 3);
  expect(mannWhitneyZ([6, 7, 8, 9, 10], [1, 2, 3, 4, 5])).toBeCloseTo(2.611, 3);
  expect(mannWhitneyZ([1, 1, 1], [1, 1, 1])).toBe(0);
  expect(mannWhitneyZ([1, 2, 3], [1, 2, 3])).toBeCloseTo(0);
});

test("a longer wait of live is told with its sign, and named after three seconds", () => {
  const comparison = compared(30, (i) => ({ pathMs: 20 + (i % 3) }), (i) => ({ pathMs: 1 + (i % 2) / 10 }));
  const [{ path, wait, loss, window } = {}] = comparison.results;
  expect(path).toMatchObject({ live: 21 });
  expect(wait).toMatchObject({ live: 20.5 });
  expect(wait?.z).toBeGreaterThan(4);
  expect([loss?.live, loss?.z, window?.z]).toEqual([0, 0, 0]);
  expect(comparison.deviating).toMatchObject([{ subject: { kind: "pair", name: pair }, metric: "wait", cause: "the networks differ" }]);
  expect(comparison.deviating[0]?.deviation).toBeCloseTo((20.5 - 0.55) / 20.5, 1);
  expect(compared(30, () => ({ pathMs: 1 }), () => ({ pathMs: 20 })).deviating[0]?.z).toBeLessThan(-4);
});

test("a loss is told as a share of the segments, and what was sent again in vain is none", () => {
  const comparison = compared(20, (i) => ({ lost: i % 2 === 0 ? 20 : 0 }), () => ({}));
  expect(comparison.results[0]?.loss).toMatchObject({ live: 0.05, shadow: 0 });
  expect(comparison.deviating).toMatchObject([{ metric: "loss", deviation: 0.05 }]);
  // One burst of the same size is no proof of anything.
  expect(compared(20, (i) => ({ lost: i === 3 ? 20 : 0 }), () => ({})).deviating).toEqual([]);
});

test("what is small is no difference however sure it is; a second with little data says nothing of round trips; few seconds say nothing", () => {
  expect(compared(30, () => ({ pathMs: 1.4 }), () => ({ pathMs: 0.6 })).deviating).toEqual([]);
  expect(compared(30, () => ({ pathMs: 40, bytes: 1_000 }), () => ({})).results[0]?.path).toBeUndefined();
  expect(compared(7, () => ({ pathMs: 40 }), () => ({})).results[0]).toMatchObject({ path: undefined, loss: undefined });
  // A long link is no difference: live's has a length, and the shadow's none.
  const far = compared(30, () => ({ pathMs: 40, leastMs: 39.5 }), () => ({}));
  expect([far.results[0]?.path?.live, far.deviating]).toEqual([40, []]);
});

test("after a rest the shadow's past counts no more; other pairs, sides' windows and counters are left alone", () => {
  const comparison = compared(20, () => ({ pathMs: 30 }), () => ({}));
  comparison.restart();
  comparison.take({ ...second("shadow", 20_000, {}), windowMs: 5_000 });
  comparison.take({ ...second("shadow", 20_000, {}), subject: { kind: "pair", name: "a>b" } });
  comparison.take({ tMs: 20_000, windowMs: 1_000, side: "shadow", subject: { kind: "pair", name: pair }, values: { probesSent: 5 } });
  comparison.advance(21_000);
  expect(comparison.results).toEqual([{ pair, path: undefined, wait: undefined, loss: undefined, window: undefined }]);
  expect(comparison.deviating).toEqual([]);
});

test("the same network on both sides: of 300 seeded runs hardly one is named", () => {
  let named = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const next = seeded(seed);
    const given = (): Given => ({ pathMs: 1 + 20 * next() ** 4, lost: next() < 0.1 ? Math.floor(10 * next()) : 0 });
    if (compared(30, given, given).deviating.length > 0) named++;
  }
  expect(named).toBeLessThanOrEqual(1);
});
