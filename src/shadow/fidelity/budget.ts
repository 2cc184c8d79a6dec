/**
 * The budget of copying: when the switch comes under pressure, the copy goes and live stays. Pure: it is given what was measured and
 * says what share may be copied.
 *
 * Live and shadow share one thread. The userspace datapath's is at three quarters with 1,000 packets a second that come one at a time,
 * and takes fifty times as many when they come together: what tells pressure is a thread that rests no more. The copy comes back after a hold without pressure; a
 * copy that has to go again soon after it came back stays away twice as long, up to `maxHoldMs`.
 */

/** What the switch bears now; what could not be measured is absent. */
export interface Pressure {
  /** Share of the time that the busiest thread of ovs-vswitchd ran or waited for a processor, 0 to 1. */
  readonly cpu?: number;
  /** Packets that the datapath had no cached flow for, a second. */
  readonly upcallsPerS?: number;
  /** Cached flows of the busiest datapath. */
  readonly megaflows?: number;
  /** Packets the switch dropped at reception, a second. */
  readonly receiveDropsPerS?: number;
}
export const pressures = ["cpu", "upcallsPerS", "megaflows", "receiveDropsPerS"] as const;

export interface BudgetLimits {
  readonly limits: Required<Pressure>;
  /** Looks in a row above a limit before the copy goes: one outlier is no pressure. */
  readonly looks: number;
  /** How long the pressure must be gone before the copy comes back, in ms. */
  readonly holdMs: number;
}

/** Where pressure has to fall before it counts as gone, as a share of the limit. */
const release = 0.95;
const maxHoldMs = 300_000;
/** A copy that goes again within this time after it came back has come back too soon. */
const flapMs = 60_000;

export class Budget {
  private readonly options: BudgetLimits;
  private limits: Required<Pressure>;
  private above = 0;
  private calmSinceMs: number | undefined;
  private backAtMs: number | undefined;
  private holdMs: number;
  /** Why the copy is shed; undefined while it is not. */
  why: string | undefined;
  /** Times it was shed. */
  sheds = 0;

  constructor(options: BudgetLimits) {
    this.options = options;
    this.limits = options.limits;
    this.holdMs = options.holdMs;
  }

  /** Other limits from now on; what was shed comes back when the pressure is gone by these. */
  setLimits(limits: Required<Pressure>): void {
    this.limits = limits;
  }

  /** Takes a look at `nowMs`; returns the share that may be copied, 0 or 1. */
  take(pressure: Pressure, nowMs: number): number {
    const { limits } = this;
    const { looks } = this.options;
    const over = pressures.filter((key) => (pressure[key] ?? 0) > limits[key]);
    if (this.why === undefined) {
      this.above = over.length > 0 ? this.above + 1 : 0;
      if (this.above < looks) return 1;
      const isTooSoon = this.backAtMs !== undefined && nowMs - this.backAtMs < flapMs;
      this.holdMs = isTooSoon ? Math.min(maxHoldMs, this.holdMs * 2) : this.options.holdMs;
      this.why = over.map((key) => `${key} ${shown(pressure[key] ?? 0)} is above ${shown(limits[key])}`).join(", ");
      this.sheds++;
      this.calmSinceMs = undefined;
      return 0;
    }
    const isCalm = pressures.every((key) => (pressure[key] ?? 0) <= limits[key] * release);
    if (!isCalm) this.calmSinceMs = undefined;
    else this.calmSinceMs ??= nowMs;
    if (this.calmSinceMs === undefined || nowMs - this.calmSinceMs < this.holdMs) return 0;
    this.why = undefined;
    this.above = 0;
    this.backAtMs = nowMs;
    return 1;
  }
}

const shown = (value: number): string => (value < 10 ? value.toFixed(2) : String(Math.round(value)));
