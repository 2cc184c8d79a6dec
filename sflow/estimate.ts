/** Rates from samples, with how far they may be off. Pure: time is given. */

export interface Estimate<K> {
  readonly key: K;
  readonly samples: number;
  readonly packetsPerS: number;
  readonly bytesPerS: number;
  /**
   * Half the 95 % interval over the rate. Each sample stands for w packets, its sampling rate, so the variance of the estimated
   * packets is the sum of w (w - 1), and of the bytes the same with the squared lengths. At 1-in-1 it is 0; for a large w and n
   * samples it is 1.96 / sqrt(n) (InMon, "Packet Sampling Basics"). Below about 30 samples the interval is only a rough one.
   */
  readonly packetsErrorRatio: number;
  readonly bytesErrorRatio: number;
  /** Set when an error exceeds what was asked for. */
  readonly warning?: EstimateWarning;
}
export interface EstimateWarning {
  readonly askedErrorRatio: number;
  readonly errorRatio: number;
  /** About this many samples in a window would do: sample more often, or look at a longer window. */
  readonly samplesNeeded: number;
}

export interface EstimatorOptions {
  /** Length of the window, in ms; RangeError unless above 0. */
  readonly windowMs: number;
  /** The window moves by this; it must go into the window without rest. Default: a tenth of it. */
  readonly stepMs?: number;
  /** Estimates whose error exceeds it carry a warning. Default Infinity: none do. */
  readonly maxErrorRatio?: number;
  /** Keys told apart; samples of others go to `rest`. Default 65,536. */
  readonly maxKeys?: number;
}

/** 95 % of a normal distribution lie within so many standard deviations. */
const z = 1.96;

class Sums {
  samples = 0;
  packets = 0;
  bytes = 0;
  packetVariance = 0;
  byteVariance = 0;

  add(samplingRate: number, frameLength: number): void {
    const variance = samplingRate * (samplingRate - 1);
    this.samples++;
    this.packets += samplingRate;
    this.bytes += samplingRate * frameLength;
    this.packetVariance += variance;
    this.byteVariance += variance * frameLength * frameLength;
  }
  merge(other: Sums): void {
    this.samples += other.samples;
    this.packets += other.packets;
    this.bytes += other.bytes;
    this.packetVariance += other.packetVariance;
    this.byteVariance += other.byteVariance;
  }
}

const ratio = (variance: number, total: number): number => (total > 0 ? (z * Math.sqrt(variance)) / total : Infinity);

/** Estimates rates per key over a sliding window. Each sample is weighed by its own sampling rate, so a changed rate does no harm. */
export class RateEstimator<K extends string | number> {
  /** Samples of keys beyond the bound. */
  rest = 0;
  private readonly stepMs: number;
  private readonly windowMs: number;
  private readonly maxErrorRatio: number;
  private readonly maxKeys: number;
  /** By number of the step, oldest first. */
  private readonly steps = new Map<number, Map<K, Sums>>();
  private readonly keys = new Map<K, number>();
  private newestStep = -Infinity;
  private startMs: number | undefined;

  constructor({ windowMs, stepMs = windowMs / 10, maxErrorRatio = Infinity, maxKeys = 65_536 }: EstimatorOptions) {
    if (!(windowMs > 0) || !(stepMs > 0) || Math.abs(windowMs / stepMs - Math.round(windowMs / stepMs)) > 1e-9) throw new RangeError(`windowMs must be a multiple of stepMs and above 0, got ${windowMs} and ${stepMs}`);
    this.windowMs = windowMs;
    this.stepMs = stepMs;
    this.maxErrorRatio = maxErrorRatio;
    this.maxKeys = maxKeys;
  }

  /** Takes a sample of `nowMs`; `frameLength` in bytes on the wire. Time gone back counts as the newest time there was. */
  add(key: K, samplingRate: number, frameLength: number, nowMs: number): void {
    this.advance(nowMs);
    this.startMs ??= nowMs;
    const sums = this.steps.get(this.newestStep) ?? new Map<K, Sums>();
    this.steps.set(this.newestStep, sums);
    let own = sums.get(key);
    if (own === undefined) {
      const uses = this.keys.get(key);
      if (uses === undefined && this.keys.size >= this.maxKeys) {
        this.rest++;
        return;
      }
      this.keys.set(key, (uses ?? 0) + 1);
      sums.set(key, (own = new Sums()));
    }
    own.add(samplingRate, frameLength);
  }

  /**
   * The estimates of the window that ends with `nowMs`, in no order. Until a whole window has passed since the first sample, it
   * is as long as the time since then, a step at least.
   */
  estimates(nowMs: number): Estimate<K>[] {
    this.advance(nowMs);
    const total = new Map<K, Sums>();
    for (const sums of this.steps.values()) {
      for (const [key, own] of sums) {
        const sum = total.get(key);
        if (sum === undefined) {
          const copy = new Sums();
          copy.merge(own);
          total.set(key, copy);
        } else sum.merge(own);
      }
    }
    // The newest step is not over yet, so the window is a little longer than its whole steps.
    const inStepMs = nowMs - this.newestStep * this.stepMs;
    const fullMs = this.windowMs - this.stepMs + Math.min(Math.max(inStepMs, 0), this.stepMs);
    const seconds = Math.max(Math.min(fullMs, nowMs - (this.startMs ?? nowMs)), this.stepMs) / 1e3;
    return [...total].map(([key, sums]) => this.estimate(key, sums, seconds));
  }

  private estimate(key: K, sums: Sums, seconds: number): Estimate<K> {
    const packetsErrorRatio = ratio(sums.packetVariance, sums.packets);
    const bytesErrorRatio = ratio(sums.byteVariance, sums.bytes);
    const errorRatio = Math.max(packetsErrorRatio, bytesErrorRatio);
    const { maxErrorRatio: askedErrorRatio } = this;
    const isTooFar = errorRatio > askedErrorRatio;
    return {
      key,
      samples: sums.samples,
      packetsPerS: sums.packets / seconds,
      bytesPerS: sums.bytes / seconds,
      packetsErrorRatio,
      bytesErrorRatio,
      // The error goes with one over the root of the samples.
      ...(isTooFar ? { warning: { askedErrorRatio, errorRatio, samplesNeeded: Math.ceil(sums.samples * (errorRatio / askedErrorRatio) ** 2) } } : {}),
    };
  }

  /** Forgets the steps that are no longer in the window. */
  private advance(nowMs: number): void {
    this.newestStep = Math.max(this.newestStep, Math.floor(nowMs / this.stepMs));
    const oldest = this.newestStep - Math.round(this.windowMs / this.stepMs) + 1;
    for (const [step, sums] of this.steps) {
      if (step >= oldest) break;
      this.steps.delete(step);
      for (const key of sums.keys()) {
        const uses = (this.keys.get(key) ?? 1) - 1;
        if (uses === 0) this.keys.delete(key);
        else this.keys.set(key, uses);
      }
    }
  }
}
