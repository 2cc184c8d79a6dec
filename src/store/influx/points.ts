/** Batches as points of the InfluxDB line protocol. Pure. */
import type { IPoint } from "influx";
import type { Batch, SeriesDefinition } from "../batch.js";

/** Names of the series and metrics that batches number. */
export class Names {
  private readonly series = new Map<number, SeriesDefinition>();
  private readonly metrics = new Map<string, string>();
  private sequence = 0;

  /**
   * The points of a batch: a measurement a kind; tags side, subject and window; a field a metric. The store's times are ms and the server's
   * are ns: a running number below the millisecond keeps two facts of one moment apart, and a repeated write the same.
   */
  points(batch: Batch): IPoint[] {
    for (const one of batch.series) this.series.set(one.id, one);
    for (const { kind, id, name } of batch.metrics) this.metrics.set(`${kind} ${id}`, name);
    const points: IPoint[] = [];
    for (const block of batch.blocks) {
      const columns = block.columns.map(({ metric, values }) => ({ name: this.metrics.get(`${block.kind} ${metric}`) ?? "", values }));
      for (let i = 0; i < block.rows; i++) {
        const series = this.series.get(block.series[i] ?? -1);
        if (series === undefined) continue;
        const fields: Record<string, number> = {};
        for (const { name, values } of columns) {
          const value = values[i] ?? Number.NaN;
          if (!Number.isNaN(value)) fields[name] = value;
        }
        points.push({ measurement: block.kind, tags: { side: series.side, subject: series.name, window: String(series.windowMs) }, fields, timestamp: this.timestamp(block.tMs[i] ?? 0) });
      }
    }
    return points;
  }

  /** Events of a batch: their detail is text. */
  events(batch: Batch): IPoint[] {
    return batch.events.map(({ tMs, kind, side, subject, detail }) => ({ measurement: "events", tags: { kind, side, subject }, fields: { detail }, timestamp: this.timestamp(tMs) }));
  }

  private timestamp(tMs: number): string {
    this.sequence = (this.sequence + 1) % 1_000_000;
    return String(BigInt(Math.floor(tMs)) * 1_000_000n + BigInt(this.sequence));
  }
}
