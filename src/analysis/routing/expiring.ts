/** A table with a bound and lifetimes, for what is learned from copies: bindings, leases, names. */

interface Entry<V> {
  readonly value: V;
  readonly expiresMs: number;
}

export class ExpiringMap<V> {
  /** Entries forgotten, the longest unheard first, because the table was full. */
  evicted = 0;
  /** The longest unheard first. */
  private readonly entries = new Map<string, Entry<V>>();
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  get size(): number {
    return this.entries.size;
  }
  get(key: string): V | undefined {
    return this.entries.get(key)?.value;
  }
  set(key: string, value: V, expiresMs: number): void {
    this.entries.delete(key);
    if (this.entries.size >= this.max) {
      const oldest = this.entries.keys().next();
      if (oldest.done !== true) this.entries.delete(oldest.value);
      this.evicted++;
    }
    this.entries.set(key, { value, expiresMs });
  }
  delete(key: string): boolean {
    return this.entries.delete(key);
  }
  /** Changes values in place: they stay as old, and expire when they would have. */
  update(change: (value: V) => V): void {
    for (const [key, { value, expiresMs }] of this.entries) this.entries.set(key, { value: change(value), expiresMs });
  }
  values(): V[] {
    return [...this.entries.values()].map(({ value }) => value);
  }
  /** Takes out what has expired. */
  expire(nowMs: number): V[] {
    const gone: V[] = [];
    for (const [key, { value, expiresMs }] of this.entries) {
      if (expiresMs > nowMs) continue;
      this.entries.delete(key);
      gone.push(value);
    }
    return gone;
  }
}
