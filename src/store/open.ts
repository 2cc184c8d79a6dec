/** The store that the configuration asks for. */
import path from "node:path";
import type { Config } from "../config/schema.js";
import { DuckDbStore } from "./duckdb/store.js";
import { InfluxStore } from "./influx/store.js";
import { NoStore } from "./none.js";
import type { Retention, TimeSeriesStore } from "./store.js";

export interface OpenOptions {
  readonly config: Config["store"];
  readonly stateDir: string;
  /** By "kind metric". */
  readonly units: Readonly<Record<string, string>>;
  readonly sampling: unknown;
  /** ms since the epoch. */
  readonly nowMs: () => number;
}

const hourMs = 3_600_000;
/** Each write is a transaction of its own, with its own sync: few and large ones cost least. */
const flushMs = 2_000;
/** What was measured may be lost by a crash for longer than what happened: at rest there is nothing else to write. */
const flushObservationsMs = 5_000;
/** Rolling up costs as much for its many statements as for the rows. */
const maintainMs = 60_000;

/** Rejects when the file can't be opened. A server that is away is no reason: rows wait for it. */
export function openStore({ config, stateDir, units, sampling, nowMs }: OpenOptions): Promise<TimeSeriesStore> {
  const { kind, keepH, maxWaiting, url, database } = config;
  const retention: Retention = { raw: keepH.raw * hourMs, "1s": keepH.second * hourMs, "1m": keepH.minute * hourMs, "1h": keepH.hour * hourMs, events: keepH.events * hourMs };
  const common = { retention, maxWaiting, flushMs, maintainMs, nowMs, units, sampling };
  switch (kind) {
    case "none":
      return Promise.resolve(new NoStore());
    case "duckdb":
      return DuckDbStore.open({ ...common, flushObservationsMs, file: config.path ?? path.join(stateDir, "store.duckdb"), maxBytes: config.maxMb * 1_000_000, memoryMb: config.memoryMb });
    case "influxdb":
    case "victoriametrics":
      return Promise.resolve(new InfluxStore({ ...common, url, database, dialect: kind }));
  }
}
