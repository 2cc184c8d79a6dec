/**
 * How long packets wait at each port that sends into a link or to a host, from TCP alone: without probes, and without asking the switches. Pure.
 *
 * What a pair of hosts waits in all is how far the path's half of its round trip is above the least it ever was. Which ports it goes out by, samples say. A port
 * where two pairs meet makes neither wait longer than the one that waits less: that bounds it from above. What others can't account for of a pair's wait
 * bounds it from below. One pair alone says how much is waited on its way, and not where.
 */

/** What one second says of the data that one host sends to another. */
export interface PairDelay {
  readonly src: string;
  readonly dst: string;
  /** Mean of the path's half of the round trip, and its least so far, in ms. */
  readonly pathMs: number;
  readonly leastMs: number;
  /** Payload sent in the second. */
  readonly bytes: number;
}

export interface PortQueueing {
  /** "bridge:ofport" */
  readonly port: string;
  readonly atLeastMs: number;
  readonly atMostMs: number;
  /** Pairs that this was made from. */
  readonly pairs: number;
}

/** Fewer bytes in a second are segments by themselves, whose acknowledgements the receiver delays. */
export const minBytes = 20_000;
/** A way that no sample has told of for so long is no longer taken to be one. */
const routeForMs = 30_000;
/** The least of a pair is that of this time and the one before: ways change. */
const leastForMs = 300_000;
/** Pairs known at once; further ones are counted. */
const maxPairs = 8_192;

interface Pair {
  /** By port: when a sample last left by it. */
  readonly ports: Map<string, number>;
  leastMs: number;
  leastBeforeMs: number;
  leastSinceMs: number;
  seenMs: number;
}

export class Queueing {
  /** Pairs for which there was no room. */
  leftOut = 0;
  private readonly pairs = new Map<string, Pair>();
  private readonly maxPairs: number;

  constructor(pairs = maxPairs) {
    this.maxPairs = pairs;
  }

  /** A sampled packet left by `port`, into a link. */
  crossed(src: string, dst: string, port: string, tMs: number): void {
    this.pair(src, dst, tMs)?.ports.set(port, tMs);
  }

  /**
   * The ports of the ways of all pairs that sent enough in the second that ends at `tMs`. `lastPort`: by which port a host is reached, where known.
   * Pairs whose way was not sampled are left out.
   */
  second(delays: readonly PairDelay[], lastPort: (address: string) => string | undefined, tMs: number): PortQueueing[] {
    const waits: { readonly ports: readonly string[]; readonly waitMs: number }[] = [];
    for (const { src, dst, pathMs, leastMs, bytes } of delays) {
      const pair = bytes < minBytes ? undefined : this.pair(src, dst, tMs);
      if (pair === undefined) continue;
      const ports = wayOf(pair, lastPort(dst), tMs);
      if (ports.length > 0) waits.push({ ports, waitMs: Math.max(0, pathMs - least(pair, Math.min(leastMs, pathMs), tMs)) });
    }
    const atMost = new Map<string, number>();
    const pairs = new Map<string, number>();
    for (const { ports, waitMs } of waits) {
      for (const port of ports) {
        atMost.set(port, Math.min(atMost.get(port) ?? Infinity, waitMs));
        pairs.set(port, (pairs.get(port) ?? 0) + 1);
      }
    }
    const atLeast = new Map<string, number>();
    for (const { ports, waitMs } of waits) {
      const all = ports.reduce((sum, port) => sum + (atMost.get(port) ?? 0), 0);
      for (const port of ports) atLeast.set(port, Math.max(atLeast.get(port) ?? 0, waitMs - (all - (atMost.get(port) ?? 0))));
    }
    for (const [name, { seenMs }] of this.pairs) if (seenMs < tMs - 2 * leastForMs) this.pairs.delete(name);
    return [...atMost].map(([port, atMostMs]) => ({ port, atMostMs, atLeastMs: Math.min(atMostMs, atLeast.get(port) ?? 0), pairs: pairs.get(port) ?? 0 }));
  }

  private pair(src: string, dst: string, tMs: number): Pair | undefined {
    const name = `${src}>${dst}`;
    let pair = this.pairs.get(name);
    if (pair === undefined) {
      if (this.pairs.size >= this.maxPairs) return void this.leftOut++;
      pair = { ports: new Map(), leastMs: Infinity, leastBeforeMs: Infinity, leastSinceMs: tMs, seenMs: tMs };
      this.pairs.set(name, pair);
    }
    pair.seenMs = tMs;
    return pair;
  }
}

function wayOf({ ports }: Pair, last: string | undefined, tMs: number): string[] {
  for (const [port, seenMs] of ports) if (seenMs < tMs - routeForMs) ports.delete(port);
  // The way to a host on the same bridge crosses no link; a way that samples have not shown is not known.
  return last === undefined || ports.size === 0 ? [...ports.keys()] : [...new Set([...ports.keys(), last])];
}

function least(pair: Pair, nowMs: number, tMs: number): number {
  if (tMs - pair.leastSinceMs >= leastForMs) {
    pair.leastBeforeMs = pair.leastMs;
    pair.leastMs = Infinity;
    pair.leastSinceMs = tMs;
  }
  pair.leastMs = Math.min(pair.leastMs, nowMs);
  return Math.min(pair.leastMs, pair.leastBeforeMs);
}
