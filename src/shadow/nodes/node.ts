/**
 * A shadow node: what stands in the shadow for the host behind a live edge port. A light one is a name and a place; a real one is a
 * network namespace with the host's addresses, behind a port of the adapter. Its frames enter the shadow where the copies of its edge
 * port do. What carries the nodes' mark and leaves the shadow there goes to it, and never a copy. Pure.
 */
import { action, instruction, match, type Action, type MatchSpec } from "node-openflow";
import { permanent, type FlowEntry } from "../../network/flow-entry.js";
import { portKey, type PortRef } from "../../network/model.js";
import { cookie, nodeMark, nodePorts, replicaPort, table } from "../../network/pipeline.js";
import type { DesiredBridge, DesiredPort } from "../../reconcile/database-state.js";
import { adapterBridge } from "../names.js";

export interface ShadowNode {
  /** Of its network namespace, and of the device that leads there. */
  readonly name: string;
  /** The live edge port it stands behind. */
  readonly at: PortRef;
  /** Of the live host: lower-case, colon-separated. */
  readonly mac: string;
  /** Of the live host: IPv4. */
  readonly address: string;
  /** Its port on the adapter. */
  readonly ofport: number;
}

/** A port number on the adapter for each of these edge ports: from the edge port's own number, the next free one where two meet. The first `nodePorts.count` get one. */
export function nodeNumbers(edges: readonly number[]): ReadonlyMap<number, number> {
  const taken = new Map<number, number>();
  for (const edge of [...new Set(edges)].sort((x, y) => x - y).slice(0, nodePorts.count)) {
    let slot = edge % nodePorts.count;
    while (taken.has(slot)) slot = (slot + 1) % nodePorts.count;
    taken.set(slot, edge);
  }
  return new Map([...taken].map(([slot, edge]) => [edge, nodePorts.first + slot]));
}

const ipv4 = 0x0800;

/**
 * Flows of an adapter for its nodes. `held`: they are to send nothing into the shadow now; the flows that count stay, so that
 * their counts go on.
 */
export function nodeFlows(nodes: readonly ShadowNode[], held: boolean): FlowEntry[] {
  const entry = (priority: number, serial: number, spec: MatchSpec, actions: readonly Action[]): FlowEntry =>
    permanent({ tableId: table.operator, priority, match: match(spec), cookie: cookie("node", BigInt(serial)), instructions: actions.length === 0 ? [] : [instruction.apply(...actions)] });
  return nodes.flatMap(({ at: { ofport: edge }, mac, ofport }) => [
    // Only what it is there to send: its kernel's own frames (neighbour discovery, multicast) end here.
    entry(100, edge, { inPort: ofport, ethType: ipv4, ethSrc: mac }, [action.setField("pktMark", nodeMark), action.output(replicaPort(edge))]),
    entry(101, replicaPort(edge), { inPort: replicaPort(edge), pktMark: nodeMark }, [action.output(ofport)]),
    ...(held ? [entry(102, 0, { inPort: ofport }, [])] : []),
  ]);
}

const noOptions: ReadonlyMap<string, string> = new Map();
const nodePort = ({ name, at, ofport }: ShadowNode): DesiredPort => ({ name, type: "", options: noOptions, ofport, role: "node", live: portKey(at) });

/** Adds the nodes' ports to the adapters. An adapter whose nodes did not change stays the very same value. */
export class NodeRows {
  private known = new WeakMap<DesiredBridge, { readonly nodes: readonly ShadowNode[]; readonly bridge: DesiredBridge }>();

  /** `nodes`: by live bridge. */
  added(bridges: readonly DesiredBridge[], nodes: ReadonlyMap<string, readonly ShadowNode[]>): readonly DesiredBridge[] {
    if (nodes.size === 0) return bridges;
    return bridges.map((bridge) => {
      const here = nodes.get(bridge.live);
      if (here === undefined || bridge.name !== adapterBridge(bridge.live)) return bridge;
      let known = this.known.get(bridge);
      if (known?.nodes !== here) this.known.set(bridge, (known = { nodes: here, bridge: { ...bridge, ports: [...bridge.ports, ...here.map(nodePort)] } }));
      return known.bridge;
    });
  }
}
