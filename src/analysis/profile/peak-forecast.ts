/**
 * When the busiest time of a coming season will be, and how busy, from the seasons before. Pure.
 *
 * A day of real traffic has a plateau of hours, on which chance decides where the highest minutes lie. So the time is where the mean of the days
 * before, smoothed over an hour, is highest; it is told with the interval that the days' own busiest times kept to. Days of the other
 * kind (weekend or not) hardly count. docs/observations.md has how far off this was on measured traffic.
 */

/** The highest values of a season's slots; NaN where nothing is known. */
export type Curve = Float64Array;

/** The sums over seasons of one kind, by slot; newer seasons weigh more. */
export interface SlotSums {
  readonly sum: Float64Array;
  readonly weight: Float64Array;
}

/** What is kept of one season. */
export interface SeasonPeak {
  readonly season: number;
  /** Its busiest time: middle of a slot, as a share of the season. */
  readonly at: number;
  /** Its highest value. */
  readonly height: number;
  /** Share of its slots that are known. */
  readonly known: number;
}

export interface Forecast {
  /** Middle of the busiest slot, as a share of the season. */
  readonly at: number;
  /** Half the width of the interval around `at`, as a share of the season; 0.5 is all of it. */
  readonly atWithin: number;
  readonly height: number;
  readonly heightWithin: number;
  /** How likely each of the two intervals holds what comes, if seasons are alike. */
  readonly probability: number;
  /** Seasons that it rests on. */
  readonly seasons: number;
}

/** Running means reach so far to each side, as a share of the season: of a day half an hour. */
const reachShare = 1 / 48;
/** A season of the other kind counts this much. */
const otherKind = 0.1;
/** Heights: a season counts half after this many. */
const heightHalfLife = 4;
/** Of the last season's sums this much is left when the next one is over: half after four weeks of days. */
export const sumsDecay = 2 ** (-1 / 28);
/** What share of coming seasons the intervals are to hold, as far as so few seasons can tell. */
const wanted = 0.8;
/** Seasons of which less is known say nothing about intervals. */
const mostlyKnown = 0.75;

/** The busiest time of one season and its highest value; undefined when nothing is known of it. */
export function seasonPeak(season: number, curve: Curve): SeasonPeak | undefined {
  const weight = curve.map((value) => (Number.isNaN(value) ? 0 : 1));
  const at = busiest({ sum: curve.map((value) => (Number.isNaN(value) ? 0 : value)), weight }, 1);
  if (at === undefined) return undefined;
  const known = weight.reduce((sum, one) => sum + one, 0) / curve.length;
  return { season, at: (at + 0.5) / curve.length, height: curve.reduce((most, value) => (value > most ? value : most), -Infinity), known };
}

/** The forecast for `season`. `like` and `unlike`: the sums of seasons of its kind and of the other one; `isLike` tells which of `peaks` are of its kind. */
export function forecastPeak(season: number, like: SlotSums, unlike: SlotSums, peaks: readonly SeasonPeak[], isLike: (season: number) => boolean): Forecast | undefined {
  const both: SlotSums = { sum: like.sum.map((value, i) => value + otherKind * (unlike.sum[i] ?? 0)), weight: like.weight.map((value, i) => value + otherKind * (unlike.weight[i] ?? 0)) };
  const slot = busiest(both, 2);
  if (slot === undefined || peaks.length === 0) return undefined;
  const at = (slot + 0.5) / both.sum.length;
  const height = weightedMedian(peaks.map((one) => [one.height, one.known * (isLike(one.season) ? 1 : otherKind) * 2 ** (-Math.abs(season - one.season) / heightHalfLife)]));
  const whole = peaks.filter(({ known }) => known >= mostlyKnown);
  const ofKind = whole.filter((one) => isLike(one.season));
  const judged = ofKind.length >= neededFor(wanted) ? ofKind : whole.length > 0 ? whole : peaks;
  const rank = Math.min(judged.length, Math.ceil((judged.length + 1) * wanted));
  // Each of them had a part in the forecast that it is compared with: of a mean of n the error without it is n/(n - 1) times as large. One alone says nothing.
  const inflation = judged.length < 2 ? Infinity : judged.length / (judged.length - 1);
  const within = (errors: readonly number[], most: number): number => Math.min(most, Math.max([...errors].sort((x, y) => x - y)[rank - 1] ?? 0, Number.MIN_VALUE) * inflation);
  return {
    at,
    atWithin: within(judged.map((one) => around(one.at - at)), 0.5),
    height,
    heightWithin: within(judged.map((one) => Math.abs(one.height - height)), Math.abs(height)),
    probability: rank / (judged.length + 1),
    seasons: peaks.length,
  };
}

/** So many seasons it takes until the largest of their errors holds the next one with that probability. */
const neededFor = (probability: number): number => Math.ceil(probability / (1 - probability) - 1e-9);

/** The slot that is busiest after `times` running means; one of those of which something is known. */
function busiest(sums: SlotSums, times: number): number | undefined {
  let { sum, weight } = sums;
  const reach = Math.round(sum.length * reachShare);
  for (let i = 0; i < times; i++) [sum, weight] = [runningSums(sum, reach), runningSums(weight, reach)];
  let best: number | undefined;
  let most = -Infinity;
  for (let i = 0; i < sum.length; i++) {
    const mean = (sum[i] ?? 0) / (weight[i] ?? 0);
    if ((sums.weight[i] ?? 0) <= 0 || !(mean > most)) continue;
    [best, most] = [i, mean];
  }
  return best;
}

/** The sum of each value and its neighbours; after the season's end comes its start. */
function runningSums(values: Float64Array, reach: number): Float64Array {
  const n = values.length;
  const sums = new Float64Array(n);
  let sum = 0;
  for (let i = -reach; i <= reach; i++) sum += values[((i % n) + n) % n] ?? 0;
  for (let i = 0; i < n; i++) {
    sums[i] = sum;
    sum += (values[(i + reach + 1) % n] ?? 0) - (values[(((i - reach) % n) + n) % n] ?? 0);
  }
  return sums;
}

/** Distance of two times of a season that follows itself, 0 to 0.5. */
export const around = (difference: number): number => Math.min(Math.abs(difference) % 1, 1 - (Math.abs(difference) % 1));

function weightedMedian(values: readonly (readonly [value: number, weight: number])[]): number {
  const sorted = [...values].sort(([x], [y]) => x - y);
  const half = sorted.reduce((sum, [, weight]) => sum + weight, 0) / 2;
  let below = 0;
  for (const [value, weight] of sorted) if ((below += weight) >= half) return value;
  return sorted.at(-1)?.[0] ?? 0;
}
