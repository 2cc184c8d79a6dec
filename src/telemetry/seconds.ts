/** Rings of one-second sums, and what is read from them over windows of several seconds. Pure. */

/** Lengths of the windows that features are computed over, in s. */
export const windowLengthsS = [1, 5, 30] as const;
export const longestWindowS = 30;
/** The second before the longest window is kept for the step into it. */
const ringS = longestWindowS + 1;

/** Sums of `fields` quantities for each of the last 31 seconds. Seconds are whole numbers since any epoch. */
export class SecondSums {
  private readonly fields: number;
  private readonly sums: Float64Array;
  private newest = -Infinity;

  constructor(fields: number) {
    this.fields = fields;
    this.sums = new Float64Array(fields * ringS);
  }

  /** The latest second that anything was added to; -Infinity before the first. */
  get latest(): number {
    return this.newest;
  }

  /** Adds to a field of a second. What is older than the ring reaches back is dropped: false. */
  add(second: number, field: number, amount: number): boolean {
    if (!this.reach(second)) return false;
    const at = (second % ringS) * this.fields + field;
    this.sums[at] = (this.sums[at] ?? 0) + amount;
    return true;
  }

  /** The sum of a field over the `length` seconds that end with `second`. */
  over(field: number, second: number, length: number): number {
    let sum = 0;
    for (let s = second - length + 1; s <= second; s++) sum += this.at(field, s);
    return sum;
  }

  /** A field's sum of one second; 0 for one that is not kept (any more). */
  at(field: number, second: number): number {
    if (second > this.newest || second <= this.newest - ringS || second < 0) return 0;
    return this.sums[(second % ringS) * this.fields + field] ?? 0;
  }

  /** Least-squares slope of a field per second over the window; of one second, the step from the one before. */
  slope(field: number, second: number, length: number): number {
    if (length === 1) return this.at(field, second) - this.at(field, second - 1);
    const middle = (length - 1) / 2;
    let above = 0;
    for (let i = 0; i < length; i++) above += (i - middle) * this.at(field, second - length + 1 + i);
    return above / ((length * (length * length - 1)) / 12);
  }

  /** Makes room up to `second`; false when it lies behind the ring. */
  private reach(second: number): boolean {
    if (second < 0 || second <= this.newest - ringS) return false;
    if (second > this.newest) {
      const from = Math.max(this.newest + 1, second - ringS + 1);
      for (let s = from; s <= second; s++) this.sums.fill(0, (s % ringS) * this.fields, ((s % ringS) + 1) * this.fields);
      this.newest = second;
    }
    return true;
  }
}

const bits = 2_048;
const words = bits / 32;

/** FNV-1a, 32 bits. */
export function hash(text: string | number): number {
  const bytes = String(text);
  let value = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) value = Math.imul(value ^ bytes.charCodeAt(i), 0x01000193);
  // FNV's low bits alone are poor; mix once more.
  value ^= value >>> 15;
  return Math.imul(value, 0x2c1b3c6d) >>> 0;
}

/**
 * Distinct values of each of the last 31 seconds, by linear counting (Whang et al., 1990) in 2,048 bits: within about 3 % up to
 * 2,000 values in a window, told as at least 15,000 beyond what the bits can tell.
 */
export class SecondDistinct {
  private readonly seconds = new Map<number, Uint32Array>();

  add(second: number, value: string | number): void {
    let bitmap = this.seconds.get(second);
    if (bitmap === undefined) {
      bitmap = new Uint32Array(words);
      this.seconds.set(second, bitmap);
      for (const old of this.seconds.keys()) if (old <= second - ringS) this.seconds.delete(old);
    }
    const bit = hash(value) % bits;
    bitmap[bit >>> 5] = (bitmap[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }

  /** Estimated distinct values over the `length` seconds that end with `second`. */
  over(second: number, length: number): number {
    let zero = bits;
    const parts: Uint32Array[] = [];
    for (let s = second - length + 1; s <= second; s++) {
      const part = this.seconds.get(s);
      if (part !== undefined) parts.push(part);
    }
    if (parts.length === 0) return 0;
    for (let i = 0; i < words; i++) {
      let word = 0;
      for (const part of parts) word |= part[i] ?? 0;
      zero -= ones(word);
    }
    return bits * Math.log(bits / Math.max(zero, 1));
  }
}

/** Bits set in a 32-bit word. */
function ones(word: number): number {
  let w = word - ((word >>> 1) & 0x55555555);
  w = (w & 0x33333333) + ((w >>> 2) & 0x33333333);
  return Math.imul((w + (w >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
