/** Classic pcap as a stream (pcap-savefile(5)): micro- or nanoseconds, either byte order, Ethernet and Linux cooked captures. */
import { WireError } from "./wire.js";

export interface CapturedPacket {
  /** Since the epoch, in ms. */
  readonly tMs: number;
  /** Bytes on the wire. */
  readonly frameLength: number;
  /** What was captured, from the link-layer header on. */
  readonly bytes: Uint8Array;
  /** LINKTYPE: 1 Ethernet, 113 Linux cooked v1, 276 Linux cooked v2. */
  readonly linkType: number;
}

const magics: Readonly<Record<number, { readonly little: boolean; readonly perMs: number }>> = {
  0xd4c3b2a1: { little: true, perMs: 1e3 },
  0xa1b2c3d4: { little: false, perMs: 1e3 },
  0x4d3cb2a1: { little: true, perMs: 1e6 },
  0xa1b23c4d: { little: false, perMs: 1e6 },
};
const maxRecord = 1 << 18;

/** Takes the bytes of a capture in any pieces and gives packets as they are complete. */
export class PcapStream {
  private held: Buffer = Buffer.alloc(0);
  private format: { readonly little: boolean; readonly perMs: number; readonly linkType: number } | undefined;
  private offset = 0;

  /** Throws WireError when it is not a capture: the stream is then lost. */
  push(chunk: Uint8Array): CapturedPacket[] {
    const bytes = this.held.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([this.held, chunk]);
    const packets: CapturedPacket[] = [];
    let at = 0;
    if (this.format === undefined) {
      if (bytes.length < 24) {
        this.held = Buffer.from(bytes);
        return packets;
      }
      const magic = magics[bytes.readUInt32BE(0)];
      if (magic === undefined) throw new WireError("version", "not a pcap file", 0);
      this.format = { ...magic, linkType: (magic.little ? bytes.readUInt32LE(20) : bytes.readUInt32BE(20)) & 0xffff };
      at = 24;
    }
    const { little, perMs, linkType } = this.format;
    const u32 = (where: number): number => (little ? bytes.readUInt32LE(where) : bytes.readUInt32BE(where));
    while (bytes.length - at >= 16) {
      const length = u32(at + 8);
      if (length > maxRecord) throw new WireError("length", `record of ${length} bytes`, this.offset + at);
      if (bytes.length - at < 16 + length) break;
      packets.push({ tMs: u32(at) * 1e3 + u32(at + 4) / perMs, frameLength: u32(at + 12), bytes: bytes.subarray(at + 16, at + 16 + length), linkType });
      at += 16 + length;
    }
    this.offset += at;
    this.held = Buffer.from(bytes.subarray(at));
    return packets;
  }
}
