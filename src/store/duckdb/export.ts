/** Parquet files for training: a file a kind of subject with named columns, and the events. */
import path from "node:path";
import { chooseTier } from "../choose-tier.js";
import { emptyDirectory, writeManifest, type ExportedFile, type UnitOf } from "../manifest.js";
import type { ExportRequest, ExportResult } from "../store.js";
import type { DuckFile } from "./file.js";
import { tableOf, type Catalogue } from "./schema.js";
import type { StoreReader } from "./read.js";

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const name = (text: string): string => `"${text.replaceAll('"', '""')}"`;

export interface ExportAbout {
  readonly unitOf: UnitOf;
  readonly sampling: unknown;
  readonly nowMs: number;
}

/** Throws StoreError when the directory is not empty. */
export async function exportParquet(file: DuckFile, catalogue: Catalogue, reader: StoreReader, request: ExportRequest, about: ExportAbout): Promise<ExportResult> {
  emptyDirectory(request.dir);
  const files: ExportedFile[] = [];
  const range = `t >= ${request.fromMs} AND t < ${request.toMs}`;
  for (const kind of request.kinds ?? catalogue.kinds) {
    if (!(await catalogue.has("raw", kind))) continue;
    const metrics = [...(catalogue.metrics.get(kind) ?? [])];
    const columns = metrics.map(([metric, id]) => `m${id} AS ${name(metric)}`).join(", ");
    const sql = `SELECT t AS tMs, side, series.name AS subject, win AS windowMs, ${columns} FROM ${tableOf("raw", kind)} JOIN series ON s = id WHERE ${range} ORDER BY t, s`;
    const rows = await copy(file, sql, path.join(request.dir, `${kind}.parquet`));
    const units = metrics.map(([metric]) => ({ name: metric, type: "DOUBLE", unit: about.unitOf(kind, metric) }));
    files.push({ file: `${kind}.parquet`, rows, columns: [...keyColumns, { name: "windowMs", type: "INTEGER", unit: "ms" }, ...units] });
  }
  const rows = await copy(file, `SELECT t AS tMs, side, subject, kind, detail FROM events WHERE ${range} ORDER BY t, seq`, path.join(request.dir, "events.parquet"));
  const text = ["kind", "detail"].map((column) => ({ name: column, type: "VARCHAR", unit: column === "detail" ? "JSON" : undefined }));
  files.push({ file: "events.parquet", rows, columns: [...keyColumns, ...text] });
  const [kind = "port"] = request.kinds ?? catalogue.kinds;
  const { gone } = chooseTier(reader.tierStates(kind), request, undefined);
  return writeManifest(request, files, { backend: "duckdb", sampling: about.sampling, gone, nowMs: about.nowMs });
}

const keyColumns = [
  { name: "tMs", type: "BIGINT", unit: "ms since the epoch, start of the window" },
  { name: "side", type: "VARCHAR", unit: undefined },
  { name: "subject", type: "VARCHAR", unit: undefined },
] as const;

async function copy(file: DuckFile, sql: string, to: string): Promise<number> {
  const [row] = await file.rows(`COPY (${sql}) TO ${quoted(to)} (FORMAT parquet, COMPRESSION zstd)`);
  return Number(row?.Count ?? 0);
}
