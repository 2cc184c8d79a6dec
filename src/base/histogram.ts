/** Times in a bounded histogram: buckets that grow by a tenth, so that a percentile is right within 5 %. */

/** The smallest time told apart from none, in ms. */
const leastMs = 0.01;
const growth = Math.log(1.1);
/** Up to 0.01 ms × 1.1^240, which is more than a day. */
const bucketCount = 240;

export interface HistogramSummary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export class Histogram {
  private readonly buckets = new Uint32Array(bucketCount);
  private total = 0;
  private longestMs = 0;

  /** Adds a time; what is negative counts as none, what is longer than the last bucket lands in it. */
  add(ms: number): void {
    const at = ms <= leastMs ? 0 : Math.min(bucketCount - 1, 1 + Math.floor(Math.log(ms / leastMs) / growth));
    this.buckets[at] = (this.buckets[at] ?? 0) + 1;
    this.total++;
    this.longestMs = Math.max(this.longestMs, ms);
  }

  get count(): number {
    return this.total;
  }

  /** The time that `share` of all are not above, in ms; 0 when there is none. */
  quantile(share: number): number {
    let left = Math.ceil(this.total * share);
    if (left === 0) return 0;
    for (const [at, count] of this.buckets.entries()) {
      left -= count;
      if (left <= 0) return at === 0 ? leastMs : Math.min(this.longestMs, leastMs * Math.exp(growth * (at - 0.5)));
    }
    return this.longestMs;
  }

  summary(): HistogramSummary {
    return { count: this.total, p50Ms: this.quantile(0.5), p99Ms: this.quantile(0.99), maxMs: this.longestMs };
  }

  clear(): void {
    this.buckets.fill(0);
    this.total = 0;
    this.longestMs = 0;
  }
}
