/**
 * Observations on their way to a backend, by column: one block a kind of subject, numbers in typed arrays that go to another thread
 * without being copied. Series and metrics get small numbers here, which the backend keeps with their names.
 */
import type { NetworkEvent, Observation, Side, SubjectKind } from "../base/observation.js";
import { detailText, isMetric, isWellFormed, maxMetrics, maxSeries, refusalOfTime } from "./limits.js";
import type { StoreCounters } from "./store.js";

export interface SeriesDefinition {
  readonly id: number;
  readonly kind: SubjectKind;
  readonly side: Side;
  readonly name: string;
  readonly windowMs: number;
}
/** A metric of a kind; ids count from 0 for each kind. */
export interface MetricDefinition {
  readonly kind: SubjectKind;
  readonly id: number;
  readonly name: string;
}

/** Rows of one kind. A value that is absent is NaN. */
export interface Block {
  readonly kind: SubjectKind;
  readonly rows: number;
  readonly tMs: Float64Array<ArrayBuffer>;
  readonly series: Int32Array<ArrayBuffer>;
  readonly columns: readonly { readonly metric: number; readonly values: Float64Array<ArrayBuffer> }[];
}
export interface EventRow {
  readonly tMs: number;
  readonly kind: string;
  readonly side: string;
  readonly subject: string;
  readonly detail: string;
}
export interface Batch {
  readonly blocks: readonly Block[];
  readonly events: readonly EventRow[];
  /** Series and metrics that came up since the last batch. */
  readonly series: readonly SeriesDefinition[];
  readonly metrics: readonly MetricDefinition[];
  readonly rows: number;
}

/** Rows of a block; as many as one vector of DuckDB holds. */
export const blockRows = 2_048;

class BlockBuilder {
  rows = 0;
  private readonly kind: SubjectKind;
  private readonly tMs = new Float64Array(blockRows);
  private readonly series = new Int32Array(blockRows);
  private readonly columns: (Float64Array<ArrayBuffer> | undefined)[] = [];

  constructor(kind: SubjectKind) {
    this.kind = kind;
  }

  /** Starts a row; its values follow by `set`. */
  start(tMs: number, series: number): void {
    this.tMs[this.rows] = tMs;
    this.series[this.rows] = series;
  }
  set(metric: number, value: number): void {
    const column = (this.columns[metric] ??= new Float64Array(blockRows).fill(Number.NaN));
    column[this.rows] = value;
  }
  end(): void {
    this.rows++;
  }

  build(): Block {
    const columns = this.columns.flatMap((values, metric) => (values === undefined ? [] : [{ metric, values }]));
    return { kind: this.kind, rows: this.rows, tMs: this.tMs, series: this.series, columns };
  }
}

export interface BatcherOptions {
  readonly nowMs: () => number;
  /** Facts older than this are not taken. */
  readonly keepRawMs: number;
  readonly keepEventsMs: number;
  /** Rows that may wait here and with the backend together. */
  readonly maxWaiting: number;
  readonly counters: StoreCounters;
}

export class Batcher {
  /** Rows waiting to be taken. */
  waiting = 0;
  /** Rows taken and not yet settled; the owner counts them down. */
  outside = 0;
  private readonly options: BatcherOptions;
  /** By name: few series share one, and a name alone is looked up without making a longer key of it. */
  private readonly seriesByName = new Map<string, SeriesDefinition[]>();
  private seriesCount = 0;
  private readonly metricIds = new Map<SubjectKind, Map<string, number>>();
  private nextSeries = 0;
  private open = new Map<SubjectKind, BlockBuilder>();
  private full: Block[] = [];
  private events: EventRow[] = [];
  private newSeries: SeriesDefinition[] = [];
  private newMetrics: MetricDefinition[] = [];

  /** `known`: what the backend already has. */
  constructor(options: BatcherOptions, known: { readonly series: readonly SeriesDefinition[]; readonly metrics: readonly MetricDefinition[] }) {
    this.options = options;
    for (const one of known.series) this.addSeries(one);
    for (const { kind, id, name } of known.metrics) this.metricsOf(kind).set(name, id);
  }

  /** Takes an observation, or counts why not. */
  observe(observation: Observation): void {
    const { counters, nowMs, keepRawMs } = this.options;
    counters.observed++;
    if (this.isFull()) return;
    const refusal = isWellFormed(observation) ? refusalOfTime(observation.tMs, nowMs(), keepRawMs) : "malformed";
    if (refusal !== undefined) {
      counters.dropped[refusal]++;
      return;
    }
    const { kind } = observation.subject;
    const metrics = this.metricsOf(kind);
    let block = this.open.get(kind);
    if (block === undefined) this.open.set(kind, (block = new BlockBuilder(kind)));
    const series = this.seriesId(observation);
    if (series === undefined) {
      counters.dropped.tooMany++;
      return;
    }
    let hasValue = false;
    let why: "malformed" | "tooMany" = "malformed";
    block.start(observation.tMs, series);
    for (const name in observation.values) {
      const value = observation.values[name];
      if (value === undefined || !Number.isFinite(value)) continue;
      const metric = metrics.get(name) ?? this.addMetric(kind, metrics, name);
      if (typeof metric === "string") {
        why = metric;
        continue;
      }
      block.set(metric, value);
      hasValue = true;
    }
    if (!hasValue) {
      counters.dropped[why]++;
      return;
    }
    block.end();
    this.waiting++;
    if (block.rows < blockRows) return;
    this.full.push(block.build());
    this.open.delete(kind);
  }

  happened(event: NetworkEvent): void {
    const { counters, nowMs, keepEventsMs } = this.options;
    counters.events++;
    if (this.isFull()) return;
    const detail = detailText(event);
    const refusal = detail === undefined ? "malformed" : refusalOfTime(event.tMs, nowMs(), keepEventsMs);
    if (refusal !== undefined || detail === undefined) {
      counters.dropped[refusal ?? "malformed"]++;
      return;
    }
    this.events.push({ tMs: event.tMs, kind: event.kind, side: event.side, subject: event.subject, detail });
    this.waiting++;
  }

  /** Everything that waits, as one batch; undefined when nothing does. */
  take(): Batch | undefined {
    if (this.waiting === 0) return undefined;
    const blocks = [...this.full, ...[...this.open.values()].filter((block) => block.rows > 0).map((block) => block.build())];
    const batch: Batch = { blocks, events: this.events, series: this.newSeries, metrics: this.newMetrics, rows: this.waiting };
    this.outside += this.waiting;
    this.waiting = 0;
    this.open = new Map();
    this.full = [];
    this.events = [];
    this.newSeries = [];
    this.newMetrics = [];
    return batch;
  }

  private isFull(): boolean {
    if (this.waiting + this.outside < this.options.maxWaiting) return false;
    this.options.counters.dropped.queueFull++;
    return true;
  }

  private metricsOf(kind: SubjectKind): Map<string, number> {
    let metrics = this.metricIds.get(kind);
    if (metrics === undefined) this.metricIds.set(kind, (metrics = new Map<string, number>()));
    return metrics;
  }

  private addMetric(kind: SubjectKind, metrics: Map<string, number>, name: string): number | "malformed" | "tooMany" {
    if (!isMetric(name)) return "malformed";
    if (metrics.size >= maxMetrics) return "tooMany";
    const id = metrics.size;
    metrics.set(name, id);
    this.newMetrics.push({ kind, id, name });
    return id;
  }

  private seriesId({ subject: { kind, name }, side, windowMs }: Observation): number | undefined {
    for (const one of this.seriesByName.get(name) ?? none) if (one.kind === kind && one.side === side && one.windowMs === windowMs) return one.id;
    if (this.seriesCount >= maxSeries) return undefined;
    const series: SeriesDefinition = { id: this.nextSeries, kind, side, name, windowMs };
    this.addSeries(series);
    this.newSeries.push(series);
    return series.id;
  }

  private addSeries(series: SeriesDefinition): void {
    const sharing = this.seriesByName.get(series.name);
    if (sharing === undefined) this.seriesByName.set(series.name, [series]);
    else sharing.push(series);
    this.seriesCount++;
    this.nextSeries = Math.max(this.nextSeries, series.id + 1);
  }
}

const none: readonly SeriesDefinition[] = [];
