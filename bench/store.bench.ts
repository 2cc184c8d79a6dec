/** The stores beside each other: rows taken, the event loop meanwhile, a port's last hour, bytes a port and day, opening after a crash. */
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { spawn } from "node:child_process";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { TimeSeriesServer, type ServerKind } from "../lab/time-series-server.js";
import type { Observation } from "../src/base/observation.js";
import { DuckDbStore } from "../src/store/duckdb/store.js";
import { InfluxStore } from "../src/store/influx/store.js";
import type { Retention, TimeSeriesStore } from "../src/store/store.js";
import { atMost, type Bench, type Figure } from "./bench.js";

const hourMs = 3_600_000;
const retention: Retention = { raw: 24 * hourMs, "1s": 72 * hourMs, "1m": 1_440 * hourMs, "1h": 17_520 * hourMs, events: 1_440 * hourMs };
const ports = 1_000;
const start = Math.floor(Date.now() / hourMs) * hourMs - 3 * hourMs;
/** Rows given before the writer is waited for. */
const ahead = 50_000;

/** Port counters as a switch with traffic has them: rates that wander, drops and errors that are mostly 0. */
function* traffic(rows: number): Generator<Observation> {
  let seed = 1;
  const random = (): number => (seed = (seed * 48_271) % 0x7fffffff) / 0x7fffffff;
  const base = Array.from({ length: ports }, () => 1e3 * 10 ** (4 * random()));
  for (let i = 0; i < rows; i++) {
    const port = i % ports;
    const packets = Math.round((base[port] ?? 0) * (0.9 + 0.2 * random()));
    const out = Math.round(packets * (0.9 + 0.2 * random()));
    const values = { inPacketsPerS: packets, outPacketsPerS: out, inBitsPerS: packets * 4_000, outBitsPerS: out * 4_000, dropsPerS: random() < 0.01 ? 1 : 0, errorsPerS: 0 };
    yield { tMs: start + Math.floor(i / ports) * 1_000, windowMs: 1_000, side: "live", subject: { kind: "port", name: `br${port >> 5}:${port & 31}` }, values };
  }
}

async function fill(store: TimeSeriesStore, rows: number): Promise<number> {
  const began = performance.now();
  let i = 0;
  for (const observation of traffic(rows)) {
    store.observe(observation);
    if (++i % ahead === 0) await store.flush();
  }
  await store.flush();
  return rows / ((performance.now() - began) / 1_000);
}

const median = (values: readonly number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1] ?? Number.NaN;

async function lastHour(store: TimeSeriesStore, toMs: number): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < 21; i++) {
    const began = performance.now();
    const { points } = await store.query({ subject: { kind: "port", name: `br${i}:7` }, side: "live", metric: "inBitsPerS", fromMs: toMs - hourMs, toMs, bucketMs: 10_000 });
    took.push(performance.now() - began);
    if (points.length !== 360) throw new Error(`${points.length} buckets, expected 360`);
  }
  return median(took);
}

async function duckdb(report: (figure: Figure) => void): Promise<void> {
  const dir = mkdtempSync(`${tmpdir()}/store-bench-`);
  const file = `${dir}/s.duckdb`;
  const rows = 10_800_000;
  const end = start + (rows / ports) * 1_000;
  let nowMs = end;
  const open = (): Promise<DuckDbStore> => DuckDbStore.open({ file, retention, maxBytes: 1e11, memoryMb: 512, maxWaiting: 200_000, flushMs: 500, maintainMs: 0, nowMs: () => nowMs });
  try {
    const store = await open();
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const rate = await fill(store, rows);
    delay.disable();
    report({ what: `rows/s taken, ${rows.toLocaleString("en")} rows of 6 values`, who: "ours, DuckDB", value: rate, unit: "rows/s" });
    report({ what: "longest stall of the caller's event loop at full rate", who: "ours, DuckDB", value: delay.max / 1e6, unit: "ms" });
    report({ what: "one port's last hour of all, from raw", who: "ours, DuckDB", value: await lastHour(store, end), unit: "ms", bar: atMost(await lastHour(store, end), 50, "ms") });
    const began = performance.now();
    await store.maintain();
    report({ what: "roll-up of three hours of 1,000 ports", who: "ours, DuckDB", value: (performance.now() - began) / 1_000, unit: "s" });
    report({ what: "one port's last hour of all, from the tiers", who: "ours, DuckDB", value: await lastHour(store, end), unit: "ms", bar: atMost(await lastHour(store, end), 50, "ms") });
    // At a real network's pace: a second's rows at once, once a second.
    const paced = monitorEventLoopDelay({ resolution: 1 });
    paced.enable();
    for (let second = 0; second < 10; second++) {
      nowMs += 1_000;
      for (const observation of traffic(ports)) store.observe({ ...observation, tMs: nowMs });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    paced.disable();
    report({ what: "longest stall of the event loop, 1,000 ports a second", who: "ours, DuckDB", value: paced.max / 1e6, unit: "ms" });
    await store.close();
    const bytes = statSync(file).size;
    report({ what: "disk a port and day: raw, seconds, minutes, hours", who: "ours, DuckDB", value: bytes / ports / ((end - start) / 86_400_000) / 1e6, unit: "MB" });
    const kill = `import { DuckDbStore } from ${JSON.stringify(new URL("../src/store/duckdb/store.js", import.meta.url).href)};
      const store = await DuckDbStore.open(${JSON.stringify({ file, retention, maxBytes: 1e11, memoryMb: 512, maxWaiting: 2e5, flushMs: 50, maintainMs: 0 }).slice(0, -1)}, nowMs: Date.now });
      for (let n = 0; ; n++) { for (let i = 0; i < 1000; i++) store.observe({ tMs: Date.now(), windowMs: 1000, side: "live", subject: { kind: "port", name: "k:" + i }, values: { inBitsPerS: n } }); await store.flush(); if (n === 50) console.log("go"); }`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", kill], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");
    const reopening = performance.now();
    const again = await open();
    report({ what: "open again after kill -9", who: "ours, DuckDB", value: performance.now() - reopening, unit: "ms" });
    await again.close();
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function server(kind: ServerKind, report: (figure: Figure) => void): Promise<void> {
  await using running = await TimeSeriesServer.start(kind);
  const rows = 3_600_000;
  const end = start + (rows / ports) * 1_000;
  const who = kind === "influxdb" ? "InfluxDB 1.x, by ours" : "VictoriaMetrics, by ours";
  const store = new InfluxStore({ url: running.url, database: "bench", dialect: kind, retention, maxWaiting: 200_000, flushMs: 500, maintainMs: 0, nowMs: () => end });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const rate = await fill(store, rows);
  delay.disable();
  report({ what: `rows/s taken, ${rows.toLocaleString("en")} rows of 6 values`, who, value: rate, unit: "rows/s" });
  report({ what: "longest stall of the caller's event loop at full rate", who, value: delay.max / 1e6, unit: "ms" });
  report({ what: `one port's last hour of ${rows.toLocaleString("en")} rows`, who, value: await lastHour(store, end), unit: "ms" });
  await store.close();
}

export const storeBench: Bench = {
  name: "store",
  about: "observations of 1,000 ports with 6 metrics each, written and asked for; every store through the same interface",
  async run(report) {
    await duckdb(report);
    await server("influxdb", report);
    await server("victoriametrics", report);
  },
};
