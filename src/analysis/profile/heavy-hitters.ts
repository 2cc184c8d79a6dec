/** The largest talkers of a stream in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi, 2005). Pure. */

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

  /** With `capacity` counters the error of each is at most total / capacity. */
  constructor(capacity = 256) {
    this.capacity = capacity;
  }

  add(key: string, amount: number): void {
    this.total += amount;
    const known = this.counters.get(key);
    if (known !== undefined) known.amount += amount;
    else if (this.counters.size < this.capacity) this.counters.set(key, { amount, error: 0 });
    else {
      let least: { key: string; amount: number } | undefined;
      for (const [name, counter] of this.counters) if (least === undefined || counter.amount < least.amount) least = { key: name, amount: counter.amount };
      if (least === undefined) return;
      this.counters.delete(least.key);
      this.counters.set(key, { amount: least.amount + amount, error: least.amount });
    }
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
    for (const counter of this.counters.values()) {
      counter.amount /= 2;
      counter.error /= 2;
    }
  }
}
