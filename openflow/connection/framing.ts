/** Cuts a byte stream into OpenFlow messages by the length in their header. */
import { WireError } from "../wire/reader.js";

const headerLength = 8;

export class MessageFraming {
  private held: Uint8Array = new Uint8Array(0);

  /** Takes the next bytes; returns whole messages. Throws WireError when a length can't be true: the stream is then lost. */
  push(chunk: Uint8Array): Uint8Array[] {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (bytes.length - at >= headerLength) {
      const length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
      if (length < headerLength) throw new WireError(`message length ${length}`, 2);
      if (bytes.length - at < length) break;
      messages.push(bytes.slice(at, at + length));
      at += length;
    }
    this.held = bytes.slice(at);
    return messages;
  }
}
