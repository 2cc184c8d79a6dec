/** Questions to the file, from whichever tier can answer. */
import type { EventKind, NetworkEvent, Side, Subject, SubjectKind } from "../../base/observation.js";
import { chooseTier, goneBefore, type TierState } from "../choose-tier.js";
import { maxAnswer } from "../limits.js";
import { StoreError, tiers, tierStepMs, type Aggregate, type EventAnswer, type EventQuery, type LatestQuery, type LatestValues, type Retention, type SeriesAnswer, type SeriesPoint, type SeriesQuery, type StateAnswer, type Tier, type TierInfo, type TopAnswer, type TopQuery } from "../store.js";
import type { SeriesDefinition } from "../batch.js";
import type { DuckFile, Row } from "./file.js";
import { hasSketch, tableOf, type Catalogue } from "./schema.js";
import { keySql, quantileOf } from "./sketch.js";

const shares: Readonly<Partial<Record<Aggregate, number>>> = { p50: 0.5, p95: 0.95, p99: 0.99 };
const combined: Readonly<Record<Exclude<Aggregate, "p50" | "p95" | "p99">, string>> = { mean: "sum(s) / sum(n)", sum: "sum(s)", min: "min(i)", max: "max(a)", count: "sum(n)" };
const finer: Readonly<Record<Tier, Tier | undefined>> = { raw: undefined, "1s": "raw", "1m": "1s", "1h": "1m" };

/** A piece of a range and the tier it comes from. */
interface Piece {
  readonly tier: Tier;
  readonly fromMs: number;
  readonly toMs: number;
}

export class StoreReader {
  private readonly file: DuckFile;
  private readonly catalogue: Catalogue;
  private readonly retention: Retention;

  constructor(file: DuckFile, catalogue: Catalogue, retention: Retention) {
    this.file = file;
    this.catalogue = catalogue;
    this.retention = retention;
  }

  async query(query: SeriesQuery): Promise<SeriesAnswer> {
    const { subject, side, metric, bucketMs, aggregate = "mean" } = query;
    const range = bucketMs === undefined ? query : { fromMs: Math.floor(query.fromMs / bucketMs) * bucketMs, toMs: Math.ceil(query.toMs / bucketMs) * bucketMs };
    const { tier, gone } = chooseTier(this.tierStates(subject.kind), range, bucketMs);
    const id = this.catalogue.metrics.get(subject.kind)?.get(metric);
    const series = finest(this.catalogue.seriesOf(subject.kind, side, subject.name), query.windowMs);
    const answer = (points: readonly SeriesPoint[]): SeriesAnswer => ({ tier, points, ...(gone === undefined ? {} : { gone }) });
    if (id === undefined || series === undefined) return answer([]);
    const pieces = await this.pieces(subject.kind, id, tier, range);
    if (pieces.length === 0) return answer([]);
    const only = `s = ${series.id}`;
    if (bucketMs === undefined) {
      const rows = await this.file.rows(`SELECT t, m${id} AS v FROM ${tableOf("raw", subject.kind)} WHERE ${only} AND t >= ${range.fromMs} AND t < ${range.toMs} AND m${id} IS NOT NULL ORDER BY t LIMIT ${maxAnswer + 1}`);
      if (rows.length > maxAnswer) throw new StoreError(`more than ${maxAnswer} values: ask for a shorter range, or in buckets`);
      return answer(rows.map((row) => ({ tMs: Number(row.t), value: Number(row.v), count: 1 })));
    }
    const bucket = `t // ${bucketMs} * ${bucketMs}`;
    const share = shares[aggregate];
    if (share !== undefined) return answer(await this.quantiles(pieces, subject.kind, id, only, bucket, share));
    const source = pieces.map((piece) => partSql(piece, subject.kind, id, only)).join(" UNION ALL ");
    const value = combined[aggregate as keyof typeof combined];
    const rows = await this.file.rows(`SELECT ${bucket} AS b, ${value} AS v, sum(n)::BIGINT AS n FROM (${source}) GROUP BY 1 ORDER BY 1`);
    return answer(rows.map((row) => ({ tMs: Number(row.b), value: Number(row.v), count: Number(row.n) })));
  }

  async latest({ kind, side, name, sinceMs }: LatestQuery): Promise<LatestValues[]> {
    const metrics = [...(this.catalogue.metrics.get(kind) ?? [])];
    if (metrics.length === 0) return [];
    const wanted = this.finestOf(kind, side, name);
    if (wanted.length === 0) return [];
    const columns = metrics.map(([, id]) => `arg_max(m${id}, t) AS m${id}`);
    const rows = await this.file.rows(`SELECT s, max(t) AS t, ${columns.join(", ")} FROM ${tableOf("raw", kind)} WHERE t >= ${sinceMs} AND ${among(wanted)} GROUP BY s LIMIT ${maxAnswer}`);
    return rows.flatMap((row) => {
      const series = this.catalogue.series.get(Number(row.s));
      if (series === undefined) return [];
      const values = Object.fromEntries(metrics.flatMap(([metric, id]) => (row[`m${id}`] === null ? [] : [[metric, Number(row[`m${id}`])] as const])));
      return [{ subject: { kind, name: series.name }, tMs: Number(row.t), values }];
    });
  }

  async top({ kind, side, metric, fromMs, toMs, count, aggregate = "mean" }: TopQuery): Promise<TopAnswer> {
    const long = toMs - fromMs;
    const step = long >= 24 * tierStepMs["1h"] ? tierStepMs["1h"] : long >= 2 * tierStepMs["1h"] ? tierStepMs["1m"] : tierStepMs["1s"];
    const range = { fromMs: Math.floor(fromMs / step) * step, toMs: Math.ceil(toMs / step) * step };
    const { tier, gone } = chooseTier(this.tierStates(kind), range, step);
    const id = this.catalogue.metrics.get(kind)?.get(metric);
    const wanted = this.finestOf(kind, side);
    const pieces = id === undefined || wanted.length === 0 ? [] : await this.pieces(kind, id, tier, range);
    const rest = gone === undefined ? {} : { gone };
    if (id === undefined || pieces.length === 0) return { entries: [], ...rest };
    const source = pieces.map((piece) => partSql(piece, kind, id, among(wanted))).join(" UNION ALL ");
    const rows = await this.file.rows(`SELECT series, ${combined[aggregate]} AS v FROM (${source}) GROUP BY series ORDER BY v DESC, series LIMIT ${Math.min(count, maxAnswer)}`);
    return { entries: rows.flatMap((row) => this.catalogue.series.get(Number(row.series)) ?? []).map(({ name }, i) => ({ subject: { kind, name }, value: Number(rows[i]?.v) })), ...rest };
  }

  async events({ fromMs, toMs, kinds, subject, limit }: EventQuery): Promise<EventAnswer> {
    const most = Math.min(limit, maxAnswer);
    const kept = this.catalogue.deletedBeforeMs("events");
    const from = Math.max(fromMs, kept);
    const marks = (kinds ?? []).map(() => "?").join(", ");
    const where = [`t >= ${Number.isFinite(from) ? Math.floor(from) : fromMs} AND t < ${toMs}`, ...(kinds === undefined ? [] : [kinds.length === 0 ? "false" : `kind IN (${marks})`]), ...(subject === undefined ? [] : ["subject = ?"])];
    const values = [...(kinds ?? []), ...(subject === undefined ? [] : [subject])];
    const rows = await this.file.rows(`SELECT * FROM events WHERE ${where.join(" AND ")} ORDER BY t DESC, seq DESC LIMIT ${most + 1}`, values);
    const gone = goneBefore({ fromMs, toMs }, kept, "events");
    return { events: rows.slice(0, most).reverse().map(eventOf), cut: rows.length > most, ...(gone === undefined ? {} : { gone }) };
  }

  async stateAt(tMs: number): Promise<StateAnswer> {
    const rows = await this.file.rows(
      `SELECT * FROM events WHERE t <= ? AND kind <> 'edit' QUALIFY row_number() OVER (PARTITION BY kind, side, subject ORDER BY t DESC, seq DESC) = 1 ORDER BY t, seq LIMIT ${maxAnswer}`,
      [BigInt(Math.floor(tMs))],
    );
    const gone = goneBefore({ fromMs: tMs, toMs: tMs + 1 }, this.catalogue.deletedBeforeMs("events"), "events");
    return { events: gone === undefined ? rows.map(eventOf) : [], ...(gone === undefined ? {} : { gone }) };
  }

  async metrics({ kind, name }: Subject, side: Side): Promise<string[]> {
    const series = this.catalogue.seriesOf(kind, side, name);
    if (series.length === 0 || !(await this.catalogue.has("raw", kind))) return [];
    const metrics = [...(this.catalogue.metrics.get(kind) ?? [])];
    const has = metrics.map(([, id]) => `count(m${id}) > 0 AS m${id}`).join(", ");
    const [row] = await this.file.rows(`SELECT ${has} FROM ${tableOf("raw", kind)} WHERE ${among(series)}`);
    return metrics.filter(([, id]) => row?.[`m${id}`] === true).map(([metric]) => metric).sort();
  }

  async tiers(): Promise<TierInfo[]> {
    const infos: TierInfo[] = [];
    for (const tier of tiers) {
      const tables: string[] = [];
      for (const kind of this.catalogue.kinds) if (await this.catalogue.has(tier, kind)) tables.push(tableOf(tier, kind));
      infos.push(await this.info(tier, tables));
    }
    return [...infos, await this.info("events", ["events"])];
  }

  /** The states of a kind's tiers. */
  tierStates(kind: SubjectKind): TierState[] {
    return tiers.map((tier) => ({ tier, deletedBeforeMs: this.catalogue.deletedBeforeMs(tier), doneMs: this.catalogue.doneMs(kind, tier) }));
  }

  private async info(tier: Tier | "events", tables: readonly string[]): Promise<TierInfo> {
    const keepMs = this.retention[tier];
    if (tables.length === 0) return { tier, keepMs, keptSinceMs: undefined, newestMs: undefined, rows: 0 };
    const [row] = await this.file.rows(`SELECT min(t) AS first, max(t) AS last, count(*) AS n FROM (${tables.map((table) => `SELECT t FROM ${table}`).join(" UNION ALL ")})`);
    const deleted = this.catalogue.deletedBeforeMs(tier);
    const first = row?.first === null ? undefined : Number(row?.first);
    return {
      tier,
      keepMs,
      keptSinceMs: Number.isFinite(deleted) ? deleted : first,
      newestMs: row?.last === null ? undefined : Number(row?.last),
      rows: Number(row?.n ?? 0),
    };
  }

  /** A range from a tier as far as it is rolled up, then from the finer ones. */
  private async pieces(kind: SubjectKind, metric: number, tier: Tier, { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): Promise<Piece[]> {
    const pieces: Piece[] = [];
    let from = fromMs;
    for (let at: Tier | undefined = tier; at !== undefined && from < toMs; at = finer[at]) {
      const to = Math.min(toMs, this.catalogue.doneMs(kind, at));
      if (to <= from) continue;
      if (await this.catalogue.has(at, kind, metric)) pieces.push({ tier: at, fromMs: from, toMs: to });
      from = to;
    }
    return pieces;
  }

  private async quantiles(pieces: readonly Piece[], kind: SubjectKind, id: number, only: string, bucket: string, share: number): Promise<SeriesPoint[]> {
    if (!pieces.some(({ tier }) => hasSketch(tier))) {
      const source = pieces.map((piece) => partSql(piece, kind, id, only)).join(" UNION ALL ");
      const rows = await this.file.rows(`SELECT ${bucket} AS b, quantile_cont(s / n, ${share}) AS v, sum(n)::BIGINT AS n FROM (${source}) GROUP BY 1 ORDER BY 1`);
      return rows.map((row) => ({ tMs: Number(row.b), value: Number(row.v), count: Number(row.n) }));
    }
    const parts = pieces.map((piece) => {
      const where = `${only} AND t >= ${piece.fromMs} AND t < ${piece.toMs}`;
      const table = tableOf(piece.tier, kind);
      if (hasSketch(piece.tier)) return `SELECT t, unnest(map_keys(q${id})) AS k, unnest(map_values(q${id})) AS c FROM ${table} WHERE ${where}`;
      return `SELECT t, ${keySql(piece.tier === "raw" ? `m${id}` : `(s${id} / n${id})`)} AS k, 1 AS c FROM ${table} WHERE ${where}`;
    });
    const rows = await this.file.rows(`SELECT ${bucket} AS b, k, sum(c)::BIGINT AS c FROM (${parts.join(" UNION ALL ")}) WHERE k IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2`);
    const buckets = new Map<number, [number, number][]>();
    for (const row of rows) {
      const list = buckets.get(Number(row.b));
      if (list === undefined) buckets.set(Number(row.b), [[Number(row.k), Number(row.c)]]);
      else list.push([Number(row.k), Number(row.c)]);
    }
    return [...buckets].map(([tMs, counts]) => ({ tMs, value: quantileOf(counts, share) ?? Number.NaN, count: counts.reduce((sum, [, count]) => sum + count, 0) }));
  }

  /** The finest series of each subject of a kind and side, or of the one named. */
  private finestOf(kind: SubjectKind, side: Side, name?: string): SeriesDefinition[] {
    if (name !== undefined) return [finest(this.catalogue.seriesOf(kind, side, name), undefined)].filter((one) => one !== undefined);
    const best = new Map<string, SeriesDefinition>();
    for (const series of this.catalogue.series.values()) {
      if (series.kind !== kind || series.side !== side) continue;
      const other = best.get(series.name);
      if (other === undefined || series.windowMs < other.windowMs) best.set(series.name, series);
    }
    return [...best.values()];
  }
}

/** The series of the window asked for, else of the shortest. */
function finest(series: readonly SeriesDefinition[], windowMs: number | undefined): SeriesDefinition | undefined {
  if (windowMs !== undefined) return series.find((one) => one.windowMs === windowMs);
  return series.reduce<SeriesDefinition | undefined>((best, one) => (best === undefined || one.windowMs < best.windowMs ? one : best), undefined);
}

const among = (series: readonly SeriesDefinition[]): string => `s IN (${series.map(({ id }) => id).join(", ")})`;

/** Rows of a piece in one form: time, series, count, sum, smallest, largest. */
function partSql({ tier, fromMs, toMs }: Piece, kind: SubjectKind, id: number, only: string): string {
  const columns = tier === "raw" ? `1 AS n, m${id} AS s, m${id} AS i, m${id} AS a` : `n${id} AS n, s${id} AS s, coalesce(i${id}, s${id}) AS i, coalesce(a${id}, s${id}) AS a`;
  return `SELECT t, s AS series, ${columns} FROM ${tableOf(tier, kind)} WHERE ${only} AND t >= ${fromMs} AND t < ${toMs} AND ${tier === "raw" ? "m" : "n"}${id} IS NOT NULL`;
}

function eventOf(row: Row): NetworkEvent {
  return { tMs: Number(row.t), kind: row.kind as EventKind, side: row.side as Side, subject: row.subject as string, detail: JSON.parse(row.detail as string) as Record<string, unknown> };
}
