import type { Observation } from "../base/observation.js";
import { HotRing } from "./hot-ring.js";

const observation = (tMs: number, values: Observation["values"], name = "l1:1"): Observation => ({ tMs, windowMs: 1_000, side: "live", subject: { kind: "port", name }, values });
const port = { kind: "port", name: "l1:1" } as const;

test("keeps the last of each metric in order; what was not measured is NaN; a metric may come later", () => {
  const ring = new HotRing({ length: 4, maxBytes: 1e6 });
  for (let i = 0; i < 6; i++) ring.observe(observation(i * 1_000, i % 2 === 0 ? { a: i } : { a: i, b: -i }));
  expect([...(ring.recent(port, "live", "a", 0)?.values ?? [])]).toEqual([2, 3, 4, 5]);
  expect([...(ring.recent(port, "live", "b", 0)?.values ?? [])]).toEqual([Number.NaN, -3, Number.NaN, -5]);
  expect([...(ring.recent(port, "live", "a", 4_000)?.tMs ?? [])]).toEqual([4_000, 5_000]);
  expect(ring.recent(port, "live", "none", 0)?.values).toHaveLength(0);
  expect(ring.recent(port, "shadow", "a", 0)).toBeUndefined();
});

test("is bounded in bytes: the subject not heard of for longest goes first, and is counted", () => {
  const ring = new HotRing({ length: 10, maxBytes: 2 * 10 * 8 * 2 });
  for (const name of ["x", "y", "x", "z"]) ring.observe(observation(0, { a: 1 }, name));
  const held = ["x", "y", "z"].filter((name) => ring.recent({ kind: "port", name }, "live", "a", 0) !== undefined);
  expect([held, ring.counters.forgotten]).toEqual([["x", "z"], 1]);
});
