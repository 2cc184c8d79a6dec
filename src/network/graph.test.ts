import fc from "fast-check";
import { connected, distancesTo, graphOf, nextHops, spanningTree, type Graph } from "./graph.js";
import { emptyNetwork, type Link, type Network } from "./model.js";

const bridge = (name: string) => [name, { name, datapathId: 0n, datapathType: "netdev", failMode: "secure", ports: new Map() }] as const;

/** Bridges b0… and a link for each pair, from port 1, 2, … to port 101, 102, … A pair may be of one bridge: a cable back to itself. */
function network(count: number, pairs: readonly (readonly [number, number])[], isUp: (link: number) => boolean = () => true): Network {
  const bridges = new Map(Array.from({ length: count }, (_, i) => bridge(`b${i}`)));
  const links = pairs.map(([a, b], i): Link => ({ a: { bridge: `b${a}`, ofport: i + 1 }, b: { bridge: `b${b}`, ofport: 101 + i }, up: isUp(i) }));
  return { ...emptyNetwork, bridges, links };
}

const anyNetwork = fc.integer({ min: 1, max: 9 }).chain((count) =>
  fc.array(fc.tuple(fc.nat(count - 1), fc.nat(count - 1), fc.boolean()), { maxLength: 16 }).map((links) =>
    network(
      count,
      links.map(([a, b]) => [a, b] as const),
      (i) => links[i]?.[2] ?? false,
    ),
  ),
);

/** Hops between all pairs the slow way (Floyd and Warshall), as a second opinion. */
function allDistances(net: Network): number[][] {
  const names = [...net.bridges.keys()].sort();
  const hops = names.map((_, i) => names.map((_, j) => (i === j ? 0 : Infinity)));
  const put = (i: number, j: number, value: number): void => {
    const row = hops[i];
    if (row !== undefined && value < (row[j] ?? Infinity)) row[j] = value;
  };
  for (const { a, b, up } of net.links) if (up) for (const [x, y] of [[a, b], [b, a]] as const) put(names.indexOf(x.bridge), names.indexOf(y.bridge), 1);
  for (let k = 0; k < names.length; k++) for (let i = 0; i < names.length; i++) for (let j = 0; j < names.length; j++) put(i, j, (hops[i]?.[k] ?? Infinity) + (hops[k]?.[j] ?? Infinity));
  return hops;
}

const farEnd = (graph: Graph, at: number, port: number): number | undefined => graph.edges[at]?.find((edge) => edge.port === port)?.to;

test("distances are those of an independent algorithm, and tell who is connected", () => {
  fc.assert(
    fc.property(anyNetwork, (net) => {
      const graph = graphOf(net);
      const hops = allDistances(net);
      graph.names.forEach((name, target) => {
        expect(distancesTo(graph, target)).toEqual(hops.map((row) => row[target]));
        graph.names.forEach((other, from) => expect(connected(graph, other, name)).toBe(hops[from]?.[target] !== Infinity));
      });
    }),
  );
});

test("next hops are all ports that lead exactly one hop closer, and only those", () => {
  fc.assert(
    fc.property(anyNetwork, (net) => {
      const graph = graphOf(net);
      graph.names.forEach((_, target) => {
        const distance = distancesTo(graph, target);
        graph.names.forEach((_, from) => {
          const closer = (graph.edges[from] ?? []).filter(({ to }) => distance[to] !== Infinity && (distance[to] ?? 0) + 1 === distance[from]).map(({ port }) => port);
          expect(nextHops(graph, from, distance)).toEqual(closer);
        });
      });
    }),
  );
});

test("the tree joins what is connected and has no cycle; both ends of a cable agree", () => {
  fc.assert(
    fc.property(anyNetwork, (net) => {
      const graph = graphOf(net);
      const tree = spanningTree(graph);
      const parts = new Set(allDistances(net).map((row) => row.findIndex((hops) => hops !== Infinity))).size;
      const onTree = net.links.filter((link) => link.up && tree[graph.index.get(link.a.bridge) ?? 0]?.has(link.a.ofport));
      for (const { b } of onTree) expect(tree[graph.index.get(b.bridge) ?? 0]?.has(b.ofport)).toBe(true);
      expect(onTree.length).toBe(graph.names.length - parts); // with as many edges as that, joined means no cycle
      expect(new Set(allDistances({ ...net, links: onTree }).map((row) => row.findIndex((hops) => hops !== Infinity))).size).toBe(parts);
    }),
  );
});

test("the order in which bridges and links were found changes nothing", () => {
  fc.assert(
    fc.property(anyNetwork, (net) => {
      const other: Network = { ...net, bridges: new Map([...net.bridges].reverse()), links: [...net.links].reverse() };
      const graph = graphOf(net);
      expect(graphOf(other).names).toEqual(graph.names);
      expect(spanningTree(graphOf(other))).toEqual(spanningTree(graph));
      graph.names.forEach((_, target) => expect(nextHops(graphOf(other), 0, distancesTo(graph, target))).toEqual(nextHops(graph, 0, distancesTo(graph, target))));
    }),
  );
});

test("a link to a bridge that is not in the network, a link that is down and an unknown name lead nowhere", () => {
  const net = network(3, [[0, 1], [1, 2], [2, 7]], (link) => link !== 1);
  const graph = graphOf(net);
  expect(farEnd(graph, 0, 1)).toBe(1);
  expect(graph.edges[2]).toEqual([]);
  expect([connected(graph, "b0", "b1"), connected(graph, "b0", "b2"), connected(graph, "b0", "nowhere")]).toEqual([true, false, false]);
});
