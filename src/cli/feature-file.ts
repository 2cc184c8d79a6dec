/** Rows of features into a file: Parquet or CSV by its name; JSON lines to the output without one. */
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { DuckDBInstance } from "@duckdb/node-api";
import type { FeatureRow } from "../telemetry/offline.js";

/** Writes all rows; returns how many. */
export async function writeFeatures(file: string | undefined, columns: readonly string[], rows: AsyncIterable<FeatureRow>): Promise<number> {
  if (file?.endsWith(".parquet") === true) return parquet(file, columns, rows);
  const out = file === undefined ? process.stdout : createWriteStream(file);
  const isCsv = file?.endsWith(".csv") === true;
  if (isCsv) out.write(`${["endMs", "windowMs", "kind", "subject", "samples", ...columns].join(",")}\n`);
  let count = 0;
  for await (const { endMs, windowMs, kind, subject, samples, values } of rows) {
    count++;
    const line = isCsv ? [endMs, windowMs, kind, subject, samples, ...values].join(",") : JSON.stringify({ endMs, windowMs, kind, subject, samples, values: Object.fromEntries(columns.map((name, i) => [name, values[i]])) });
    if (!out.write(`${line}\n`)) await once(out, "drain");
  }
  if (file !== undefined) {
    out.end();
    await once(out, "finish");
  }
  return count;
}

async function parquet(file: string, columns: readonly string[], rows: AsyncIterable<FeatureRow>): Promise<number> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await connection.run(`CREATE TABLE features (end_ms BIGINT, window_ms INTEGER, kind VARCHAR, subject VARCHAR, samples BIGINT, ${columns.map((name) => `"${name}" DOUBLE`).join(", ")})`);
    const appender = await connection.createAppender("features");
    let count = 0;
    for await (const { endMs, windowMs, kind, subject, samples, values } of rows) {
      appender.appendBigInt(BigInt(endMs));
      appender.appendInteger(windowMs);
      appender.appendVarchar(kind);
      appender.appendVarchar(subject);
      appender.appendBigInt(BigInt(samples));
      for (const value of values) appender.appendDouble(value);
      appender.endRow();
      if (++count % 10_000 === 0) appender.flushSync();
    }
    appender.flushSync();
    appender.closeSync();
    await connection.run(`COPY features TO '${file.replaceAll("'", "''")}' (FORMAT parquet, COMPRESSION zstd)`);
    return count;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
