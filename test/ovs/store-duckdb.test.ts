/** The embedded store: the contract, and what can go wrong with a file. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { projectDir } from "../../lab/capsule.js";
import { waitFor } from "../../lab/wait.js";
import { DuckDbStore } from "../../src/store/duckdb/store.js";
import { Clock, event, hour, observation, port, retention, start, storeContract } from "./store-contract.js";

const dirs: string[] = [];
afterAll(() => dirs.forEach((dir) => rmSync(dir, { recursive: true })));

const options = (file: string, clock: Clock, maxWaiting = 100_000, keep = retention) => ({
  file,
  retention: keep,
  maxBytes: 1 << 30,
  memoryMb: 256,
  maxWaiting,
  flushMs: 200,
  maintainMs: 0,
  nowMs: clock.read,
  steadyMs: clock.read,
});
const files = new Map<unknown, string>();

describe("the contract", () => storeContract({
  name: "DuckDB",
  keepsEvents: true,
  rollsUp: true,
  async open(clock, settings = {}) {
    const dir = mkdtempSync(`${tmpdir()}/store-`);
    dirs.push(dir);
    const store = await DuckDbStore.open(options(`${dir}/s.duckdb`, clock, settings.maxWaiting, settings.retention));
    files.set(store, `${dir}/s.duckdb`);
    return store;
  },
  async reopen(store, clock) {
    await store.close();
    return DuckDbStore.open(options(files.get(store) ?? "", clock));
  },
}));

const scratch = (): string => {
  const dir = mkdtempSync(`${tmpdir()}/store-`);
  dirs.push(dir);
  return dir;
};

/** Starts a process that writes to `file`, in a series of its own. */
function startWriter(file: string, series: string): ChildProcess & { readonly stdout: Readable } {
  const program = `${scratch()}/writer.mjs`;
  writeFileSync(program, writer(file, series));
  return spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
}

/** Writes until it is killed; prints how many rows were acknowledged. */
const writer = (file: string, series: string): string => `
import { DuckDbStore } from ${JSON.stringify(`${projectDir}/dist/src/store/duckdb/store.js`)};
const store = await DuckDbStore.open({ file: ${JSON.stringify(file)}, retention: ${JSON.stringify(retention)}, maxBytes: 1e9, memoryMb: 256, maxWaiting: 1e6, flushMs: 50, maintainMs: 100, nowMs: Date.now });
const series = ${JSON.stringify(series)};
for (let n = 0; ; ) {
  for (let i = 0; i < 500; i++, n++) store.observe({ tMs: Date.now(), windowMs: 1000, side: "live", subject: { kind: "port", name: series }, values: { n } });
  await store.flush();
  process.stdout.write(n + "\\n");
}`;

test("kill -9 while writing: every acknowledged row is there, five times over", async () => {
  const file = `${scratch()}/s.duckdb`;
  const acknowledged: number[] = [];
  for (let round = 0; round < 5; round++) {
    const child = startWriter(file, `round${round}:1`);
    let last = 0;
    const lines = createInterface(child.stdout);
    lines.on("line", (line) => (last = Number(line)));
    await waitFor(() => last >= 2_000 * (round + 1), "rows are acknowledged", 40_000);
    child.kill("SIGKILL");
    await Promise.all([once(child, "exit"), once(lines, "close")]);
    acknowledged.push(last);
  }
  const clock = new Clock();
  clock.nowMs = Date.now();
  const store = await DuckDbStore.open(options(file, clock));
  for (const [round, rows] of acknowledged.entries()) {
    const { points } = await store.query({ subject: { kind: "port", name: `round${round}:1` }, side: "live", metric: "n", fromMs: clock.nowMs - hour, toMs: clock.nowMs + hour });
    // Rows of one ms are in no order; all numbers up to the last acknowledged are there, and at most one batch more.
    const found = new Set(points.map(({ value }) => value));
    expect(found.size).toBe(points.length);
    for (let n = 0; n < rows; n++) if (!found.has(n)) throw new Error(`round ${round}: row ${n} of ${rows} is missing`);
  }
  await store.close();
}, 120_000);

describe("a file that was damaged", () => {
  let file: string;
  let clock: Clock;
  beforeEach(async () => {
    file = `${scratch()}/s.duckdb`;
    clock = new Clock();
    // The last of three batches is in the log only, as after a crash: the file and its log are copied while open.
    const store = await DuckDbStore.open(options(`${file}.first`, clock));
    for (let i = 0; i < 3; i++) {
      store.observe(observation(start + i, { rxBytesPerS: i }));
      await store.flush();
    }
    writeFileSync(file, readFileSync(`${file}.first`));
    writeFileSync(`${file}.wal`, readFileSync(`${file}.first.wal`));
    await store.close();
  });
  const reopened = async (): Promise<{ readonly values: number[]; readonly recovered: readonly string[] }> => {
    const store = await DuckDbStore.open(options(file, clock));
    const { recovered } = await store.health();
    // Whatever was lost, it takes new rows.
    store.observe(observation(start + 100, { rxBytesPerS: 100 }));
    await store.flush();
    const { points } = await store.query({ ...port, fromMs: start, toMs: start + 1_000 });
    await store.close();
    return { values: points.map(({ value }) => value), recovered };
  };

  test("a log torn at its end loses only what was not acknowledged", async () => {
    const { length } = readFileSync(`${file}.wal`);
    truncateSync(`${file}.wal`, length - 5);
    expect(await reopened()).toEqual({ values: [0, 1, 100], recovered: [] });
  });

  test("a log with a wrong byte is cut there, told, and kept beside", async () => {
    const bytes = readFileSync(`${file}.wal`);
    const at = bytes.length - 60;
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    writeFileSync(`${file}.wal`, bytes);
    const { values, recovered } = await reopened();
    expect(values).toEqual([0, 1, 100]);
    expect(recovered).toContainEqual(expect.stringMatching(/was cut at byte \d+/));
    expect(readdirSync(file.replace(/\/[^/]+$/, "")).filter((name) => name.includes(".damaged-"))).toHaveLength(1);
  });

  test.each([["torn", 100], ["empty", 0]])("a file that is %s is set aside, told, and a new one begun", async (_what, size) => {
    truncateSync(file, size);
    const { values, recovered } = await reopened();
    expect(values).toEqual([100]);
    expect(recovered).toContainEqual(expect.stringMatching(/not a valid DuckDB|Could not read enough bytes/));
    expect(readdirSync(file.replace(/\/[^/]+$/, "")).filter((name) => name.includes(".damaged-")).length).toBeGreaterThanOrEqual(1);
  });

  test("a file that another process has is refused, not set aside", async () => {
    const child = startWriter(file, "other:1");
    await once(child.stdout, "data");
    await expect(DuckDbStore.open(options(file, clock))).rejects.toThrow(/lock/);
    child.kill("SIGKILL");
    await once(child, "exit");
  });
});

test("a full disk: rows wait, then are dropped and counted, and writing goes on by itself", async () => {
  const dir = scratch();
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", dir]);
  try {
    const clock = new Clock();
    const store = await DuckDbStore.open(options(`${dir}/s.duckdb`, clock, 4_000));
    writeFileSync(`${dir}/filler`, Buffer.alloc(2 << 20));
    let given = 0;
    const some = (): void => {
      for (let i = 0; i < 500; i++, given++) store.observe(observation(start + given, { rxBytesPerS: Math.random(), txBytesPerS: Math.random() }, `p:${given % 100}`));
    };
    await waitFor(async () => {
      some();
      await store.flush().catch(() => undefined);
      return (await store.health()).counters.dropped.queueFull > 0;
    }, "the queue is full", 60_000);
    const { failure, waiting } = await store.health();
    expect(failure).toMatch(/No space left/);
    expect(waiting).toBeLessThanOrEqual(4_000);
    rmSync(`${dir}/filler`);
    await waitFor(async () => (await store.health()).waiting === 0, "what waited is written", 30_000);
    some();
    await store.flush();
    const { counters, failure: now } = await store.health();
    expect(now).toBeUndefined();
    expect(counters.acknowledged + counters.dropped.queueFull).toBe(given);
    const raw = (await store.retention()).find(({ tier }) => tier === "raw");
    expect(raw?.rows).toBe(counters.acknowledged);
    await store.close();
  } finally {
    execFileSync("umount", ["-l", dir]);
  }
}, 120_000);

test("a size bound: the oldest goes first and is said to be gone, what is new stays", async () => {
  const clock = new Clock();
  const maxBytes = 6 << 20;
  const store = await DuckDbStore.open({ ...options(`${scratch()}/s.duckdb`, clock, 1e6), maxBytes });
  // Three hours of 200 ports, every ten seconds, with values that don't compress: some 8 MB if all were kept.
  for (let step = 0; step < 1_080; step++) {
    clock.nowMs = start + step * 10_000;
    for (let i = 0; i < 200; i++) store.observe(observation(clock.nowMs, { rxBytesPerS: Math.random() * 1e9, txBytesPerS: Math.random() }, `l1:${i}`));
    if (step % 60 === 59) {
      await store.flush();
      await store.maintain();
    }
  }
  for (let round = 0; round < 30 && ((await store.health()).bytes ?? 0) > maxBytes; round++) await store.maintain();
  expect((await store.health()).bytes).toBeLessThanOrEqual(maxBytes);
  const old = await store.query({ ...port, fromMs: start, toMs: start + 60_000 });
  expect([old.points.length, old.gone?.fromMs]).toEqual([0, start]);
  expect((await store.query({ ...port, fromMs: clock.nowMs - 60_000, toMs: clock.nowMs })).points).toHaveLength(6);
  await store.close();
}, 120_000);

test("rows that come while three hours are rolled up are written meanwhile, and none is missing from a tier", async () => {
  const clock = new Clock();
  const store = await DuckDbStore.open(options(`${scratch()}/s.duckdb`, clock, 1e6, { ...retention, raw: 24 * hour }));
  const seconds = 3 * 3_600;
  const ports = 20;
  for (let i = 0; i < seconds; i++) {
    clock.nowMs = start + i * 1_000;
    for (let one = 0; one < ports; one++) store.observe(observation(clock.nowMs, { rxBytesPerS: 1 }, `l1:${one}`));
  }
  await store.flush();
  clock.nowMs = start + 3 * hour + 10_000;
  let isRolledUp = false;
  const upkeep = store.maintain().then(() => (isRolledUp = true));
  // Late, one for each minute: some of a time that is rolled up already, some of one that is not.
  let late = 0;
  while (!isRolledUp && late < 180) {
    store.observe(observation(start + late++ * 60_000 + 500, { rxBytesPerS: 1 }));
    await store.flush();
  }
  const writtenMeanwhile = late;
  await upkeep;
  await store.maintain();
  expect(writtenMeanwhile).toBeGreaterThan(2);
  const range = { ...port, fromMs: start, toMs: start + 3 * hour, aggregate: "sum" } as const;
  for (const bucketMs of [60_000, hour]) {
    const { points, tier } = await store.query({ ...range, bucketMs });
    expect([tier, points.reduce((sum, { count }) => sum + count, 0)]).toEqual([bucketMs === hour ? "1h" : "1m", seconds + late]);
  }
  await store.close();
}, 120_000);

test("state of events outlives their retention as the base of what follows", async () => {
  const clock = new Clock();
  const store = await DuckDbStore.open(options(`${scratch()}/s.duckdb`, clock));
  store.happened(event(start, "topology", "bridge l1", { up: true }));
  store.happened(event(start, "topology", "bridge l9", { up: true }));
  store.happened(event(start + 1, "topology", "bridge l9", { gone: true }));
  clock.nowMs = start + 60 * hour;
  await store.flush();
  await store.maintain();
  const { events } = await store.stateAt(start + 59 * hour);
  expect(events.map(({ subject }) => subject)).toEqual(["bridge l1"]);
  await store.close();
});
