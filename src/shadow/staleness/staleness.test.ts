import type { NetworkEvent, Observation } from "../../base/observation.js";
import { KeptShare } from "./kept-share.js";
import { StalenessWatch, type ObjectState } from "./staleness-watch.js";

const minute = 60_000;

test("shares of time are over the windows' length, or as much of it as has passed", () => {
  const share = new KeptShare(0);
  expect(share.shares()).toEqual({ start: 1, hour: 1, day: 1 });
  share.take(9 * minute, true);
  share.take(10 * minute, false);
  expect(share.shares()).toEqual({ start: 0.9, hour: 0.9, day: 0.9 });
  share.take(60 * minute, true);
  expect(share.shares().hour).toBeCloseTo(59 / 60, 2);
  // What is older than an hour is no part of the last hour, and still of the day and of all.
  share.take(120 * minute, true);
  expect(share.shares()).toEqual({ start: 1 - 1 / 120, hour: 1, day: 1 - 1 / 120 });
  share.take(3 * 24 * 60 * minute, true);
  expect(share.shares()).toMatchObject({ hour: 1, day: 1 });
  expect(share.shares().start).toBeLessThan(1);
});

test("one long break fills each window and no more, and a clock that goes back counts nothing", () => {
  const share = new KeptShare(1_000);
  share.take(100 * 24 * 60 * minute, false);
  const { start, hour, day } = share.shares();
  expect([start, hour, day].every((ratio) => ratio >= 0 && ratio < 1e-9)).toBe(true);
  share.take(0, false);
  expect(share.shares().start).toBe(start);
});

function watched(maxObjects = 100, firstMs = 0) {
  let now = 0;
  let states: ObjectState[] = [];
  const events: NetworkEvent[] = [];
  const observed: Observation[] = [];
  const watch = new StalenessWatch({
    states: () => states,
    target: { behindMs: 5_000, firstMs, provedMs: 180_000, objective: 0.9 },
    sink: { happened: (event) => void events.push(event), observe: (one) => void observed.push(one) },
    nowMs: () => now,
    epochMs: () => now,
    maxObjects,
  });
  const look = (ms: number, ...next: ObjectState[]): string[] => {
    now = ms;
    states = next;
    watch.look();
    return events.splice(0).map(({ kind, side, subject, detail }) => `${kind} ${side} ${subject}: ${detail["what"] as string}${typeof detail["why"] === "string" ? `: ${detail["why"]}` : ""}`);
  };
  return { watch, look, observed };
}
const table = (over: Partial<ObjectState> = {}): ObjectState => ({ kind: "table", name: "a/0", bridge: "a", why: undefined, changedMs: undefined, provedMs: 0, excused: false, ...over });

test("an object is behind since the oldest change that it does not show; breaking the target and keeping it again are told once", () => {
  const { watch, look, observed } = watched();
  expect(look(0, table())).toEqual([]);
  expect(look(1_000, table({ why: "1 difference", changedMs: 400 }))).toEqual([]);
  expect(watch.list()).toMatchObject([{ name: "a/0", behindMs: 600, kept: true, why: "1 difference" }]);
  // A later change does not make it younger.
  expect(look(5_300, table({ why: "2 differences", changedMs: 5_000 }))).toEqual([]);
  expect(look(6_000, table({ why: "2 differences", changedMs: 5_000 }))).toEqual(["alert shadow table a/0: not current: 5.6 s behind live: 2 differences"]);
  expect(look(7_000, table({ why: "2 differences" }))).toEqual([]);
  expect(watch.problems()).toEqual(["the shadow is not current: table a/0: 6.6 s behind live: 2 differences"]);
  expect(look(8_000, table())).toEqual(["alert shadow table a/0: current again"]);
  expect(watch.list()).toMatchObject([{ behindMs: 0, kept: true, why: "" }]);
  expect(watch.list()[0]?.shares.start).toBeCloseTo(1 - 1_700 / 8_000);
  for (let ms = 9_000; observed.length === 0; ms += 1_000) look(ms, table());
  expect(observed[0]).toMatchObject({ subject: { kind: "bridge", name: "a" }, side: "shadow", windowMs: 10_000, values: { "staleness.behindMs": 6_600, "staleness.brokenObjects": 1 } });
});

test("what belongs to a new bridge has longer; what nobody proves is told; what is excused is not, and what is gone is forgotten", () => {
  const { watch, look } = watched(100, 60_000);
  const fresh = table({ kind: "port", name: "a:1", why: "its port is not there yet" });
  look(0, fresh);
  expect(look(59_000, fresh)).toEqual([]);
  expect(look(61_000, fresh)).toEqual(["alert shadow port a:1: not current: 61.0 s behind live: its port is not there yet"]);
  expect(look(62_000, { ...fresh, excused: true })).toEqual(["alert shadow port a:1: current again"]);
  expect(watch.list()).toMatchObject([{ behindMs: 62_000, kept: true, excused: true }]);
  expect(look(200_000, table({ provedMs: 10_000 }))).toEqual(["alert shadow table a/0: not current: not proved equal for 190 s"]);
  expect(watch.list().map(({ name }) => name)).toEqual(["a/0"]);
});

test("many objects of a bridge are told together, and objects beyond the bound are counted", () => {
  const { watch, look } = watched(10);
  const ports = (why: string | undefined): ObjectState[] => Array.from({ length: 12 }, (_, i) => table({ kind: "port", name: `a:${i}`, why }));
  look(0, ...ports(undefined));
  expect(watch.leftOut).toBe(2);
  look(1_000, ...ports("gone"));
  expect(look(7_000, ...ports("gone"))).toEqual(["alert shadow bridge a: not current: 6.0 s behind live: gone"]);
});
