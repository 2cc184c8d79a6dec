/** What the adapters count of each edge port. */
import type { OpenFlowConnection } from "node-openflow";
import { portKey } from "../network/model.js";
import { replicaPort } from "../network/pipeline.js";

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

/** Reads the counters of the adapters that are connected, by live portKey. */
export async function adapterCounters(adapters: readonly CountedAdapter[]): Promise<Map<string, PortCount>> {
  const read = async ({ bridge, edges, connection }: CountedAdapter): Promise<(readonly [string, PortCount])[]> => {
    if (connection === undefined || edges.length === 0) return [];
    const stats = new Map((await connection.portStats()).map((one) => [one.portNo, one]));
    // What went on to the shadow's port: the same whether it came through a replica port of its own or the common one.
    return edges.map((n) => [portKey({ bridge, ofport: n }), { copied: stats.get(replicaPort(n))?.txPackets ?? 0n, delivered: stats.get(replicaPort(n))?.rxPackets ?? 0n }] as const);
  };
  return new Map((await Promise.all(adapters.map(read))).flat());
}
