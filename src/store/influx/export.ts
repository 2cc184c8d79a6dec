/** Parquet from a server's rows: written as JSON lines, made columns of by DuckDB in memory. */
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { emptyDirectory, writeManifest, type ExportedFile, type UnitOf } from "../manifest.js";
import type { ExportRequest, ExportResult, Gone } from "../store.js";
import type { InfluxQl } from "./influxql.js";

export interface ExportAbout {
  readonly unitOf: UnitOf;
  readonly sampling: unknown;
  readonly gone: Gone | undefined;
  readonly nowMs: number;
}

const keys = new Set(["time", "side", "subject", "window", "kind", "detail"]);
const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** Throws StoreError when the directory is not empty. */
export async function exportRows(ql: InfluxQl, request: ExportRequest, about: ExportAbout): Promise<ExportResult> {
  emptyDirectory(request.dir);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const files: ExportedFile[] = [];
  try {
    for (const measurement of [...(request.kinds ?? (await ql.measurements())), "events"]) {
      const isEvents = measurement === "events";
      const lines = path.join(request.dir, `.${measurement}.json`);
      writeFileSync(lines, "");
      let rows = 0;
      const columns = new Set<string>();
      for await (const page of ql.rows(isEvents ? "events" : "raw", measurement, request)) {
        for (const row of page) for (const key of Object.keys(row)) columns.add(key);
        appendFileSync(lines, page.map((row) => `${JSON.stringify(row)}\n`).join(""));
        rows += page.length;
      }
      if (rows > 0) {
        const metrics = [...columns].filter((column) => !keys.has(column)).sort();
        const types = Object.fromEntries([...columns].map((column) => [column, column === "time" ? "BIGINT" : keys.has(column) ? "VARCHAR" : "DOUBLE"]));
        const typed = `{${Object.entries(types).map(([column, type]) => `${quoted(column)}: '${type}'`).join(", ")}}`;
        const select = isEvents ? `"time" AS tMs, side, subject, kind, detail` : [`"time" AS tMs, side, subject, "window"::INTEGER AS windowMs`, ...metrics.map((metric) => `"${metric}"`)].join(", ");
        await connection.run(`COPY (SELECT ${select} FROM read_json(${quoted(lines)}, format = 'newline_delimited', columns = ${typed}) ORDER BY tMs) TO ${quoted(path.join(request.dir, `${measurement}.parquet`))} (FORMAT parquet, COMPRESSION zstd)`);
        const own = isEvents ? ["kind", "detail"].map((name) => ({ name, type: "VARCHAR", unit: undefined })) : [{ name: "windowMs", type: "INTEGER", unit: "ms" }, ...metrics.map((name) => ({ name, type: "DOUBLE", unit: about.unitOf(measurement, name) }))];
        files.push({ file: `${measurement}.parquet`, rows, columns: [{ name: "tMs", type: "BIGINT", unit: "ms since the epoch, start of the window" }, { name: "side", type: "VARCHAR", unit: undefined }, { name: "subject", type: "VARCHAR", unit: undefined }, ...own] });
      }
      rmSync(lines);
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  return writeManifest(request, files, { backend: "influxdb", sampling: about.sampling, gone: about.gone, nowMs: about.nowMs });
}
