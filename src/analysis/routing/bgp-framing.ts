/** BGP messages out of a byte stream. After a hole, or bytes that can't be a message, it goes on at the next marker. */
import { headerLength, isHeader } from "./bgp.js";
import type { StreamPart } from "./tcp-stream.js";

export interface FramingCounters {
  messages: number;
  /** Bytes passed over in search of a marker. */
  skipped: number;
  /** Times the start of a message was lost. */
  resyncs: number;
}

export class BgpFraming {
  readonly counters: FramingCounters = { messages: 0, skipped: 0, resyncs: 0 };
  private held: Buffer = Buffer.alloc(0);
  private isSearching = false;

  /** Whole messages in order; at most one message (64 KiB) is held. */
  add(part: StreamPart): Uint8Array[] {
    if (part.is === "gap") {
      this.counters.skipped += this.held.length;
      this.held = Buffer.alloc(0);
      this.search();
      return [];
    }
    const bytes = this.held.length === 0 ? Buffer.from(part.bytes.buffer, part.bytes.byteOffset, part.bytes.byteLength) : Buffer.concat([this.held, part.bytes]);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (bytes.length - at >= headerLength) {
      if (!isHeader(bytes, at)) {
        this.search();
        const next = nextHeader(bytes, at + 1);
        this.counters.skipped += next - at;
        at = next;
        continue;
      }
      this.isSearching = false;
      const length = bytes.readUInt16BE(at + 16);
      if (bytes.length - at < length) break;
      messages.push(bytes.subarray(at, at + length));
      this.counters.messages++;
      at += length;
    }
    this.held = Buffer.from(bytes.subarray(at));
    return messages;
  }

  private search(): void {
    if (!this.isSearching) this.counters.resyncs++;
    this.isSearching = true;
  }
}

/** Where the next header may begin, from `at` on: a whole one, or bytes at the end too few to tell. */
function nextHeader(bytes: Buffer, at: number): number {
  while (bytes.length - at >= headerLength) {
    if (isHeader(bytes, at)) return at;
    const next = bytes.indexOf(0xff, at + 1);
    if (next < 0) return bytes.length;
    at = next;
  }
  return at;
}
