/** The two halves of the round trip: from data to its acknowledgement, from a timestamp to its echo. */
import type { ConnectionTable } from "./connection-table.js";
import { bit, measure, timed, word } from "./layout.js";
import type { Segment } from "./segment.js";

/** Of two samples the least counts; a round is this long. */
const leastRound = 8;
/**
 * An answer that took longer than the least by more than this share of the other half has waited for data. What is below may be a wait in
 * queues of the way back and of the sender's edge, which its kernel sees: so such answers count at their mean.
 */
const promptShare = 0.25;

/** Serial number arithmetic (RFC 1982): how far `a` is ahead of `b`. */
export const ahead = (a: number, b: number): number => (a - b) | 0;

export const get = (array: Uint32Array | Float64Array, at: number): number => array[at] ?? 0;

/** Notes when the segment at `start` was sent, if there is room for it. `flight`: bytes not acknowledged, its own among them. */
export function timeSegment({ words, measures }: ConnectionTable, at: number, m: number, start: number, flight: number, tMs: number): void {
  const waiting = get(words, at + word.timedCount);
  if (waiting >= timed) return;
  const head = get(words, at + word.timedHead);
  const to = (head + waiting) % timed;
  // Spread over what is in flight, so that a long flight is not sampled in one burst a round trip. Two in a row, at an even place and the odd one behind it: of
  // segments by themselves a receiver that answers every second one might always answer with the other.
  if (waiting > 0 && to % 2 === 0 && ahead(start, get(words, at + word.timedStart + ((to + timed - 1) % timed))) * timed < 2 * flight) return;
  words[at + word.timedStart + to] = start;
  measures[m + measure.timedAt + to] = tMs;
  words[at + word.timedCount] = waiting + 1;
}

/**
 * What was sent again is timed no more (Karn). With SACK the segments behind it are: their own arrival is told, and those of a queue that has just overflowed
 * are the slowest there are. Without SACK the next acknowledgement would speak for all that has long been there.
 */
export function dropTimed({ words, measures }: ConnectionTable, at: number, m: number, start: number, end: number): void {
  const head = get(words, at + word.timedHead);
  const waiting = get(words, at + word.timedCount);
  let kept = 0;
  const other = at + ((at / word.size) % 2 === 0 ? word.size : -word.size);
  if ((get(words, at + word.bits) & get(words, other + word.bits) & bit.sack) !== 0) {
    for (let i = 0; i < waiting; i++) {
      const from = (head + i) % timed;
      const segment = get(words, at + word.timedStart + from);
      if (ahead(segment, start) >= 0 && ahead(end, segment) > 0) continue;
      const to = (head + kept++) % timed;
      words[at + word.timedStart + to] = segment;
      measures[m + measure.timedAt + to] = get(measures, m + measure.timedAt + from);
    }
  }
  words[at + word.timedCount] = kept;
}

/** Our newest timestamp waits for its echo. */
export function stamp(table: ConnectionTable, slot: number, side: number, { tsVal }: Segment, tMs: number): void {
  const { words, measures } = table;
  const at = (slot * 2 + side) * word.size;
  const bits = get(words, at + word.bits);
  // Several segments carry the same timestamp: the first of them is the one that counts.
  if ((bits & bit.stampSeen) !== 0 && ahead(tsVal, get(words, at + word.newestStamp)) <= 0) return;
  words[at + word.newestStamp] = tsVal;
  words[at + word.bits] = bits | bit.stampSeen;
  if ((bits & bit.stampWaits) !== 0) return;
  words[at + word.stamp] = tsVal;
  words[at + word.bits] = bits | bit.stampWaits | bit.stampSeen;
  measures[(slot * 2 + side) * measure.size + measure.stampAt] = tMs;
}

/** A time from data of `owner` to its acknowledgement. */
export function sample(table: ConnectionTable, slot: number, owner: number, halfMs: number): void {
  if (!(halfMs >= 0)) return; // the clock stepped back
  const { words, measures } = table;
  const m = (slot * 2 + owner) * measure.size;
  const at = (slot * 2 + owner) * word.size;
  const samples = at + word.samples;
  const before = get(words, samples);
  // The kernel has a sample at each acknowledgement, and an eighth of it counts: ours stands for those since the last one.
  const weight = 1 - 0.875 ** Math.min(16, Math.max(1, get(words, at + word.acksSince)));
  words[at + word.acksSince] = 0;
  const smooth = get(measures, m + measure.ackHalf);
  measures[m + measure.ackDeviation] = before === 0 ? halfMs / 2 : get(measures, m + measure.ackDeviation) * 0.75 + Math.abs(smooth - halfMs) * 0.25;
  measures[m + measure.ackHalf] = before === 0 ? halfMs : smooth + (halfMs - smooth) * weight;
  measures[m + measure.ackLeast] = before === 0 ? halfMs : Math.min(get(measures, m + measure.ackLeast), halfMs);
  measures[m + measure.ackLatest] = halfMs;
  words[samples] = before + 1;
}

/** The other side echoes a timestamp of `owner`. */
export function echoed(table: ConnectionTable, slot: number, owner: number, { tsEcr }: Segment, tMs: number): void {
  const { words, measures } = table;
  const at = (slot * 2 + owner) * word.size;
  const m = (slot * 2 + owner) * measure.size;
  const bits = get(words, at + word.bits);
  if ((bits & bit.stampWaits) === 0 || ahead(tsEcr, get(words, at + word.stamp)) < 0) return;
  words[at + word.bits] = bits & ~bit.stampWaits;
  const halfMs = tMs - get(measures, m + measure.stampAt);
  // A later echo than the one waited for measures a longer time than the path has.
  if (!(halfMs >= 0) || tsEcr !== words[at + word.stamp]) return;
  const before = get(words, at + word.stampSamples);
  const smooth = get(measures, m + measure.stampHalf);
  measures[m + measure.stampHalf] = before === 0 ? halfMs : smooth + (halfMs - smooth) / 8;
  if (before % leastRound === 0) {
    measures[m + measure.stampLeastBefore] = before === 0 ? halfMs : get(measures, m + measure.stampLeast);
    measures[m + measure.stampLeast] = halfMs;
  } else measures[m + measure.stampLeast] = Math.min(get(measures, m + measure.stampLeast), halfMs);
  words[at + word.stampSamples] = before + 1;
  const least = Math.min(get(measures, m + measure.stampLeast), get(measures, m + measure.stampLeastBefore));
  const path = get(measures, (slot * 2 + 1 - owner) * measure.size + measure.ackHalf);
  if (halfMs > least + path * promptShare) return;
  const prompt = get(measures, m + measure.stampPrompt);
  measures[m + measure.stampPrompt] = before === 0 || prompt < least ? halfMs : prompt + (halfMs - prompt) / 8;
}
