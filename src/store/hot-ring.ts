/**
 * The last minutes in memory, for those who need them now: a ring of numbers for each subject, bounded in bytes. A store answers in
 * milliseconds; this answers in microseconds and forgets first.
 */
import { subjectKey, type NetworkEvent, type Observation, type ObservationSink, type Side, type Subject } from "../base/observation.js";

export interface HotOptions {
  /** Observations kept of each subject. */
  readonly length: number;
  /** For all rings together; beyond, the subject not written to for longest is forgotten. */
  readonly maxBytes: number;
}
export interface HotValues {
  readonly tMs: Float64Array;
  /** NaN where it was not measured. */
  readonly values: Float64Array;
}

class Ring {
  count = 0;
  private readonly tMs: Float64Array;
  private readonly columns = new Map<string, Float64Array>();

  constructor(length: number) {
    this.tMs = new Float64Array(length);
  }

  get bytes(): number {
    return this.tMs.byteLength * (1 + this.columns.size);
  }

  add({ tMs, values }: Observation): void {
    const { length } = this.tMs;
    const at = this.count % length;
    this.tMs[at] = tMs;
    for (const column of this.columns.values()) column[at] = Number.NaN;
    for (const name in values) {
      let column = this.columns.get(name);
      if (column === undefined) this.columns.set(name, (column = new Float64Array(length).fill(Number.NaN)));
      column[at] = values[name] ?? Number.NaN;
    }
    this.count++;
  }

  /** In the order they came; those of `sinceMs` or later. */
  read(metric: string, sinceMs: number): HotValues {
    const column = this.columns.get(metric);
    const { length } = this.tMs;
    const kept = column === undefined ? 0 : Math.min(this.count, length);
    const tMs = new Float64Array(kept);
    const values = new Float64Array(kept);
    let n = 0;
    for (let i = this.count - kept; i < this.count; i++) {
      const t = this.tMs[i % length] ?? Number.NaN;
      if (!(t >= sinceMs)) continue;
      tMs[n] = t;
      values[n++] = column?.[i % length] ?? Number.NaN;
    }
    return { tMs: tMs.subarray(0, n), values: values.subarray(0, n) };
  }
}

export class HotRing implements ObservationSink {
  readonly counters = { observed: 0, forgotten: 0 };
  private readonly options: HotOptions;
  /** In the order of their last write. */
  private readonly rings = new Map<string, Ring>();
  private bytes = 0;

  constructor(options: HotOptions) {
    this.options = options;
  }

  observe(observation: Observation): void {
    this.counters.observed++;
    const key = hotKey(observation.subject, observation.side, observation.windowMs);
    const ring = this.rings.get(key) ?? new Ring(this.options.length);
    const before = this.rings.delete(key) ? ring.bytes : 0;
    ring.add(observation);
    this.rings.set(key, ring);
    this.bytes += ring.bytes - before;
    while (this.bytes > this.options.maxBytes && this.rings.size > 1) {
      const [[oldest, gone] = []] = this.rings;
      if (oldest === undefined || gone === undefined) return;
      this.rings.delete(oldest);
      this.bytes -= gone.bytes;
      this.counters.forgotten++;
    }
  }

  /** Events are the store's. */
  happened(_event: NetworkEvent): void {
    return;
  }

  /** A subject's last values of a metric, oldest first; undefined when nothing of the subject is held. */
  recent(subject: Subject, side: Side, metric: string, sinceMs: number, windowMs = 1_000): HotValues | undefined {
    return this.rings.get(hotKey(subject, side, windowMs))?.read(metric, sinceMs);
  }
}

const hotKey = (subject: Subject, side: Side, windowMs: number): string => `${side} ${windowMs} ${subjectKey(subject)}`;
