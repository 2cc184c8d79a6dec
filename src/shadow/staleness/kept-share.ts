/** The share of time in which a target was kept: since the start, over the last hour and over the last day. Bounded, whatever happens. */

/** Time broken in windows of this length: minutes for the hour, quarters of an hour for the day. */
const spans = { hour: { lengthMs: 60_000, count: 60 }, day: { lengthMs: 900_000, count: 96 } } as const;
type Span = keyof typeof spans;

export interface Shares {
  /** 0 to 1, each over as much of it as has passed since the start. */
  readonly start: number;
  readonly hour: number;
  readonly day: number;
}

/** One window of a ring, and the time broken in it. */
interface Slot {
  window: number;
  brokenMs: number;
}

export class KeptShare {
  private readonly startMs: number;
  private lastMs: number;
  private brokenMs = 0;
  /** Made with the first broken moment: nearly all objects have none. */
  private rings: Record<Span, Slot[]> | undefined;

  /** Counts from `startMs` on (monotonic). */
  constructor(startMs: number) {
    this.startMs = this.lastMs = startMs;
  }

  /** The time up to `nowMs` since the last call was kept or broken as a whole. Time that runs backwards counts as none. */
  take(nowMs: number, isKept: boolean): void {
    const fromMs = this.lastMs;
    this.lastMs = Math.max(fromMs, nowMs);
    if (isKept || nowMs <= fromMs) return;
    this.brokenMs += nowMs - fromMs;
    this.rings ??= { hour: [], day: [] };
    for (const span of ["hour", "day"] as const) this.spread(span, fromMs, nowMs);
  }

  shares(): Shares {
    const share = (brokenMs: number, ofMs: number): number => (ofMs <= 0 ? 1 : Math.max(0, 1 - brokenMs / ofMs));
    const ageMs = this.lastMs - this.startMs;
    const over = (span: Span): number => {
      const { lengthMs, count } = spans[span];
      const oldest = Math.floor(this.lastMs / lengthMs) - count + 1;
      const brokenMs = this.rings?.[span].reduce((sum, slot) => sum + (slot !== undefined && slot.window >= oldest ? slot.brokenMs : 0), 0) ?? 0;
      return share(brokenMs, Math.min(ageMs, this.lastMs - oldest * lengthMs));
    };
    return { start: share(this.brokenMs, ageMs), hour: over("hour"), day: over("day") };
  }

  private spread(span: Span, fromMs: number, toMs: number): void {
    const { lengthMs, count } = spans[span];
    const ring = this.rings?.[span] ?? [];
    const last = Math.floor(toMs / lengthMs);
    for (let window = Math.max(Math.floor(fromMs / lengthMs), last - count + 1); window <= last; window++) {
      const brokenMs = Math.min(toMs, (window + 1) * lengthMs) - Math.max(fromMs, window * lengthMs);
      const slot = ring[((window % count) + count) % count];
      if (slot?.window === window) slot.brokenMs += brokenMs;
      else ring[((window % count) + count) % count] = { window, brokenMs };
    }
  }
}
