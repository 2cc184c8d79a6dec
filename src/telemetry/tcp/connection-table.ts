/**
 * Connections in arrays of numbers: a fixed number of slots, found by a seeded hash, each in one list per state in the order of
 * use. When full, what is closed goes first, then what never opened, then what was silent longest; all of it is counted.
 */
import { counterNames, measure, small, state, states, time, word, type State } from "./layout.js";
import type { Segment } from "./segment.js";

export interface TableOptions {
  /** Connections at most; default 65,536. */
  readonly capacity?: number;
  /** Of the hash: chosen at random, nobody can make keys that collide. */
  readonly seed: number;
  /** Ms of silence after which a connection is forgotten, by state. */
  readonly forgetMs?: Readonly<Record<State, number>>;
  /** Connections whose VLANs differ are different. Off, because a host on an access port and one on a trunk talk to each other. */
  readonly separateVlans?: boolean;
}

const defaultForgetMs: Readonly<Record<State, number>> = { opening: 30_000, open: 600_000, closed: 10_000 };
const keyWords = 10;
const none = -1;

export class ConnectionTable {
  readonly capacity: number;
  readonly times: Float64Array;
  readonly measures: Float64Array;
  readonly words: Uint32Array;
  readonly counts: Uint32Array;
  /** `counts` at the end of the last second. */
  readonly countsBefore: Uint32Array;
  readonly smalls: Uint8Array;
  readonly keys: Uint32Array;
  size = 0;
  /** Forgotten to make room, by the state they were in. */
  readonly evicted: Record<State, number> = { opening: 0, open: 0, closed: 0 };
  /** Forgotten after silence. */
  expired = 0;
  /** Called with a slot that is about to be forgotten. */
  forgetting: (slot: number) => void = () => {};
  /** Which side of its connection sent the segment that was looked up last. */
  side: 0 | 1 = 0;
  private readonly seed: number;
  private readonly separateVlans: boolean;
  private readonly forgetMs: readonly number[];
  private readonly buckets: Int32Array;
  private readonly chain: Int32Array;
  private readonly older: Int32Array;
  private readonly newer: Int32Array;
  private readonly oldest = new Int32Array(states.length).fill(none);
  private readonly newest = new Int32Array(states.length).fill(none);
  private readonly key = new Uint32Array(keyWords);
  private free = 0;

  constructor(options: TableOptions) {
    const { capacity = 65_536 } = options;
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError(`a table of ${capacity} connections`);
    this.capacity = capacity;
    this.seed = options.seed | 0;
    this.separateVlans = options.separateVlans ?? false;
    this.forgetMs = states.map((name) => (options.forgetMs ?? defaultForgetMs)[name]);
    this.times = new Float64Array(capacity * time.size);
    this.measures = new Float64Array(capacity * 2 * measure.size);
    this.words = new Uint32Array(capacity * 2 * word.size);
    this.counts = new Uint32Array(capacity * 2 * counterNames.length);
    this.countsBefore = new Uint32Array(capacity * 2 * counterNames.length);
    this.smalls = new Uint8Array(capacity * small.size);
    this.keys = new Uint32Array(capacity * keyWords);
    this.buckets = new Int32Array(2 ** Math.ceil(Math.log2(capacity * 2))).fill(none);
    this.chain = new Int32Array(capacity).fill(none);
    this.older = new Int32Array(capacity).fill(none);
    this.newer = new Int32Array(capacity).fill(none);
    for (let i = 0; i < capacity; i++) this.chain[i] = i + 1 < capacity ? i + 1 : none; // the free slots
  }

  /** Bytes of the arrays for each connection they have room for. */
  get bytesPerConnection(): number {
    const arrays = [this.times, this.measures, this.words, this.counts, this.countsBefore, this.smalls, this.keys, this.buckets, this.chain, this.older, this.newer];
    return arrays.reduce((sum, array) => sum + array.byteLength, 0) / this.capacity;
  }

  /** The slot of the connection a segment belongs to, or −1. Sets `side`. */
  find(segment: Segment): number {
    const { key, keys } = this;
    this.makeKey(segment);
    let slot = this.buckets[this.bucket(key, 0)] ?? none;
    for (; slot !== none; slot = this.chain[slot] ?? none) {
      const at = slot * keyWords;
      let i = 0;
      while (i < keyWords && keys[at + i] === key[i]) i++;
      if (i === keyWords) return slot;
    }
    return none;
  }

  /** A slot for the connection last looked for with `find`, all zero; makes room when there is none. */
  add(nowMs: number): number {
    if (this.free === none) this.makeRoom();
    const slot = this.free;
    this.free = this.chain[slot] ?? none;
    this.times.fill(0, slot * time.size, (slot + 1) * time.size);
    this.measures.fill(0, slot * 2 * measure.size, (slot + 1) * 2 * measure.size);
    this.words.fill(0, slot * 2 * word.size, (slot + 1) * 2 * word.size);
    this.counts.fill(0, slot * 2 * counterNames.length, (slot + 1) * 2 * counterNames.length);
    this.countsBefore.fill(0, slot * 2 * counterNames.length, (slot + 1) * 2 * counterNames.length);
    this.smalls.fill(0, slot * small.size, (slot + 1) * small.size);
    this.keys.set(this.key, slot * keyWords);
    this.times[slot * time.size + time.first] = this.times[slot * time.size + time.last] = nowMs;
    const bucket = this.bucket(this.key, 0);
    this.chain[slot] = this.buckets[bucket] ?? none;
    this.buckets[bucket] = slot;
    this.append(slot, state.opening);
    this.size++;
    return slot;
  }

  /** The connection was heard of. */
  touch(slot: number): void {
    const list = this.smalls[slot * small.size + small.state] ?? 0;
    if (this.newest[list] === slot) return;
    this.unlink(slot, list);
    this.append(slot, list);
  }

  setState(slot: number, to: number): void {
    const at = slot * small.size + small.state;
    this.unlink(slot, this.smalls[at] ?? 0);
    this.smalls[at] = to;
    this.append(slot, to);
  }

  /** Forgets what was silent too long. */
  expire(nowMs: number): void {
    for (let list = 0; list < states.length; list++) {
      const limit = nowMs - (this.forgetMs[list] ?? 0);
      for (let slot = this.oldest[list] ?? none; slot !== none && (this.times[slot * time.size + time.last] ?? 0) < limit; slot = this.oldest[list] ?? none) {
        this.expired++;
        this.remove(slot);
      }
    }
  }

  remove(slot: number): void {
    this.forgetting(slot);
    this.smalls[slot * small.size + small.touched] = 0;
    this.unlink(slot, this.smalls[slot * small.size + small.state] ?? 0);
    const bucket = this.bucket(this.keys, slot * keyWords);
    let at = this.buckets[bucket] ?? none;
    if (at === slot) this.buckets[bucket] = this.chain[slot] ?? none;
    else {
      while (at !== none && this.chain[at] !== slot) at = this.chain[at] ?? none;
      if (at !== none) this.chain[at] = this.chain[slot] ?? none;
    }
    this.chain[slot] = this.free;
    this.free = slot;
    this.size--;
  }

  /** All connections, in no order. */
  *slots(): Generator<number> {
    for (let list = 0; list < states.length; list++) for (let slot = this.newest[list] ?? none; slot !== none; slot = this.older[slot] ?? none) yield slot;
  }

  private makeRoom(): void {
    for (const list of [state.closed, state.opening, state.open]) {
      const slot = this.oldest[list] ?? none;
      if (slot === none) continue;
      this.evicted[states[list]]++;
      return this.remove(slot);
    }
  }

  /** Addresses and ports with the side that sorts first in front. */
  private makeKey({ addresses, srcPort, dstPort, vlans }: Segment): void {
    let order = 0;
    for (let i = 0; i < 4 && order === 0; i++) order = (addresses[i] ?? 0) - (addresses[i + 4] ?? 0);
    if (order === 0) order = srcPort - dstPort;
    this.side = order > 0 ? 1 : 0;
    const { key, side } = this;
    for (let i = 0; i < 8; i++) key[i] = addresses[side === 0 ? i : i ^ 4] ?? 0;
    key[8] = side === 0 ? (srcPort << 16) | dstPort : (dstPort << 16) | srcPort;
    key[9] = this.separateVlans ? vlans : 0;
  }

  private bucket(key: Uint32Array, at: number): number {
    let hash = this.seed;
    for (let i = 0; i < keyWords; i++) {
      hash = Math.imul(hash ^ (key[at + i] ?? 0), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ (hash >>> 13), 0x85ebca6b);
    return (hash ^ (hash >>> 16)) & (this.buckets.length - 1);
  }

  private unlink(slot: number, list: number): void {
    const [before, after] = [this.older[slot] ?? none, this.newer[slot] ?? none];
    if (before === none) this.oldest[list] = after;
    else this.newer[before] = after;
    if (after === none) this.newest[list] = before;
    else this.older[after] = before;
  }

  private append(slot: number, list: number): void {
    const last = this.newest[list] ?? none;
    this.older[slot] = last;
    this.newer[slot] = none;
    if (last === none) this.oldest[list] = slot;
    else this.newer[last] = slot;
    this.newest[list] = slot;
  }
}
