/** From counters to what happened between two of them: wrap-around, restarts and counters that are not kept. Pure. */

export type CounterValue = number | bigint;

export interface CounterChange {
  /** Between the two readings, in s, by the clock of the one who reads. */
  readonly seconds: number;
  /** By counter; those that are not kept (all ones) or that can't be told are left out. */
  readonly deltas: Readonly<Record<string, number>>;
  /** deltas / seconds. */
  readonly perS: Readonly<Record<string, number>>;
}
export type CounterReading = { readonly is: "first" } | ({ readonly is: "change" } & CounterChange) | { readonly is: "discontinuity"; readonly why: "restart" | "backwards" | "too-fast" | "no-time" };

export interface ReadingOptions {
  /** Milliseconds, of the reader's clock; injected, so that a capture can be read with its own. */
  readonly nowMs: number;
  /** The agent's, in ms. */
  readonly uptime: number;
  /** The interface's, in bit/s; 0 when unknown. What could not have passed at twice this is no wrap-around but a reset. */
  readonly speedBps?: number;
}

const unknown32 = 0xffffffff;
const unknown64 = 0xffffffffffffffffn;
/** A frame on the wire takes at least this many bits: 64 bytes, preamble and gap. */
const minFrameBits = 672;
/** Series of counters kept; beyond, the oldest is forgotten. */
const maxSeries = 100_000;

interface Series {
  readonly atMs: number;
  readonly uptime: number;
  readonly values: Readonly<Record<string, CounterValue>>;
}

/**
 * Follows counters by key, as "AGENT SUB-AGENT SOURCE". 32-bit counters go round: the difference is taken modulo 2^32 and
 * believed unless it could not have happened in the time. 64-bit counters don't go round: a smaller one is a reset.
 */
export class CounterRates {
  private readonly series = new Map<string, Series>();

  /** Takes the numbers of one counter record; fields that are no counters do no harm, they only give odd deltas. */
  take(key: string, record: Readonly<Record<string, unknown>>, { nowMs, uptime, speedBps = 0 }: ReadingOptions): CounterReading {
    const values: Record<string, CounterValue> = {};
    for (const [name, value] of Object.entries(record)) {
      if ((typeof value === "number" && value !== unknown32) || (typeof value === "bigint" && value !== unknown64)) values[name] = value;
    }
    const before = this.series.get(key);
    this.remember(key, { atMs: nowMs, uptime, values });
    if (before === undefined) return { is: "first" };
    // The agent's clock goes round after 49.7 days; a step back of less than half of that is a restart.
    if (((uptime - before.uptime) | 0) < 0) return { is: "discontinuity", why: "restart" };
    const seconds = (nowMs - before.atMs) / 1e3;
    if (!(seconds > 0)) return { is: "discontinuity", why: "no-time" };
    return difference(before.values, values, seconds, speedBps);
  }

  private remember(key: string, series: Series): void {
    if (!this.series.has(key) && this.series.size >= maxSeries) {
      const [oldest] = this.series.keys();
      if (oldest !== undefined) this.series.delete(oldest);
    }
    this.series.set(key, series);
  }
}

function difference(before: Series["values"], after: Series["values"], seconds: number, speedBps: number): CounterReading {
  const deltas: Record<string, number> = {};
  const perS: Record<string, number> = {};
  // Without a known speed, half the range: more than one time round can't be told from a reset anyway.
  const most32 = speedBps > 0 ? (2 * speedBps * seconds) / minFrameBits + 1_000 : 2 ** 31;
  for (const [name, value] of Object.entries(after)) {
    const old = before[name];
    let delta: number;
    if (typeof value === "bigint" && typeof old === "bigint") {
      if (value < old) return { is: "discontinuity", why: "backwards" };
      delta = Number(value - old);
    } else if (typeof value === "number" && typeof old === "number") {
      delta = (value - old) >>> 0;
      if (value < old && delta > most32) return { is: "discontinuity", why: "too-fast" };
    } else continue; // not kept then, or not kept now
    deltas[name] = delta;
    perS[name] = delta / seconds;
  }
  return { is: "change", seconds, deltas, perS };
}
