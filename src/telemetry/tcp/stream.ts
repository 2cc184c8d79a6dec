/** What one segment says of the stream its sender sends (`addData`), and of the stream it acknowledges (`addAck`). */
import type { ConnectionTable } from "./connection-table.js";
import { bit, counter, counterNames, gaps, measure, recents, timed, word, type CounterName } from "./layout.js";
import { ahead, dropTimed, echoed, get, sample, stamp, timeSegment } from "./round-trip.js";
import { flag, type Segment } from "./segment.js";

/** A sequence number this far from what is expected belongs to no segment of this stream: above the largest window there is. */
const maxStep = 1 << 30;
/** Out of order, or sent again? A gap filled later than this was lost before it was seen, and sent again. In ms. */
const reorderMs = 3;

function count(table: ConnectionTable, slot: number, side: number, which: CounterName, by = 1): void {
  const at = (slot * 2 + side) * counterNames.length + (counter[which] ?? 0);
  table.counts[at] = (table.counts[at] ?? 0) + by;
}

/** The sender's stream: new data, sent again, out of order, probes. */
export function addData(table: ConnectionTable, slot: number, side: number, segment: Segment, tMs: number): void {
  const { words, measures } = table;
  const at = (slot * 2 + side) * word.size;
  const other = (slot * 2 + 1 - side) * word.size;
  const m = (slot * 2 + side) * measure.size;
  const { seq, payload, flags } = segment;
  const length = payload + ((flags & flag.syn) !== 0 ? 1 : 0) + ((flags & flag.fin) !== 0 ? 1 : 0);
  const end = (seq + length) >>> 0;
  count(table, slot, side, "segments");
  if (payload > 0) {
    count(table, slot, side, "dataSegments");
    count(table, slot, side, "payloadBytes", payload);
  }
  words[at + word.vlans] = segment.vlans;
  let bits = get(words, at + word.bits);
  if ((bits & bit.seen) === 0) {
    if ((flags & flag.rst) !== 0) return; // refuses with whatever sequence number
    words[at + word.next] = seq;
    words[at + word.acked] = seq;
    bits |= bit.seen;
  }
  const next = get(words, at + word.next);
  const step = ahead(seq, next);
  if (Math.abs(step) > maxStep) {
    words[at + word.bits] = bits;
    return count(table, slot, side, "outOfWindow");
  }
  if ((flags & flag.fin) !== 0) bits |= bit.fin;
  words[at + word.bits] = bits;
  if (segment.hasTimestamps) stamp(table, slot, side, segment, tMs);
  if ((flags & flag.rst) !== 0) return;
  if (length === 0 && step === 0) return;
  const noWindow = (get(words, other + word.bits) & bit.ackSent) !== 0 && get(words, other + word.window) === 0;
  // Nothing new, one byte back, all acknowledged: a keep-alive, or a probe of a closed window (RFC 9293, 3.8.4 and 3.8.6.1).
  if (payload <= 1 && step === -1 && (flags & (flag.syn | flag.fin)) === 0 && get(words, at + word.acked) === next) return count(table, slot, side, noWindow ? "windowProbes" : "keepAlives");
  if (step === 0) {
    if (noWindow && payload === 1) count(table, slot, side, "windowProbes");
    return advance(table, at, m, length, segment, end, tMs);
  }
  if (step > 0) {
    openGap(table, slot, side, next, seq, tMs);
    return advance(table, at, m, length, segment, end, tMs);
  }
  if (length === 0) return; // an acknowledgement that was overtaken
  if (segment.ipId !== 0 && isRecent(words, at, end, segment.ipId)) return count(table, slot, side, "duplicates");
  const filled = fillGap(table, at, m, seq, end, tMs);
  if (filled !== undefined) {
    measures[m + measure.appBytes] = get(measures, m + measure.appBytes) + Math.min(filled.bytes, payload);
    if (!filled.late) return count(table, slot, side, "outOfOrder");
  }
  count(table, slot, side, "retransmissions");
  const fresh = Math.max(0, ahead(end, next));
  count(table, slot, side, "retransmittedBytes", Math.max(0, payload - fresh));
  dropTimed(table, at, m, seq, end);
  words[at + word.retransmittedEnd] = end;
  words[at + word.retransmittedStamp] = segment.tsVal;
  words[at + word.recover] = fresh > 0 ? end : next;
  words[at + word.bits] = get(words, at + word.bits) | bit.recovering | (segment.hasTimestamps ? bit.retransmitted : 0);
  remember(words, at, end, segment.ipId);
  if (fresh > 0) {
    words[at + word.next] = end;
    measures[m + measure.appBytes] = get(measures, m + measure.appBytes) + Math.min(fresh, payload);
  }
}

/** New bytes at the end of the stream. */
function advance(table: ConnectionTable, at: number, m: number, length: number, { payload, ipId }: Segment, end: number, tMs: number): void {
  const { words, measures } = table;
  if (length === 0) return;
  words[at + word.next] = end;
  measures[m + measure.appBytes] = get(measures, m + measure.appBytes) + payload;
  const flight = ahead(end, get(words, at + word.acked));
  if (flight > get(words, at + word.maxFlight)) words[at + word.maxFlight] = flight;
  remember(words, at, end, ipId);
  const bits = get(words, at + word.bits);
  if (payload === 0 || flight <= 0 || ((bits & bit.recovering) !== 0 && (bits & bit.sack) === 0)) return;
  timeSegment(table, at, m, (end - length) >>> 0, flight, tMs);
}

/** The last segments with their IPv4 identification: seen again with the same one, the network (or the copy) doubled it. */
function remember(words: Uint32Array, at: number, end: number, ipId: number): void {
  const to = get(words, at + word.recentAt) % recents;
  words[at + word.recentEnd + to] = end;
  words[at + word.recentId + to] = ipId;
  words[at + word.recentAt] = to + 1;
}
function isRecent(words: Uint32Array, at: number, end: number, ipId: number): boolean {
  for (let i = 0; i < recents; i++) if (words[at + word.recentEnd + i] === end && words[at + word.recentId + i] === ipId) return true;
  return false;
}

/** Bytes that were sent, as later ones show, and not seen: lost before this point, overtaken, or missed by the capture. */
function openGap(table: ConnectionTable, slot: number, side: number, start: number, end: number, tMs: number): void {
  const { words, measures } = table;
  const at = (slot * 2 + side) * word.size;
  const m = (slot * 2 + side) * measure.size;
  count(table, slot, side, "unseen");
  // The oldest gap makes room: what fills it then counts as sent again.
  let to = 0;
  for (let i = 0; i < gaps; i++) {
    if (words[at + word.gapStart + i] === words[at + word.gapEnd + i]) {
      to = i;
      break;
    }
    if (get(measures, m + measure.gapAt + i) < get(measures, m + measure.gapAt + to)) to = i;
  }
  words[at + word.gapStart + to] = start;
  words[at + word.gapEnd + to] = end;
  measures[m + measure.gapAt + to] = tMs;
}

/** Bytes of a gap that this segment fills; `late` when so late that it was sent again. Undefined: it fills none. */
function fillGap(table: ConnectionTable, at: number, m: number, seq: number, end: number, tMs: number): { bytes: number; late: boolean } | undefined {
  const { words, measures } = table;
  for (let i = 0; i < gaps; i++) {
    const [start, stop] = [get(words, at + word.gapStart + i), get(words, at + word.gapEnd + i)];
    const from = ahead(seq, start) > 0 ? seq : start;
    const to = ahead(stop, end) > 0 ? end : stop;
    const bytes = ahead(to, from);
    if (start === stop || bytes <= 0) continue;
    const since = get(measures, m + measure.gapAt + i);
    // What is left is kept as one gap; of two parts the later.
    if (to === stop) words[at + word.gapEnd + i] = from;
    else words[at + word.gapStart + i] = to;
    return { bytes, late: tMs - since > reorderMs };
  }
  return undefined;
}

/** What the segment says of the stream that comes the other way: acknowledged, missing, and how long that took. */
export function addAck(table: ConnectionTable, slot: number, side: number, segment: Segment, tMs: number): void {
  const { words } = table;
  const mine = (slot * 2 + side) * word.size;
  const at = (slot * 2 + 1 - side) * word.size;
  const { ack, flags } = segment;
  const bits = get(words, at + word.bits);
  if ((flags & flag.rst) !== 0) return;
  const myBits = get(words, mine + word.bits);
  if (segment.window === 0 && ((myBits & bit.ackSent) === 0 || get(words, mine + word.window) !== 0)) count(table, slot, side, "zeroWindows");
  const isSame = (myBits & bit.ackSent) !== 0 && get(words, mine + word.lastAck) === ack && get(words, mine + word.window) === segment.window;
  words[mine + word.lastAck] = ack;
  words[mine + word.window] = segment.window;
  words[mine + word.bits] = myBits | bit.ackSent;
  if (segment.hasTimestamps) echoed(table, slot, 1 - side, segment, tMs);
  if ((bits & bit.seen) === 0) {
    // The other side was not heard yet: that it sent so far is known from here.
    if ((flags & flag.syn) !== 0) return;
    words[at + word.next] = words[at + word.acked] = ack;
    words[at + word.bits] = bits | bit.seen;
    return;
  }
  const next = get(words, at + word.next);
  const acked = get(words, at + word.acked);
  if (Math.abs(ahead(ack, acked)) > maxStep) return count(table, slot, side, "outOfWindow");
  const isDsack = segment.sackBlocks > 0 && (ahead(get(segment.sack, 1), ack) <= 0 || (segment.sackBlocks > 1 && ahead(get(segment.sack, 0), get(segment.sack, 2)) >= 0 && ahead(get(segment.sack, 3), get(segment.sack, 1)) >= 0));
  if (isDsack) count(table, slot, 1 - side, "dsacks");
  const firstBlock = isDsack ? 1 : 0;
  if (segment.sackBlocks > firstBlock) sacked(table, slot, 1 - side, segment, firstBlock, tMs);
  // Acknowledged before it was seen: the capture of the other edge is behind, or missed it. If so, a gap will show that.
  if (ahead(ack, acked) > 0) cumulative(table, slot, 1 - side, segment, tMs);
  else if (isSame && segment.payload === 0 && (flags & (flag.syn | flag.fin)) === 0 && ahead(next, acked) > 0 && ack === acked) {
    count(table, slot, side, "duplicateAcks");
    if (segment.sackBlocks === 0) {
      words[at + word.timedCount] = 0;
      words[at + word.recover] = next;
      words[at + word.bits] = get(words, at + word.bits) | bit.recovering;
    }
  }
}

function cumulative(table: ConnectionTable, slot: number, owner: number, { ack, tsEcr, hasTimestamps }: Segment, tMs: number): void {
  const { words, measures } = table;
  const at = (slot * 2 + owner) * word.size;
  const m = (slot * 2 + owner) * measure.size;
  const before = get(words, at + word.acked);
  words[at + word.acked] = ack;
  words[at + word.acksSince] = get(words, at + word.acksSince) + 1;
  let bits = get(words, at + word.bits);
  if ((bits & bit.retransmitted) !== 0 && ahead(ack, get(words, at + word.retransmittedEnd)) >= 0) {
    // Eifel (RFC 3522): the answer echoes a time before the retransmission, so the first one had arrived.
    if (hasTimestamps && ahead(tsEcr, get(words, at + word.retransmittedStamp)) < 0) count(table, slot, owner, "earlyAnswers");
    bits &= ~bit.retransmitted;
  }
  if ((bits & bit.recovering) !== 0 && ahead(ack, get(words, at + word.recover)) >= 0) bits &= ~bit.recovering;
  if ((bits & bit.fin) !== 0 && ahead(ack, get(words, at + word.next)) >= 0) bits |= bit.finAcked;
  words[at + word.bits] = bits;
  let first = NaN;
  let waiting = get(words, at + word.timedCount);
  let head = get(words, at + word.timedHead);
  while (waiting > 0 && ahead(ack, get(words, at + word.timedStart + head)) > 0) {
    // The oldest that is acknowledged now is the sample, and none where that was not timed: the receiver may have waited for a second segment.
    if (Number.isNaN(first) && ahead(get(words, at + word.timedStart + head), before) <= 0) first = get(measures, m + measure.timedAt + head);
    head = (head + 1) % timed;
    waiting--;
  }
  words[at + word.timedHead] = head;
  words[at + word.timedCount] = waiting;
  if (!Number.isNaN(first)) sample(table, slot, owner, tMs - first);
}

/**
 * A hole that the receiver tells of. What it has beyond the hole, and was not told of before, is a sample, too: of the oldest of it, as Linux
 * takes it; receive offload lets one answer speak for many segments, of which the newest would always be too quick.
 */
function sacked(table: ConnectionTable, slot: number, owner: number, { sack, ack }: Segment, block: number, tMs: number): void {
  const { words, measures } = table;
  const at = (slot * 2 + owner) * word.size;
  const m = (slot * 2 + owner) * measure.size;
  const [left, right] = [get(sack, block * 2), get(sack, block * 2 + 1)];
  const bits = get(words, at + word.bits);
  if ((bits & bit.hole) === 0 || words[at + word.lastHole] !== ack) {
    count(table, slot, owner, "sackHoles");
    words[at + word.lastHole] = ack;
    words[at + word.bits] = bits | bit.hole;
  }
  let waiting = get(words, at + word.timedCount);
  let head = get(words, at + word.timedHead);
  let oldest = NaN;
  while (waiting > 0 && ahead(right, get(words, at + word.timedStart + head)) > 0) {
    if (Number.isNaN(oldest) && ahead(get(words, at + word.timedStart + head), left) >= 0) oldest = get(measures, m + measure.timedAt + head);
    head = (head + 1) % timed;
    waiting--;
  }
  words[at + word.timedHead] = head;
  words[at + word.timedCount] = waiting;
  if (!Number.isNaN(oldest)) sample(table, slot, owner, tMs - oldest);
}
