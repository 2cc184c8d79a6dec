/** A store on a server that speaks InfluxDB 1.x: InfluxDB itself, or VictoriaMetrics for numbers. */
import { InfluxDB, type IPoint } from "influx";
import { errorText } from "../../base/error-text.js";
import type { NetworkEvent, Observation, Side, Subject } from "../../base/observation.js";
import { Batcher, blockRows, type Batch } from "../batch.js";
import { chooseTier, goneBefore } from "../choose-tier.js";
import { checkQuery, checkRange, maxAnswer } from "../limits.js";
import { noCounters, StoreError, tiers, type EventAnswer, type EventQuery, type ExportRequest, type ExportResult, type LatestQuery, type LatestValues, type Retention, type SeriesAnswer, type SeriesPoint, type SeriesQuery, type StateAnswer, type StoreHealth, type Tier, type TierInfo, type TimeRange, type TimeSeriesStore, type TopAnswer, type TopQuery } from "../store.js";
import { exportRows } from "./export.js";
import { InfluxQl, valueOf, type Plain, type Sums } from "./influxql.js";
import { Names } from "./points.js";
import { SendQueue, type Sent } from "./queue.js";
import { shortestWindows, Victoria } from "./victoria.js";

export interface InfluxOptions {
  readonly url: string;
  readonly database: string;
  readonly dialect: "influxdb" | "victoriametrics";
  readonly retention: Retention;
  /** Rows that may wait for the server; more are dropped and counted. */
  readonly maxWaiting: number;
  readonly flushMs: number;
  readonly maintainMs: number;
  readonly nowMs: () => number;
  readonly units?: Readonly<Record<string, string>>;
  readonly sampling?: unknown;
}

interface Outgoing {
  readonly rows: number;
  readonly points: IPoint[];
  readonly events: IPoint[];
  readonly batch: Batch;
}

const largeBatch = 2 * blockRows;
const pointsPerWrite = 5_000;
const requestMs = 10_000;
const finer: Readonly<Record<Tier, Tier | undefined>> = { raw: undefined, "1s": "raw", "1m": "1s", "1h": "1m" };
const percents: Readonly<Record<string, number>> = { p50: 50, p95: 95, p99: 99 };

export class InfluxStore implements TimeSeriesStore {
  private readonly options: InfluxOptions;
  private readonly influx: InfluxDB;
  private readonly ql: InfluxQl;
  private readonly victoria: Victoria;
  private readonly counters = noCounters();
  private readonly batcher: Batcher;
  private readonly names = new Names();
  private readonly queue: SendQueue<Outgoing>;
  private timer: NodeJS.Timeout | undefined;
  private upkeep: NodeJS.Timeout | undefined;
  private isPrepared = false;

  constructor(options: InfluxOptions) {
    this.options = options;
    const { protocol, hostname, port } = new URL(options.url);
    // The pool's own pause after a failure is short: our queue has one that grows.
    const pause = { getDelay: () => 50, next: () => pause, reset: () => pause };
    this.influx = new InfluxDB({
      hosts: [{ host: hostname, port: Number(port || 8086), protocol: protocol === "https:" ? "https" : "http" }],
      database: options.database,
      pool: { maxRetries: 0, requestTimeout: requestMs, backoff: pause },
    });
    this.ql = new InfluxQl(this.influx, options.database);
    this.victoria = new Victoria(options.url, options.database);
    const { nowMs, retention, maxWaiting } = options;
    this.batcher = new Batcher({ nowMs, keepRawMs: retention.raw, keepEventsMs: retention.events, maxWaiting, counters: this.counters }, { series: [], metrics: [] });
    this.queue = new SendQueue<Outgoing>({
      take: () => this.takeBatch(),
      send: (batch) => this.send(batch),
      settled: (batch, refused) => this.settled(batch, refused),
      retried: () => this.counters.retries++,
    });
    if (options.maintainMs > 0) this.upkeep = setInterval(() => void this.maintain().catch(() => undefined), options.maintainMs).unref();
  }

  observe(observation: Observation): void {
    this.batcher.observe(observation);
    this.schedule();
  }
  happened(event: NetworkEvent): void {
    this.batcher.happened(event);
    this.schedule();
  }

  async flush(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      await this.queue.kick();
      if (this.queue.failure !== undefined) throw new StoreError(this.queue.failure);
    }
    if (this.options.dialect === "victoriametrics") await this.victoria.settle();
  }

  async query(query: SeriesQuery): Promise<SeriesAnswer> {
    checkQuery(query);
    const { subject, side, metric, bucketMs, aggregate = "mean" } = query;
    const range = bucketMs === undefined ? query : { fromMs: Math.floor(query.fromMs / bucketMs) * bucketMs, toMs: Math.ceil(query.toMs / bucketMs) * bucketMs };
    const percent = percents[aggregate];
    const isRaw = this.options.dialect === "victoriametrics" || percent !== undefined;
    const states = this.ql.states(this.options.nowMs(), this.options.retention);
    const { tier, gone } = chooseTier(isRaw ? states.slice(0, 1) : states, range, bucketMs);
    const answer = (points: SeriesPoint[]): SeriesAnswer => ({ tier, points, ...(gone === undefined ? {} : { gone }) });
    const kept = { fromMs: Math.max(range.fromMs, gone?.toMs ?? -Infinity), toMs: range.toMs };
    if (kept.fromMs >= kept.toMs) return answer([]);
    if (this.options.dialect === "victoriametrics") return answer(await this.fromVictoria(query, kept));
    const [shortest] = query.windowMs === undefined ? await this.ql.windows(subject, side) : [query.windowMs];
    if (shortest === undefined) return answer([]);
    const where = this.ql.subject(subject, side, shortest);
    if (bucketMs === undefined) return answer(await this.ql.values(subject.kind, where, metric, kept));
    if (percent !== undefined) return answer(await this.ql.percentile(subject.kind, where, metric, kept, bucketMs, percent));
    const buckets = new Map<number, Sums>();
    for (const piece of this.pieces(tier, kept)) {
      for (const { tMs, sums } of await this.ql.sums(piece.tier, subject.kind, where, metric, piece, `time(${bucketMs}ms)`)) add(buckets, tMs, sums);
    }
    return answer([...buckets].sort(([x], [y]) => x - y).map(([tMs, sums]) => ({ tMs, value: valueOf[aggregate as Plain](sums), count: sums.n })));
  }

  async latest(query: LatestQuery): Promise<LatestValues[]> {
    if (this.options.dialect === "influxdb") return this.ql.latest(query);
    const { kind, side, name, sinceMs } = query;
    const series = shortestWindows(await this.victoria.export(kind, side, { fromMs: sinceMs, toMs: this.options.nowMs() + 60_000 }, name === undefined ? {} : { subject: { kind, name } }));
    const latest = new Map<string, { tMs: number; values: Record<string, number> }>();
    for (const { subject, metric, tMs, values } of series) {
      const entry = latest.get(subject) ?? { tMs: 0, values: {} };
      latest.set(subject, entry);
      entry.tMs = Math.max(entry.tMs, tMs.at(-1) ?? 0);
      entry.values[metric] = values.at(-1) ?? Number.NaN;
    }
    return [...latest].map(([subject, entry]) => ({ subject: { kind, name: subject }, ...entry }));
  }

  async top(query: TopQuery): Promise<TopAnswer> {
    checkRange(query);
    const { kind, side, metric, count, aggregate = "mean" } = query;
    const { nowMs, retention, dialect } = this.options;
    const long = query.toMs - query.fromMs;
    const step = long >= 86_400_000 ? 3_600_000 : long >= 7_200_000 ? 60_000 : 1_000;
    const states = this.ql.states(nowMs(), retention);
    const { tier, gone } = chooseTier(dialect === "influxdb" ? states : states.slice(0, 1), query, step);
    const kept = { fromMs: Math.max(query.fromMs, gone?.toMs ?? -Infinity), toMs: query.toMs };
    const best = new Map<string, { readonly window: number; readonly sums: Map<string, Sums> }>();
    const take = (subject: string, window: number, sums: Sums): void => {
      const other = best.get(subject);
      if (other !== undefined && other.window < window) return;
      const entry = other?.window === window ? other : { window, sums: new Map<string, Sums>() };
      best.set(subject, entry);
      add(entry.sums, "", sums);
    };
    if (kept.fromMs < kept.toMs && dialect === "influxdb") {
      for (const piece of this.pieces(tier, kept)) {
        for (const { tags, sums } of await this.ql.sums(piece.tier, kind, this.ql.side(side), metric, piece, `subject, "window"`)) take(tags.subject ?? "", Number(tags.window), sums);
      }
    } else if (kept.fromMs < kept.toMs) {
      for (const { subject, windowMs, values } of await this.victoria.export(kind, side, kept, { metric })) take(subject, windowMs, sumsOf(values));
    }
    const entries = [...best].map(([name, { sums }]) => ({ subject: { kind, name }, value: valueOf[aggregate](sums.get("") ?? { n: 0, s: 0, i: 0, a: 0 }) }));
    entries.sort((x, y) => y.value - x.value);
    return { entries: entries.slice(0, Math.min(count, maxAnswer)), ...(gone === undefined ? {} : { gone }) };
  }

  async events(query: EventQuery): Promise<EventAnswer> {
    checkRange(query);
    this.mustKeepEvents();
    const limit = Math.min(query.limit, maxAnswer);
    const keptSinceMs = this.options.nowMs() - this.options.retention.events;
    const gone = goneBefore(query, keptSinceMs, "events");
    const fromMs = Math.max(query.fromMs, keptSinceMs);
    const found = fromMs >= query.toMs ? [] : await this.ql.events({ ...query, fromMs, limit: limit + 1 });
    return { events: found.slice(-limit), cut: found.length > limit, ...(gone === undefined ? {} : { gone }) };
  }

  async stateAt(tMs: number): Promise<StateAnswer> {
    this.mustKeepEvents();
    const keptSinceMs = this.options.nowMs() - this.options.retention.events;
    const gone = goneBefore({ fromMs: tMs, toMs: tMs + 1 }, keptSinceMs, "events");
    return gone === undefined ? { events: await this.ql.lastEvents({ fromMs: keptSinceMs, toMs: tMs + 1 }) } : { events: [], gone };
  }

  async metrics(subject: Subject, side: Side): Promise<string[]> {
    if (this.options.dialect === "influxdb") return this.ql.metrics(subject, side);
    const nowMs = this.options.nowMs();
    const series = await this.victoria.export(subject.kind, side, { fromMs: nowMs - this.options.retention.raw, toMs: nowMs + 60_000 }, { subject });
    return [...new Set(series.map(({ metric }) => metric))].sort();
  }

  async retention(): Promise<TierInfo[]> {
    const { retention, nowMs, dialect } = this.options;
    const told: TierInfo[] = [];
    for (const tier of dialect === "influxdb" ? ([...tiers, "events"] as const) : (["raw"] as const)) {
      const first = dialect === "influxdb" ? await this.ql.edge(tier, "ASC") : undefined;
      const newestMs = dialect === "influxdb" ? await this.ql.edge(tier, "DESC") : undefined;
      // Counting every row would read all of them: not told.
      told.push({ tier, keepMs: retention[tier], keptSinceMs: first === undefined ? undefined : Math.max(first, nowMs() - retention[tier]), newestMs, rows: 0 });
    }
    return told;
  }

  async maintain(): Promise<void> {
    if (this.options.dialect === "influxdb" && this.isPrepared) await this.ql.rollUp(this.options.nowMs());
  }

  async exportParquet(request: ExportRequest): Promise<ExportResult> {
    checkRange(request);
    const { nowMs, retention, units = {}, sampling = null, dialect } = this.options;
    if (dialect !== "influxdb") throw new StoreError("VictoriaMetrics is exported by its own API, /api/v1/export");
    const gone = goneBefore(request, nowMs() - retention.raw, "values as measured");
    return exportRows(this.ql, request, { unitOf: (kind, metric) => units[`${kind} ${metric}`], sampling, gone, nowMs: nowMs() });
  }

  health(): Promise<StoreHealth> {
    const { batcher, counters, queue, options } = this;
    return Promise.resolve({ backend: options.dialect, counters: structuredClone(counters), waiting: batcher.waiting + batcher.outside, failure: queue.failure, recovered: [], bytes: undefined });
  }

  /** Tries once more to write what waits; what the server does not take now is lost with the process. */
  async close(): Promise<void> {
    clearInterval(this.upkeep);
    await this.flush().catch(() => undefined);
    clearTimeout(this.timer);
    this.queue.close();
  }

  private schedule(): void {
    if (!this.queue.isIdle) return;
    if (this.batcher.waiting >= largeBatch) void this.queue.kick();
    else
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        void this.queue.kick();
      }, this.options.flushMs);
  }

  private takeBatch(): Outgoing | undefined {
    const batch = this.batcher.take();
    return batch === undefined ? undefined : { rows: batch.rows, points: this.names.points(batch), events: this.names.events(batch), batch };
  }

  private async send(outgoing: Outgoing): Promise<Sent> {
    const { dialect, retention, database } = this.options;
    let refused = 0;
    try {
      if (!this.isPrepared && dialect === "influxdb") await this.ql.prepare(retention);
      this.isPrepared = true;
      for (let at = 0; at < outgoing.points.length; at += pointsPerWrite) refused += await this.write(outgoing.points.slice(at, at + pointsPerWrite), this.ql.policyOf("raw"));
      // VictoriaMetrics has no text.
      if (dialect === "victoriametrics") refused += outgoing.events.length;
      else if (outgoing.events.length > 0) refused += await this.write(outgoing.events, this.ql.policyOf("events"));
      return { is: "taken", refused };
    } catch (error) {
      const why = errorText(error);
      if (/database not found|retention policy not found/i.test(why)) this.isPrepared = false; // a server that lost its files
      return { is: "away", why: `${dialect} (${database}): ${why}` };
    }
  }

  /** Returns how many points the server will never take. Rejects when they are to be sent again. */
  private async write(points: IPoint[], retentionPolicy: string): Promise<number> {
    const policy = this.options.dialect === "influxdb" ? { retentionPolicy } : {};
    try {
      await this.influx.writePoints(points, { precision: "n", database: this.options.database, ...policy });
      return 0;
    } catch (error) {
      const status = (error as { readonly res?: { readonly statusCode?: number } }).res?.statusCode;
      if (status !== 400 && status !== 413) throw error;
      // Those the server did not like are named by number; the rest of the batch it has taken.
      const dropped = /partial write.*dropped=(\d+)/s.exec((error as Error).message)?.[1];
      return dropped === undefined ? points.length : Number(dropped);
    }
  }

  private settled({ rows, batch }: Outgoing, refused: number): void {
    this.batcher.outside -= rows;
    this.counters.acknowledged += rows - refused;
    this.counters.dropped.refused += refused;
    if (this.options.dialect === "influxdb") for (const block of batch.blocks) for (let i = 0; i < block.rows; i++) if (this.ql.wrote(block.tMs[i] ?? 0)) this.counters.late++;
    if (this.batcher.waiting > 0) setImmediate(() => this.schedule());
  }

  private pieces(tier: Tier, { fromMs, toMs }: TimeRange): { readonly tier: Tier; readonly fromMs: number; readonly toMs: number }[] {
    const pieces: { tier: Tier; fromMs: number; toMs: number }[] = [];
    let from = fromMs;
    for (let at: Tier | undefined = tier; at !== undefined && from < toMs; at = finer[at]) {
      const to = Math.min(toMs, this.ql.doneMs(at));
      if (to <= from) continue;
      pieces.push({ tier: at, fromMs: from, toMs: to });
      from = to;
    }
    return pieces;
  }

  private async fromVictoria({ subject, side, metric, bucketMs, aggregate = "mean", windowMs }: SeriesQuery, range: TimeRange): Promise<SeriesPoint[]> {
    const [series] = shortestWindows(await this.victoria.export(subject.kind, side, range, { subject, metric }), windowMs);
    if (series === undefined) return [];
    if (bucketMs === undefined) return series.tMs.map((tMs, i) => ({ tMs, value: series.values[i] ?? Number.NaN, count: 1 }));
    const buckets = new Map<number, number[]>();
    for (const [i, tMs] of series.tMs.entries()) {
      const at = Math.floor(tMs / bucketMs) * bucketMs;
      const list = buckets.get(at) ?? [];
      buckets.set(at, list);
      list.push(series.values[i] ?? Number.NaN);
    }
    const percent = percents[aggregate];
    return [...buckets].map(([tMs, values]) => {
      const sorted = percent === undefined ? values : [...values].sort((x, y) => x - y);
      const value = percent === undefined ? valueOf[aggregate as Plain](sumsOf(values)) : (sorted[Math.round((percent / 100) * (sorted.length - 1))] ?? Number.NaN);
      return { tMs, value, count: values.length };
    });
  }

  private mustKeepEvents(): void {
    if (this.options.dialect === "victoriametrics") throw new StoreError("VictoriaMetrics keeps numbers only: no events, and no state at a moment");
  }
}

function sumsOf(values: readonly number[]): Sums {
  return values.reduce<Sums>(({ n, s, i, a }, value) => ({ n: n + 1, s: s + value, i: Math.min(i, value), a: Math.max(a, value) }), { n: 0, s: 0, i: Infinity, a: -Infinity });
}

function add<K>(buckets: Map<K, Sums>, key: K, { n, s, i, a }: Sums): void {
  const sums = buckets.get(key);
  if (sums === undefined) buckets.set(key, { n, s, i, a });
  else Object.assign(sums, { n: sums.n + n, s: sums.s + s, i: Math.min(sums.i, i), a: Math.max(sums.a, a) });
}
