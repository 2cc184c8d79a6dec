/** Captures as a stream: classic pcap (micro- or nanoseconds, either byte order) and pcapng. */
import { WireError } from "../wire.js";
import { maxRecord, type CapturedPacket } from "./captured-packet.js";
import { isPcapng, PcapngReader } from "./pcapng.js";

export type { CapturedPacket } from "./captured-packet.js";

/** Reads whole records off the front of `bytes`. */
export interface RecordReader {
  /** `offset`: of the first byte in the stream, for error messages. Packets go into `packets` as they are read. Returns how many bytes were used. Throws WireError. */
  read(bytes: Buffer, offset: number, packets: CapturedPacket[]): number;
}

const magics: Readonly<Record<number, { readonly little: boolean; readonly perMs: number }>> = {
  0xd4c3b2a1: { little: true, perMs: 1e3 },
  0xa1b2c3d4: { little: false, perMs: 1e3 },
  0x4d3cb2a1: { little: true, perMs: 1e6 },
  0xa1b23c4d: { little: false, perMs: 1e6 },
};
const fileHeader = 24;
const recordHeader = 16;

/** pcap-savefile(5). */
class PcapReader implements RecordReader {
  private format: { readonly little: boolean; readonly perMs: number; readonly linkType: number } | undefined;

  read(bytes: Buffer, offset: number, packets: CapturedPacket[]): number {
    let at = 0;
    if (this.format === undefined) {
      if (bytes.length < fileHeader) return 0;
      const magic = magics[bytes.readUInt32BE(0)];
      if (magic === undefined) throw new WireError("version", "not a capture", 0);
      this.format = { ...magic, linkType: (magic.little ? bytes.readUInt32LE(20) : bytes.readUInt32BE(20)) & 0xffff };
      at = fileHeader;
    }
    const { little, perMs, linkType } = this.format;
    const u32 = (where: number): number => (little ? bytes.readUInt32LE(where) : bytes.readUInt32BE(where));
    while (bytes.length - at >= recordHeader) {
      const length = u32(at + 8);
      if (length > maxRecord) throw new WireError("length", `record of ${length} bytes`, offset + at);
      if (bytes.length - at < recordHeader + length) break;
      const start = at + recordHeader;
      packets.push({ tMs: u32(at) * 1e3 + u32(at + 4) / perMs, frameLength: u32(at + 12), bytes: bytes.subarray(start, start + length), linkType });
      at = start + length;
    }
    return at;
  }
}

/** Takes the bytes of a capture in any pieces and gives packets as they are complete. Holds one record at most. */
export class PcapStream {
  private held: Buffer = Buffer.alloc(0);
  private reader: RecordReader | undefined;
  private offset = 0;
  private failure: WireError | undefined;

  /** Bytes of a record that is not complete: at the end of a file, more than 0 says that it was cut off. */
  get incomplete(): number {
    return this.held.length;
  }

  /**
   * Throws WireError where it is not a capture: the stream is then lost. What was read of the same bytes before the error is given
   * first, and the error thrown by the next call, or by `check`. Packets are views of `chunk` where they can be.
   */
  push(chunk: Uint8Array): CapturedPacket[] {
    this.check();
    const bytes = this.held.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([this.held, chunk]);
    if (bytes.length < 4) {
      this.held = Buffer.from(bytes);
      return [];
    }
    this.reader ??= isPcapng(bytes) ? new PcapngReader() : new PcapReader();
    const packets: CapturedPacket[] = [];
    try {
      const used = this.reader.read(bytes, this.offset, packets);
      this.offset += used;
      this.held = Buffer.from(bytes.subarray(used));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.failure = error;
      this.held = Buffer.alloc(0);
      if (packets.length === 0) throw error;
    }
    return packets;
  }

  /** Throws what ended the stream, if anything did: to be asked at the end of a file, and after each `push` by those who go on. */
  check(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}
