import fc from "fast-check";
import { isKnown, type Action } from "node-openflow";
import type { FlowEntry } from "../network/flow-entry.js";
import { portKey, type Bridge, type Host, type Link, type Network, type Port } from "../network/model.js";
import { isOurGroup, table } from "../network/pipeline.js";
import { desiredForwarding, type BridgeForwarding } from "./forwarding.js";

/** Bridges b0…, with `edgesOf` hosts each and links between the pairs given. Ports are numbered in the order they appear. */
function network(count: number, pairs: readonly (readonly [number, number])[], edgesOf: number): Network {
  const ports = Array.from({ length: count }, () => new Map<number, Port>());
  const add = (bridge: number, role: Port["role"]): number => {
    const ofport = (ports[bridge]?.size ?? 0) + 1;
    ports[bridge]?.set(ofport, { name: `p${ofport}`, ofport, role, type: "", up: true, ifindex: 0 });
    return ofport;
  };
  const hosts = new Map<string, Host>();
  for (let b = 0; b < count; b++) {
    for (let h = 0; h < edgesOf; h++) {
      const mac = `02:00:00:00:0${b.toString(16)}:0${h}`;
      hosts.set(mac, { mac, addresses: [], at: { bridge: `b${b}`, ofport: add(b, "edge") } });
    }
  }
  const links = pairs.map(([a, b]): Link => ({ a: { bridge: `b${a}`, ofport: add(a, "fabric") }, b: { bridge: `b${b}`, ofport: add(b, "fabric") }, up: true }));
  const bridges = new Map(ports.map((own, i): [string, Bridge] => [`b${i}`, { name: `b${i}`, datapathId: BigInt(i), datapathType: "netdev", failMode: "secure", ports: own }]));
  return { bridges, links, hosts };
}

const valueOf = (flow: FlowEntry, name: string): bigint | undefined => flow.match.filter(isKnown).find((field) => field.name === name)?.value;

/** Where a frame goes when the tables are run by hand: edge ports reached (with hop counts), and -1 for a loop. */
function deliver(net: Network, tables: ReadonlyMap<string, BridgeForwarding>, from: { bridge: string; ofport: number }, ethDst: bigint): { at: string; hops: number }[] {
  const far = new Map(net.links.filter((link) => link.up).flatMap((link) => [[portKey(link.a), link.b] as const, [portKey(link.b), link.a] as const]));
  const reached: { at: string; hops: number }[] = [];
  const queue = [{ ...from, hops: 0 }];
  while (queue.length > 0) {
    const here = queue.shift();
    if (here === undefined || here.hops > net.bridges.size + 1) return [{ at: "loop", hops: -1 }];
    const { flows = [], groups = [] } = tables.get(here.bridge) ?? {};
    const hit = flows
      .filter((flow) => flow.tableId === table.forward)
      .sort((x, y) => y.priority - x.priority)
      .find((flow) =>
        flow.match.filter(isKnown).every((field) => {
          const value = field.name === "inPort" ? BigInt(here.ofport) : ethDst;
          return (value & (field.mask ?? ~0n)) === field.value;
        }),
      );
    const actions = (hit?.instructions[0]?.type === "applyActions" ? hit.instructions[0].actions : []).flatMap((one): readonly Action[] =>
      one.type === "group" ? (groups.find((group) => group.groupId === one.groupId)?.buckets[0]?.actions ?? []) : [one],
    );
    for (const one of actions) {
      if (one.type !== "output" || one.port === here.ofport) continue;
      const next = far.get(portKey({ bridge: here.bridge, ofport: one.port }));
      if (next !== undefined) queue.push({ ...next, hops: here.hops + 1 });
      else if (net.bridges.get(here.bridge)?.ports.get(one.port)?.role === "edge") reached.push({ at: portKey({ bridge: here.bridge, ofport: one.port }), hops: here.hops });
    }
  }
  return reached;
}

const broadcast = 0xffffffffffffn;
const macNumber = (mac: string): bigint => BigInt(`0x${mac.replaceAll(":", "")}`);

function check(net: Network): void {
  const tables = desiredForwarding(net);
  const hosts = [...net.hosts.values()];
  for (const source of hosts) {
    const flooded = deliver(net, tables, source.at, broadcast).map(({ at }) => at);
    expect(flooded.sort()).toEqual(hosts.filter((host) => host !== source).map((host) => portKey(host.at)).sort());
    for (const target of hosts) {
      if (target === source) continue;
      expect(deliver(net, tables, source.at, macNumber(target.mac)).map(({ at }) => at)).toEqual([portKey(target.at)]);
    }
  }
}

const leafSpine: readonly (readonly [number, number])[] = [[0, 2], [0, 3], [1, 2], [1, 3]];

test("leaf-spine: every host reaches every other, broadcasts arrive exactly once", () => check(network(4, leafSpine, 2)));

test("connected random graphs, parallel links included: the same, whichever link is cut as long as they stay connected", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 6 }), fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { maxLength: 8 }), (count, extra) => {
      const chain = Array.from({ length: count - 1 }, (_, i) => [i, i + 1] as const);
      const more = extra.map(([a, b]) => [a % count, b % count] as const).filter(([a, b]) => a !== b);
      const net = network(count, [...chain, ...more], 1);
      check(net);
      // An extra link may go: the chain still connects all.
      if (more.length > 0) check({ ...net, links: net.links.map((link, i) => (i === chain.length ? { ...link, up: false } : link)) });
    }),
    { numRuns: 60 },
  );
});

test("several next hops make a fast-failover group of ours, whose order depends on the destination", () => {
  const tables = desiredForwarding(network(4, leafSpine, 8));
  const groups = tables.get("b0")?.groups ?? [];
  expect(groups).toHaveLength(2);
  expect(groups.every((group) => isOurGroup(group.groupId) && group.groupType === "ff" && group.buckets.length === 2)).toBe(true);
  expect(new Set(groups.map((group) => group.buckets[0]?.watchPort)).size).toBe(2);
});

test("two runs give the same, and a port is learned from until it is full", () => {
  const net = network(2, [[0, 1]], 1);
  expect(desiredForwarding(net)).toEqual(desiredForwarding({ ...net, bridges: new Map([...net.bridges].reverse()) }));
  const learning = (max: number): number =>
    (desiredForwarding(net, { maxHostsPerPort: max }).get("b0")?.flows ?? []).filter((flow) => flow.tableId === table.learn && valueOf(flow, "ethSrc") === undefined).length;
  expect([learning(2), learning(1)]).toEqual([1, 0]);
});
