/** The largest talkers of a stream in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi, 2005), which lets go of many at once. Pure. */

export interface HeavyHitter {
  readonly key: string;
  /** An upper bound of what it carried … */
  readonly amount: number;
  /** … which is too high by this at most. */
  readonly error: number;
}

export class HeavyHitters {
  /** Everything that was added. */
  total = 0;
  private readonly capacity: number;
  private readonly counters = new Map<string, { amount: number; error: number }>();
  /** What a key that is not counted may have carried at most. */
  private floor = 0;

  /** `capacity` counters are kept for good; as many again come and go. The error of each is about total / capacity at most. */
  constructor(capacity = 256) {
    this.capacity = capacity;
  }

  add(key: string, amount: number): void {
    this.total += amount;
    const known = this.counters.get(key);
    if (known !== undefined) {
      known.amount += amount;
      return;
    }
    if (this.counters.size >= 2 * this.capacity) this.prune();
    this.counters.set(key, { amount: this.floor + amount, error: this.floor });
  }

  /** Keeps the larger half. What is let go sets the floor from which a newcomer begins. */
  private prune(): void {
    const amounts = [...this.counters.values()].map(({ amount }) => amount).sort((x, y) => y - x);
    this.floor = Math.max(this.floor, amounts[this.capacity] ?? 0);
    for (const [key, { amount }] of this.counters) if (amount <= this.floor) this.counters.delete(key);
  }

  /** Those that surely carried at least `share` of all, largest first. */
  above(share: number): HeavyHitter[] {
    return this.top(this.counters.size).filter(({ amount, error }) => amount - error >= share * this.total && amount > 0);
  }

  top(count: number): HeavyHitter[] {
    return [...this.counters]
      .map(([key, { amount, error }]) => ({ key, amount, error }))
      .sort((x, y) => y.amount - x.amount)
      .slice(0, count);
  }

  /** Halves everything: what was large long ago fades. */
  fade(): void {
    this.total /= 2;
    this.floor /= 2;
    for (const counter of this.counters.values()) {
      counter.amount /= 2;
      counter.error /= 2;
    }
  }
}
