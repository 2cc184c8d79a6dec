/** When a subject is busiest, and how busy, by the time of day (or any other season): what is kept of its seasons. Pure; bounded. */
import { forecastPeak, seasonPeak, sumsDecay, type Curve, type SeasonPeak, type SlotSums } from "./peak-forecast.js";

export interface Peak {
  /** Time of the season's busiest slot: its middle, ms after the season's start (for a day: midnight UTC). */
  readonly atMs: number;
  /** Half the width of the interval around `atMs` that holds the busiest time with `probability`; half the season: no time is told from another. */
  readonly atPlusMinusMs: number;
  /** The season's highest value. */
  readonly height: number;
  /** Half the width of its interval, with the same probability. */
  readonly plusMinus: number;
  /** As few seasons can tell: at most n of n + 1. */
  readonly probability: number;
  /** Seasons that it rests on. */
  readonly seasons: number;
}

export interface PeakOptions {
  readonly periodMs: number;
  readonly slots: number;
  /** Whether seasons are days, of which Saturdays and Sundays are of a kind of their own. */
  readonly weekends: boolean;
}
/** What is kept, for a restart. NaN is null in JSON. */
export interface PeaksState {
  readonly options: PeakOptions;
  readonly learned: readonly SubjectState[];
}
interface SubjectState {
  readonly subject: string;
  readonly kinds: readonly { readonly sum: readonly number[]; readonly weight: readonly number[] }[];
  readonly peaks: readonly SeasonPeak[];
  readonly open: readonly { readonly season: number; readonly curve: readonly (number | null)[] }[];
}

/** A day in parts of five minutes. */
export const daily: PeakOptions = { periodMs: 86_400_000, slots: 288, weekends: true };

const maxSubjects = 4_096;
/** Seasons whose own peaks are kept. */
const maxPeaks = 28;

interface Open {
  readonly season: number;
  readonly curve: Curve;
}
interface Kept {
  /** Sums of working days, and of weekends. */
  readonly kinds: readonly [Mutable, Mutable];
  readonly peaks: SeasonPeak[];
  /** Seasons that are not over: the one that is being seen, and one of the past that is being told. */
  readonly open: { now: Open | undefined; past: Open | undefined };
}
type Mutable = { -readonly [K in keyof SlotSums]: SlotSums[K] };

export class Peaks {
  /** Values of subjects beyond the bound. */
  overflow = 0;
  private readonly options: PeakOptions;
  private readonly subjects = new Map<string, Kept>();

  constructor(options: PeakOptions = daily) {
    this.options = options;
  }

  add(subject: string, tMs: number, value: number): void {
    const kept = this.taken(subject, tMs, value);
    if (kept === undefined) return;
    const season = this.seasonOf(tMs);
    const { open } = kept;
    if (open.now?.season !== season) {
      if (open.now !== undefined) this.close(kept, open.now);
      if (open.past?.season === season) [open.now, open.past] = [open.past, undefined];
      else open.now = this.begun(season);
    }
    raise(open.now, this.slotOf(tMs), value);
  }

  /** Length of a slot in ms: of a day, five minutes. */
  get slotMs(): number {
    return this.options.periodMs / this.options.slots;
  }

  /** The highest value of a whole slot that is over, as a store has it; of each season all at once, and none that `add` had a part of. */
  addPast(subject: string, tMs: number, highest: number): void {
    const kept = this.taken(subject, tMs, highest);
    if (kept === undefined) return;
    const season = this.seasonOf(tMs);
    const { open } = kept;
    if (open.now?.season === season) return raise(open.now, this.slotOf(tMs), highest);
    if (open.past?.season !== season) {
      if (open.past !== undefined) this.close(kept, open.past);
      open.past = this.begun(season);
    }
    raise(open.past, this.slotOf(tMs), highest);
  }

  /** The peak that is to be expected of a subject on the season that `nowMs` lies in; undefined for one that is not known. */
  peak(subject: string, nowMs: number): Peak | undefined {
    const kept = this.subjects.get(subject);
    if (kept === undefined) return undefined;
    // As if all were over by now; what is kept stays as it is.
    const closed: Kept = { kinds: [{ ...kept.kinds[0] }, { ...kept.kinds[1] }], peaks: [...kept.peaks], open: { now: undefined, past: undefined } };
    for (const one of [kept.open.past, kept.open.now]) if (one !== undefined) this.close(closed, one);
    const season = this.seasonOf(nowMs);
    const kind = this.kindOf(season);
    const { periodMs } = this.options;
    const forecast = forecastPeak(season, closed.kinds[kind], closed.kinds[kind === 0 ? 1 : 0], closed.peaks, (other) => this.kindOf(other) === kind);
    if (forecast === undefined) return undefined;
    const { at, atWithin, height, heightWithin, probability, seasons } = forecast;
    return { atMs: at * periodMs, atPlusMinusMs: atWithin * periodMs, height, plusMinus: heightWithin, probability, seasons };
  }

  state(): PeaksState {
    const plain = (values: Float64Array): number[] => [...values];
    return {
      options: this.options,
      learned: [...this.subjects].map(([subject, { kinds, peaks, open }]) => ({
        subject,
        kinds: kinds.map(({ sum, weight }) => ({ sum: plain(sum), weight: plain(weight) })),
        peaks,
        open: [open.past, open.now].flatMap((one) => (one === undefined ? [] : [{ season: one.season, curve: plain(one.curve) }])),
      })),
    };
  }

  /** Goes on from a kept state. Returns false, and learns nothing, when it is of other seasons or of another form. */
  restore({ options, learned }: Partial<PeaksState>): boolean {
    if (options?.periodMs !== this.options.periodMs || options.slots !== this.options.slots || options.weekends !== this.options.weekends || learned === undefined) return false;
    for (const { subject, kinds, peaks, open } of learned.slice(0, maxSubjects)) {
      const [work, weekend] = kinds.map(({ sum, weight }) => ({ sum: Float64Array.from(sum), weight: Float64Array.from(weight) }));
      const [past, now] = open.length < 2 ? [undefined, open[0]] : open;
      const opened = (one: typeof now): Open | undefined => (one === undefined ? undefined : { season: one.season, curve: Float64Array.from(one.curve, (value) => value ?? NaN) });
      this.subjects.set(subject, { kinds: [work ?? this.noSums(), weekend ?? this.noSums()], peaks: [...peaks], open: { now: opened(now), past: opened(past) } });
    }
    return true;
  }

  all(): string[] {
    return [...this.subjects.keys()];
  }

  private taken(subject: string, tMs: number, value: number): Kept | undefined {
    if (!Number.isFinite(value) || !(tMs >= 0)) return undefined;
    let kept = this.subjects.get(subject);
    if (kept === undefined) {
      if (this.subjects.size >= maxSubjects) {
        this.overflow++;
        return undefined;
      }
      kept = { kinds: [this.noSums(), this.noSums()], peaks: [], open: { now: undefined, past: undefined } };
      this.subjects.set(subject, kept);
    }
    return kept;
  }

  /** A season is over: it joins the sums of its kind, and its peak those of the others. */
  private close(kept: Kept, { season, curve }: Open): void {
    const peak = seasonPeak(season, curve);
    if (peak === undefined) return;
    const sums = kept.kinds[this.kindOf(season)];
    const isKnown = curve.map((value) => (Number.isNaN(value) ? 0 : 1));
    sums.sum = sums.sum.map((sum, i) => sum * sumsDecay + (isKnown[i] === 1 ? (curve[i] ?? 0) : 0));
    sums.weight = sums.weight.map((weight, i) => weight * sumsDecay + (isKnown[i] ?? 0));
    kept.peaks.push(peak);
    if (kept.peaks.length > maxPeaks) kept.peaks.shift();
  }

  private readonly seasonOf = (tMs: number): number => Math.floor(tMs / this.options.periodMs);
  private slotOf(tMs: number): number {
    const { periodMs, slots } = this.options;
    return Math.min(slots - 1, Math.floor(((tMs % periodMs) / periodMs) * slots));
  }
  /** 1 for Saturdays and Sundays: the epoch was a Thursday. */
  private kindOf(season: number): 0 | 1 {
    return this.options.weekends && (season + 4) % 7 % 6 === 0 ? 1 : 0;
  }
  private begun(season: number): Open {
    return { season, curve: new Float64Array(this.options.slots).fill(NaN) };
  }
  private noSums(): Mutable {
    return { sum: new Float64Array(this.options.slots), weight: new Float64Array(this.options.slots) };
  }
}

function raise(open: Open | undefined, slot: number, value: number): void {
  if (open !== undefined && !((open.curve[slot] ?? NaN) >= value)) open.curve[slot] = value;
}
