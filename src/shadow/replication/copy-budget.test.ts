import { seeded } from "../../base/seeded.js";
import { portKey, type PortRef } from "../../network/model.js";
import { CopyBudget, type CopyReading, type SteeredPort } from "./copy-budget.js";
import { hashSteps } from "./fraction.js";
import { stepsAt, type Shares } from "./shares.js";

interface Connection {
  readonly from: PortRef;
  /** The port of the host it goes to. */
  readonly to: PortRef;
  readonly hash: number;
  readonly perS: number;
}
const port = (ofport: number): PortRef => ({ bridge: "l1", ofport });

/** Traffic of ports 1 to `ports` with their hosts, with counters as switches have them; `share` copies as the flows do. */
class World {
  connections: readonly Connection[] = [];
  private nowMs = 0;
  private readonly asked = new Map<string, number>();
  private readonly delivered = new Map<string, number>();
  private readonly copiedOf = new Map<string, number>();
  private readonly random: () => number;
  private copied = 0;
  private fixed = 0;
  fixedPerS = 0;

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  /** `count` connections of port `from` to port `to`, together `perS`. `isSkewed`: their rates differ a hundredfold. */
  talk(from: number, to: number, count: number, perS: number, isSkewed = false): Connection[] {
    const weights = Array.from({ length: count }, () => (isSkewed ? 100 ** this.random() : 1));
    const sum = weights.reduce((x, y) => x + y, 0);
    return weights.map((weight) => ({ from: port(from), to: port(to), hash: Math.floor(this.random() * hashSteps), perS: (perS * weight) / sum }));
  }

  /** A second goes by. */
  second({ base, raised }: Shares): CopyReading {
    const steps = new Map(raised.map((one) => [portKey(one), stepsAt(base, one.factor)]));
    for (const { from, to, hash, perS } of this.connections) {
      const [key, most] = [portKey(from), Math.max(base, steps.get(portKey(from)) ?? 0, steps.get(portKey(to)) ?? 0)];
      const amount = perS * (0.97 + 0.06 * this.random());
      this.asked.set(key, (this.asked.get(key) ?? 0) + amount);
      this.delivered.set(portKey(to), (this.delivered.get(portKey(to)) ?? 0) + amount);
      if (hash >= most) continue;
      this.copied += amount;
      this.copiedOf.set(key, (this.copiedOf.get(key) ?? 0) + amount);
    }
    this.copied += this.fixedPerS;
    this.fixed += this.fixedPerS;
    this.nowMs += 1_000;
    return this.reading();
  }

  reading(): CopyReading {
    return { tMs: this.nowMs, asked: new Map(this.asked), cameIn: new Map([...this.asked].map(([key, amount]) => [key, { amount, ageMs: this.nowMs }])), delivered: new Map(this.delivered), copied: this.copied, fixed: this.fixed };
  }
  copiedFrom(ofport: number): number {
    return this.copiedOf.get(portKey(port(ofport))) ?? 0;
  }
}

/** Seconds with the budget at work; gives what was copied in each. */
function run(world: World, budget: CopyBudget, limit: number, seconds: number, ports: readonly SteeredPort[]): number[] {
  return Array.from({ length: seconds }, () => {
    const before = world.reading();
    const after = world.second(budget.shares);
    if (budget.take(after, limit, ports)) budget.rebase(after);
    return after.copied - before.copied;
  });
}
const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const portsOf = (count: number, weights: Readonly<Record<number, number>> = {}): SteeredPort[] => Array.from({ length: count }, (_, i) => ({ ...port(i + 1), weight: weights[i + 1] ?? 1, macs: [`02:00:00:00:00:0${i + 1}`] }));

test.each([1, 2, 3, 4, 5, 6])("the budget is held within 5 %% over ten seconds while the load changes tenfold, up and down (seed %i)", (seed) => {
  const world = new World(seed);
  const budget = new CopyBudget();
  const ports = portsOf(4);
  const load = (perS: number): Connection[] => [...world.talk(1, 2, 2_000, perS / 2, true), ...world.talk(2, 1, 2_000, perS / 4, true), ...world.talk(3, 4, 2_000, perS / 4)];
  for (const perS of [2_000, 20_000, 2_000, 6_000, 20_000]) {
    world.connections = load(perS);
    const seconds = run(world, budget, 1_000, 30, ports);
    // Four seconds to see it and to correct twice.
    for (let from = 4; from + 10 <= seconds.length; from++) {
      expect(meanOf(seconds.slice(from, from + 10)) / 1_000).toBeGreaterThan(0.95);
      expect(meanOf(seconds.slice(from, from + 10)) / 1_000).toBeLessThan(1.05);
    }
  }
  expect(budget.changes).toBeLessThan(5 * 12);
});

test("what fits is copied whole, and what others' sessions copy is taken off", () => {
  const world = new World(1);
  const budget = new CopyBudget();
  world.connections = world.talk(1, 2, 500, 700);
  run(world, budget, 1_000, 5, portsOf(2));
  expect(budget.shares).toMatchObject({ base: hashSteps });
  world.fixedPerS = 600;
  const seconds = run(world, budget, 1_000, 20, portsOf(2));
  expect(Math.abs(meanOf(seconds.slice(5)) / 1_000 - 1)).toBeLessThan(0.05);
  world.fixedPerS = 3_000; // more than the budget by itself: nothing is left
  run(world, budget, 1_000, 5, portsOf(2));
  expect(budget.shares.base).toBe(1);
});

test("a port under suspicion, and one with little to tell, copies more of what it has, in both directions; the budget is held", () => {
  const world = new World(7);
  const budget = new CopyBudget();
  world.connections = [...world.talk(1, 4, 1_000, 5_000), ...world.talk(2, 4, 1_000, 5_000), ...world.talk(3, 4, 100, 50), ...world.talk(4, 2, 1_000, 2_000)];
  run(world, budget, 1_000, 15, portsOf(4));
  const share = (ofport: number): number => stepsAt(budget.shares.base, budget.shares.raised.find((one) => one.ofport === ofport)?.factor ?? 1);
  expect(share(3)).toBeGreaterThan(500);
  expect(share(1)).toBeLessThanOrEqual(2 * share(2));
  const suspected = portsOf(4, { 2: 64 });
  run(world, budget, 1_000, 10, suspected);
  const before = [1, 2, 4].map((n) => world.copiedFrom(n));
  const seconds = run(world, budget, 1_000, 15, suspected);
  const [one = 0, two = 0, four = 0] = [1, 2, 4].map((n, i) => world.copiedFrom(n) - (before[i] ?? 0));
  expect(two / one).toBeGreaterThan(3);
  expect(four / 2_000).toBeGreaterThan((2 * one) / 5_000); // the answers to port 2 come in by port 4
  expect(Math.abs(meanOf(seconds) / 1_000 - 1)).toBeLessThan(0.05);
});

test("of a few large connections the nearest that whole ones allow is copied, and it comes to rest", () => {
  const world = new World(3);
  const budget = new CopyBudget();
  world.connections = world.talk(1, 2, 4, 4_000);
  run(world, budget, 1_500, 180, portsOf(2));
  const { changes } = budget;
  const seconds = run(world, budget, 1_500, 60, portsOf(2));
  expect(budget.changes - changes).toBeLessThanOrEqual(10);
  expect(meanOf(seconds)).toBeGreaterThan(900);
  expect(meanOf(seconds)).toBeLessThan(2_100);
});

test("counters that begin anew, and a port that is new, are no load", () => {
  const budget = new CopyBudget();
  const reading = (tMs: number, asked: Record<string, number>, copied: number): CopyReading => ({ tMs, asked: new Map(Object.entries(asked)), cameIn: new Map(Object.entries(asked).map(([key, amount]) => [key, { amount, ageMs: tMs }])), delivered: new Map(), copied, fixed: 0 });
  expect(budget.take(reading(0, { "l1:1": 1_000_000 }, 50_000), 100, portsOf(2))).toBe(false);
  expect(budget.take(reading(1_000, { "l1:1": 10 }, 0), 100, portsOf(2))).toBe(false); // the switch was started anew
  expect(budget.take(reading(2_000, { "l1:1": 110, "l1:2": 9_000_000 }, 1), 100, portsOf(2))).toBe(true);
  expect(budget.state).toEqual({ askedPerS: 100, copiedPerS: 1, fixedPerS: 0 });
  expect(budget.shares.base).toBeGreaterThan(500);
});
