/**
 * One direction of a TCP connection put together from copied segments: in order, each byte once, with bounds. Copies can be lost
 * without the receiver missing them, so a hole is not waited for for ever: it is skipped, counted, and the reader is told.
 */

/** What a stream gives: bytes in order, or a hole of so many bytes. */
export type StreamPart = { readonly is: "bytes"; readonly bytes: Uint8Array } | { readonly is: "gap"; readonly bytes: number };

export interface StreamCounters {
  /** Bytes that came more than once. */
  repeated: number;
  /** Bytes that never came. */
  missing: number;
  /** Segments far outside of what can be waited for. */
  outside: number;
}

interface Waiting {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** Bytes and segments that wait behind a hole; with more, the hole is skipped. */
const maxWaitingBytes = 256 << 10;
const maxWaiting = 256;
/** How long a hole is waited for, in ms of the capture: a retransmission has come by then, or was not copied. */
const gapMs = 2_000;
/** A segment further ahead than the largest window belongs to something else. */
const maxAhead = 1 << 30;

/** `a - b` as sequence numbers, RFC 9293 section 3.4. */
const distance = (a: number, b: number): number => (a - b) | 0;

export class TcpStream {
  readonly counters: StreamCounters = { repeated: 0, missing: 0, outside: 0 };
  private next: number | undefined;
  /** Ordered by sequence number; they may overlap. */
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private waitingSinceMs = 0;

  /** A SYN: what follows starts one behind it. A repeated one changes nothing. */
  open(sequence: number): void {
    const first = (sequence + 1) >>> 0;
    if (this.next !== undefined && distance(this.next, first) >= 0 && distance(this.next, first) < maxWaitingBytes && this.next !== first) return;
    this.next = first;
    this.waiting = [];
    this.waitingBytes = 0;
  }

  /** Takes the payload of a segment; gives what is now in order. The bytes given are views of `bytes` or of copies. */
  add(sequence: number, bytes: Uint8Array, nowMs: number): StreamPart[] {
    if (bytes.length === 0) return this.expire(nowMs);
    this.next ??= sequence; // the capture began within the connection
    const ahead = distance(sequence, this.next);
    if (ahead > maxAhead || ahead < -maxAhead) {
      this.counters.outside++;
      return [];
    }
    const parts: StreamPart[] = [];
    if (ahead <= 0) {
      this.take(sequence, bytes, parts);
      this.release(parts);
    } else this.hold(sequence, bytes, nowMs);
    if (this.waiting.length > maxWaiting || this.waitingBytes > maxWaitingBytes) this.skipHole(parts);
    return [...parts, ...this.expire(nowMs)];
  }

  /** Skips a hole that was waited for long enough. */
  expire(nowMs: number): StreamPart[] {
    const parts: StreamPart[] = [];
    while (this.waiting.length > 0 && nowMs - this.waitingSinceMs > gapMs) this.skipHole(parts);
    return parts;
  }

  private hold(sequence: number, bytes: Uint8Array, nowMs: number): void {
    if (this.waiting.length === 0) this.waitingSinceMs = nowMs;
    let at = this.waiting.length;
    while (at > 0 && distance((this.waiting[at - 1] as Waiting).sequence, sequence) > 0) at--;
    this.waiting.splice(at, 0, { sequence, bytes: Uint8Array.from(bytes) });
    this.waitingBytes += bytes.length;
  }

  /** Gives the part of a segment that is new; what came first counts. */
  private take(sequence: number, bytes: Uint8Array, parts: StreamPart[]): void {
    const known = distance(this.next as number, sequence);
    this.counters.repeated += Math.min(known, bytes.length);
    if (known >= bytes.length) return;
    parts.push({ is: "bytes", bytes: bytes.subarray(known) });
    this.next = (sequence + bytes.length) >>> 0;
  }

  private release(parts: StreamPart[]): void {
    for (let first = this.waiting[0]; first !== undefined && distance(first.sequence, this.next as number) <= 0; first = this.waiting[0]) {
      this.waiting.shift();
      this.waitingBytes -= first.bytes.length;
      this.take(first.sequence, first.bytes, parts);
    }
  }

  private skipHole(parts: StreamPart[]): void {
    const first = this.waiting[0];
    if (first === undefined) return;
    const missing = distance(first.sequence, this.next as number);
    this.counters.missing += missing;
    parts.push({ is: "gap", bytes: missing });
    this.next = first.sequence;
    this.release(parts);
  }
}
