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
/** A day in parts of five minutes. */
export const daily: PeakOptions = { periodMs: 86_400_000, slots: 288 };

const maxSubjects = 4_096;

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
    let slots = this.subjects.get(subject);
    if (slots === undefined) {
      if (this.subjects.size >= maxSubjects) {
        this.overflow++;
        return;
      }
      slots = Array.from({ length: this.options.slots }, () => ({ season: -1, highest: 0, sum: 0, squares: 0, seasons: 0 }));
      this.subjects.set(subject, slots);
    }
    const { periodMs } = this.options;
    const season = Math.floor(tMs / periodMs);
    const slot = slots[Math.min(slots.length - 1, Math.floor(((tMs % periodMs) / periodMs) * slots.length))];
    if (slot === undefined) return;
    if (slot.season !== season) {
      close(slot);
      slot.season = season;
      slot.highest = value;
    } else slot.highest = Math.max(slot.highest, value);
  }

  /** The peak of a subject; undefined for one that is not known. */
  peak(subject: string): Peak | undefined {
    const slots = this.subjects.get(subject);
    if (slots === undefined) return undefined;
    const { periodMs } = this.options;
    let best: Peak | undefined;
    for (const [i, slot] of slots.entries()) {
      if (slot.season < 0) continue;
      const closed = { ...slot };
      close(closed);
      const height = closed.sum / closed.seasons;
      if (best !== undefined && height <= best.height) continue;
      const variance = Math.max(0, closed.squares / closed.seasons - height ** 2);
      best = { atMs: ((i + 0.5) * periodMs) / slots.length, height, seasons: closed.seasons, plusMinus: Math.sqrt(variance) };
    }
    return best;
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
