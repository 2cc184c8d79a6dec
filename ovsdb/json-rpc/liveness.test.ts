import { tick, type Liveness } from "./liveness.js";

const alive = (sinceMs: number): Liveness => ({ state: "alive", sinceMs });

test("silence for one interval sends an echo, for two ends the connection; a byte in between starts over", () => {
  expect(tick(alive(0), 4_999, 5_000)).toEqual([alive(0), undefined]);
  const [probing, effect] = tick(alive(0), 5_000, 5_000);
  expect(effect).toBe("send-echo");
  expect(tick(probing, 9_999, 5_000)[1]).toBeUndefined();
  expect(tick(probing, 10_000, 5_000)).toEqual([{ state: "dead", sinceMs: 10_000 }, "close"]);
  expect(tick(alive(9_000), 10_000, 5_000)[1]).toBeUndefined();
});

test("a reply that drips in for an hour is life", () => {
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 4_000) expect(tick(alive(nowMs), nowMs + 3_999, 5_000)[1]).toBeUndefined();
});

test("the dead stay dead", () => {
  const dead: Liveness = { state: "dead", sinceMs: 0 };
  expect(tick(dead, 1e9, 5_000)).toEqual([dead, undefined]);
});
