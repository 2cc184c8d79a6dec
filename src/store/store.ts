/**
 * What a store of time series does, whichever backend keeps it. Times are ms since the epoch; ranges include their start and not
 * their end. Written to without waiting: what can't be taken is dropped and counted, by reason.
 */
import type { EventKind, NetworkEvent, ObservationSink, Side, Subject, SubjectKind } from "../base/observation.js";

export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** How finely the past is kept: as measured, and by second, minute and hour. */
export const tiers = ["raw", "1s", "1m", "1h"] as const;
export type Tier = (typeof tiers)[number];
/** Width of a tier's buckets in ms; raw has none. */
export const tierStepMs: Readonly<Record<Tier, number>> = { raw: 0, "1s": 1_000, "1m": 60_000, "1h": 3_600_000 };

export const aggregates = ["mean", "sum", "min", "max", "count", "p50", "p95", "p99"] as const;
export type Aggregate = (typeof aggregates)[number];

export interface SeriesQuery extends TimeRange {
  readonly subject: Subject;
  readonly side: Side;
  readonly metric: string;
  /** Width of the answer's buckets in ms, aligned to the epoch; absent: every value as measured. */
  readonly bucketMs?: number;
  /** What a bucket says of its values; mean when absent. */
  readonly aggregate?: Aggregate;
  /** Of observations of several window lengths those of this one; absent: the shortest the subject has. */
  readonly windowMs?: number;
}

export interface SeriesPoint {
  readonly tMs: number;
  readonly value: number;
  /** How many observations it stands for. */
  readonly count: number;
}

/** A part of the asked range that is kept no longer, or not this finely. */
export interface Gone extends TimeRange {
  /** Since when the tier that would answer still has everything; undefined when it has nothing. */
  readonly keptSinceMs: number | undefined;
  readonly why: string;
}

export interface SeriesAnswer {
  /** The coarsest tier that took part. */
  readonly tier: Tier;
  readonly points: readonly SeriesPoint[];
  /** Present when part of the range can't be answered any more. An empty range without it was truly empty. */
  readonly gone?: Gone;
}

export interface LatestQuery {
  readonly kind: SubjectKind;
  readonly side: Side;
  /** One subject, or all of the kind. */
  readonly name?: string;
  /** Values older than this are left out. */
  readonly sinceMs: number;
}
export interface LatestValues {
  readonly subject: Subject;
  readonly tMs: number;
  readonly values: Readonly<Record<string, number>>;
}

export interface TopQuery extends TimeRange {
  readonly kind: SubjectKind;
  readonly side: Side;
  readonly metric: string;
  readonly count: number;
  readonly aggregate?: Exclude<Aggregate, "p50" | "p95" | "p99">;
}
export interface TopEntry {
  readonly subject: Subject;
  readonly value: number;
}
export interface TopAnswer {
  readonly entries: readonly TopEntry[];
  readonly gone?: Gone;
}

export interface EventQuery extends TimeRange {
  readonly kinds?: readonly EventKind[];
  readonly subject?: string;
  /** The newest this many. */
  readonly limit: number;
}
export interface EventAnswer {
  /** Oldest first. */
  readonly events: readonly NetworkEvent[];
  /** True when there were more than `limit`. */
  readonly cut: boolean;
  readonly gone?: Gone;
}

/** For each kind, side and subject the last event up to a moment. */
export interface StateAnswer {
  readonly events: readonly NetworkEvent[];
  readonly gone?: Gone;
}

export interface TierInfo {
  readonly tier: Tier | "events";
  /** Kept for this long, in ms. */
  readonly keepMs: number;
  /** Everything since then is there; undefined while there is nothing. */
  readonly keptSinceMs: number | undefined;
  readonly newestMs: number | undefined;
  readonly rows: number;
}

export interface StoreCounters {
  /** Observations given. */
  observed: number;
  events: number;
  /** Rows the backend confirmed. */
  acknowledged: number;
  /** Writes that failed and were repeated. */
  retries: number;
  /** Dropped, by reason. */
  dropped: {
    /** The queue was full. */
    queueFull: number;
    /** Later than the clock by more than a minute. */
    future: number;
    /** Older than raw rows are kept. */
    tooOld: number;
    /** No finite value, a name that can't be one, a detail too large. */
    malformed: number;
    /** More series, or more metrics of a kind, than are kept. */
    tooMany: number;
    /** The backend refused it and would again. */
    refused: number;
  };
  /** Rows that came after their bucket had been rolled up, which was then made again. */
  late: number;
}

export const noCounters = (): StoreCounters => ({
  observed: 0,
  events: 0,
  acknowledged: 0,
  retries: 0,
  dropped: { queueFull: 0, future: 0, tooOld: 0, malformed: 0, tooMany: 0, refused: 0 },
  late: 0,
});

export interface StoreHealth {
  readonly backend: string;
  readonly counters: StoreCounters;
  /** Rows waiting to be written. */
  readonly waiting: number;
  /** Why the last write failed; undefined while all is well. */
  readonly failure: string | undefined;
  /** What was lost or set aside when it was opened. */
  readonly recovered: readonly string[];
  /** Bytes on disk, where the backend tells. */
  readonly bytes: number | undefined;
}

export interface ExportRequest extends TimeRange {
  /** A directory; made when missing. Gets one file a subject kind, `events.parquet` and `manifest.json`. */
  readonly dir: string;
  readonly kinds?: readonly SubjectKind[];
}
export interface ExportResult {
  readonly files: readonly { readonly file: string; readonly rows: number }[];
  readonly manifest: string;
}

export interface TimeSeriesStore extends ObservationSink {
  /** Resolves when everything given so far is kept; rejects when a write fails (it is repeated nevertheless). */
  flush(): Promise<void>;
  query(query: SeriesQuery): Promise<SeriesAnswer>;
  latest(query: LatestQuery): Promise<LatestValues[]>;
  top(query: TopQuery): Promise<TopAnswer>;
  events(query: EventQuery): Promise<EventAnswer>;
  stateAt(tMs: number): Promise<StateAnswer>;
  /** Names of the metrics a subject has. */
  metrics(subject: Subject, side: Side): Promise<string[]>;
  retention(): Promise<TierInfo[]>;
  /** Rolls up, forgets what is too old, keeps the size bound. Called by a timer; callable any time. */
  maintain(): Promise<void>;
  exportParquet(request: ExportRequest): Promise<ExportResult>;
  health(): Promise<StoreHealth>;
  close(): Promise<void>;
}

/** A question the store can't answer: wrong in itself, or nothing this backend can do. */
export class StoreError extends RangeError {
  override readonly name = "StoreError";
}

/** How long each tier is kept, in ms. */
export type Retention = Readonly<Record<Tier | "events", number>>;
