/**
 * Packets that passed in the last seconds, by fingerprint, in rings of a fixed size: was this packet here, and as which of its flow's? Equal packets are
 * told apart by how many there were. Pure.
 */

export interface Found {
  /** How many packets of the flow's direction had passed with it, itself included. */
  readonly index: number;
  /** Where: the number that was given. */
  readonly place: number;
}

export class RecentPackets {
  private readonly fingerprints: Float64Array;
  private readonly times: Float64Array;
  private readonly indexes: Float64Array;
  private readonly places: Int32Array;
  /** Packets with this fingerprint that are in the ring and were not taken yet, up to this one. */
  private readonly equal: Uint16Array;
  private readonly latest = new Map<number, number>();
  private next = 0;
  private count = 0;

  /** Room for so many packets: about 75 bytes each. RangeError unless at least one. */
  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError(`room for ${capacity} packets`);
    this.fingerprints = new Float64Array(capacity);
    this.times = new Float64Array(capacity);
    this.indexes = new Float64Array(capacity);
    this.places = new Int32Array(capacity);
    this.equal = new Uint16Array(capacity);
  }

  add(fingerprint: number, tMs: number, index: number, place: number): void {
    const at = this.next;
    this.next = (at + 1) % this.times.length;
    if (this.count === this.times.length) {
      const old = this.fingerprints[at] ?? 0;
      if (this.latest.get(old) === at) this.latest.delete(old);
    } else this.count++;
    const before = this.latest.get(fingerprint);
    this.fingerprints[at] = fingerprint;
    this.times[at] = tMs;
    this.indexes[at] = index;
    this.places[at] = place;
    this.equal[at] = before === undefined ? 1 : Math.min(0xffff, (this.equal[before] ?? 0) + 1);
    this.latest.set(fingerprint, at);
  }

  /** Takes a packet out; undefined when there is none of this fingerprint left. Of equal ones the latest. */
  take(fingerprint: number): Found | undefined {
    const at = this.latest.get(fingerprint);
    if (at === undefined) return undefined;
    const left = (this.equal[at] ?? 1) - 1;
    if (left <= 0) this.latest.delete(fingerprint);
    else this.equal[at] = left;
    return { index: this.indexes[at] ?? 0, place: this.places[at] ?? 0 };
  }

  has(fingerprint: number): boolean {
    return this.latest.has(fingerprint);
  }

  /** Since when nothing was forgotten for want of room, by the packets' time; -Infinity: ever. */
  get completeSinceMs(): number {
    return this.count < this.times.length ? -Infinity : (this.times[this.next] ?? -Infinity);
  }
}
