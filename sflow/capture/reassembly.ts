/** IP fragments put together again, with bounds: so many packets at once, none beyond 64 KiB, none older than 30 s. */

const maxPackets = 256;
/** RFC 791: no packet is longer. */
const maxLength = 65_535;
/** Fragments of the smallest allowed MTU make 64 KiB; more are not honest. */
const maxFragments = 8_192;
const maxAgeMs = 30_000;

interface Partial_ {
  readonly sinceMs: number;
  /** Not overlapping, by offset. */
  readonly parts: Map<number, Uint8Array>;
  bytes: number;
  /** Known once the last fragment is here. */
  length: number | undefined;
}

export class Reassembler {
  private readonly packets = new Map<string, Partial_>();
  private givenUp = 0;

  /** Packets some of whose fragments are here. */
  get waiting(): number {
    return this.packets.size;
  }

  /** How many packets were given up since the last call: too old, too many, or fragments that don't fit together. */
  takeGivenUp(): number {
    const { givenUp } = this;
    this.givenUp = 0;
    return givenUp;
  }

  clear(): void {
    this.packets.clear();
  }

  /**
   * Takes a fragment; gives the whole once it is. `key` names the packet, `offset` is in bytes, `nowMs` the capture's time.
   * A fragment that came before is ignored; one that overlaps another gives the packet up (RFC 5722). The bytes are copied.
   */
  add(key: string, body: Uint8Array, offset: number, more: boolean, nowMs: number): Uint8Array | undefined {
    this.forget(nowMs);
    let packet = this.packets.get(key);
    if (packet === undefined) {
      packet = { sinceMs: nowMs, parts: new Map(), bytes: 0, length: undefined };
      this.packets.set(key, packet);
    }
    const end = offset + body.length;
    const same = packet.parts.get(offset);
    if (same !== undefined && same.length === body.length) return undefined;
    const isBad =
      end > maxLength ||
      packet.parts.size >= maxFragments ||
      (more && body.length % 8 !== 0) ||
      (packet.length !== undefined && (end > packet.length || !more)) ||
      same !== undefined ||
      packet.bytes + body.length > maxLength;
    if (isBad) return this.giveUp(key);
    packet.parts.set(offset, Uint8Array.from(body));
    packet.bytes += body.length;
    if (!more) packet.length = end;
    return packet.length !== undefined && packet.bytes >= packet.length ? this.whole(key, packet, packet.length) : undefined;
  }

  private whole(key: string, packet: Partial_, length: number): Uint8Array | undefined {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const [offset, part] of [...packet.parts].sort(([x], [y]) => x - y)) {
      if (offset !== at || at + part.length > length) return this.giveUp(key); // the bytes add up, but they overlap
      bytes.set(part, at);
      at += part.length;
    }
    this.packets.delete(key);
    return bytes;
  }

  private giveUp(key: string): undefined {
    this.packets.delete(key);
    this.givenUp++;
    return undefined;
  }

  private forget(nowMs: number): void {
    for (const [key, { sinceMs }] of this.packets) {
      if (this.packets.size < maxPackets && nowMs - sinceMs < maxAgeMs) break; // in order of age
      this.giveUp(key);
    }
  }
}
