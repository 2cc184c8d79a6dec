/** Cuts a byte stream into OpenFlow messages by the length in their header. */
import { WireError } from "../wire/reader.js";

const headerLength = 8;

export class MessageFraming {
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  /** Bytes to have before there is anything to cut: what comes in small pieces is joined once, not at each piece. */
  private needed = headerLength;

  /** Takes the next bytes; returns whole messages. Throws WireError when a length can't be true: the stream is then lost. */
  push(chunk: Uint8Array): Uint8Array[] {
    this.held.push(chunk);
    this.heldBytes += chunk.length;
    if (this.heldBytes < this.needed) return [];
    const bytes = this.held.length === 1 ? chunk : Buffer.concat(this.held);
    const messages: Uint8Array[] = [];
    let at = 0;
    this.needed = headerLength;
    while (bytes.length - at >= headerLength) {
      const length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
      if (length < headerLength) throw new WireError(`message length ${length}`, 2);
      if (bytes.length - at < length) {
        this.needed = length;
        break;
      }
      messages.push(bytes.subarray(at, at + length));
      at += length;
    }
    this.held = at === bytes.length ? [] : [bytes.subarray(at)];
    this.heldBytes = bytes.length - at;
    return messages;
  }
}
