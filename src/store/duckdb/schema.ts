/**
 * The tables. Raw: one table a kind of subject, a row an observation, a column a metric; a subject of a network has all its metrics at the
 * same moments, so that wide rows need a quarter of the bytes of narrow ones and a query reads two columns. Rows lie in the order they
 * came, so that a range of time is a few row groups. The tiers have count, sum, smallest and largest of each metric, and from the
 * minute on a sketch.
 *
 * Columns are named by the metric's number (DuckDB takes rxBytes and rxbytes for one name); `metrics` has their names.
 */
import type { SubjectKind } from "../../base/observation.js";
import type { MetricDefinition, SeriesDefinition } from "../batch.js";
import type { Tier } from "../store.js";
import type { DuckFile } from "./file.js";

const tables = [
  "CREATE TABLE IF NOT EXISTS series (id INTEGER, kind VARCHAR, side VARCHAR, name VARCHAR, win INTEGER)",
  "CREATE TABLE IF NOT EXISTS metrics (kind VARCHAR, id INTEGER, name VARCHAR)",
  // Rolled up to `done`, by kind and tier.
  "CREATE TABLE IF NOT EXISTS tier_state (kind VARCHAR, tier VARCHAR, done BIGINT)",
  // Deleted before that, by tier.
  "CREATE TABLE IF NOT EXISTS deleted (tier VARCHAR, before BIGINT)",
  // Minutes that rows came for after they had been rolled up.
  "CREATE TABLE IF NOT EXISTS dirty (kind VARCHAR, minute BIGINT)",
  "CREATE TABLE IF NOT EXISTS events (seq BIGINT, t BIGINT, kind VARCHAR, side VARCHAR, subject VARCHAR, detail VARCHAR)",
];

const prefix: Readonly<Record<Tier, string>> = { raw: "raw", "1s": "s1", "1m": "m1", "1h": "h1" };
export const tableOf = (tier: Tier, kind: SubjectKind): string => `${prefix[tier]}_${kind}`;
/** Tiers from the minute on have sketches; a second has too few values for one. */
export const hasSketch = (tier: Tier): boolean => tier === "1m" || tier === "1h";

export interface Known {
  readonly series: readonly SeriesDefinition[];
  readonly metrics: readonly MetricDefinition[];
}

/** What is in the file, kept in memory beside it. */
export class Catalogue {
  readonly series = new Map<number, SeriesDefinition>();
  /** By kind, by name. */
  readonly metrics = new Map<SubjectKind, Map<string, number>>();
  readonly deletedBefore = new Map<Tier | "events", number>();
  nextEvent = 0n;
  private readonly ids = new Map<string, SeriesDefinition[]>();
  private readonly done = new Map<string, number>();
  private readonly columns = new Map<string, Set<string>>();
  private readonly file: DuckFile;

  private constructor(file: DuckFile) {
    this.file = file;
  }

  static async load(file: DuckFile): Promise<Catalogue> {
    for (const sql of tables) await file.writer.run(sql);
    const catalogue = new Catalogue(file);
    for (const row of await file.written("SELECT * FROM series")) {
      catalogue.addSeries({ id: Number(row.id), kind: row.kind as SubjectKind, side: row.side as SeriesDefinition["side"], name: row.name as string, windowMs: Number(row.win) });
    }
    for (const row of await file.written("SELECT * FROM metrics")) catalogue.addMetric({ kind: row.kind as SubjectKind, id: Number(row.id), name: row.name as string });
    for (const row of await file.written("SELECT * FROM deleted")) catalogue.deletedBefore.set(row.tier as Tier | "events", Number(row.before));
    for (const row of await file.written("SELECT * FROM tier_state")) catalogue.done.set(`${row.kind as string} ${row.tier as string}`, Number(row.done));
    const [last] = await file.written("SELECT max(seq) AS seq FROM events");
    catalogue.nextEvent = last?.seq === null || last === undefined ? 0n : BigInt(last.seq as bigint) + 1n;
    return catalogue;
  }

  get known(): Known {
    return { series: [...this.series.values()], metrics: [...this.metrics].flatMap(([kind, ids]) => [...ids].map(([name, id]) => ({ kind, id, name }))) };
  }

  addSeries(series: SeriesDefinition): void {
    this.series.set(series.id, series);
    const key = `${series.kind} ${series.side} ${series.name}`;
    this.ids.set(key, [...(this.ids.get(key) ?? []), series]);
  }

  addMetric({ kind, id, name }: MetricDefinition): void {
    let metrics = this.metrics.get(kind);
    if (metrics === undefined) this.metrics.set(kind, (metrics = new Map<string, number>()));
    metrics.set(name, id);
  }

  /** A subject's series, by window length. */
  seriesOf(kind: SubjectKind, side: string, name: string): readonly SeriesDefinition[] {
    return this.ids.get(`${kind} ${side} ${name}`) ?? [];
  }

  doneMs(kind: SubjectKind, tier: Tier): number {
    return tier === "raw" ? Infinity : (this.done.get(`${kind} ${tier}`) ?? -Infinity);
  }

  /** Within the caller's transaction; the caller says when it is committed. */
  async setDone(kind: SubjectKind, tier: Tier, doneMs: number): Promise<() => void> {
    await this.file.writer.run("DELETE FROM tier_state WHERE kind = ? AND tier = ?", [kind, tier]);
    await this.file.writer.run("INSERT INTO tier_state VALUES (?, ?, ?)", [kind, tier, BigInt(doneMs)]);
    return () => void this.done.set(`${kind} ${tier}`, doneMs);
  }

  async setDeleted(tier: Tier | "events", beforeMs: number): Promise<void> {
    await this.file.writer.run("DELETE FROM deleted WHERE tier = ?", [tier]);
    await this.file.writer.run("INSERT INTO deleted VALUES (?, ?)", [tier, BigInt(beforeMs)]);
    this.deletedBefore.set(tier, beforeMs);
  }

  deletedBeforeMs(tier: Tier | "events"): number {
    return this.deletedBefore.get(tier) ?? -Infinity;
  }

  /** Makes the table of a kind and tier, or adds the columns it lacks. */
  async ensure(tier: Tier, kind: SubjectKind, metrics: readonly number[]): Promise<void> {
    const table = tableOf(tier, kind);
    let columns = this.columns.get(table);
    if (columns === undefined) {
      await this.file.writer.run(`CREATE TABLE IF NOT EXISTS ${table} (t BIGINT, s INTEGER)`);
      columns = new Set((await this.file.written(`SELECT name FROM pragma_table_info('${table}') ORDER BY cid`)).map((row) => row.name as string));
      this.columns.set(table, columns);
    }
    for (const metric of metrics) {
      const wanted: readonly (readonly [string, string])[] =
        tier === "raw"
          ? [[`m${metric}`, "DOUBLE"]]
          : [[`n${metric}`, "UINTEGER"], [`s${metric}`, "DOUBLE"], [`i${metric}`, "DOUBLE"], [`a${metric}`, "DOUBLE"], ...(hasSketch(tier) ? [[`q${metric}`, "MAP(SMALLINT, UBIGINT)"] as const] : [])];
      for (const [name, type] of wanted) {
        if (columns.has(name)) continue;
        await this.file.writer.run(`ALTER TABLE ${table} ADD COLUMN ${name} ${type}`);
        columns.add(name);
      }
    }
  }

  /** The columns of a table that `ensure` was called for, in their order. */
  columnsOf(tier: Tier, kind: SubjectKind): string[] {
    return [...(this.columns.get(tableOf(tier, kind)) ?? [])];
  }

  /** Whether the table is there, with the metric's column when one is named. */
  async has(tier: Tier, kind: SubjectKind, metric?: number): Promise<boolean> {
    const table = tableOf(tier, kind);
    const columns = this.columns.get(table) ?? new Set((await this.file.rows("SELECT column_name AS name FROM duckdb_columns() WHERE table_name = ?", [table])).map((row) => row.name as string));
    return metric === undefined ? columns.size > 0 : columns.has(`${tier === "raw" ? "m" : "n"}${metric}`);
  }

  get kinds(): SubjectKind[] {
    return [...this.metrics.keys()];
  }
}
