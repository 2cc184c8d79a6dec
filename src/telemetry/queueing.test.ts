import { minBytes, Queueing, type PairDelay } from "./queueing.js";

const bytes = minBytes;
const delay = (src: string, dst: string, pathMs: number, leastMs = 1): PairDelay => ({ src, dst, pathMs, leastMs, bytes });
/** a and b are behind l1, c and d behind l2. */
const lastPort = (address: string): string | undefined => ({ c: "l2:1", d: "l2:2" })[address];
const ways = (queueing: Queueing, tMs: number): void => {
  for (const src of ["a", "b"]) for (const dst of ["c", "d"]) for (const port of ["l1:3", "s1:2"]) queueing.crossed(src, dst, port, tMs);
};
const at = (queueing: Queueing, delays: readonly PairDelay[], tMs: number): Record<string, readonly [number, number]> =>
  Object.fromEntries(queueing.second(delays, lastPort, tMs).map(({ port, atLeastMs, atMostMs }) => [port, [atLeastMs, atMostMs]]));

test("where one of two pairs waits that share all but the last port, that port has the queue", () => {
  const queueing = new Queueing();
  ways(queueing, 1_000);
  expect(at(queueing, [delay("a", "c", 31), delay("b", "d", 1.5)], 2_000)).toEqual({ "l1:3": [0, 0.5], "s1:2": [0, 0.5], "l2:1": [29, 30], "l2:2": [0, 0.5] });
});

test("one pair alone says how much is waited, not where; both waiting points to what they share", () => {
  const queueing = new Queueing();
  ways(queueing, 1_000);
  expect(at(queueing, [delay("a", "c", 21)], 2_000)).toEqual({ "l1:3": [0, 20], "s1:2": [0, 20], "l2:1": [0, 20] });
  expect(Object.values(at(queueing, [delay("a", "c", 21), delay("b", "d", 21)], 3_000)).map(([, atMost]) => atMost)).toEqual([20, 20, 20, 20]);
});

test("the least is that of all connections of some minutes; it goes when the way has changed for long", () => {
  const queueing = new Queueing();
  ways(queueing, 1_000);
  at(queueing, [delay("a", "c", 1)], 2_000);
  // A connection that began when the queue was there already.
  expect(at(queueing, [delay("a", "c", 21, 20)], 3_000)["l2:1"]).toEqual([0, 20]);
  for (const tMs of [400_000, 800_000]) {
    ways(queueing, tMs);
    at(queueing, [delay("a", "c", 20, 20)], tMs);
  }
  expect(at(queueing, [delay("a", "c", 21, 20)], 801_000)["l2:1"]).toEqual([0, 1]);
});

test("pairs that send little, or whose way was not sampled of late, say nothing; pairs without room are counted", () => {
  const queueing = new Queueing(1);
  queueing.crossed("a", "c", "l1:3", 1_000);
  expect(at(queueing, [{ ...delay("a", "c", 21), bytes: bytes - 1 }], 2_000)).toEqual({});
  expect(at(queueing, [delay("a", "c", 21)], 60_000)).toEqual({});
  queueing.crossed("b", "d", "l1:3", 61_000);
  expect(queueing.leftOut).toBe(1);
});
