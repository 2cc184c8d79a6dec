/** When a subject is busiest, and how busy, by the time of day (or any other season). Pure; bounded. */

export interface Peak {
  /** Time of the season's busiest slot: its middle, ms after the season's start (for a day: midnight UTC). */
  readonly atMs: number;
  /** Mean over the seasons of that slot's highest value. */
  readonly height: number;
  /** Seasons that it rests on. */
  readonly seasons: number;
  /** Half the spread of the slot's highest values over the seasons. */
  readonly plusMinus: number;
}

interface Slot {
  season: number;
  highest: number;
  sum: number;
  squares: number;
  seasons: number;
}

export interface PeakOptions {
  readonly periodMs: number;
  readonly slots: number;
}
/** What is kept, for a restart: the seasons' sums of each subject's slots. */
export interface PeaksState {
  readonly options: PeakOptions;
  readonly subjects: readonly (readonly [string, readonly Slot[]])[];
}

/** A day in parts of five minutes. */
export const daily: PeakOptions = { periodMs: 86_400_000, slots: 288 };

const empty = (): Slot => ({ season: -1, highest: 0, sum: 0, squares: 0, seasons: 0 });

const maxSubjects = 4_096;
/** Slots to each side that count for where a peak is: of a day, half an hour. */
const neighbourhood = 1 / 48;

export class Peaks {
  /** Values of subjects beyond the bound. */
  overflow = 0;
  private readonly options: PeakOptions;
  private readonly subjects = new Map<string, Slot[]>();

  constructor(options: PeakOptions = daily) {
    this.options = options;
  }

  add(subject: string, tMs: number, value: number): void {
    if (!Number.isFinite(value) || tMs < 0) return;
    const season = Math.floor(tMs / this.options.periodMs);
    const slot = this.slotOf(subject, tMs);
    if (slot === undefined) return;
    if (slot.season !== season) {
      close(slot);
      slot.season = season;
      slot.highest = value;
    } else slot.highest = Math.max(slot.highest, value);
  }

  /** Length of a slot in ms: of a day, five minutes. */
  get slotMs(): number {
    return this.options.periodMs / this.options.slots;
  }

  /** The highest value of a whole slot of a season that is over, as a store has it. Each only once, and none that `add` had a part of. */
  addPast(subject: string, tMs: number, highest: number): void {
    if (!Number.isFinite(highest) || tMs < 0) return;
    const slot = this.slotOf(subject, tMs);
    if (slot === undefined) return;
    slot.sum += highest;
    slot.squares += highest ** 2;
    slot.seasons++;
  }

  /** The peak of a subject; undefined for one that is not known. */
  peak(subject: string): Peak | undefined {
    const slots = this.subjects.get(subject);
    if (slots === undefined) return undefined;
    const { periodMs } = this.options;
    const closed = slots.map((slot) => {
      const one = { ...slot };
      close(one);
      return one;
    });
    // Where the peak is, is told by the neighbourhood: one slot's luck on one day must not move it.
    const mean = ({ sum, seasons }: Slot): number | undefined => (seasons === 0 ? undefined : sum / seasons);
    const reach = Math.round(slots.length * neighbourhood);
    const around = (i: number): number => {
      let [total, count] = [0, 0];
      for (let j = i - reach; j <= i + reach; j++) {
        const value = mean(closed[(j + slots.length) % slots.length] ?? empty());
        if (value === undefined) continue;
        total += value;
        count++;
      }
      return total / count;
    };
    const known = closed.flatMap(({ seasons }, i) => (seasons > 0 ? [i] : []));
    const levels = new Map(known.map((i) => [i, around(i)]));
    const at = known.reduce<number | undefined>((best, i) => (best === undefined || (levels.get(i) ?? 0) > (levels.get(best) ?? 0) ? i : best), undefined);
    const slot = at === undefined ? undefined : closed[at];
    if (at === undefined || slot === undefined) return undefined;
    const height = slot.sum / slot.seasons;
    const variance = Math.max(0, slot.squares / slot.seasons - height ** 2);
    return { atMs: ((at + 0.5) * periodMs) / slots.length, height, seasons: slot.seasons, plusMinus: Math.sqrt(variance) };
  }

  state(): PeaksState {
    return { options: this.options, subjects: [...this.subjects] };
  }

  /** Goes on from a kept state; one of other seasons is left out. */
  restore({ options, subjects }: PeaksState): void {
    if (options.periodMs !== this.options.periodMs || options.slots !== this.options.slots) return;
    for (const [subject, slots] of subjects.slice(0, maxSubjects)) this.subjects.set(subject, slots.map((slot) => ({ ...slot })));
  }

  private slotOf(subject: string, tMs: number): Slot | undefined {
    let slots = this.subjects.get(subject);
    if (slots === undefined) {
      if (this.subjects.size >= maxSubjects) {
        this.overflow++;
        return undefined;
      }
      slots = Array.from({ length: this.options.slots }, empty);
      this.subjects.set(subject, slots);
    }
    const { periodMs } = this.options;
    return slots[Math.min(slots.length - 1, Math.floor(((tMs % periodMs) / periodMs) * slots.length))];
  }

  all(): string[] {
    return [...this.subjects.keys()];
  }
}

/** The slot's season is over: its highest value is kept. */
function close(slot: Slot): void {
  if (slot.season < 0) return;
  slot.sum += slot.highest;
  slot.squares += slot.highest ** 2;
  slot.seasons++;
}
