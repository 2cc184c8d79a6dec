/** pcapng (draft-ietf-opsawg-pcapng): sections of either byte order, several interfaces, each with its own clock. */
import { WireError } from "../wire.js";
import { maxRecord, type CapturedPacket } from "./captured-packet.js";

const sectionHeader = 0x0a0d0d0a;
const interfaceDescription = 1;
const obsoletePacket = 2;
const simplePacket = 3;
const enhancedPacket = 6;
const byteOrderMagic = 0x1a2b3c4d;
/** Interfaces of one section; a capture with more is refused. */
const maxInterfaces = 65_536;

interface CaptureInterface {
  readonly linkType: number;
  /** 0: no limit. */
  readonly snapLength: number;
  readonly ticksPerMs: number;
  readonly offsetMs: number;
}

export const isPcapng = (bytes: Buffer): boolean => bytes.readUInt32BE(0) === sectionHeader;

export class PcapngReader {
  private little = true;
  private interfaces: CaptureInterface[] = [];

  /** Reads whole blocks off the front of `bytes`; `offset` is that of the first byte in the stream. Packets go into `packets` as they are read. Returns how many bytes were used. Throws WireError. */
  read(bytes: Buffer, offset: number, packets: CapturedPacket[]): number {
    let at = 0;
    while (bytes.length - at >= 12) {
      if (bytes.readUInt32BE(at) === sectionHeader) {
        const magic = bytes.readUInt32BE(at + 8);
        if (magic !== byteOrderMagic && magic !== 0x4d3c2b1a) throw new WireError("version", "a section without byte order", offset + at + 8);
        this.little = magic !== byteOrderMagic;
        this.interfaces = [];
      }
      const length = this.u32(bytes, at + 4);
      if (length < 12 || length % 4 !== 0 || length > maxRecord) throw new WireError("length", `block of ${length} bytes`, offset + at + 4);
      if (bytes.length - at < length) break;
      const packet = this.block(bytes, at, at + length - 4, offset + at);
      if (packet !== undefined) packets.push(packet);
      at += length;
    }
    return at;
  }

  private u16(bytes: Buffer, at: number): number {
    return this.little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
  }
  private u32(bytes: Buffer, at: number): number {
    return this.little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  }

  private block(bytes: Buffer, at: number, end: number, offset: number): CapturedPacket | undefined {
    const need = (length: number): void => {
      if (at + 8 + length > end) throw new WireError("truncated", "a block too short for what it is", offset);
    };
    switch (this.u32(bytes, at)) {
      case interfaceDescription:
        need(8);
        this.addInterface(bytes, at + 8, end, offset);
        return undefined;
      case enhancedPacket:
      case obsoletePacket: {
        need(20);
        // The obsolete block has 16 bits of interface and 16 of drops where the enhanced one has 32 of interface.
        const number = this.u32(bytes, at) === enhancedPacket ? this.u32(bytes, at + 8) : this.u16(bytes, at + 8);
        const ticks = this.u32(bytes, at + 12) * 2 ** 32 + this.u32(bytes, at + 16);
        return this.packet(bytes, at + 28, end, offset, number, ticks, this.u32(bytes, at + 20), this.u32(bytes, at + 24));
      }
      case simplePacket: {
        need(4);
        const frameLength = this.u32(bytes, at + 8);
        const snap = this.interfaces[0]?.snapLength ?? 0;
        return this.packet(bytes, at + 12, end, offset, 0, 0, snap === 0 ? frameLength : Math.min(snap, frameLength), frameLength);
      }
      default:
        return undefined;
    }
  }

  private packet(bytes: Buffer, start: number, end: number, offset: number, number: number, ticks: number, length: number, frameLength: number): CapturedPacket {
    const from = this.interfaces[number];
    if (from === undefined) throw new WireError("count", `a packet of interface ${number}, there are ${this.interfaces.length}`, offset);
    if (length > end - start) throw new WireError("length", `a packet of ${length} bytes in ${end - start}`, offset);
    return { tMs: from.offsetMs + ticks / from.ticksPerMs, frameLength, bytes: bytes.subarray(start, start + length), linkType: from.linkType };
  }

  private addInterface(bytes: Buffer, start: number, end: number, offset: number): void {
    if (this.interfaces.length >= maxInterfaces) throw new WireError("count", `more than ${maxInterfaces} interfaces`, offset);
    let ticksPerMs = 1e3;
    let offsetMs = 0;
    for (let at = start + 8; at + 4 <= end; ) {
      const code = this.u16(bytes, at);
      const length = this.u16(bytes, at + 2);
      if (code === 0 || at + 4 + length > end) break;
      if (code === 9 && length === 1) {
        // if_tsresol: a negative power of 10, or, with the upper bit, of 2
        const value = bytes[at + 4] ?? 0;
        ticksPerMs = ((value & 0x80) !== 0 ? 2 ** (value & 0x7f) : 10 ** value) / 1e3;
      }
      if (code === 14 && length === 8) offsetMs = Number(this.little ? bytes.readBigInt64LE(at + 4) : bytes.readBigInt64BE(at + 4)) * 1e3; // if_tsoffset
      at += 4 + length + (-length & 3);
    }
    this.interfaces.push({ linkType: this.u16(bytes, start), snapLength: this.u32(bytes, start + 4), ticksPerMs, offsetMs });
  }
}
