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
  const counters = new Map<string, PortCount>();
  for (const { bridge, edges, connection } of adapters) {
    if (connection === undefined || edges.length === 0) continue;
    const stats = new Map((await connection.portStats()).map((one) => [one.portNo, one]));
    for (const n of edges) {
      // What went on to the shadow's port: the same whether it came through a replica port of its own or the common one.
      const egress = stats.get(replicaPort(n));
      counters.set(portKey({ bridge, ofport: n }), { copied: egress?.txPackets ?? 0n, delivered: egress?.rxPackets ?? 0n });
    }
  }
  return counters;
}
