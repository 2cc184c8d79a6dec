import { seeded } from "../../src/base/seeded.js";

/** Choices from a seed, so that a run can be had again. */
export class Random {
  /** 0 to 1, without 1. */
  readonly next: () => number;
  constructor(seed: number) {
    this.next = seeded(seed);
  }
  /** A whole number below `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }
  chance(probability: number): boolean {
    return this.next() < probability;
  }
  pick<T>(from: readonly T[]): T {
    const found = from[this.below(from.length)];
    if (found === undefined) throw new RangeError("nothing to pick from");
    return found;
  }
  some<T>(from: readonly T[], probability: number): T[] {
    return from.filter(() => this.chance(probability));
  }
}
