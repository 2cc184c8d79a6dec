import { pino } from "pino";
import { Audits, type AuditParts } from "./audits.js";

/** Audits of `count` bridges of ours (or as many as there are by then), each of which takes `tookMs`; `seen` says which were audited, in order. */
function world(count: number | (() => number), tookMs: number) {
  const seen: number[] = [];
  let nowMs = 0;
  const one = (bridge: number) => (): Promise<number> => {
    seen.push(bridge);
    nowMs += tookMs;
    return Promise.resolve(0);
  };
  const parts: AuditParts = {
    discovery: { current: { bridges: new Map(), links: [], hosts: new Map() } },
    live: { audited: () => [], isSettled: () => true, counters: () => new Map(), groups: () => new Set<number>() } as unknown as AuditParts["live"],
    shadow: { audited: () => Array.from({ length: typeof count === "number" ? count : count() }, (_, bridge) => [`tables of ${bridge}`, one(bridge)] as const), follower: () => undefined, changed: () => undefined },
    tracking: { claims: () => [] },
    looks: [],
    isSuspended: () => false,
    conflict: () => undefined,
    log: pino({ level: "silent" }),
    nowMs: () => nowMs,
  };
  return { seen, audits: new Audits(parts) };
}

/** Lets `intervals` intervals pass. */
async function pass(intervals: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(intervals * 2_000);
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test("a small network is audited whole in each interval", async () => {
  const { seen, audits } = world(12, 1);
  audits.start();
  await pass(3);
  audits.stop();
  expect(seen).toHaveLength(36);
});

test("a large one a share of the time, in turn", async () => {
  const { seen, audits } = world(400, 1);
  audits.start();
  await pass(30);
  expect(seen).toHaveLength(210);
  await pass(28);
  expect(new Set(seen).size).toBe(400);
  expect(seen).toHaveLength(400);
  audits.stop();
});

test("switches that are slow to answer lengthen no round beyond 120 s", async () => {
  const { seen, audits } = world(400, 500);
  audits.start();
  await pass(60);
  audits.stop();
  expect(new Set(seen).size).toBe(400);
});

test("bridges that come while a round goes on are in that one, and none waits longer than a round from then on", async () => {
  let count = 100;
  const { seen, audits } = world(() => count, 1);
  audits.start();
  await pass(10);
  count = 400;
  await pass(60);
  audits.stop();
  expect(new Set(seen.slice(0, 20)).size).toBe(20);
  expect(new Set(seen.slice(-420)).size).toBe(400);
});
