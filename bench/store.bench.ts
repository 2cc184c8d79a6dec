/** The stores beside each other: rows taken, the event loop meanwhile, a port's last hour, bytes a port and day, opening after a crash. */
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
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
/** Three hours of 1,000 ports. */
const embeddedRows = 10_800_000;
/** A server takes a row at a time as text: an hour of fewer ports, so that the whole run ends within some minutes. */
const serverPorts = 250;
/** Rows given before the writer is waited for. */
const ahead = 50_000;

type Report = (figure: Figure) => void;
const nameOf = (port: number): string => `br${port >> 5}:${port & 31}`;

/** Port counters as a switch with traffic has them: rates that wander, drops and errors that are mostly 0. */
function* traffic(rows: number, ports: number): Generator<Observation> {
  let seed = 1;
  const random = (): number => (seed = (seed * 48_271) % 0x7fffffff) / 0x7fffffff;
  const base = Array.from({ length: ports }, () => 1e3 * 10 ** (4 * random()));
  for (let i = 0; i < rows; i++) {
    const port = i % ports;
    const packets = Math.round((base[port] ?? 0) * (0.9 + 0.2 * random()));
    const out = Math.round(packets * (0.9 + 0.2 * random()));
    const values = { inPacketsPerS: packets, outPacketsPerS: out, inBitsPerS: packets * 4_000, outBitsPerS: out * 4_000, dropsPerS: random() < 0.01 ? 1 : 0, errorsPerS: 0 };
    yield { tMs: start + Math.floor(i / ports) * 1_000, windowMs: 1_000, side: "live", subject: { kind: "port", name: nameOf(port) }, values };
  }
}

async function fill(store: TimeSeriesStore, rows: number, ports: number, who: string, report: Report): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const began = performance.now();
  let i = 0;
  for (const observation of traffic(rows, ports)) {
    store.observe(observation);
    if (++i % ahead === 0) await store.flush();
    // As a daemon would: a second's facts, then others have their turn.
    else if (i % ports === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await store.flush();
  const rate = rows / ((performance.now() - began) / 1_000);
  delay.disable();
  const { counters } = await store.health();
  const lost = rows - counters.acknowledged;
  report({ what: `rows/s taken, ${rows.toLocaleString("en")} rows of 6 values`, who, value: rate, unit: "rows/s" });
  report({ what: "of these not acknowledged", who, value: lost, unit: "rows", bar: atMost(lost, 0) });
  report({ what: "longest stall of the caller's event loop at full rate", who, value: delay.max / 1e6, unit: "ms" });
}

const median = (values: readonly number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1] ?? Number.NaN;

/** Median of 21 questions, each about another port. */
async function lastHour(store: TimeSeriesStore, toMs: number, ports: number): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < 21; i++) {
    const began = performance.now();
    const { points } = await store.query({ subject: { kind: "port", name: nameOf((i * 47) % ports) }, side: "live", metric: "inBitsPerS", fromMs: toMs - hourMs, toMs, bucketMs: 10_000 });
    took.push(performance.now() - began);
    if (points.length !== 360) throw new Error(`${points.length} buckets, expected 360`);
  }
  return median(took);
}

/** Rows that a child had acknowledged when it was killed, and that are not in the file; and how long opening took. */
async function crash(file: string, open: () => Promise<DuckDbStore>): Promise<{ readonly lost: number; readonly openMs: number }> {
  const options = JSON.stringify({ file, retention, maxBytes: 1e11, memoryMb: 512, maxWaiting: 2e5, flushMs: 50, maintainMs: 0 }).slice(0, -1);
  const program = `import { DuckDbStore } from ${JSON.stringify(new URL("../src/store/duckdb/store.js", import.meta.url).href)};
    const store = await DuckDbStore.open(${options}, nowMs: Date.now });
    for (let n = 0; ; n++) {
      for (let i = 0; i < 1000; i++) store.observe({ tMs: Date.now(), windowMs: 1000, side: "live", subject: { kind: "process", name: "k:" + i }, values: { rounds: n } });
      await store.flush();
      process.stdout.write((n + 1) * 1000 + "\\n");
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  let acknowledged = 0;
  for await (const line of createInterface(child.stdout)) {
    acknowledged = Number(line);
    if (acknowledged >= 50_000) child.kill("SIGKILL");
  }
  await closed;
  const began = performance.now();
  const store = await open();
  const openMs = performance.now() - began;
  let found = 0;
  for (let i = 0; i < 1_000; i++) found += (await store.query({ subject: { kind: "process", name: `k:${i}` }, side: "live", metric: "rounds", fromMs: start, toMs: Date.now() + 1_000 })).points.length;
  await store.close();
  return { lost: Math.max(0, acknowledged - found), openMs };
}

async function duckdb(report: Report): Promise<void> {
  const dir = mkdtempSync(`${tmpdir()}/store-bench-`);
  const file = `${dir}/s.duckdb`;
  const who = "ours, DuckDB";
  const end = start + (embeddedRows / ports) * 1_000;
  let nowMs = end;
  const open = (): Promise<DuckDbStore> => DuckDbStore.open({ file, retention, maxBytes: 1e11, memoryMb: 512, maxWaiting: 200_000, flushMs: 500, maintainMs: 0, nowMs: () => nowMs });
  const hourOf = async (store: DuckDbStore, from: string): Promise<void> => {
    const ms = await lastHour(store, end, ports);
    report({ what: `one port's last hour of all, from ${from}`, who, value: ms, unit: "ms", bar: atMost(ms, 50, "ms") });
  };
  try {
    const store = await open();
    await fill(store, embeddedRows, ports, who, report);
    await hourOf(store, "raw");
    const began = performance.now();
    await store.maintain();
    report({ what: `roll-up of three hours of ${ports.toLocaleString("en")} ports`, who, value: (performance.now() - began) / 1_000, unit: "s" });
    await hourOf(store, "the tiers");
    // At a real network's pace: a second's rows at once, once a second.
    const paced = monitorEventLoopDelay({ resolution: 1 });
    paced.enable();
    for (let second = 0; second < 10; second++) {
      nowMs += 1_000;
      for (const observation of traffic(ports, ports)) store.observe({ ...observation, tMs: nowMs });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    paced.disable();
    report({ what: `longest stall of the event loop, ${ports.toLocaleString("en")} ports a second`, who, value: paced.max / 1e6, unit: "ms" });
    await store.close();
    report({ what: "disk a port and day: raw, seconds, minutes, hours", who, value: statSync(file).size / ports / ((end - start) / 86_400_000) / 1e6, unit: "MB" });
    const { lost, openMs } = await crash(file, open);
    report({ what: `open again after kill -9, with ${embeddedRows.toLocaleString("en")} rows`, who, value: openMs, unit: "ms" });
    report({ what: "acknowledged rows lost by kill -9", who, value: lost, unit: "rows", bar: atMost(lost, 0) });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function server(kind: ServerKind, report: Report): Promise<void> {
  await using running = await TimeSeriesServer.start(kind);
  const rows = serverPorts * 3_600;
  const end = start + hourMs;
  const who = kind === "influxdb" ? "InfluxDB 1.x, by ours" : "VictoriaMetrics, by ours";
  const store = new InfluxStore({ url: running.url, database: "bench", dialect: kind, retention, maxWaiting: 200_000, flushMs: 500, maintainMs: 0, nowMs: () => end });
  await fill(store, rows, serverPorts, who, report);
  report({ what: `one port's last hour of ${rows.toLocaleString("en")} rows`, who, value: await lastHour(store, end, serverPorts), unit: "ms" });
  await store.close();
}

export const storeBench: Bench = {
  name: "store",
  about: "port counters with 6 metrics each, written and asked for; every store through the same interface: 1,000 ports for three hours in the embedded one, 250 for an hour on the servers",
  async run(report) {
    await duckdb(report);
    await server("influxdb", report);
    await server("victoriametrics", report);
  },
};
