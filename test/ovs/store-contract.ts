/** What every store must do, whichever backend keeps it: run for each by its own test file. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { waitFor } from "../../lab/wait.js";
import type { NetworkEvent, Observation, SubjectKind } from "../../src/base/observation.js";
import { StoreError, type Retention, type TimeSeriesStore } from "../../src/store/store.js";

export const hour = 3_600_000;
export const retention: Retention = { raw: hour, "1s": 4 * hour, "1m": 48 * hour, "1h": 400 * hour, events: 48 * hour };
/** On the hour, so that buckets are easy to see; not yet past, because a server goes by its own clock what it keeps no longer. */
export const start = (Math.floor(Date.now() / hour) + 1) * hour;

export class Clock {
  nowMs = start;
  readonly read = (): number => this.nowMs;
}
export const observation = (tMs: number, values: Observation["values"], name = "l1:1", kind: SubjectKind = "port", windowMs = 1_000): Observation => ({ tMs, windowMs, side: "live", subject: { kind, name }, values });
export const event = (tMs: number, kind: NetworkEvent["kind"], subject: string, detail: NetworkEvent["detail"]): NetworkEvent => ({ tMs, kind, side: "live", subject, detail });
export const port = { subject: { kind: "port", name: "l1:1" }, side: "live", metric: "rxBytesPerS" } as const;

export interface Backend {
  readonly name: string;
  /** An empty store. */
  open(clock: Clock, settings?: { readonly maxWaiting?: number; readonly retention?: Retention }): Promise<TimeSeriesStore>;
  /** Closes it and opens what it left. */
  reopen(store: TimeSeriesStore, clock: Clock): Promise<TimeSeriesStore>;
  /** False where text is not kept. */
  readonly keepsEvents: boolean;
  /** False where others export. */
  readonly exports?: boolean;
  /** False where nothing is rolled up. */
  readonly rollsUp: boolean;
}

/** One value a second, counting up from 0, over `seconds`. */
async function fill(store: TimeSeriesStore, clock: Clock, seconds: number, name = "l1:1"): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    store.observe(observation(start + i * 1_000, { rxBytesPerS: i, txBytesPerS: 2 * i }, name));
    clock.nowMs = Math.max(clock.nowMs, start + i * 1_000);
  }
  await store.flush();
}

export function storeContract(backend: Backend): void {
  let clock: Clock;
  let store: TimeSeriesStore;
  const fresh = async (settings?: Parameters<Backend["open"]>[1]): Promise<void> => {
    clock = new Clock();
    store = await backend.open(clock, settings);
  };
  afterEach(() => store.close());

  test("gives back what was observed, in order, and nothing of others", async () => {
    await fresh();
    await fill(store, clock, 120);
    await fill(store, clock, 5, "l1:2");
    const { points, gone, tier } = await store.query({ ...port, fromMs: start + 10_000, toMs: start + 20_000 });
    expect(points).toEqual(Array.from({ length: 10 }, (_, i) => ({ tMs: start + (10 + i) * 1_000, value: 10 + i, count: 1 })));
    expect([gone, tier]).toEqual([undefined, "raw"]);
    expect(await store.metrics(port.subject, "live")).toEqual(["rxBytesPerS", "txBytesPerS"]);
    expect((await store.query({ ...port, side: "shadow", fromMs: start, toMs: start + hour })).points).toEqual([]);
    expect((await store.health()).counters).toMatchObject({ observed: 125, acknowledged: 125 });
  });

  test("aggregates by bucket", async () => {
    await fresh();
    await fill(store, clock, 60);
    const by = async (aggregate: "mean" | "sum" | "min" | "max" | "count"): Promise<number[]> =>
      (await store.query({ ...port, fromMs: start, toMs: start + 60_000, bucketMs: 20_000, aggregate })).points.map(({ value }) => value);
    expect(await by("mean")).toEqual([9.5, 29.5, 49.5]);
    expect(await by("sum")).toEqual([190, 590, 990]);
    expect(await by("min")).toEqual([0, 20, 40]);
    expect(await by("max")).toEqual([19, 39, 59]);
    expect(await by("count")).toEqual([20, 20, 20]);
    const [median] = (await store.query({ ...port, fromMs: start, toMs: start + 60_000, bucketMs: 60_000, aggregate: "p50" })).points;
    expect(median?.value).toBeGreaterThanOrEqual(28);
    expect(median?.value).toBeLessThanOrEqual(31);
  });

  test("latest values and the top of all", async () => {
    await fresh();
    for (const [i, name] of ["a:1", "b:1", "c:1"].entries()) await fill(store, clock, 10 * (i + 1), name);
    const latest = await store.latest({ kind: "port", side: "live", sinceMs: start });
    expect(Object.fromEntries(latest.map(({ subject, values }) => [subject.name, values.rxBytesPerS]))).toEqual({ "a:1": 9, "b:1": 19, "c:1": 29 });
    expect(await store.latest({ kind: "port", side: "live", name: "b:1", sinceMs: start })).toEqual([{ subject: { kind: "port", name: "b:1" }, tMs: start + 19_000, values: { rxBytesPerS: 19, txBytesPerS: 38 } }]);
    const { entries } = await store.top({ kind: "port", side: "live", metric: "rxBytesPerS", fromMs: start, toMs: start + 60_000, count: 2, aggregate: "max" });
    expect(entries).toEqual([{ subject: { kind: "port", name: "c:1" }, value: 29 }, { subject: { kind: "port", name: "b:1" }, value: 19 }]);
  });

  test("an absent value is absent, never 0", async () => {
    await fresh();
    store.observe(observation(start, { rxBytesPerS: 1, lossRatio: 0 }));
    store.observe(observation(start + 1_000, { rxBytesPerS: 2 }));
    clock.nowMs = start + 1_000;
    await store.flush();
    const { points } = await store.query({ ...port, metric: "lossRatio", fromMs: start, toMs: start + 10_000 });
    expect(points).toEqual([{ tMs: start, value: 0, count: 1 }]);
  });

  test("windows of different length don't mix; the shortest is given unless another is asked for", async () => {
    await fresh();
    store.observe(observation(start, { rxBytesPerS: 1 }));
    store.observe(observation(start, { rxBytesPerS: 30 }, "l1:1", "port", 30_000));
    await store.flush();
    const values = async (windowMs?: number): Promise<number[]> => (await store.query({ ...port, fromMs: start, toMs: start + 1_000, ...(windowMs === undefined ? {} : { windowMs }) })).points.map(({ value }) => value);
    expect(await values()).toEqual([1]);
    expect(await values(30_000)).toEqual([30]);
    expect(await values(5_000)).toEqual([]);
  });

  test("bad input is counted by reason, and nothing else is lost", async () => {
    await fresh();
    store.observe(observation(start, { rxBytesPerS: Number.NaN }));
    store.observe(observation(start, {}));
    store.observe(observation(Number.NaN, { rxBytesPerS: 1 }));
    store.observe(observation(start, { rxBytesPerS: 1 }, ""));
    store.observe(observation(start, { "a b,c=d\n": 1 }));
    store.observe(observation(start + 2 * hour, { rxBytesPerS: 1 }));
    store.observe(observation(start - 2 * hour, { rxBytesPerS: 1 }));
    store.observe(observation(start, { rxBytesPerS: 7, "a b": 1, other: Infinity }));
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    store.happened(event(start, "alert", "x", cycle));
    await store.flush();
    expect((await store.query({ ...port, fromMs: start, toMs: start + 1 })).points.map(({ value }) => value)).toEqual([7]);
    expect((await store.health()).counters).toMatchObject({ acknowledged: 1, dropped: { malformed: 6, future: 1, tooOld: 1 } });
  });

  test("subjects with awkward names are kept apart", async () => {
    await fresh();
    const names = ["a b", "a,b=c", 'q"uote', "back\\slash", "it's", "été", "10.0.0.1>10.0.0.2", "; DROP TABLE series; --"];
    for (const [i, name] of names.entries()) store.observe(observation(start, { v: i }, name, "pair"));
    await store.flush();
    for (const [i, name] of names.entries()) {
      const { points } = await store.query({ subject: { kind: "pair", name }, side: "live", metric: "v", fromMs: start, toMs: start + 1 });
      expect([name, points.map(({ value }) => value)]).toEqual([name, [i]]);
    }
  });

  test("a full queue drops what comes, counts it, and takes more when there is room", async () => {
    await fresh({ maxWaiting: 100 });
    for (let i = 0; i < 250; i++) store.observe(observation(start, { v: i }, `p:${i}`));
    await store.flush();
    expect((await store.health()).counters).toMatchObject({ observed: 250, acknowledged: 100, dropped: { queueFull: 150 } });
    store.observe(observation(start, { v: 1 }, "later:1"));
    await store.flush();
    expect((await store.health()).counters.acknowledged).toBe(101);
  });

  test("a question that is none is refused with its reason", async () => {
    await fresh();
    await expect(store.query({ ...port, fromMs: 5, toMs: 5 })).rejects.toThrow(StoreError);
    await expect(store.query({ ...port, fromMs: 0, toMs: Number.NaN })).rejects.toThrow(/times in ms/);
    await expect(store.query({ ...port, metric: "x'; --", fromMs: 0, toMs: 5 })).rejects.toThrow(/no metric's name/);
    await expect(store.query({ ...port, fromMs: 0, toMs: start, bucketMs: 1 })).rejects.toThrow(/at most 100000/);
  });

  test("what was kept is there after a restart", async () => {
    await fresh();
    await fill(store, clock, 30);
    store = await backend.reopen(store, clock);
    store.observe(observation(start + 30_000, { rxBytesPerS: 30 }));
    clock.nowMs = start + 30_000;
    await store.flush();
    expect((await store.query({ ...port, fromMs: start, toMs: start + 60_000 })).points.map(({ value }) => value)).toEqual(Array.from({ length: 31 }, (_, i) => i));
  });

  test("late rows, rows out of order and a clock that steps back: all are kept where they belong", async () => {
    await fresh();
    for (const i of [5, 1, 4, 0, 3, 2]) store.observe(observation(start + i * 1_000, { rxBytesPerS: i }));
    clock.nowMs = start + 200_000;
    await store.flush();
    await store.maintain();
    // The clock steps back by three minutes, and a source sends a second that was rolled up long since.
    clock.nowMs = start + 20_000;
    store.observe(observation(start + 6_000, { rxBytesPerS: 6 }));
    await store.flush();
    await store.maintain();
    const buckets = await store.query({ ...port, fromMs: start, toMs: start + 60_000, bucketMs: 60_000, aggregate: "sum" });
    expect(buckets.points).toEqual([{ tMs: start, value: 21, count: 7 }]);
    expect((await store.query({ ...port, fromMs: start, toMs: start + 60_000 })).points.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  if (backend.rollsUp)
    test("tiers: minutes and hours stay when raw goes, and what is gone is said to be gone", async () => {
      await fresh();
      await fill(store, clock, 240);
      clock.nowMs = start + 10 * 60_000;
      await store.maintain();
      const minutes = { ...port, fromMs: start, toMs: start + 240_000, bucketMs: 60_000 };
      const mean = [29.5, 89.5, 149.5, 209.5];
      expect((await store.query(minutes)).points.map(({ value }) => value)).toEqual(mean);
      // Three hours on raw is gone, six hours on seconds are.
      clock.nowMs = start + 3 * hour;
      store.observe(observation(clock.nowMs, { rxBytesPerS: 1 }));
      await store.flush();
      await store.maintain();
      const raw = await store.query({ ...port, fromMs: start, toMs: start + 240_000 });
      expect(raw.points).toEqual([]);
      expect(raw.gone).toMatchObject({ fromMs: start, toMs: start + 240_000, why: expect.stringMatching(/tier raw is kept since .*; the tier of 1s still has it/) as string });
      const seconds = await store.query({ ...minutes, bucketMs: 10_000, aggregate: "max" });
      expect([seconds.gone, seconds.points.length, seconds.points[3]?.value]).toEqual([undefined, 24, 39]);
      clock.nowMs = start + 6 * hour;
      await store.maintain();
      expect((await store.query({ ...minutes, bucketMs: 10_000 })).gone?.why).toMatch(/the tier of 1m still has it/);
      const kept = await store.query(minutes);
      expect([kept.gone, kept.tier, kept.points.map(({ value }) => value)]).toEqual([undefined, "1m", mean]);
      const [whole] = (await store.query({ ...minutes, toMs: start + hour, bucketMs: hour, aggregate: "max" })).points;
      expect(whole).toEqual({ tMs: start, value: 239, count: 240 });
      const tier = Object.fromEntries((await store.retention()).map((one) => [one.tier, one]));
      expect(tier["1m"]).toMatchObject({ keepMs: retention["1m"], keptSinceMs: start });
      expect(tier.raw?.keptSinceMs).toBeGreaterThan(start + hour);
    });

  if (backend.keepsEvents)
    test("events and the state at a moment", async () => {
      await fresh();
      const detail = (ofport: number): Record<string, unknown> => ({ ofport, note: 'a "quoted" \\ text, with = and\nlines' });
      store.happened(event(start, "topology", "bridge l1", detail(1)));
      store.happened(event(start + 10, "topology", "bridge l2", detail(2)));
      store.happened(event(start + 20, "topology", "bridge l1", detail(3)));
      store.happened(event(start + 20, "tables", "l1:0", { digest: "aa" }));
      store.happened(event(start + 20, "tables", "l1:0", { digest: "bb" }));
      store.happened(event(start + 30, "topology", "bridge l2", { gone: true }));
      clock.nowMs = start + 1_000;
      await store.flush();
      const at = async (tMs: number): Promise<unknown> => Object.fromEntries((await store.stateAt(tMs)).events.map((one) => [`${one.kind} ${one.subject}`, one.detail]));
      expect(await at(start - 1)).toEqual({});
      expect(await at(start + 15)).toEqual({ "topology bridge l1": detail(1), "topology bridge l2": detail(2) });
      expect(await at(start + 500)).toEqual({ "topology bridge l1": detail(3), "topology bridge l2": { gone: true }, "tables l1:0": { digest: "bb" } });
      const all = await store.events({ fromMs: start, toMs: start + 1_000, kinds: ["topology"], limit: 3 });
      expect([all.cut, all.events.map(({ tMs }) => tMs - start)]).toEqual([true, [10, 20, 30]]);
      const one = await store.events({ fromMs: start, toMs: start + 1_000, subject: "l1:0", limit: 10 });
      expect(one.events.map(({ detail: { digest } }) => digest)).toEqual(["aa", "bb"]);
      // Later than events are kept, the state at their time is gone, and says so.
      clock.nowMs = start + 60 * hour;
      await store.maintain();
      const gone = await store.stateAt(start + 500);
      expect([gone.events, gone.gone?.why]).toEqual([[], expect.stringMatching(/events are kept since/)]);
      if (backend.name === "DuckDB") expect(await at(start + 59 * hour)).toMatchObject({ "topology bridge l1": detail(3) });
    });

  if (backend.exports !== false)
    test("exports Parquet with a manifest, and overwrites nothing", async () => {
      await fresh();
      await fill(store, clock, 50);
      if (backend.keepsEvents) store.happened(event(start, "alert", "x", { a: 1 }));
      await store.flush();
      const dir = mkdtempSync(`${tmpdir()}/export-`);
      const request = { fromMs: start, toMs: start + 40_000, dir };
      await waitFor(async () => (await store.query({ ...port, fromMs: start, toMs: start + 50_000 })).points.length === 50, "all is readable");
      const { files, manifest } = await store.exportParquet(request);
      expect(files).toContainEqual({ file: "port.parquet", rows: 40 });
      expect(readFileSync(`${dir}/port.parquet`).subarray(0, 4).toString()).toBe("PAR1");
      const told = JSON.parse(readFileSync(manifest, "utf8")) as { range: unknown; files: { file: string; columns: { name: string }[] }[] };
      expect(told.range).toEqual({ fromMs: start, toMs: start + 40_000 });
      expect(told.files.find(({ file }) => file === "port.parquet")?.columns.map(({ name }) => name)).toEqual(expect.arrayContaining(["tMs", "side", "subject", "windowMs", "rxBytesPerS", "txBytesPerS"]));
      await expect(store.exportParquet(request)).rejects.toThrow(/is not empty/);
    });
}
