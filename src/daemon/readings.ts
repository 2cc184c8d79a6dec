/** What the switches of both networks count, read when asked: ports, tables, meters, groups, and what was copied. */
import { allMeters, type OpenFlowConnection } from "node-openflow";
import { reaches } from "../config/level-schema.js";
import type { Discovery } from "../network/discovery.js";
import { portKey } from "../network/model.js";
import type { Replication } from "../shadow/replication/replication.js";
import type { CopyMode } from "../shadow/fidelity/account.js";
import type { Counters } from "../shadow/fidelity/meter.js";
import type { Shadow } from "../shadow/shadow.js";
import type { PortReading } from "../telemetry/counter-windows.js";
import type { SwitchReading } from "../telemetry/switch-counters.js";

export interface PortFidelity {
  /** "bridge:ofport" */
  readonly port: string;
  readonly selected: number;
  readonly copied: number;
}

export interface ReadingParts {
  readonly discovery: Pick<Discovery, "current" | "connection">;
  readonly shadow: Pick<Shadow, "connection" | "demand" | "edges" | "portCounters">;
  readonly replication: Pick<Replication, "asked" | "selectsParts">;
  readonly copyMode: () => CopyMode;
  /** A command of ovs-vswitchd's control socket. */
  readonly control: (method: string) => Promise<unknown>;
}

export class Readings {
  private readonly parts: ReadingParts;
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

  /** Resolves when ovs-vswitchd has brought the counters of flows and patch ports up to date. */
  async flushCounters(): Promise<void> {
    await this.parts.control("revalidator/wait");
  }

  /** Port counters of every bridge that is connected, on live or in the shadow; the shadow's under the names of live. */
  async portReadings(side: "live" | "shadow"): Promise<PortReading[]> {
    const bridges = [...this.parts.discovery.current.bridges.keys()];
    const read = async (bridge: string): Promise<PortReading[]> => {
      const stats = await this.connection(side, bridge)?.portStats();
      return (stats ?? []).map(({ portNo, ...counters }) => ({ port: { bridge, ofport: portNo }, ...counters }));
    };
    return (await Promise.all(bridges.map(read))).flat();
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

  /** Counters of every replicated port at both ends, read now, and what is asked of it, by "bridge:ofport". */
  async copyCounters(): Promise<Map<string, Counters>> {
    const bridges = [...this.parts.discovery.current.bridges.keys()].filter((bridge) => this.parts.shadow.edges(bridge).length > 0);
    const isOn = this.parts.copyMode() === "on";
    const live = await Promise.all(
      bridges.map(async (bridge) => ({
        asked: await this.parts.replication.asked(bridge),
        ports: new Map((await this.parts.discovery.connection(bridge)?.portStats())?.map((stats) => [stats.portNo, stats]) ?? []),
      })),
    );
    const copies = await this.parts.shadow.portCounters();
    return new Map(
      bridges.flatMap((bridge, at) =>
        this.parts.shadow.edges(bridge).map((ofport): [string, Counters] => {
          const port = portKey({ bridge, ofport });
          const stats = live[at]?.ports.get(ofport);
          const asked = live[at]?.asked.get(ofport);
          // While copying is off no flow selects.
          const known = isOn || asked === "nothing" ? asked : "all";
          return [port, { received: stats?.rxPackets, receiveDrops: stats?.rxDropped, copied: copies.get(port)?.copied, asked: known }];
        }),
      ),
    );
  }

  /** Below level "state" nothing comes into the shadow of a bridge, and its counters say nothing. */
  private connection(side: "live" | "shadow", bridge: string): OpenFlowConnection | undefined {
    if (side === "live") return this.parts.discovery.connection(bridge);
    return reaches(this.parts.shadow.demand(bridge).level, "state") ? this.parts.shadow.connection(bridge) : undefined;
  }
}
