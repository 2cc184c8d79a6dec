/** For tests: frames of a TCP connection, and an exchange with loss, reordering and duplicates whose truth is known. */
import { seeded } from "../src/base/seeded.js";

export interface FrameFields {
  readonly from: 0 | 1;
  readonly seq: number;
  readonly ack?: number;
  readonly flags: number;
  readonly payload?: number;
  readonly window?: number;
  readonly options?: readonly number[];
  readonly ipId?: number;
  readonly version?: 4 | 6;
  readonly vlans?: readonly number[];
  /** Ports of side 0 and side 1. */
  readonly ports?: readonly [number, number];
}

const u16 = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 0xffff)];

/** An Ethernet frame, headers only, as a capture with a snap length has it. Side 0 is 10.0.0.1 (or 2001:db8::1), side 1 ends in 2. */
export function frame(fields: FrameFields): Uint8Array {
  const { from, seq, ack = 0, flags, payload = 0, window = 1_000, options = [], ipId = 0, version = 4, vlans = [], ports = [40_000, 80] } = fields;
  const padded = [...options, ...Array.from({ length: -options.length & 3 }, () => 1)];
  const tcp = [...u16(ports[from]), ...u16(ports[1 - from] ?? 0), ...u32(seq), ...u32(ack), ((20 + padded.length) / 4) << 4, flags, ...u16(window), 0, 0, 0, 0, ...padded];
  const sides = [from + 1, 2 - from];
  const ip =
    version === 4
      ? [0x45, 0, ...u16(20 + tcp.length + payload), ...u16(ipId), 0x40, 0, 64, 6, 0, 0, ...sides.flatMap((n) => [10, 0, 0, n])]
      : [0x60, 0, 0, 0, ...u16(tcp.length + payload), 6, 64, ...sides.flatMap((n) => [0x20, 1, 0x0d, 0xb8, ...Array.from({ length: 11 }, () => 0), n])];
  const tags = vlans.flatMap((vlan, i) => [...(vlans.length > 1 && i === 0 ? [0x88, 0xa8] : [0x81, 0]), ...u16(vlan)]);
  return Uint8Array.from([...Array.from({ length: 12 }, () => 2), ...tags, ...(version === 4 ? [8, 0] : [0x86, 0xdd]), ...ip, ...tcp]);
}

export const stamps = (value: number, echo: number): number[] => [8, 10, ...u32(value), ...u32(echo)];
export const sackOption = (...edges: readonly number[]): number[] => [5, 2 + edges.length * 4, ...edges.flatMap(u32)];

export interface Truth {
  readonly retransmissions: number;
  readonly outOfOrder: number;
  readonly duplicates: number;
  readonly appBytes: number;
  readonly pathMs: number;
}
export interface TimedFrame {
  readonly tMs: number;
  readonly bytes: Uint8Array;
}

/**
 * A transfer of `count` segments of 1,000 bytes from side 0. The path takes `pathMs` and loses some segments, which are sent again a
 * round trip later; before the capture some pairs are swapped, and some frames doubled.
 */
export function transfer(seed: number, isn: number, count: number, pathMs: number): { readonly frames: TimedFrame[]; readonly truth: Truth } {
  const next = seeded(seed);
  const frames: TimedFrame[] = [];
  const truth = { retransmissions: 0, outOfOrder: 0, duplicates: 0, appBytes: 0, pathMs };
  const peer = 7_000;
  let tMs = 1_000;
  let ipId = 1;
  const put = (fields: FrameFields, at = tMs): void => void frames.push({ tMs: at, bytes: frame(fields) });
  const sack = [4, 2, 3, 3, 7];
  put({ from: 0, seq: isn, flags: 0x02, options: sack });
  put({ from: 1, seq: peer, ack: isn + 1, flags: 0x12, options: sack }, (tMs += pathMs));
  put({ from: 0, seq: isn + 1, ack: peer + 1, flags: 0x10 }, (tMs += pathMs));
  let seq = (isn + 1) >>> 0;
  const data = (at: number): FrameFields => ({ from: 0, seq: at >>> 0, ack: peer + 1, flags: 0x10, payload: 1_000, ipId: ipId++ });
  for (let sent = 0; sent < count; ) {
    const kind = next();
    tMs += 1;
    const first = data(seq);
    if (kind < 0.1 && sent + 2 <= count) {
      // Two segments swapped before the capture.
      put(data(seq + 1_000));
      put(first, tMs + 0.2);
      truth.outOfOrder++;
      seq = (seq + 2_000) >>> 0;
      sent += 2;
    } else {
      put(first);
      if (kind < 0.2) {
        put(first, tMs + 0.1);
        truth.duplicates++;
      } else if (kind < 0.35) {
        // Lost on the path; sent again when nothing came.
        tMs += 4 * pathMs + 5;
        put(data(seq));
        truth.retransmissions++;
      }
      seq = (seq + 1_000) >>> 0;
      sent += 1;
    }
    put({ from: 1, seq: peer + 1, ack: seq, flags: 0x10 }, (tMs += pathMs));
  }
  truth.appBytes = count * 1_000;
  return { frames, truth };
}
