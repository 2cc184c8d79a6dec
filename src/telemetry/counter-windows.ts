/**
 * Features of ports, links and bridges over windows of 1, 5 and 30 s, from the switches' port counters, of live and of the shadow. Pure.
 *
 * A reading says how much the counters moved since the one before; what moved is spread evenly over the time between them, so that
 * readings need not fall on whole seconds.
 */
import type { Observation, Side, Subject } from "../base/observation.js";
import { portKey, type Network, type PortRef } from "../network/model.js";
import { quietEveryS, quietPackets } from "./reading-turns.js";
import { longestWindowS, SecondSums, windowLengthsS } from "./seconds.js";

/** Counters of a port as a switch keeps them (OpenFlow ofp_port_stats). Undefined: the switch does not keep it. */
export interface PortReading {
  readonly port: PortRef;
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
  readonly rxBytes: bigint;
  readonly txBytes: bigint;
  readonly rxDropped?: bigint | undefined;
  readonly txDropped?: bigint | undefined;
  readonly rxErrors?: bigint | undefined;
  readonly txErrors?: bigint | undefined;
}

const field = { inPackets: 0, outPackets: 1, inBytes: 2, outBytes: 3, drops: 4, errors: 5, known: 6 } as const;
const fields = Object.keys(field).length;

/** In this order a port's last counters are kept, as numbers: exact up to 2^53. */
const counterNames = ["rxPackets", "txPackets", "rxBytes", "txBytes", "rxDropped", "txDropped", "rxErrors", "txErrors"] as const;

/** OVS tells a counter it does not keep as all ones (OpenFlow 1.3, A.3.5.6). */
const notKept = 0xffff_ffff_ffff_ffffn;
const maxPorts = 65_536;
/** Readings further apart tell nothing about the seconds between them. */
const longestGapMs = (quietEveryS + 5) * 1_000;

interface PortSeries {
  readonly ref: PortRef;
  readonly sums: SecondSums;
  /** When it was read last, ms since the epoch; undefined before the first reading. */
  readMs: number | undefined;
  /** What its counters were then, in the order of `counterNames`; NaN: not kept. */
  readonly counts: Float64Array;
  /** The last second of the longest window that was told of it. */
  toldS: number;
}

interface BridgeSeries {
  /** When any of its ports was read last, ms since the epoch. */
  readMs: number;
  readonly ports: Map<number, PortSeries>;
}

export class CounterWindows {
  /** Readings of ports beyond the bound. */
  overflow = 0;
  /** Times a counter went back: a switch or a port made anew. Nothing is concluded from such a pair of readings. */
  restarts = 0;
  readonly side: Side;
  private readonly bridges = new Map<string, BridgeSeries>();
  private count = 0;
  /** What was kept last, and how many ports there were then. */
  private kept: { readonly of: Network; readonly count: number } | undefined;

  constructor(side: Side) {
    this.side = side;
  }

  /** Takes a port's counters of `tMs` (ms since the epoch). Readings of a port come in order of time; an older one is left out. */
  add(tMs: number, reading: PortReading): void {
    const { bridge: name, ofport } = reading.port;
    let bridge = this.bridges.get(name);
    if (bridge === undefined) this.bridges.set(name, (bridge = { readMs: tMs, ports: new Map() }));
    bridge.readMs = tMs;
    let series = bridge.ports.get(ofport);
    if (series === undefined) {
      if (this.count >= maxPorts) {
        this.overflow++;
        return;
      }
      this.count++;
      series = { ref: reading.port, sums: new SecondSums(fields), readMs: undefined, counts: new Float64Array(counterNames.length), toldS: -Infinity };
      bridge.ports.set(ofport, series);
    }
    const beforeMs = series.readMs;
    if (beforeMs !== undefined && tMs <= beforeMs && tMs > beforeMs - longestWindowS * 1_000) return;
    series.readMs = tMs;
    const moved = taken(series.counts, reading);
    if (beforeMs === undefined || tMs <= beforeMs || tMs - beforeMs > longestGapMs) return;
    if (moved === undefined) this.restarts++;
    else spread(series.sums, beforeMs, tMs, moved);
  }

  /** Forgets the ports a network no longer has. */
  keepOnly(network: Network): void {
    // The very same network, and no port came: there is nothing to forget.
    if (network === this.kept?.of && this.count === this.kept.count) return;
    for (const [name, { ports }] of this.bridges) {
      const present = network.bridges.get(name)?.ports;
      for (const ofport of ports.keys()) if (present?.has(ofport) !== true && ports.delete(ofport)) this.count--;
      if (ports.size === 0) this.bridges.delete(name);
    }
    this.kept = { of: network, count: this.count };
  }

  /**
   * Observations of all ports, links and bridges of `network` for the windows that end with the second before `endMs`. A subject is left
   * out while the window holds seconds that nobody read. `thrifty`: of a quiet port only the longest window is told, one after the other,
   * until something moves.
   */
  observations(network: Network, endMs: number, thrifty = false): Observation[] {
    const second = Math.floor(endMs / 1_000) - 1;
    const found: Observation[] = [];
    const observe = (subject: Subject, parts: readonly SecondSums[], length: number, extra: Readonly<Record<string, number>> = {}): void => {
      if (parts.length > 0) found.push({ tMs: (second + 1 - length) * 1_000, windowMs: length * 1_000, side: this.side, subject, values: { ...rates(parts, second, length), ...extra } });
    };
    // Most bridges of a large network were not read since this second, and have nothing to tell in any window.
    const isRead = (bridge: string): boolean => (this.bridges.get(bridge)?.readMs ?? -Infinity) >= (second + 1) * 1_000;
    const known = ({ bridge, ofport }: PortRef): PortSeries | undefined => {
      const series = this.bridges.get(bridge)?.ports.get(ofport);
      return series !== undefined && isKnown(series.sums, second, 1) ? series : undefined;
    };
    for (const bridge of network.bridges.values()) {
      if (!isRead(bridge.name)) continue;
      const ports = [...bridge.ports.values()].flatMap(({ ofport, role }) => {
        const series = known({ bridge: bridge.name, ofport });
        return series === undefined ? [] : [{ series, role, isThrifty: thrifty && isQuiet(series.sums, second) }];
      });
      if (ports.length === 0) continue;
      for (const length of windowLengthsS) {
        const whole = ports.filter(({ series }) => isKnown(series.sums, second, length));
        for (const { series, isThrifty } of whole) {
          if (isThrifty && (length !== longestWindowS || second - series.toldS < longestWindowS)) continue;
          if (length === longestWindowS) series.toldS = second;
          observe({ kind: "port", name: portKey(series.ref) }, [series.sums], length);
        }
        observe({ kind: "bridge", name: bridge.name }, whole.filter(({ role }) => role === "edge").map(({ series }) => series.sums), length);
      }
    }
    for (const { a, b } of network.links) {
      if (!isRead(a.bridge) || !isRead(b.bridge)) continue;
      const [x, y] = [known(a)?.sums, known(b)?.sums];
      if (x === undefined || y === undefined) continue;
      const isThrifty = thrifty && isQuiet(x, second) && isQuiet(y, second);
      for (const length of windowLengthsS) {
        if ((isThrifty && length !== longestWindowS) || !isKnown(x, second, length) || !isKnown(y, second, length)) continue;
        const sent = x.over(field.outPackets, second, length) + y.over(field.outPackets, second, length);
        const received = x.over(field.inPackets, second, length) + y.over(field.inPackets, second, length);
        // The two ends are read one after the other: what is on its way between the readings is no loss.
        const loss = sent < 1 ? {} : { lossRatio: Math.max(0, 1 - received / sent) };
        observe({ kind: "link", name: `${portKey(a)}-${portKey(b)}` }, [x, y], length, loss);
      }
    }
    return found;
  }
}

/** Whether all of the window was read. */
const isKnown = (sums: SecondSums, second: number, length: number): boolean => sums.over(field.known, second, length) > length - 0.01;
const isQuiet = (sums: SecondSums, second: number): boolean => sums.over(field.inPackets, second, longestWindowS) + sums.over(field.outPackets, second, longestWindowS) < quietPackets;

/** Puts the counters of a reading in the place of those before; returns how much each field moved, undefined when a counter went back. */
function taken(counts: Float64Array, reading: PortReading): number[] | undefined {
  const deltas = counterNames.map((name, i) => {
    const now = reading[name];
    const before = counts[i] ?? NaN;
    const count = now === undefined || now === notKept ? NaN : Number(now);
    counts[i] = count;
    return Number.isNaN(count) || Number.isNaN(before) ? 0 : count - before;
  });
  if (deltas.some((amount) => amount < 0)) return undefined;
  const [rxPackets = 0, txPackets = 0, rxBytes = 0, txBytes = 0, rxDropped = 0, txDropped = 0, rxErrors = 0, txErrors = 0] = deltas;
  return [rxPackets, txPackets, rxBytes, txBytes, rxDropped + txDropped, rxErrors + txErrors];
}

/** Lays what moved between two moments evenly over the seconds between them. */
function spread(sums: SecondSums, fromMs: number, toMs: number, moved: readonly number[]): void {
  for (let second = Math.floor(fromMs / 1_000); second * 1_000 < toMs; second++) {
    const lapMs = Math.min(toMs, (second + 1) * 1_000) - Math.max(fromMs, second * 1_000);
    const share = lapMs / (toMs - fromMs);
    for (let i = 0; i < moved.length; i++) {
      const amount = moved[i] ?? 0;
      if (amount !== 0) sums.add(second, i, amount * share);
    }
    sums.add(second, field.known, lapMs / 1_000);
  }
}

function rates(parts: readonly SecondSums[], second: number, length: number): Record<string, number> {
  const per = (name: keyof typeof field): number => parts.reduce((sum, part) => sum + part.over(field[name], second, length), 0) / length;
  const slope = (name: keyof typeof field): number => parts.reduce((sum, part) => sum + part.slope(field[name], second, length), 0);
  return {
    inPacketsPerS: per("inPackets"),
    outPacketsPerS: per("outPackets"),
    inBitsPerS: per("inBytes") * 8,
    outBitsPerS: per("outBytes") * 8,
    inBitsSlope: slope("inBytes") * 8,
    outBitsSlope: slope("outBytes") * 8,
    dropsPerS: per("drops"),
    errorsPerS: per("errors"),
  };
}
