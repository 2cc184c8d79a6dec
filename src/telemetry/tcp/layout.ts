/**
 * Where the state of a connection lies in the table's arrays. Side 0 is the one whose address and port sort first. A field of a
 * side says something of the stream that this side sends, unless it says otherwise.
 */

/** Connections: times in ms. */
export const time = { first: 0, last: 1, syn: 2, synAck: 3, size: 4 } as const;

/** Sides: times in ms, and what is larger than 32 bits. */
export const measure = {
  /** Bytes of the stream, each counted once. */
  appBytes: 0,
  /** Smoothed time from our data to its acknowledgement (RFC 6298), its mean deviation, the least, and the latest. */
  ackHalf: 1,
  ackDeviation: 2,
  ackLeast: 3,
  ackLatest: 4,
  /** When the timestamp that waits for its echo was first sent. */
  stampAt: 5,
  /** Smoothed time from our timestamp to its echo, and the least of this and of the last round of samples. */
  stampHalf: 6,
  stampLeast: 7,
  stampLeastBefore: 8,
  /** From our SYN, or our SYN-ACK, to the answer; NaN: not seen. */
  handshakeHalf: 9,
  gapAt: 10,
  timedAt: 14,
  /** Smoothed time from our timestamp to its echo, of those that did not wait for data. */
  stampPrompt: 22,
  size: 23,
} as const;

export const gaps = 4;
export const timed = 8;
export const recents = 4;

/** Sides: sequence numbers and small numbers. */
export const word = {
  /** The sequence number behind the last byte sent. */
  next: 0,
  /** The highest acknowledgement of it by the other side. */
  acked: 1,
  /** The last acknowledgement that this side sent, and its window as sent. */
  lastAck: 2,
  window: 3,
  /** Window scale + 1; 0: not known. */
  scale: 4,
  stamp: 5,
  stampSamples: 6,
  /** End and timestamp of the last retransmission; for the Eifel test. */
  retransmittedEnd: 7,
  retransmittedStamp: 8,
  /** Where the stream was when loss was noticed: without SACK nothing is timed before this is acknowledged. */
  recover: 9,
  timedHead: 10,
  timedCount: 11,
  recentAt: 12,
  /** Outer VLAN id in the upper half, inner in the lower. */
  vlans: 13,
  maxFlight: 14,
  mss: 15,
  samples: 16,
  lastHole: 17,
  bits: 18,
  gapStart: 19,
  gapEnd: 23,
  timedStart: 27,
  recentEnd: 35,
  recentId: 39,
  newestStamp: 43,
  /** Acknowledgements of new data since the last sample. */
  acksSince: 44,
  size: 45,
} as const;

/** Bits of `word.bits`. */
export const bit = { seen: 1, syn: 2, fin: 4, finAcked: 8, acked: 16, ackSent: 32, sack: 64, stamps: 128, stampWaits: 256, recovering: 512, retransmitted: 1024, hole: 2048, stampSeen: 4096 } as const;

/** Counters of a side. Those of a second are the difference to a copy. */
export const counterNames = [
  "segments",
  "dataSegments",
  "payloadBytes",
  "retransmissions",
  "retransmittedBytes",
  "outOfOrder",
  "duplicates",
  "keepAlives",
  "windowProbes",
  "zeroWindows",
  "duplicateAcks",
  "sackHoles",
  "dsacks",
  "earlyAnswers",
  "unseen",
  "outOfWindow",
] as const;
export type CounterName = (typeof counterNames)[number];
export const counter = Object.fromEntries(counterNames.map((name, i) => [name, i])) as Readonly<Record<CounterName, number>>;

/** Connections: what is small. */
export const small = { state: 0, handshake: 1, opener: 2, reset: 3, touched: 4, whole: 5, size: 6 } as const;

export const states = ["opening", "open", "closed"] as const;
export type State = (typeof states)[number];
export const state = { opening: 0, open: 1, closed: 2 } as const;

/** How the handshake went; "unseen": the connection was there before the capture. */
export const handshakes = ["unseen", "unanswered", "refused", "unacknowledged", "done"] as const;
export type Handshake = (typeof handshakes)[number];
export const handshake = { unseen: 0, unanswered: 1, refused: 2, unacknowledged: 3, done: 4 } as const;
