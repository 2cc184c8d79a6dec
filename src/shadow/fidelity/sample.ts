/**
 * Order, doubles and delay of the copies, from a short capture at both ends: packets are the same when their bytes are. Pure.
 */

export interface Packet {
  /** Since the epoch, in ms, with fractions. */
  readonly tMs: number;
  /** What tells it from others: a digest of its first bytes. */
  readonly digest: string;
}

/** What a sample of one port's packets showed. */
export interface Sample {
  /** When it was taken, ms since the epoch. */
  readonly tMs: number;
  /** Packets at the live port that were looked at. */
  readonly looked: number;
  /** Of these, those whose copy was seen. */
  readonly matched: number;
  /** Copies beyond the first of a packet. */
  readonly duplicated: number;
  /** Copies that came after the copy of a later packet. */
  readonly reordered: number;
  /** From the arrival at the live port to the arrival in the shadow, in µs. */
  readonly delayP50Us: number;
  readonly delayP99Us: number;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/**
 * Compares what came in by the live port with what came into the shadow. Only packets that were live within `window` (ms since the
 * epoch), in which both captures listened, are looked at. Those whose bytes come more than once at the live port can't be told
 * apart, and are left out.
 *
 * Undefined when there was nothing to look at.
 */
export function compareCaptures(live: readonly Packet[], shadow: readonly Packet[], window: { readonly fromMs: number; readonly toMs: number }): Sample | undefined {
  const seen = new Map<string, number>();
  for (const { digest } of live) seen.set(digest, (seen.get(digest) ?? 0) + 1);
  const looked = live.filter((packet) => packet.tMs >= window.fromMs && packet.tMs <= window.toMs && seen.get(packet.digest) === 1);
  if (looked.length === 0) return undefined;
  const place = new Map(looked.map((packet, at) => [packet.digest, at]));
  const met = new Set<number>();
  const delays: number[] = [];
  let [duplicated, reordered, latest] = [0, 0, -1];
  for (const { digest, tMs } of shadow) {
    const at = place.get(digest);
    if (at === undefined) continue;
    if (met.has(at)) {
      duplicated++;
      continue;
    }
    met.add(at);
    if (at < latest) reordered++;
    latest = Math.max(latest, at);
    delays.push((tMs - (looked[at]?.tMs ?? tMs)) * 1_000);
  }
  delays.sort((x, y) => x - y);
  return { tMs: window.fromMs, looked: looked.length, matched: met.size, duplicated, reordered, delayP50Us: quantile(delays, 0.5), delayP99Us: quantile(delays, 0.99) };
}
