/**
 * Measured series from files, for scripts of this folder: comma-separated values with a line of names, gzip or not, one row for each interval.
 * A column `t` (seconds since the epoch, end of the interval), `time` (ISO) or `clock` (seconds, its start) tells when; `day` and `slot` are passed over. Columns
 * `od_I_J` are a traffic matrix: its total, and what enters and leaves by each node, are the series then. Every other column of numbers is a series.
 */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";

export interface SeriesFile {
  readonly file: string;
  readonly series: ReadonlyMap<string, Float64Array>;
  /** Of the first row, ms since the epoch, start of its interval; undefined when the file does not tell. */
  readonly startMs: number | undefined;
}

/** Reads a file; `rowMs` is the length of its intervals. With `pairs` each cell of a matrix is a series. Throws when a row has another number of columns than the first line. */
export function readSeries(path: string, rowMs: number, pairs = false): SeriesFile {
  const packed = readFileSync(path);
  const [first = "", ...lines] = (path.endsWith(".gz") ? gunzipSync(packed) : packed).toString().trimEnd().split("\n");
  const names = first.split(",");
  const rows = lines.map((line, i) => {
    const cells = line.split(",");
    if (cells.length !== names.length) throw new Error(`${path}:${i + 2}: ${cells.length} columns, the first line names ${names.length}`);
    return cells;
  });
  const columns = new Map(names.map((name, at) => [name, Float64Array.from(rows, (row) => (row[at] === "" ? NaN : Number(row[at])))]));
  const file = basename(path);
  const startMs = start(columns, rows[0]?.[names.indexOf("time")], rowMs);
  for (const name of ["t", "time", "clock", "day", "slot", "itemid", "id_time", "num"]) columns.delete(name);
  return { file, series: columns.has("od_0_0") && !pairs ? ofMatrix(columns) : columns, startMs };
}

function start(columns: ReadonlyMap<string, Float64Array>, time: string | undefined, rowMs: number): number | undefined {
  const [t, clock] = [columns.get("t")?.[0], columns.get("clock")?.[0]];
  if (t !== undefined) return t * 1_000 - rowMs;
  if (clock !== undefined) return clock * 1_000;
  const parsed = time === undefined ? NaN : Date.parse(time.includes("+") ? time : `${time.replace(" ", "T")}Z`);
  return Number.isNaN(parsed) ? undefined : parsed;
}

function ofMatrix(columns: ReadonlyMap<string, Float64Array>): Map<string, Float64Array> {
  const length = columns.get("od_0_0")?.length ?? 0;
  const sums = new Map<string, Float64Array>();
  const add = (name: string, values: Float64Array): void => {
    const sum = sums.get(name) ?? new Float64Array(length);
    values.forEach((value, i) => void (sum[i] = (sum[i] ?? 0) + (Number.isNaN(value) ? 0 : value)));
    sums.set(name, sum);
  };
  for (const [name, values] of columns) {
    const [, from, to] = /^od_(\d+)_(\d+)$/.exec(name) ?? [];
    if (from === undefined || to === undefined) continue;
    add("total", values);
    add(`in ${from}`, values);
    add(`out ${to}`, values);
  }
  return sums;
}

/** Value below which a share of all lies. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
