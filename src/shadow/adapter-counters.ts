/** What the adapters count of each edge port. */
import type { OpenFlowConnection } from "node-openflow";
import { portKey } from "../network/model.js";
import { replicaPort } from "../network/pipeline.js";
import { Corrected, type NodeCount, type NodeCounters } from "./nodes/counters.js";

export interface PortCount {
  /** Packets that went on into the shadow. */
  readonly copied: bigint;
  /** Packets that the shadow sent towards its host. */
  readonly delivered: bigint;
}

export interface CountedAdapter {
  /** The live bridge it is for, and that one's edge ports with a place in the shadow. */
  readonly bridge: string;
  readonly edges: readonly number[];
  readonly connection: OpenFlowConnection | undefined;
}

type Counted = readonly (readonly [string, PortCount])[];

/** How often ports are read again because nodes sent something meanwhile. */
const maxReadings = 3;

/** Reads the counters of the adapters that are connected, by live portKey, without what shadow nodes sent and were given. */
export class AdapterCounters {
  private readonly nodes: NodeCounters;
  private readonly corrected = new Corrected();

  constructor(nodes: NodeCounters) {
    this.nodes = nodes;
  }

  async read(adapters: readonly CountedAdapter[]): Promise<Map<string, PortCount>> {
    return new Map((await Promise.all(adapters.map((adapter) => this.one(adapter)))).flat());
  }

  private async one(adapter: CountedAdapter): Promise<Counted> {
    const { bridge, connection, edges } = adapter;
    if (connection === undefined || edges.length === 0) return [];
    if (!this.nodes.has(bridge)) return portCounts(adapter, connection);
    // Ports and flows can't be read at one moment: what was counted belongs together when the flows said the same before and after.
    let nodes = await this.nodes.read(bridge, connection);
    let ports = await portCounts(adapter, connection);
    for (let readings = 1; readings < maxReadings; readings++) {
      const after = await this.nodes.read(bridge, connection);
      if (sameCounts(nodes, after)) break;
      nodes = after;
      ports = await portCounts(adapter, connection);
    }
    return ports.map(([port, count]) => {
      const own = nodes.get(port);
      if (own === undefined) return [port, count] as const;
      return [port, { copied: this.corrected.of(`${port} in`, count.copied, own.inPackets), delivered: this.corrected.of(`${port} out`, count.delivered, own.outPackets) }] as const;
    });
  }
}

const sameCounts = (x: ReadonlyMap<string, NodeCount>, y: ReadonlyMap<string, NodeCount>): boolean =>
  [...x].every(([port, { inPackets, outPackets }]) => y.get(port)?.inPackets === inPackets && y.get(port)?.outPackets === outPackets);

async function portCounts({ bridge, edges }: CountedAdapter, connection: OpenFlowConnection): Promise<Counted> {
  const stats = new Map((await connection.portStats()).map((one) => [one.portNo, one]));
  // What went on to the shadow's port: the same whether it came through a replica port of its own or the common one.
  return edges.map((n) => [portKey({ bridge, ofport: n }), { copied: stats.get(replicaPort(n))?.txPackets ?? 0n, delivered: stats.get(replicaPort(n))?.rxPackets ?? 0n }] as const);
}
