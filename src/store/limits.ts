/** Bounds that hold for every backend, and the checks of what comes in. Pure. */
import type { NetworkEvent, Observation } from "../base/observation.js";
import { StoreError, type SeriesQuery, type TimeRange } from "./store.js";

/** Rows may be this far ahead of our clock. */
export const maxAheadMs = 60_000;
/** Longest name of a subject and of a metric, in characters. */
const maxName = 256;
const metricName = /^[A-Za-z][A-Za-z0-9_.:%-]{0,63}$/;
/** Longest detail of an event, in characters of JSON. */
export const maxDetail = 256 * 1024;
/** Points, entries or events in one answer. */
export const maxAnswer = 100_000;
export const maxSeries = 100_000;
/** Metrics of one kind of subject. */
export const maxMetrics = 256;

export type Refusal = "future" | "tooOld" | "malformed";

/** Why a fact of this time is not taken; undefined when it is. */
export function refusalOfTime(tMs: number, nowMs: number, keepMs: number): Refusal | undefined {
  if (!Number.isFinite(tMs)) return "malformed";
  if (tMs > nowMs + maxAheadMs) return "future";
  return tMs < nowMs - keepMs ? "tooOld" : undefined;
}

/** Whether an observation's subject and window can be kept. Its values are checked one by one. */
export function isWellFormed({ subject, windowMs }: Observation): boolean {
  return /^[^\u0000-\u001f\u007f]+$/.test(subject.name) && subject.name.length <= maxName && Number.isInteger(windowMs) && windowMs >= 0 && windowMs <= 86_400_000;
}

export const isMetric = (name: string): boolean => metricName.test(name);

/** The event's detail as JSON; undefined when it can't be kept. */
export function detailText(event: NetworkEvent): string | undefined {
  if (event.subject.length > maxName) return undefined;
  try {
    const text = JSON.stringify(event.detail, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
    return text.length > maxDetail ? undefined : text;
  } catch {
    return undefined; // a cycle
  }
}

/** Throws StoreError when a range is none. */
export function checkRange({ fromMs, toMs }: TimeRange): void {
  if (!Number.isFinite(fromMs) || !Number.isFinite(toMs)) throw new StoreError("from and to must be times in ms");
  if (fromMs >= toMs) throw new StoreError(`from (${fromMs}) must lie before to (${toMs})`);
}

/** Throws StoreError when a question can't be one, or its answer would be too long. */
export function checkQuery(query: SeriesQuery): void {
  checkRange(query);
  const { bucketMs, fromMs, toMs, metric } = query;
  if (!isMetric(metric)) throw new StoreError(`"${metric}" is no metric's name`);
  if (bucketMs === undefined) return;
  if (!Number.isInteger(bucketMs) || bucketMs < 1) throw new StoreError(`a bucket of ${bucketMs} ms`);
  if ((toMs - fromMs) / bucketMs > maxAnswer) throw new StoreError(`${Math.ceil((toMs - fromMs) / bucketMs)} buckets, at most ${maxAnswer} are given`);
}
