import fc from "fast-check";
import { lossRatio, Sequence } from "./index.js";

const take = (sequence: Sequence, ...numbers: number[]): string[] => numbers.map((number) => sequence.take(number >>> 0, 0).is);

test("gaps are lost, late ones are taken off again, twice-sent ones are told", () => {
  const sequence = new Sequence();
  expect(take(sequence, 1, 2, 5, 3, 3, 5, 6)).toEqual(["first", "next", "gap", "late", "duplicate", "duplicate", "next"]);
  expect(sequence).toMatchObject({ received: 5, lost: 1, late: 1, duplicates: 2, restarts: 0 });
  expect(lossRatio(sequence)).toBeCloseTo(1 / 6);
  expect(lossRatio(new Sequence())).toBe(0);
});

test("numbers go round at 2^32", () => {
  const sequence = new Sequence();
  expect(take(sequence, -2, -1, 0, 2, 1, 3)).toEqual(["first", "next", "next", "gap", "late", "next"]);
  expect(sequence).toMatchObject({ received: 6, lost: 0 });
});

test("a far jump, or a clock gone back, is a restart and no loss", () => {
  const sequence = new Sequence();
  expect(take(sequence, 5_000, 1, 2, 1_000_003)).toEqual(["first", "restart", "next", "restart"]);
  expect(sequence.take(1_500_000, 0)).toEqual({ is: "gap", missing: 499_996 });
  const clocked = new Sequence();
  clocked.take(10, 50_000);
  expect(clocked.take(11, 100).is).toBe("restart");
  expect(clocked.take(12, 200).is).toBe("next");
  expect(clocked).toMatchObject({ lost: 0, restarts: 1 });
});

test("the agent's clock goes round after 49.7 days without a restart", () => {
  const sequence = new Sequence();
  sequence.take(1, 0xffff_ff00);
  expect(sequence.take(2, 5).is).toBe("next");
});

test("shuffled within the window, with losses: received and lost are exact", () => {
  const shuffled = fc.array(fc.record({ keep: fc.boolean(), late: fc.integer({ min: 0, max: 20 }) }), { minLength: 2, maxLength: 300 });
  fc.assert(
    fc.property(shuffled, fc.integer({ min: 0, max: 0xffffffff }), (all, start) => {
      const sent = all.map(({ keep, late }, i) => ({ i, keep: keep || i === 0 || i === all.length - 1, at: i === 0 ? -1 : i === all.length - 1 ? Infinity : i + late }));
      const arriving = sent.filter(({ keep }) => keep).sort((x, y) => x.at - y.at);
      const sequence = new Sequence();
      for (const { i } of arriving) sequence.take((start + i) >>> 0, 0);
      expect(sequence).toMatchObject({ received: arriving.length, lost: all.length - arriving.length, duplicates: 0, restarts: 0 });
    }),
    { seed: 1, numRuns: 500 },
  );
});
