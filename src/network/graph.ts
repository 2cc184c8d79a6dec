/** The graph of bridges and links that are up: distances, next hops, one spanning tree. Deterministic in names. Pure. */
import type { Network } from "./model.js";

interface Edge {
  /** Index of the bridge at the far end. */
  readonly to: number;
  /** Our port towards it, and its port at the other end of the cable. */
  readonly port: number;
  readonly peerPort: number;
}

export interface Graph {
  /** Sorted by name; a bridge's place is its index everywhere else. */
  readonly names: readonly string[];
  readonly index: ReadonlyMap<string, number>;
  /** Edges of each bridge, by port number. */
  readonly edges: readonly (readonly Edge[])[];
}

export function graphOf(network: Network): Graph {
  const names = [...network.bridges.keys()].sort();
  const index = new Map(names.map((name, i) => [name, i]));
  const edges: Edge[][] = names.map(() => []);
  for (const { a, b, up } of network.links) {
    const from = index.get(a.bridge);
    const to = index.get(b.bridge);
    if (!up || from === undefined || to === undefined) continue;
    edges[from]?.push({ to, port: a.ofport, peerPort: b.ofport });
    edges[to]?.push({ to: from, port: b.ofport, peerPort: a.ofport });
  }
  for (const list of edges) list.sort((x, y) => x.port - y.port);
  return { names, index, edges };
}

/** Hops from every bridge to `target`; Infinity where there is no way. */
export function distancesTo(graph: Graph, target: number): number[] {
  const distance = graph.names.map(() => Infinity);
  distance[target] = 0;
  const queue = [target];
  for (let i = 0; i < queue.length; i++) {
    const at = queue[i] ?? 0;
    for (const { to } of graph.edges[at] ?? []) {
      if (distance[to] !== Infinity) continue;
      distance[to] = (distance[at] ?? 0) + 1;
      queue.push(to);
    }
  }
  return distance;
}

/** Ports of `from` that lead one hop closer, given the distances to the target: no packet can come back through them. */
export function nextHops(graph: Graph, from: number, distance: readonly number[]): number[] {
  const here = distance[from] ?? Infinity;
  return (graph.edges[from] ?? []).filter(({ to }) => (distance[to] ?? Infinity) < here).map(({ port }) => port);
}

/** Ports of one spanning tree (a forest where the graph has parts), by bridge index: breadth first from the lowest name. */
export function spanningTree(graph: Graph): ReadonlySet<number>[] {
  const tree = graph.names.map(() => new Set<number>());
  const seen = new Set<number>();
  for (let root = 0; root < graph.names.length; root++) {
    if (seen.has(root)) continue;
    seen.add(root);
    const queue = [root];
    for (let i = 0; i < queue.length; i++) {
      const at = queue[i] ?? 0;
      for (const { to, port, peerPort } of graph.edges[at] ?? []) {
        if (seen.has(to)) continue;
        seen.add(to);
        queue.push(to);
        tree[at]?.add(port);
        tree[to]?.add(peerPort);
      }
    }
  }
  return tree;
}

/** Whether two bridges are connected. */
export function connected(graph: Graph, a: string, b: string): boolean {
  const from = graph.index.get(a);
  const to = graph.index.get(b);
  return from !== undefined && to !== undefined && distancesTo(graph, to)[from] !== Infinity;
}
