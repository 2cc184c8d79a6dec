/** Questions in InfluxQL, and the tiers that `SELECT … INTO` makes. */
import type { InfluxDB } from "influx";
import type { EventKind, NetworkEvent, Side, Subject, SubjectKind } from "../../base/observation.js";
import type { TierState } from "../choose-tier.js";
import { maxAnswer } from "../limits.js";
import { StoreError, tiers, tierStepMs, type Aggregate, type EventQuery, type LatestQuery, type LatestValues, type Retention, type SeriesPoint, type Tier, type TimeRange } from "../store.js";

interface Series {
  readonly name: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly values: readonly (readonly (string | number | null)[])[];
}
export type Plain = Exclude<Aggregate, "p50" | "p95" | "p99">;
export interface Sums {
  n: number;
  s: number;
  i: number;
  a: number;
}
export const valueOf: Readonly<Record<Plain, (sums: Sums) => number>> = { mean: ({ n, s }) => s / n, sum: ({ s }) => s, min: ({ i }) => i, max: ({ a }) => a, count: ({ n }) => n };

const policy: Readonly<Record<Tier | "events", string>> = { raw: "raw", "1s": "s1", "1m": "m1", "1h": "h1", events: "events" };
/** InfluxDB keeps nothing shorter than this. */
const shortestMs = 3_600_000;
const latenessMs = 5_000;

const text = (value: string): string => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
const name = (value: string): string => `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
const within = ({ fromMs, toMs }: TimeRange): string => `time >= ${Math.floor(fromMs)}ms AND time < ${Math.floor(toMs)}ms`;

export class InfluxQl {
  private readonly influx: InfluxDB;
  private readonly database: string;
  private readonly done = new Map<Tier, number>();
  private readonly dirty = new Set<number>();

  constructor(influx: InfluxDB, database: string) {
    this.influx = influx;
    this.database = database;
  }

  /** Makes the database and a retention policy a tier; both may be there. */
  async prepare(retention: Retention): Promise<void> {
    await this.ask(`CREATE DATABASE ${name(this.database)}`);
    for (const tier of [...tiers, "events"] as const) {
      const words = `RETENTION POLICY ${policy[tier]} ON ${name(this.database)} DURATION ${Math.ceil(Math.max(shortestMs, retention[tier]) / 1_000)}s REPLICATION 1${tier === "raw" ? " DEFAULT" : ""}`;
      // Changed when it is there with another length.
      await this.ask(`CREATE ${words}`).catch(() => this.ask(`ALTER ${words}`));
    }
  }

  policyOf(tier: Tier | "events"): string {
    return policy[tier];
  }

  doneMs(tier: Tier): number {
    return tier === "raw" ? Infinity : (this.done.get(tier) ?? -Infinity);
  }

  states(nowMs: number, retention: Retention): TierState[] {
    return tiers.map((tier) => ({ tier, deletedBeforeMs: nowMs - retention[tier], doneMs: this.doneMs(tier) }));
  }

  /** Notes that a row of this time was written; returns whether its bucket had been rolled up. */
  wrote(tMs: number): boolean {
    if (tMs >= this.doneMs("1s")) return false;
    this.dirty.add(Math.floor(tMs / 60_000) * 60_000);
    return true;
  }

  /** Seconds from raw, minutes and hours from seconds, and again what late rows came for. The server forgets by itself. */
  async rollUp(nowMs: number): Promise<void> {
    for (const tier of ["1s", "1m", "1h"] as const) {
      const step = tierStepMs[tier];
      if (!this.done.has(tier)) {
        const start = (await this.edge(tier, "DESC")) ?? (await this.edge("raw", "ASC"));
        if (start === undefined) return;
        this.done.set(tier, Math.floor(start / 3_600_000) * 3_600_000);
      }
      const until = Math.floor(Math.min(nowMs - latenessMs, tier === "1s" ? Infinity : this.doneMs("1s")) / step) * step;
      if (until <= this.doneMs(tier)) continue;
      await this.into(tier, { fromMs: this.doneMs(tier), toMs: until });
      this.done.set(tier, until);
    }
    for (const minute of [...this.dirty]) {
      await this.into("1s", { fromMs: minute, toMs: Math.min(minute + 60_000, this.doneMs("1s")) });
      if (minute + 60_000 <= this.doneMs("1m")) await this.into("1m", { fromMs: minute, toMs: minute + 60_000 });
      const hour = Math.floor(minute / 3_600_000) * 3_600_000;
      if (hour + 3_600_000 <= this.doneMs("1h")) await this.into("1h", { fromMs: hour, toMs: hour + 3_600_000 });
      this.dirty.delete(minute);
    }
  }

  /** The windows a subject was observed with, shortest first. */
  async windows({ kind, name: subject }: Subject, side: Side): Promise<number[]> {
    const series = await this.ask(`SHOW TAG VALUES FROM ${name(kind)} WITH KEY = "window" WHERE side = ${text(side)} AND subject = ${text(subject)}`);
    return series.flatMap(({ values }) => values.map((row) => Number(row[1]))).sort((x, y) => x - y);
  }

  async values(kind: SubjectKind, where: string, metric: string, range: TimeRange): Promise<SeriesPoint[]> {
    const [series] = await this.ask(`SELECT ${name(metric)} FROM ${policy.raw}.${name(kind)} WHERE ${where} AND ${within(range)} LIMIT ${maxAnswer + 1}`);
    if ((series?.values.length ?? 0) > maxAnswer) throw new StoreError(`more than ${maxAnswer} values: ask for a shorter range, or in buckets`);
    return (series?.values ?? []).map((row) => ({ tMs: Number(row[0]), value: Number(row[1]), count: 1 }));
  }

  /** Sums of a piece of a tier, by group and bucket. */
  async sums(tier: Tier, kind: SubjectKind, where: string, metric: string, range: TimeRange, by: string): Promise<{ readonly tags: Readonly<Record<string, string>>; readonly tMs: number; readonly sums: Sums }[]> {
    const of = (raw: string, second: string, coarse: string): string => (tier === "raw" ? `${raw}(${name(metric)})` : tier === "1s" ? second : coarse);
    const field = (prefix: string): string => name(`${prefix}_${metric}`);
    const select = [
      of("count", `sum(${field("count")})`, `sum(${field("sum_count")})`),
      of("sum", `sum(${field("sum")})`, `sum(${field("sum_sum")})`),
      of("min", `min(${field("min")})`, `min(${field("min_min")})`),
      of("max", `max(${field("max")})`, `max(${field("max_max")})`),
    ];
    const series = await this.ask(`SELECT ${select.join(", ")} FROM ${policy[tier]}.${name(kind)} WHERE ${where} AND ${within(range)} GROUP BY ${by}${by.includes("time(") ? " fill(none)" : ""}`);
    return series.flatMap(({ tags = {}, values }) => values.map(([t, n, s, i, a]) => ({ tags, tMs: Number(t), sums: { n: Number(n), s: Number(s), i: Number(i), a: Number(a) } })));
  }

  async percentile(kind: SubjectKind, where: string, metric: string, range: TimeRange, bucketMs: number, percent: number): Promise<SeriesPoint[]> {
    const [series] = await this.ask(`SELECT percentile(${name(metric)}, ${percent}), count(${name(metric)}) FROM ${policy.raw}.${name(kind)} WHERE ${where} AND ${within(range)} GROUP BY time(${bucketMs}ms) fill(none)`);
    return (series?.values ?? []).map(([t, value, count]) => ({ tMs: Number(t), value: Number(value), count: Number(count) }));
  }

  /** The newest row of each subject, in its shortest window. */
  async latest({ kind, side, name: subject, sinceMs }: LatestQuery): Promise<LatestValues[]> {
    const where = [`side = ${text(side)}`, `time >= ${Math.floor(sinceMs)}ms`, ...(subject === undefined ? [] : [`subject = ${text(subject)}`])];
    const series = await this.ask(`SELECT * FROM ${policy.raw}.${name(kind)} WHERE ${where.join(" AND ")} GROUP BY subject, "window" ORDER BY time DESC LIMIT 1`);
    const best = new Map<string, { readonly window: number; readonly value: LatestValues }>();
    for (const { tags = {}, columns, values } of series) {
      const [row = []] = values;
      const window = Number(tags.window);
      const found = columns.flatMap((column, at) => (typeof row[at] === "number" && column !== "time" ? [[column, row[at]] as const] : []));
      const other = best.get(tags.subject ?? "");
      if (other !== undefined && other.window <= window) continue;
      best.set(tags.subject ?? "", { window, value: { subject: { kind, name: tags.subject ?? "" }, tMs: Number(row[0]), values: Object.fromEntries(found) } });
    }
    return [...best.values()].map(({ value }) => value);
  }

  /** Names of a subject's metrics among its raw rows. */
  async metrics({ kind, name: subject }: Subject, side: Side): Promise<string[]> {
    const [series] = await this.ask(`SELECT count(*) FROM ${policy.raw}.${name(kind)} WHERE side = ${text(side)} AND subject = ${text(subject)}`);
    const [row = []] = series?.values ?? [];
    return (series?.columns ?? []).flatMap((column, at) => (column.startsWith("count_") && Number(row[at]) > 0 ? [column.slice("count_".length)] : [])).sort();
  }

  async events({ fromMs, toMs, kinds, subject, limit }: EventQuery): Promise<NetworkEvent[]> {
    if (kinds?.length === 0) return [];
    const where = [within({ fromMs, toMs }), ...(kinds === undefined ? [] : [`(${kinds.map((kind) => `kind = ${text(kind)}`).join(" OR ")})`]), ...(subject === undefined ? [] : [`subject = ${text(subject)}`])];
    const [series] = await this.ask(`SELECT detail, kind, side, subject FROM ${policy.events}.events WHERE ${where.join(" AND ")} ORDER BY time DESC LIMIT ${limit}`);
    return (series?.values ?? []).map(([t, detail, kind, side, of]) => eventOf(Number(t), String(kind), String(side), String(of), String(detail))).reverse();
  }

  async lastEvents(range: TimeRange): Promise<NetworkEvent[]> {
    const series = await this.ask(`SELECT last(detail) FROM ${policy.events}.events WHERE ${within(range)} AND kind <> 'edit' GROUP BY kind, side, subject`);
    return series
      .flatMap(({ tags = {}, values }) => values.map(([t, detail]) => eventOf(Number(t), tags.kind ?? "", tags.side ?? "", tags.subject ?? "", String(detail))))
      .sort((x, y) => x.tMs - y.tMs);
  }

  /** All rows of a kind in a range, a page at a time. */
  async *rows(tier: "raw" | "events", measurement: string, range: TimeRange): AsyncGenerator<Record<string, string | number | null>[]> {
    const page = 10_000;
    for (let offset = 0; ; offset += page) {
      const [series] = await this.ask(`SELECT * FROM ${policy[tier]}.${name(measurement)} WHERE ${within(range)} LIMIT ${page} OFFSET ${offset}`);
      const rows = (series?.values ?? []).map((row) => Object.fromEntries(series?.columns.map((column, at) => [column, row[at] ?? null]) ?? []));
      if (rows.length > 0) yield rows;
      if (rows.length < page) return;
    }
  }

  async measurements(): Promise<string[]> {
    return (await this.ask("SHOW MEASUREMENTS")).flatMap(({ values }) => values.map(([one]) => String(one))).filter((one) => one !== "events");
  }

  /** The first or last time a tier has, over all measurements, and its rows. */
  async edge(tier: Tier | "events", order: "ASC" | "DESC"): Promise<number | undefined> {
    const series = await this.ask(`SELECT * FROM ${policy[tier]}./.*/ ORDER BY time ${order} LIMIT 1`);
    const times = series.flatMap(({ values }) => values.map(([t]) => Number(t)));
    return times.length === 0 ? undefined : order === "ASC" ? Math.min(...times) : Math.max(...times);
  }

  side(side: Side): string {
    return `side = ${text(side)}`;
  }
  subject({ name: subject }: Subject, side: Side, windowMs: number): string {
    return `side = ${text(side)} AND subject = ${text(subject)} AND "window" = ${text(String(windowMs))}`;
  }

  private async into(tier: "1s" | "1m" | "1h", range: TimeRange): Promise<void> {
    if (range.toMs <= range.fromMs) return;
    const select = tier === "1s" ? "count(*), sum(*), min(*), max(*)" : "sum(/^count_/), sum(/^sum_/), min(/^min_/), max(/^max_/)";
    const from = tier === "1s" ? policy.raw : policy["1s"];
    // In pieces, so that no one statement holds the server up.
    const piece = 3_600_000;
    for (let fromMs = range.fromMs; fromMs < range.toMs; fromMs += piece) {
      const part = { fromMs, toMs: Math.min(fromMs + piece, range.toMs) };
      await this.ask(`SELECT ${select} INTO ${name(this.database)}.${policy[tier]}.:MEASUREMENT FROM ${name(this.database)}.${from}./.*/ WHERE ${within(part)} GROUP BY time(${tierStepMs[tier]}ms), * fill(none)`);
    }
  }

  private async ask(query: string): Promise<readonly Series[]> {
    const answer = (await this.influx.queryRaw(query, { database: this.database, precision: "ms" })) as { readonly results?: readonly { readonly series?: readonly Series[]; readonly error?: string }[] };
    const [result] = answer.results ?? [];
    if (result?.error !== undefined) throw new Error(`InfluxDB: ${result.error}`);
    return result?.series ?? [];
  }
}

function eventOf(tMs: number, kind: string, side: string, subject: string, detail: string): NetworkEvent {
  return { tMs, kind: kind as EventKind, side: side as Side, subject, detail: JSON.parse(detail) as Record<string, unknown> };
}
