/** Flow statistics of OpenFlow 1.5 (OXS, section 7.2.4.2): TLVs of class 0x8002 behind a header, padded to 8. */
import { WireError, type Reader } from "../wire/reader.js";
import { fromHex, type Codec } from "../wire/struct.js";
import { byHand } from "../wire/shape.js";

export interface FlowCounters {
  readonly durationSec: number;
  readonly durationNsec: number;
  readonly packetCount: bigint;
  readonly byteCount: bigint;
}
export interface OxsStats extends Partial<FlowCounters> {
  readonly idleSec?: number;
  readonly idleNsec?: number;
  readonly flowCount?: number;
  /** TLVs that are not known, one after another. */
  readonly unknown?: Uint8Array;
}

const oxsClass = 0x8002;
const field = { duration: 0, idleTime: 1, flowCount: 3, packetCount: 4, byteCount: 5 } as const;

function readOne(from: Reader, stats: { -readonly [K in keyof OxsStats]: OxsStats[K] }, unknown: Uint8Array[]): void {
  const start = from.offset;
  const header = from.u32();
  const body = from.sub(header & 0xff);
  const number = header >>> 16 === oxsClass ? (header >>> 9) & 0x7f : -1;
  const is = (one: number, length: number): boolean => number === one && body.remaining === length;
  if (is(field.duration, 8)) [stats.durationSec, stats.durationNsec] = [body.u32(), body.u32()];
  else if (is(field.idleTime, 8)) [stats.idleSec, stats.idleNsec] = [body.u32(), body.u32()];
  else if (is(field.flowCount, 4)) stats.flowCount = body.u32();
  else if (is(field.packetCount, 8)) stats.packetCount = body.u64();
  else if (is(field.byteCount, 8)) stats.byteCount = body.u64();
  else unknown.push(from.since(start));
}

export const oxsStats: Codec<OxsStats> = byHand("oxsStats", {
  read: (from) => {
    const start = from.offset;
    from.skip(2);
    const length = from.u16();
    if (length < 4) throw new WireError(`stats length ${length}`, start + 2);
    const body = from.sub(length - 4);
    const stats: OxsStats = {};
    const unknown: Uint8Array[] = [];
    while (body.remaining > 0) readOne(body, stats, unknown);
    from.skip((8 - (length % 8)) % 8);
    return unknown.length === 0 ? stats : { ...stats, unknown: Uint8Array.from(Buffer.concat(unknown)) };
  },
  write: (out, stats) => {
    const start = out.length;
    out.zeros(4);
    const tlv = (number: number, length: number): void => out.u32(oxsClass * 0x10000 + number * 0x200 + length);
    if (stats.durationSec !== undefined) {
      tlv(field.duration, 8);
      out.u32(stats.durationSec);
      out.u32(stats.durationNsec ?? 0);
    }
    if (stats.idleSec !== undefined) {
      tlv(field.idleTime, 8);
      out.u32(stats.idleSec);
      out.u32(stats.idleNsec ?? 0);
    }
    for (const [number, count] of [[field.packetCount, stats.packetCount], [field.byteCount, stats.byteCount]] as const) {
      if (count === undefined) continue;
      tlv(number, 8);
      out.u64(BigInt(count));
    }
    if (stats.flowCount !== undefined) {
      tlv(field.flowCount, 4);
      out.u32(stats.flowCount);
    }
    if (stats.unknown !== undefined) out.raw(typeof stats.unknown === "string" ? fromHex(stats.unknown) : stats.unknown);
    out.patchU16(start + 2, out.length - start);
    out.align8(start);
  },
});
