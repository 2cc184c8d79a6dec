/**
 * How far off predicted peaks are on measured traffic: node dist/lab/measure/peaks.js FILE:MINUTES[:FIRST-DAY] …
 *
 * Each file holds series at intervals of so many minutes (series-file.ts); FIRST-DAY, as 2004-03-01, is for files that do not tell the time. From
 * the third day on each day's peak is predicted from the days before it alone, by the profile's method and by naive ones, and compared with
 * what that day had: its busiest hour and its busiest interval. Prints one table for each file, and how far apart the busiest hours lie by a day's
 * even and by its odd intervals: closer than that nobody can predict.
 */
import Table from "cli-table3";
import { daily, Peaks } from "../../src/analysis/profile/peaks.js";
import { mean, quantile, readSeries, type SeriesFile } from "./series-file.js";

const dayMs = 86_400_000;
const learningDays = 2;

/** Shares of a day. */
interface Day {
  readonly atHour: number;
  readonly atInterval: number;
  readonly height: number;
  /** Traffic of the hour around each interval, as a share of the busiest hour's. */
  readonly hours: readonly number[];
}
interface Said {
  readonly at: number;
  readonly height: number;
  readonly atWithin?: number;
  readonly heightWithin?: number;
  readonly probability?: number;
}

const highest = (values: readonly number[]): number => values.reduce((best, value, i) => (value > (values[best] ?? -Infinity) ? i : best), 0);

function dayOf(values: readonly number[]): Day {
  const hour = Math.max(1, Math.round(values.length / 24));
  // The hour's middle is the middle of an interval or the border of two; a day's last hour goes on into its first.
  const sums = values.map((_, i) => Array.from({ length: hour }, (_unused, k) => values[(i + k) % values.length] ?? 0).reduce((sum, value) => sum + value, 0));
  const most = highest(sums);
  return { atHour: ((most + hour / 2) / values.length) % 1, atInterval: (highest(values) + 0.5) / values.length, height: values[highest(values)] ?? NaN, hours: sums.map((sum) => sum / (sums[most] ?? 1)) };
}

type Method = (past: readonly (readonly number[])[], firstMs: number, slots: number) => Said;
const heights = (past: readonly (readonly number[])[]): number[] => past.map((day) => Math.max(...day));
const methods: Readonly<Record<string, Method>> = {
  "yesterday's": (past) => {
    const { atInterval, height } = dayOf(past.at(-1) ?? []);
    return { at: atInterval, height };
  },
  "mean of days": (past) => ({ at: dayOf((past[0] ?? []).map((_, i) => mean(past.map((day) => day[i] ?? 0)))).atInterval, height: mean(heights(past)) }),
  "mean, weekday": (past, firstMs) => {
    const isWeekend = (index: number): boolean => [0, 6].includes(new Date(firstMs + index * dayMs).getUTCDay());
    const like = past.filter((_, i) => isWeekend(i) === isWeekend(past.length));
    const days = like.length === 0 ? past : like;
    return { at: dayOf((days[0] ?? []).map((_, i) => mean(days.map((day) => day[i] ?? 0)))).atInterval, height: mean(heights(days)) };
  },
  "the profile": (past, firstMs, slots) => {
    const peaks = new Peaks({ ...daily, slots });
    past.forEach((day, i) => day.forEach((value, slot) => peaks.add("one", firstMs + i * dayMs + ((slot + 0.5) * dayMs) / slots, value)));
    const peak = peaks.peak("one", firstMs + past.length * dayMs);
    if (peak === undefined) throw new Error("the profile knows no peak");
    return { at: peak.atMs / dayMs, height: peak.height, atWithin: peak.atPlusMinusMs / dayMs, heightWithin: peak.plusMinus, probability: peak.probability };
  },
};

/** Whole days of a series, from the first midnight on; none of a series with gaps. */
function daysOf(values: Float64Array, slots: number, startMs: number): { readonly days: number[][]; readonly firstMs: number } {
  const skip = Math.round((((dayMs - (startMs % dayMs)) % dayMs) * slots) / dayMs);
  const days: number[][] = [];
  for (let i = skip; i + slots <= values.length; i += slots) days.push([...values.subarray(i, i + slots)]);
  return { days: days.some((day) => day.some(Number.isNaN)) ? [] : days, firstMs: startMs + (skip * dayMs) / slots };
}

/** How far apart, in minutes, a day's own two halves put its busiest hour. */
function halves(values: readonly number[]): number {
  const [even, odd] = [0, 1].map((parity) => values.filter((_, i) => i % 2 === parity));
  return apart(dayOf(even ?? []).atHour, dayOf(odd ?? []).atHour);
}

const apart = (x: number, y: number): number => Math.min(Math.abs(x - y), 1 - Math.abs(x - y)) * 1_440;
const shareOf = (values: readonly boolean[]): string => `${((100 * values.filter(Boolean).length) / values.length).toFixed(0)} %`;

function judge({ file, series, startMs }: SeriesFile, minutes: number, firstMs: number | undefined): void {
  const slots = Math.round(1_440 / minutes);
  const begin = firstMs ?? startMs;
  if (begin === undefined) throw new Error(`${file} does not tell the time: name its first day, as ${file}:${minutes}:2004-03-01`);
  const table = new Table({ head: ["method", "time error, busiest hour", "busiest interval", "≤ 5 min (or half an interval)", "height error", "≤ 10 %", "load of that hour", "intervals, half width", "held time, height (promised)"], style: { head: [], border: [] } });
  let judged = 0;
  for (const [name, method] of Object.entries(methods)) {
    const [hour, interval, height, load]: number[][] = [[], [], [], []];
    const [heldAt, heldHeight]: boolean[][] = [[], []];
    const promised: number[] = [];
    const [widthAt, widthHeight]: number[][] = [[], []];
    for (const values of series.values()) {
      const { days, firstMs: from } = daysOf(values, slots, begin);
      for (let i = learningDays; i < days.length; i++) {
        const day = dayOf(days[i] ?? []);
        if (!(day.height > 0)) continue;
        const said = method(days.slice(0, i), from, slots);
        const half = Math.round(slots / 48);
        hour?.push(apart(said.at, day.atHour));
        interval?.push(apart(said.at, day.atInterval));
        height?.push(Math.abs(said.height / day.height - 1));
        load?.push(day.hours[(Math.floor(said.at * slots) - half + slots) % slots] ?? 0);
        if (said.atWithin === undefined || said.heightWithin === undefined || said.probability === undefined) continue;
        heldAt?.push(apart(said.at, day.atHour) <= said.atWithin * 1_440 + 1e-6);
        heldHeight?.push(Math.abs(said.height - day.height) <= said.heightWithin);
        promised.push(said.probability);
        widthAt?.push(said.atWithin * 1_440);
        widthHeight?.push(said.heightWithin / said.height);
      }
    }
    judged = hour?.length ?? 0;
    const minutesOf = (errors: readonly number[] = []): string => `${quantile(errors, 0.5).toFixed(0)} min, p90 ${quantile(errors, 0.9).toFixed(0)}`;
    const percents = (values: readonly number[] = []): string => `${(100 * quantile(values, 0.5)).toFixed(1)} %, p90 ${(100 * quantile(values, 0.9)).toFixed(0)}`;
    const near = Math.max(5, minutes / 2);
    const held = promised.length === 0 ? "" : `${shareOf(heldAt ?? [])}, ${shareOf(heldHeight ?? [])} (${(100 * mean(promised)).toFixed(0)} %)`;
    const widths = promised.length === 0 ? "" : `${quantile(widthAt ?? [], 0.5).toFixed(0)} min, ${(100 * quantile(widthHeight ?? [], 0.5)).toFixed(0)} %`;
    table.push([name, minutesOf(hour), minutesOf(interval), shareOf((hour ?? []).map((error) => error <= near + 1e-6)), percents(height), shareOf((height ?? []).map((error) => error <= 0.1)), `${(100 * mean(load ?? [])).toFixed(1)} %`, widths, held]);
  }
  const own = slots < 48 ? [] : [...series.values()].flatMap((values) => daysOf(values, slots, begin).days.filter((day) => Math.max(...day) > 0).map(halves));
  const floor = own.length === 0 ? "" : `even and odd intervals of the same day: busiest hours ${quantile(own, 0.5).toFixed(0)} min apart, p90 ${quantile(own, 0.9).toFixed(0)}; ${shareOf(own.map((error) => error <= Math.max(5, minutes / 2)))} within 5 min (or half an interval)\n`;
  process.stdout.write(`${file}: ${series.size} series, ${judged} days predicted\n${table.toString()}\n${floor}`);
}

for (const argument of process.argv.slice(2)) {
  const [path = "", minutes = "", firstDay] = argument.split(":");
  if (!(Number(minutes) > 0)) throw new Error(`${argument}: expected FILE:MINUTES[:FIRST-DAY]`);
  judge(readSeries(path, Number(minutes) * 60_000), Number(minutes), firstDay === undefined ? undefined : Date.parse(firstDay));
}
