/** One-way streams seen so far (source, destination, protocol, service): what was there before an alarm. Bounded. */
import type { ObservedPacket } from "./observed-packet.js";

interface Stream {
  readonly firstMs: number;
  lastMs: number;
  samples: number;
}

/** The key under which a stream is known; the trial's evidence uses the same. */
export function streamKey(packet: { readonly src: string; readonly dst: string; readonly protocol: number; readonly dstPort: number }): string {
  return `${packet.src} ${packet.dst} ${packet.protocol} ${packet.dstPort}`;
}

const maxStreams = 50_000;
const forgetMs = 60_000;

export class Streams {
  /** Streams not taken in because the table was full. */
  overflow = 0;
  private readonly streams = new Map<string, Stream>();

  add({ header, tMs }: ObservedPacket): void {
    const { src, dst, protocol, dstPort } = header;
    if (src === undefined || dst === undefined || protocol === undefined) return;
    const key = streamKey({ src, dst, protocol, dstPort });
    const known = this.streams.get(key);
    if (known !== undefined) {
      known.lastMs = tMs;
      known.samples++;
    } else if (this.streams.size < maxStreams || this.forget(tMs)) this.streams.set(key, { firstMs: tMs, lastMs: tMs, samples: 1 });
    else this.overflow++;
  }

  /** Streams to `destination` that were there before `beforeMs`, with at least three samples. */
  before(destination: string, beforeMs: number): Set<string> {
    const found = new Set<string>();
    for (const [key, stream] of this.streams) {
      if (stream.firstMs < beforeMs && stream.samples >= 3 && key.split(" ")[1] === destination) found.add(key);
    }
    return found;
  }

  /** Makes room: what was silent for a minute, or seen once. Returns whether there is room now. */
  private forget(nowMs: number): boolean {
    for (const [key, stream] of this.streams) {
      if (nowMs - stream.lastMs > forgetMs || (stream.samples === 1 && nowMs - stream.lastMs > 5_000)) this.streams.delete(key);
    }
    return this.streams.size < maxStreams;
  }
}
