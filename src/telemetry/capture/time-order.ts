/**
 * Several captures as one, in the order of time: the two directions of a connection enter at two edges. A packet waits until every
 * source has a later one, or for `holdMs`. Bounded: when a source's queue is full its oldest goes on at once. Pure.
 */
import { snapLength } from "./tcpdump.js";

export type Deliver = (bytes: Uint8Array, linkType: number, tMs: number) => void;

class Queue {
  readonly times: Float64Array;
  readonly bytes: Uint8Array;
  readonly lengths: Uint16Array;
  linkType = 1;
  head = 0;
  count = 0;

  constructor(slots: number) {
    this.times = new Float64Array(slots);
    this.lengths = new Uint16Array(slots);
    this.bytes = new Uint8Array(slots * snapLength);
  }
}

export class TimeOrder {
  /** Packets sent on before their turn, for want of room. */
  early = 0;
  private readonly deliver: Deliver;
  private readonly holdMs: number;
  private readonly slots: number;
  private readonly queues = new Map<string, Queue>();

  constructor(deliver: Deliver, holdMs = 250, slots = 32_768) {
    this.deliver = deliver;
    this.holdMs = holdMs;
    this.slots = slots;
  }

  add(source: string): void {
    this.queues.set(source, new Queue(this.slots));
  }

  /** The source is gone; what waits of it goes on. */
  remove(source: string): void {
    const queue = this.queues.get(source);
    if (queue === undefined) return;
    this.release(Infinity);
    this.queues.delete(source);
  }

  push(source: string, bytes: Uint8Array, linkType: number, tMs: number): void {
    const queue = this.queues.get(source);
    if (queue === undefined) return;
    if (this.queues.size === 1 && queue.count === 0) return this.deliver(bytes, linkType, tMs);
    if (queue.count === this.slots) {
      this.early++;
      this.pop(queue);
    }
    const at = (queue.head + queue.count++) % this.slots;
    const headers = bytes.length <= snapLength ? bytes : bytes.subarray(0, snapLength);
    queue.times[at] = tMs;
    queue.lengths[at] = headers.length;
    queue.linkType = linkType;
    queue.bytes.set(headers, at * snapLength);
  }

  /** Sends on what has waited long enough at `nowMs`, by the clock of the captures. */
  release(nowMs: number): void {
    const due = nowMs - this.holdMs;
    for (;;) {
      let first: Queue | undefined;
      let firstMs = Infinity;
      let isComplete = true;
      for (const queue of this.queues.values()) {
        if (queue.count === 0) {
          isComplete = false;
          continue;
        }
        const tMs = queue.times[queue.head] ?? 0;
        if (tMs < firstMs || first === undefined) [first, firstMs] = [queue, tMs];
      }
      // A time from the future is a clock that stepped back: it does not hold up the others.
      if (first === undefined || (!isComplete && firstMs > due && firstMs <= nowMs)) return;
      this.pop(first);
    }
  }

  private pop(queue: Queue): void {
    const at = queue.head;
    queue.head = (at + 1) % this.slots;
    queue.count--;
    const from = at * snapLength;
    this.deliver(queue.bytes.subarray(from, from + (queue.lengths[at] ?? 0)), queue.linkType, queue.times[at] ?? 0);
  }
}
