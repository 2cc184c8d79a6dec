/**
 * TCP state from segments alone (RFC 9293, 2018, 2883, 3522, 6298, 7323). Pure: time comes with each segment.
 *
 * Each segment is seen once, where it enters the network from the host that sends it. So all that a host sends is seen before the
 * network can lose it, and a segment seen twice was sent twice. A round trip has two halves: from our segment at our edge to its
 * answer at the other's edge, and from there to what the answer makes us send. docs/tcp.md has the picture.
 */
import { ConnectionTable, type TableOptions } from "./connection-table.js";
import { bit, counterNames, handshake, measure, small, state, time, word } from "./layout.js";
import { addAck, addData } from "./stream.js";
import { flag, Segment } from "./segment.js";

/** Bytes acknowledged before the SYN was heard: as many as an edge may be behind. */
const maxLate = 1 << 30;

export interface TrackerCounters {
  /** Frames given. */
  frames: number;
  segments: number;
  connections: number;
  /** Segments captured before the one ahead of them, by their clock. */
  clockStepsBack: number;
}

export class TcpTracker {
  readonly table: ConnectionTable;
  readonly segment = new Segment();
  readonly counters: TrackerCounters = { frames: 0, segments: 0, connections: 0, clockStepsBack: 0 };
  /** Slots heard of since the last `endSecond`. */
  private readonly touched: number[] = [];
  private lastMs = -Infinity;

  constructor(options: TableOptions) {
    this.table = new ConnectionTable(options);
  }

  /** Takes a frame captured at `tMs` (since the epoch). Returns the slot of its connection, −1 when it is no TCP segment. */
  frame(bytes: Uint8Array, linkType: number, tMs: number): number {
    this.counters.frames++;
    if (!this.segment.read(bytes, linkType)) return -1;
    this.counters.segments++;
    // A clock that steps back: what was measured across the step is thrown away, see `sample`.
    if (tMs < this.lastMs) this.counters.clockStepsBack++;
    this.lastMs = tMs;
    return this.take(this.segment, tMs);
  }

  isTouched(slot: number): boolean {
    return this.table.smalls[slot * small.size + small.touched] === 1;
  }

  /** Connections heard of since the last `endSecond` and still known. A slot may have been used twice. */
  heard(): number[] {
    return [...new Set(this.touched)].filter((slot) => this.isTouched(slot));
  }

  /** Forgets who was touched, and counts the next second from here. */
  endSecond(nowMs: number): void {
    const { table } = this;
    const size = 2 * counterNames.length;
    for (const slot of this.touched) {
      table.smalls[slot * small.size + small.touched] = 0;
      table.countsBefore.set(table.counts.subarray(slot * size, (slot + 1) * size), slot * size);
    }
    this.touched.length = 0;
    table.expire(nowMs);
  }

  private take(segment: Segment, tMs: number): number {
    const { table } = this;
    let slot = table.find(segment);
    const side = table.side;
    const { flags } = segment;
    const opens = (flags & (flag.syn | flag.ack | flag.rst)) === flag.syn;
    if (slot >= 0 && opens && this.isReused(slot, side, segment)) {
      table.remove(slot);
      slot = -1;
      table.find(segment); // sets the key anew
    }
    if (slot < 0) {
      slot = table.add(tMs);
      this.counters.connections++;
      this.opened(slot, side, segment);
    } else table.touch(slot);
    const times = slot * time.size;
    if (tMs > (table.times[times + time.last] ?? 0)) table.times[times + time.last] = tMs;
    const smalls = slot * small.size;
    if (table.smalls[smalls + small.touched] === 0) {
      table.smalls[smalls + small.touched] = 1;
      this.touched.push(slot);
    }
    if ((flags & flag.syn) !== 0) this.syn(slot, side, segment, tMs);
    addData(table, slot, side, segment, tMs);
    if ((flags & flag.ack) !== 0) {
      this.handshakeEnds(slot, side, segment, tMs);
      addAck(table, slot, side, segment, tMs);
    }
    if ((flags & flag.rst) !== 0) this.reset(slot, side);
    else this.finished(slot);
    return slot;
  }

  /** Whether a SYN opens a new connection between the same ports. */
  private isReused(slot: number, side: number, { seq }: Segment): boolean {
    const { table } = this;
    const at = (slot * 2 + side) * word.size;
    const isRepeated = ((table.words[at + word.bits] ?? 0) & bit.syn) !== 0 && table.words[at + word.next] === (seq + 1) >>> 0;
    return !isRepeated && !this.isLate(slot, side, seq) && table.smalls[slot * small.size + small.state] !== state.open;
  }

  /** Whether this SYN was answered already: the capture of the opener's edge is behind the other's. */
  private isLate(slot: number, side: number, seq: number): boolean {
    const { table } = this;
    const smalls = slot * small.size;
    const acked = table.words[(slot * 2 + 1 - side) * word.size + word.lastAck] ?? 0;
    const ahead = (acked - seq) | 0;
    return table.smalls[smalls + small.handshake] === handshake.unacknowledged && table.smalls[smalls + small.whole] === 0 && side === table.smalls[smalls + small.opener] && ahead > 0 && ahead < maxLate;
  }

  private opened(slot: number, side: number, { flags }: Segment): void {
    const { table } = this;
    const at = slot * small.size;
    for (let s = 0; s < 2; s++) table.measures[(slot * 2 + s) * measure.size + measure.handshakeHalf] = NaN;
    if ((flags & flag.syn) === 0) {
      table.setState(slot, state.open);
      // Who opened it is not known; the lower port is taken for the server's.
      const ports = table.keys[slot * 10 + 8] ?? 0;
      table.smalls[at + small.opener] = ports >>> 16 < (ports & 0xffff) ? 1 : 0;
      return;
    }
    const answers = (flags & flag.ack) !== 0;
    table.smalls[at + small.opener] = answers ? 1 - side : side;
    table.smalls[at + small.handshake] = answers ? handshake.unacknowledged : handshake.unanswered;
    table.smalls[at + small.whole] = answers ? 0 : 1;
  }

  private syn(slot: number, side: number, segment: Segment, tMs: number): void {
    const { table } = this;
    const at = (slot * 2 + side) * word.size;
    const { words } = table;
    let bits = words[at + word.bits] ?? 0;
    const answers = (segment.flags & flag.ack) !== 0;
    const times = slot * time.size;
    if (!answers && side === table.smalls[slot * small.size + small.opener]) {
      if (this.isLate(slot, side, segment.seq)) this.openedLate(slot, side, segment, tMs);
      // Karn: of a SYN sent twice it's not known which one was answered.
      table.times[times + time.syn] = (bits & bit.syn) === 0 ? tMs : NaN;
    }
    if (answers) {
      const sent = table.times[times + time.syn] ?? 0;
      if ((bits & bit.syn) === 0 && sent > 0 && tMs >= sent) table.measures[(slot * 2 + 1 - side) * measure.size + measure.handshakeHalf] = tMs - sent;
      table.times[times + time.synAck] = (bits & bit.syn) === 0 ? tMs : NaN;
      if (table.smalls[slot * small.size + small.handshake] === handshake.unanswered) table.smalls[slot * small.size + small.handshake] = handshake.unacknowledged;
    }
    if ((bits & bit.syn) === 0) {
      bits |= bit.syn | (segment.hasSackPermitted ? bit.sack : 0) | (segment.hasTimestamps ? bit.stamps : 0);
      words[at + word.scale] = segment.windowScale + 1;
      words[at + word.mss] = Math.max(0, segment.mss);
      words[at + word.bits] = bits;
    }
  }

  /** The SYN of a connection whose answer came first: all of it is known now, from here on. */
  private openedLate(slot: number, side: number, { seq }: Segment, tMs: number): void {
    const { table } = this;
    table.smalls[slot * small.size + small.whole] = 1;
    table.words[(slot * 2 + side) * word.size + word.next] = seq;
    const times = slot * time.size;
    const answered = table.times[times + time.synAck] ?? 0;
    if (answered >= tMs) table.measures[(slot * 2 + side) * measure.size + measure.handshakeHalf] = answered - tMs;
    table.times[times + time.first] = Math.min(tMs, table.times[times + time.first] ?? tMs);
  }

  /** The opener acknowledges the SYN-ACK: the connection is open. */
  private handshakeEnds(slot: number, side: number, segment: Segment, tMs: number): void {
    const { table } = this;
    const at = slot * small.size;
    if (table.smalls[at + small.handshake] !== handshake.unacknowledged || side !== table.smalls[at + small.opener] || (segment.flags & (flag.syn | flag.rst)) !== 0) return;
    table.smalls[at + small.handshake] = handshake.done;
    const sent = table.times[slot * time.size + time.synAck] ?? 0;
    if (sent > 0 && tMs >= sent) table.measures[(slot * 2 + 1 - side) * measure.size + measure.handshakeHalf] = tMs - sent;
    table.setState(slot, state.open);
  }

  private reset(slot: number, side: number): void {
    const { table } = this;
    const at = slot * small.size;
    const how = table.smalls[at + small.handshake];
    if (how === handshake.unanswered && side !== table.smalls[at + small.opener]) table.smalls[at + small.handshake] = handshake.refused;
    table.smalls[at + small.reset] = side + 1;
    if (table.smalls[at + small.state] !== state.closed) table.setState(slot, state.closed);
  }

  /** Closed when both sides' FINs are acknowledged. */
  private finished(slot: number): void {
    const { table } = this;
    const at = slot * 2 * word.size;
    const both = (table.words[at + word.bits] ?? 0) & (table.words[at + word.size + word.bits] ?? 0);
    if ((both & bit.finAcked) !== 0 && table.smalls[slot * small.size + small.state] !== state.closed) table.setState(slot, state.closed);
  }
}
