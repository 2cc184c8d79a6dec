/** What the switches of both networks count, read when asked: ports, tables, meters, groups, and what was copied. */
import { allMeters, type OpenFlowConnection, type PortStats } from "node-openflow";
import { inTime } from "../base/in-time.js";
import { reaches } from "../config/level-schema.js";
import type { Discovery } from "../network/discovery.js";
import { portKey } from "../network/model.js";
import type { CopyMode } from "../shadow/fidelity/account.js";
import type { Counters } from "../shadow/fidelity/meter.js";
import type { Replication } from "../shadow/replication/replication.js";
import { Corrected } from "../shadow/nodes/counters.js";
import type { Shadow } from "../shadow/shadow.js";
import type { PortReading } from "../telemetry/counter-windows.js";
import { isLarge, ReadingTurns, type Whose } from "../telemetry/reading-turns.js";
import type { SwitchReading } from "../telemetry/switch-counters.js";

export interface PortFidelity {
  /** "bridge:ofport" */
  readonly port: string;
  readonly selected: number;
  readonly copied: number;
}

export interface ReadingParts {
  readonly discovery: Pick<Discovery, "current" | "connection">;
  readonly shadow: Pick<Shadow, "adapterConnection" | "connection" | "demand" | "edges" | "nodeCounters" | "portCounters">;
  readonly replication: Pick<Replication, "asked" | "selectsParts">;
  readonly copyMode: () => CopyMode;
  /** A command of ovs-vswitchd's control socket. */
  readonly control: (method: string) => Promise<unknown>;
  readonly nowMs: () => number;
}

function reading(bridge: string, { portNo, rxPackets, txPackets, rxBytes, txBytes, rxDropped, txDropped, rxErrors, txErrors }: PortStats): PortReading {
  return { port: { bridge, ofport: portNo }, rxPackets, txPackets, rxBytes, txBytes, rxDropped, txDropped, rxErrors, txErrors };
}

/** Readings that come later than this are not of their second. */
const maxFlushMs = 400;

export class Readings {
  private readonly parts: ReadingParts;
  private readonly turns = { live: new ReadingTurns(), shadow: new ReadingTurns() };
  private readonly corrected = new Corrected();
  /** The round of ovs-vswitchd's revalidators that is under way for us, and the one behind it. */
  private round: Promise<void> | undefined;
  private nextRound: Promise<void> | undefined;
  /** The last reading of each bridge's copies. */
  private copies: ReadonlyMap<string, ReadonlyMap<string, Counters>> = new Map();
  /** The same by port; the very same value until something was read. */
  private copiesByPort: ReadonlyMap<string, Counters> = new Map();
  private readonly fidelityBase = new Map<string, { readonly isPart: boolean; readonly selected: bigint; readonly copied: bigint }>();

  constructor(parts: ReadingParts) {
    this.parts = parts;
  }

  /** Packets that sessions asked for of each edge port since we attached to it, and those of them that reached the shadow. */
  async fidelity(): Promise<PortFidelity[]> {
    // Flows' counters are as old as the revalidators' last round; ports' own are not. Without its answer they are taken as they are.
    if (this.parts.replication.selectsParts) await this.flushCounters().catch(() => undefined);
    const ports: PortFidelity[] = [];
    for (const [port, { received, copied, asked = "all" }] of await this.copyCounters()) {
      if (received === undefined || copied === undefined || asked === "nothing") continue; // one of the two bridges is away, or nobody asked
      const now = { isPart: typeof asked === "object", selected: typeof asked === "object" ? asked.selected : received, copied };
      const before = this.fidelityBase.get(port) ?? now;
      // Counters start anew with ovs-vswitchd, with the port, or with the flows that select.
      const base = now.isPart !== before.isPart || now.selected < before.selected || now.copied < before.copied ? now : before;
      this.fidelityBase.set(port, base);
      ports.push({ port, selected: Number(now.selected - base.selected), copied: Number(now.copied - base.copied) });
    }
    return ports;
  }

  /**
   * Resolves when ovs-vswitchd has brought the counters of flows and patch ports up to date, in a round over all its cached flows that began
   * after it was asked; at once where it is nobody's turn to be read. All who ask during one round share the next.
   */
  flushCounters(whose: Whose = "all"): Promise<void> {
    if (this.dueNow(whose).length === 0) return Promise.resolve();
    if (this.round === undefined) return (this.round = this.flushRound());
    this.nextRound ??= this.round
      .catch(() => undefined)
      .then(() => {
        this.nextRound = undefined;
        return (this.round = this.flushRound());
      });
    return this.nextRound;
  }

  private async flushRound(): Promise<void> {
    try {
      await this.parts.control("revalidator/wait");
    } finally {
      this.round = undefined;
    }
  }

  /** Port counters of the bridges whose turn it is, on live or in the shadow; the shadow's under the names of live. */
  async portReadings(side: "live" | "shadow", whose: Whose): Promise<PortReading[]> {
    const read = async (bridge: string): Promise<PortReading[]> => {
      const stats = await this.connection(side, bridge)?.portStats();
      if (stats !== undefined) this.turns[side].took(bridge, this.parts.nowMs(), stats);
      // Our own ports are no part of the network that is watched: what they carry is told of the edge ports that are copied (fidelity).
      const ports = this.parts.discovery.current.bridges.get(bridge)?.ports;
      const readings = (stats ?? []).flatMap((stat): PortReading | readonly [] => ((ports?.get(stat.portNo)?.role ?? "ours") === "ours" ? [] : reading(bridge, stat)));
      return side === "shadow" ? this.withoutNodes(bridge, readings) : readings;
    };
    // The shadow's are patch ports, whose counters are otherwise up to half a second old. Without its answer they are taken as they are.
    if (side === "shadow") await inTime(this.flushCounters(whose), maxFlushMs).catch(() => undefined);
    return (await Promise.all(this.dueNow(whose).map(read))).flat();
  }

  /** The shadow's edge ports without what shadow nodes sent and were given: live's have nothing of the kind. */
  private async withoutNodes(bridge: string, readings: PortReading[]): Promise<PortReading[]> {
    const { shadow } = this.parts;
    const adapter = shadow.nodeCounters.has(bridge) ? shadow.adapterConnection(bridge) : undefined;
    if (adapter === undefined) return readings;
    const nodes = await shadow.nodeCounters.read(bridge, adapter);
    return readings.map((reading) => {
      const port = portKey(reading.port);
      const own = nodes.get(port);
      if (own === undefined) return reading;
      const without = (what: "rxPackets" | "rxBytes" | "txPackets" | "txBytes", count: bigint): bigint => this.corrected.of(`${port} ${what}`, reading[what], count);
      return { ...reading, rxPackets: without("rxPackets", own.inPackets), rxBytes: without("rxBytes", own.inBytes), txPackets: without("txPackets", own.outPackets), txBytes: without("txBytes", own.outBytes) };
    });
  }

  /** A sample of a live bridge stands for so many packets: one that is quiet is read again when its samples say that it is not. */
  sampled(bridge: string, packets: number): void {
    this.turns.live.sampled(bridge, packets);
  }

  /** The bridges to be read: see `ReadingTurns`. */
  private dueNow(whose: Whose): string[] {
    const { current } = this.parts.discovery;
    const { live, shadow } = this.turns;
    if (whose === "all") for (const turns of [live, shadow]) turns.keepOnly(current.bridges);
    const names: string[] = [];
    const isWhole = whose === "all" || !isLarge(current);
    for (const bridge of current.bridges.keys()) {
      // A shadow that can't be read has nothing to say.
      const isQuiet = !isWhole && live.isQuiet(bridge) && (shadow.isQuiet(bridge) || this.connection("shadow", bridge) === undefined);
      if (!isQuiet) names.push(bridge);
    }
    return names;
  }

  /** Counters of tables, meters and groups of every bridge that is connected, under the names of live. */
  async switchReadings(side: "live" | "shadow"): Promise<SwitchReading[]> {
    const read = async (bridge: string): Promise<SwitchReading[]> => {
      const connection = this.connection(side, bridge);
      if (connection === undefined) return [];
      const [tables, meters, groups] = await Promise.all([connection.tableStats(), connection.multipart("meter", { meterId: allMeters }), connection.groupStats()]);
      const droppedBy = (bands: readonly { readonly packetBandCount: bigint }[]): bigint => bands.reduce((sum, band) => sum + band.packetBandCount, 0n);
      return [{ bridge, tables, meters: meters.map((meter) => ({ ...meter, dropped: droppedBy(meter.bands) })), groups }];
    };
    return (await Promise.all([...this.parts.discovery.current.bridges.keys()].map(read))).flat();
  }

  /**
   * Counters of every replicated port at both ends, and what is asked of it, by "bridge:ofport": read now, or where it is not a
   * bridge's turn the very values of its last reading.
   */
  async copyCounters(whose: Whose = "all"): Promise<ReadonlyMap<string, Counters>> {
    const edged = (bridge: string): boolean => this.parts.shadow.edges(bridge).length > 0;
    const due = this.dueNow(whose).filter(edged);
    const all: string[] = [];
    for (const bridge of this.parts.discovery.current.bridges.keys()) if (edged(bridge)) all.push(bridge);
    if (due.length === 0 && all.length === this.copies.size && all.every((bridge) => this.copies.has(bridge))) return this.copiesByPort;
    const known = new Map([...this.copies, ...(await this.readCopies(due))]);
    this.copies = new Map(all.flatMap((bridge) => {
      const ports = known.get(bridge);
      return ports === undefined ? [] : [[bridge, ports] as const];
    }));
    return (this.copiesByPort = new Map([...this.copies.values()].flatMap((ports) => [...ports])));
  }

  /** The counters of these bridges' ports at both ends, by bridge. */
  private async readCopies(bridges: readonly string[]): Promise<Map<string, ReadonlyMap<string, Counters>>> {
    const isOn = this.parts.copyMode() === "on";
    const live = await Promise.all(
      bridges.map(async (bridge) => ({
        asked: await this.parts.replication.asked(bridge),
        ports: new Map((await this.parts.discovery.connection(bridge)?.portStats())?.map((stats) => [stats.portNo, stats]) ?? []),
      })),
    );
    const copies = await this.parts.shadow.portCounters(bridges);
    return new Map(
      bridges.map((bridge, at) => [
        bridge,
        new Map(
          this.parts.shadow.edges(bridge).map((ofport): [string, Counters] => {
            const port = portKey({ bridge, ofport });
            const stats = live[at]?.ports.get(ofport);
            const asked = live[at]?.asked.get(ofport);
            // While copying is off no flow selects.
            const known = isOn || asked === "nothing" ? asked : "all";
            return [port, { received: stats?.rxPackets, receiveDrops: stats?.rxDropped, copied: copies.get(port)?.copied, asked: known }];
          }),
        ),
      ]),
    );
  }

  /** Below level "state" nothing comes into the shadow of a bridge, and its counters say nothing. */
  private connection(side: "live" | "shadow", bridge: string): OpenFlowConnection | undefined {
    if (side === "live") return this.parts.discovery.connection(bridge);
    return reaches(this.parts.shadow.demand(bridge).level, "state") ? this.parts.shadow.connection(bridge) : undefined;
  }
}
