/** VictoriaMetrics takes the same writes and is read by its export API: numbers only, and as measured. */
import type { Side, Subject, SubjectKind } from "../../base/observation.js";
import { StoreError, type TimeRange } from "../store.js";

export interface ExportedSeries {
  readonly metric: string;
  readonly subject: string;
  readonly windowMs: number;
  readonly tMs: readonly number[];
  readonly values: readonly number[];
}

/** Bytes of one answer. */
const maxBytes = 256 << 20;
const timeoutMs = 30_000;

export class Victoria {
  private readonly url: string;
  private readonly database: string;

  constructor(url: string, database: string) {
    this.url = url.replace(/\/$/, "");
    this.database = database;
  }

  /** Series of a kind and side in a range; of one subject or metric when given. Rejects with StoreError when it is too much. */
  async export(kind: SubjectKind, side: Side, range: TimeRange, only: { readonly subject?: Subject; readonly metric?: string } = {}): Promise<ExportedSeries[]> {
    const label = (key: string, value: string): string => `${key}=${JSON.stringify(value)}`;
    const named = only.metric === undefined ? `__name__=~"${kind}_.+"` : label("__name__", `${kind}_${only.metric}`);
    const labels = [named, label("db", this.database), label("side", side), ...(only.subject === undefined ? [] : [label("subject", only.subject.name)])];
    const query = new URLSearchParams({ "match[]": `{${labels.join(",")}}`, start: String(Math.floor(range.fromMs) / 1_000), end: String((Math.floor(range.toMs) - 1) / 1_000) });
    const response = await fetch(`${this.url}/api/v1/export?${query.toString()}`, { signal: AbortSignal.timeout(timeoutMs) });
    const body = await response.text();
    if (!response.ok) throw new Error(`VictoriaMetrics: ${response.status} ${body.slice(0, 200)}`);
    if (body.length > maxBytes) throw new StoreError("the answer is too long: ask for a shorter range");
    return body
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        const { metric, values, timestamps } = JSON.parse(line) as { metric: Record<string, string>; values: number[]; timestamps: number[] };
        // Of one moment there is no order; by time there is.
        const order = timestamps.map((_, i) => i).sort((x, y) => (timestamps[x] ?? 0) - (timestamps[y] ?? 0));
        return {
          metric: (metric.__name__ ?? "").slice(kind.length + 1),
          subject: metric.subject ?? "",
          windowMs: Number(metric.window),
          tMs: order.map((i) => timestamps[i] ?? 0),
          values: order.map((i) => values[i] ?? 0),
        };
      });
  }

  /** Makes what was written readable at once; otherwise it takes about a second. */
  async settle(): Promise<void> {
    await fetch(`${this.url}/internal/force_flush`, { signal: AbortSignal.timeout(timeoutMs) });
  }
}

/** The series of the shortest window of each subject. */
export function shortestWindows(series: readonly ExportedSeries[], windowMs?: number): ExportedSeries[] {
  const shortest = new Map<string, number>();
  for (const one of series) shortest.set(one.subject, Math.min(one.windowMs, shortest.get(one.subject) ?? Infinity));
  return series.filter((one) => one.windowMs === (windowMs ?? shortest.get(one.subject)));
}
