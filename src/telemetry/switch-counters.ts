/** Counters of a switch beside its ports: tables, meters, groups. Read every few seconds; what moved between two readings is observed. */
import { wholeSeconds, type Observation, type Side } from "../base/observation.js";

/** A switch's counters at one moment. Ids are those of the switch. */
export interface SwitchReading {
  readonly bridge: string;
  readonly tables: readonly { readonly tableId: number; readonly activeCount: number; readonly lookupCount: bigint; readonly matchedCount: bigint }[];
  readonly meters: readonly { readonly meterId: number; readonly packetInCount: bigint; readonly byteInCount: bigint; readonly dropped: bigint }[];
  readonly groups: readonly { readonly groupId: number; readonly packetCount: bigint; readonly byteCount: bigint }[];
}

const maxSwitches = 4_096;

export class SwitchCounters {
  /** Switches beyond the bound. */
  overflow = 0;
  private readonly side: Side;
  private readonly last = new Map<string, { readonly tMs: number; readonly reading: SwitchReading }>();

  constructor(side: Side) {
    this.side = side;
  }

  /** Takes a reading of `tMs`; returns what is observed of the time since the one before. Counters that went back give nothing for their subject. */
  take(tMs: number, reading: SwitchReading): Observation[] {
    const { bridge } = reading;
    const before = this.last.get(bridge);
    if (before === undefined && this.last.size >= maxSwitches) {
      this.overflow++;
      return [];
    }
    this.last.set(bridge, { tMs, reading });
    if (before === undefined || tMs <= before.tMs) return [];
    const windowMs = tMs - before.tMs;
    const perS = (now: bigint, then: bigint | undefined): number | undefined => (then === undefined || now < then ? undefined : (Number(now - then) * 1_000) / windowMs);
    const found: Observation[] = [];
    const observe = (kind: Observation["subject"]["kind"], name: string, values: Readonly<Record<string, number | undefined>>): void => {
      const known = Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined);
      if (known.length > 0) found.push({ tMs: before.tMs, windowMs: wholeSeconds(windowMs), side: this.side, subject: { kind, name }, values: Object.fromEntries(known) });
    };
    const [first] = reading.tables;
    const then = before.reading.tables[0];
    observe("datapath", bridge, {
      flows: reading.tables.reduce((sum, { activeCount }) => sum + activeCount, 0),
      lookupsPerS: first && perS(first.lookupCount, then?.lookupCount),
      matchesPerS: first && perS(first.matchedCount, then?.matchedCount),
    });
    const meters = new Map(before.reading.meters.map((meter) => [meter.meterId, meter]));
    for (const { meterId, packetInCount, byteInCount, dropped } of reading.meters) {
      const old = meters.get(meterId);
      observe("meter", `${bridge} meter ${meterId}`, { packetsPerS: perS(packetInCount, old?.packetInCount), bitsPerS: bits(perS(byteInCount, old?.byteInCount)), droppedPerS: perS(dropped, old?.dropped) });
    }
    const groups = new Map(before.reading.groups.map((group) => [group.groupId, group]));
    for (const { groupId, packetCount, byteCount } of reading.groups) {
      const old = groups.get(groupId);
      observe("group", `${bridge} group ${groupId}`, { packetsPerS: perS(packetCount, old?.packetCount), bitsPerS: bits(perS(byteCount, old?.byteCount)) });
    }
    return found;
  }
}

const bits = (bytesPerS: number | undefined): number | undefined => (bytesPerS === undefined ? undefined : bytesPerS * 8);
