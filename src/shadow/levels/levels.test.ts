import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { configSchema } from "../../config/schema.js";
import { LevelStore } from "./level-store.js";
import { Levels, readLevel } from "./levels.js";

let dir: string;
beforeEach(() => (dir = mkdtempSync(path.join(tmpdir(), "levels-"))));
afterEach(() => rmSync(dir, { recursive: true }));

function make(shadow: object, start = "2026-11-20T12:00:00Z") {
  let now = Date.parse(start);
  let changes = 0;
  const levels = new Levels(configSchema.parse({ shadow }).shadow, { store: LevelStore.open(dir), nowMs: () => now, changed: () => changes++ });
  return {
    levels,
    go: (ms: number) => {
      now += ms;
      levels.look();
    },
    now: () => now,
    changes: () => changes,
    shown: (bridge: string) => `${levels.of(bridge).level}, ${levels.of(bridge).why}`,
  };
}

test("the configuration, the schedule over it, the operator over both; and back", () => {
  const { levels, go, shown, changes } = make({
    level: "flows",
    levels: { s2: "topology" },
    schedule: [
      { from: "12:00:10", to: "12:00:20", level: "packets" },
      { from: "12:00:15", to: "12:00:20", level: "state", bridges: ["s1"] },
    ],
  });
  expect([shown("s1"), shown("s2")]).toEqual(["flows, configuration", "topology, configuration"]);
  go(10_000);
  expect([shown("s1"), shown("s2"), changes()]).toEqual(["packets, schedule entry 1", "packets, schedule entry 1", 1]);
  go(5_000);
  expect([shown("s1"), shown("s2"), changes()]).toEqual(["state, schedule entry 2", "packets, schedule entry 1", 2]);
  levels.set("s1", "configuration");
  levels.set(undefined, "topology");
  expect([shown("s1"), shown("s2")]).toEqual(["configuration, operator", "topology, operator"]);
  levels.set("s1", undefined);
  levels.set(undefined, undefined);
  go(5_000);
  expect([shown("s1"), shown("s2")]).toEqual(["flows, configuration", "topology, configuration"]);
  const before = changes();
  go(1_000);
  expect(changes()).toBe(before);
});

test("an event raises a bridge until it expires, never lowers it; a longer one counts", () => {
  const { levels, go, now, shown, changes } = make({ level: "flows" });
  levels.raise({ bridges: ["s1"], level: "packets", untilMs: now() + 5_000, why: "suspicion" });
  levels.raise({ bridges: ["s1"], level: "state", untilMs: now() + 9_000, why: "a peak is predicted" });
  levels.raise({ bridges: ["s1"], level: "topology", untilMs: now() + 60_000, why: "no effect" });
  levels.raise({ bridges: ["s1"], level: "packets", untilMs: now() + 1_000, why: "shorter" });
  expect([shown("s1"), shown("s2"), changes()]).toEqual(["packets, suspicion", "flows, configuration", 1]);
  expect(levels.of("s1")).toMatchObject({ base: "flows", untilMs: now() + 5_000 });
  go(5_000);
  expect(shown("s1")).toBe("state, a peak is predicted");
  go(4_000);
  expect(shown("s1")).toBe("flows, configuration");
  levels.raise({ bridges: ["s1"], level: "packets", untilMs: now(), why: "over before it began" });
  expect(shown("s1")).toBe("flows, configuration");
  const many = Array.from({ length: 10_001 }, (_, i) => `b${i}`);
  expect(() => levels.raise({ bridges: many, level: "packets", untilMs: now() + 1_000, why: "too many" })).toThrow(/10000 bridges/);
});

test("schedule and events move copying and the budget", () => {
  const { levels, go, now } = make({
    schedule: [
      { from: "12:00:10", to: "12:00:20", replicate: false, bridges: ["s1"] },
      { from: "12:00:10", to: "12:00:20", budget: { cpu: 0.5, megaflows: 100 } },
    ],
  });
  expect([levels.of("s1").replicate, levels.budget()]).toEqual([true, {}]);
  go(10_000);
  expect([levels.of("s1").replicate, levels.of("s2").replicate]).toEqual([false, true]);
  levels.raise({ bridges: ["s2"], level: "packets", untilMs: now() + 3_000, why: "peak", budget: { cpu: 0.8 } });
  expect(levels.budget()).toEqual({ cpu: 0.8, megaflows: 100 });
  go(3_000);
  expect(levels.budget()).toEqual({ cpu: 0.5, megaflows: 100 });
});

test("what an operator set is kept; a file that can't be read is said to be so", () => {
  const first = LevelStore.open(dir);
  first.set("s1", "state");
  first.set("__proto__", "flows");
  first.set(undefined, "flows");
  const again = LevelStore.open(dir);
  expect([again.of("s1"), again.of("s2"), again.of("toString")]).toEqual(["state", "flows", "flows"]);
  writeFileSync(path.join(dir, "levels.json"), '{"bridges":{"s1":"everything"}}');
  expect(() => LevelStore.open(dir)).toThrow(/levels\.json: bridges\.s1/);
  expect(readLevel("state")).toBe("state");
  expect(() => readLevel("all")).toThrow(/there is no level "all"; levels are topology/);
});
