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
    const messages: Uint8Array[] = [];
    this.cut(chunk, (bytes, _view, start, end) => void messages.push(bytes.subarray(start, end)));
    return messages;
  }

  /** As push(), but hands each message to `take` where it lies, so that nothing is made for it. */
  cut(chunk: Uint8Array, take: (bytes: Uint8Array, view: DataView, start: number, end: number) => void): void {
    this.held.push(chunk);
    this.heldBytes += chunk.length;
    if (this.heldBytes < this.needed) return;
    const bytes = this.held.length === 1 ? chunk : Buffer.concat(this.held);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    this.needed = headerLength;
    this.held = [];
    this.heldBytes = 0;
    while (bytes.length - at >= headerLength) {
      const length = view.getUint16(at + 2);
      if (length < headerLength) throw new WireError(`message length ${length}`, 2);
      if (bytes.length - at < length) {
        this.needed = length;
        break;
      }
      at += length;
      take(bytes, view, at - length, at);
    }
    if (at === bytes.length) return;
    this.held = [bytes.subarray(at)];
    this.heldBytes = bytes.length - at;
  }
}
