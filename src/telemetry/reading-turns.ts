/**
 * Whose counters are read when. Of a small network all, each second. Of a large one the bridges with traffic each second and the quiet
 * ones every few, all together, because links and deviations hold two bridges against each other at one moment. Pure.
 */
import type { Network } from "../network/model.js";

/** Ports of a network that is looked at whole each second. */
export const smallNetworkPorts = 256;
/** Quiet bridges of a large one are read every so many seconds: the longest window. Samples tell earlier that one has woken. */
export const quietEveryS = 30;
/** A port is quiet below this: 100 packets in the longest window are too few to judge by (`DeviationLimits.minPackets`). */
export const quietPackets = 100;
const quietPerS = quietPackets / 30;

/** "all", or those that are not known to be quiet. */
export type Whose = "all" | "busy";

export const whoseTurn = (second: number): Whose => (second % quietEveryS === 0 ? "all" : "busy");

export function isLarge({ bridges }: Network): boolean {
  let ports = 0;
  for (const bridge of bridges.values()) ports += bridge.ports.size;
  return ports > smallNetworkPorts;
}

/** Counters by which a port is quiet or not. */
interface Counted {
  readonly portNo: number;
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
}

interface Known {
  readonly tMs: number;
  /** As numbers: exact up to 2^53. */
  readonly packets: ReadonlyMap<number, number>;
  isQuiet: boolean;
  /** Packets that its samples stand for, since it was read. */
  sampled: number;
}

export class ReadingTurns {
  /** By what was read (a bridge of one side). */
  private readonly known = new Map<string, Known>();

  /** Takes what was read of `source` at `tMs`. The first reading says nothing of quiet. */
  took(source: string, tMs: number, ports: readonly Counted[]): void {
    const before = this.known.get(source);
    const packets = new Map<number, number>();
    const most = before === undefined ? 0 : quietPerS * Math.max(1, (tMs - before.tMs) / 1_000);
    let isQuiet = before !== undefined;
    for (const { portNo, rxPackets, txPackets } of ports) {
      const now = Number(rxPackets + txPackets);
      packets.set(portNo, now);
      if (isQuiet && Math.abs(now - (before?.packets.get(portNo) ?? now)) >= most) isQuiet = false;
    }
    this.known.set(source, { tMs, packets, isQuiet, sampled: 0 });
  }

  /** A sample stands for so many packets of `source`: as many as a quiet one has in the longest window wake it. */
  sampled(source: string, packets: number): void {
    const known = this.known.get(source);
    if (known !== undefined && (known.sampled += packets) >= quietPackets) known.isQuiet = false;
  }

  /** Whether it was quiet when it was read last. */
  isQuiet(source: string): boolean {
    return this.known.get(source)?.isQuiet === true;
  }

  /** Forgets what is not named. */
  keepOnly(sources: { has(source: string): boolean }): void {
    for (const source of this.known.keys()) if (!sources.has(source)) this.known.delete(source);
  }
}
