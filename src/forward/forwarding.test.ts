import fc from "fast-check";
import { isKnown, parseFlow, type Action } from "node-openflow";
import { blockFlow, blockRuleSchema } from "../change/block-rule.js";
import { flowKey, type FlowEntry } from "../network/flow-entry.js";
import { parsePacket, SoftwareSwitch } from "../network/flow-table.js";
import { connected, distancesTo, graphOf } from "../network/graph.js";
import { portKey, type Bridge, type Host, type Link, type Network, type Port } from "../network/model.js";
import { cookie, isOurGroup, isOurs, passedRegister, priority, readCookie, table } from "../network/pipeline.js";
import { attachFlows, desiredForwarding, type BridgeForwarding } from "./forwarding.js";

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
      const mac = `02:00:00:00:${b.toString(16).padStart(2, "0")}:0${h}`;
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

/** Broadcasts reach every connected edge once, unicasts their host alone and in as few hops as there are. */
function check(net: Network): void {
  const tables = desiredForwarding(net);
  const graph = graphOf(net);
  const hosts = [...net.hosts.values()];
  for (const source of hosts) {
    const near = hosts.filter((host) => host !== source && connected(graph, source.at.bridge, host.at.bridge));
    const flooded = deliver(net, tables, source.at, broadcast).map(({ at }) => at);
    expect(flooded.sort()).toEqual(near.map((host) => portKey(host.at)).sort());
    for (const target of near) {
      const hops = distancesTo(graph, graph.index.get(target.at.bridge) ?? 0)[graph.index.get(source.at.bridge) ?? 0];
      expect(deliver(net, tables, source.at, macNumber(target.mac))).toEqual([{ at: portKey(target.at), hops }]);
    }
  }
}

/** The networks that are left when each link in turn is down. */
const withoutOneLink = (net: Network): Network[] => net.links.map((_, cut) => ({ ...net, links: net.links.map((link, i) => (i === cut ? { ...link, up: false } : link)) }));

/** A fat tree of k = 4: 4 cores (0-3), 4 pods of 2 aggregation (4-11) and 2 edge bridges (12-19). */
function fatTree(): Network {
  const pairs = Array.from({ length: 4 }, (_, pod) => {
    const aggregation = [4 + 2 * pod, 5 + 2 * pod] as const;
    const edge = [12 + 2 * pod, 13 + 2 * pod] as const;
    return [...aggregation.flatMap((at, i) => [[at, 2 * i] as const, [at, 2 * i + 1] as const]), ...aggregation.flatMap((at) => edge.map((to) => [at, to] as const))];
  }).flat();
  const net = network(20, pairs, 1);
  const hosts = [...net.hosts].filter(([, host]) => Number(host.at.bridge.slice(1)) >= 12);
  // Cores and aggregation have no hosts, so no edge ports, either.
  const bridges = [...net.bridges].map(([name, one]): [string, Bridge] =>
    Number(name.slice(1)) >= 12 ? [name, one] : [name, { ...one, ports: new Map([...one.ports].filter(([, port]) => port.role !== "edge")) }],
  );
  return { bridges: new Map(bridges), links: net.links, hosts: new Map(hosts) };
}

const leafSpine: readonly (readonly [number, number])[] = [[0, 2], [0, 3], [1, 2], [1, 3]];

test("leaf-spine, whole and with each link cut: every host reaches every other by the shortest way, broadcasts arrive exactly once", () => {
  const net = network(4, leafSpine, 2);
  for (const one of [net, ...withoutOneLink(net)]) check(one);
});

test("fat tree of k = 4, whole and with each link cut: the same", () => {
  const net = fatTree();
  expect(net.links).toHaveLength(32);
  for (const one of [net, ...withoutOneLink(net)]) check(one);
});

test("random graphs, parallel links and separate parts included, with each link cut: the same", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 6 }), fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { maxLength: 9 }), (count, pairs) => {
      const net = network(count, pairs.map(([a, b]) => [a % count, b % count] as const).filter(([a, b]) => a !== b), 1);
      for (const one of [net, ...withoutOneLink(net)]) check(one);
    }),
    { numRuns: 60 },
  );
});

/** What a flow of `bridge` sends out of, groups included. */
const outputs = ({ flows, groups }: BridgeForwarding): number[] =>
  [...flows.flatMap((flow) => flow.instructions.flatMap((one) => (one.type === "applyActions" ? one.actions : []))), ...groups.flatMap((group) => group.buckets.flatMap((bucket) => bucket.actions))]
    .filter((one) => one.type === "output")
    .map((one) => one.port);

test("ports of ours and the local port get nothing and are not learned from, whatever host is said to be there", () => {
  const net = network(2, [[0, 1]], 1);
  const add = (ofport: number, role: Port["role"]): [number, Port] => [ofport, { name: `p${ofport}`, ofport, role, type: "", up: true, ifindex: 0 }];
  const ports = new Map([...(net.bridges.get("b0")?.ports ?? []), add(0x8001, "ours"), add(0xfffffffe, "local")]);
  const b0 = net.bridges.get("b0");
  if (b0 === undefined) throw new Error("no b0");
  const hosts = new Map(net.hosts);
  for (const [mac, ofport] of [["02:00:00:00:0a:01", 0x8001], ["02:00:00:00:0a:02", 0xfffffffe], ["02:00:00:00:0a:03", 2], ["02:00:00:00:0a:04", 99]] as const) hosts.set(mac, { mac, addresses: [], at: { bridge: "b0", ofport } });
  const tables = desiredForwarding({ ...net, bridges: new Map(net.bridges).set("b0", { ...b0, ports }), hosts });
  const { flows = [], groups = [] } = tables.get("b0") ?? {};
  const controllerPort = 0xfffffffd;
  expect(new Set(outputs({ flows, groups }))).toEqual(new Set([1, 2, controllerPort]));
  expect(flows.some((flow) => valueOf(flow, "inPort") === 0x8001n)).toBe(false);
  for (const { flows: all } of tables.values()) expect(all.filter((flow) => (valueOf(flow, "ethDst") ?? 0n) >> 8n === 0x020000_00000an)).toEqual([]);
});

test("every flow is ours, and none shares its place with another", () => {
  for (const { flows, groups } of desiredForwarding(fatTree()).values()) {
    expect(flows.every((flow) => isOurs(flow.cookie) && readCookie(flow.cookie) !== undefined)).toBe(true);
    expect(new Set(flows.map(flowKey)).size).toBe(flows.length);
    expect(new Set(groups.map((group) => group.groupId)).size).toBe(groups.length);
  }
});

const actionsAt = ({ flows }: BridgeForwarding, tableId: number, at: number, has: (flow: FlowEntry) => boolean = () => true): readonly Action[] =>
  flows.filter((flow) => flow.tableId === tableId && flow.priority === at && has(flow)).flatMap((flow) => (flow.instructions[0]?.type === "applyActions" ? flow.instructions[0].actions : []));

test("table 0 sends each packet once through our tables, misses and link-local frames return to it", () => {
  for (const tables of [attachFlows(network(1, [], 1)), desiredForwarding(network(1, [], 1))]) {
    const one = tables.get("b0") ?? { flows: [], groups: [] };
    expect(one.flows.filter((flow) => flow.tableId === table.operator).map((flow) => flow.match)).toEqual([[{ name: "reg15", value: 0n, mask: passedRegister.mask }]]);
    expect(actionsAt(one, table.operator, priority.entry)).toMatchObject([{ type: "regLoad", field: "reg15", offset: 31, bits: 1, value: 1n }, { type: "resubmit", tableId: table.replicate }, { type: "resubmit", tableId: table.admit }]);
    expect(actionsAt(one, table.admit, priority.miss)).toMatchObject([{ tableId: table.learn }, { tableId: table.forward }]);
    expect(actionsAt(one, table.forward, priority.miss)).toMatchObject([{ type: "resubmit", tableId: table.operator }]);
    expect(actionsAt(one, table.forward, priority.discovery, (flow) => valueOf(flow, "ethDst") === 0x0180c2000000n)).toMatchObject([{ type: "resubmit", tableId: table.operator }]);
  }
});

describe("as a guest", () => {
  const guest = attachFlows(network(1, [], 2), undefined, true).get("b0")?.flows ?? [];
  /** A block of what goes to 10.0.0.9 besides, and the operator's own flows: all goes out by port 2. */
  const block = blockFlow(blockRuleSchema.parse({ bridge: "b0", ipv4Dst: "10.0.0.9" }), 1, 10);
  const operator = { ...parseFlow("priority=0,actions=output:2", { version: 5 }), cookie: 0n };
  const outputsOf = (flows: readonly FlowEntry[], packet: string): number[] => {
    const ports = [1, 2].map((number) => ({ number, name: `p${number}`, up: true }));
    const { outputs, undecided, error } = new SoftwareSwitch([{ name: "b0", ports, flows: [...flows, operator] }]).process("b0", parsePacket(packet));
    expect([undecided, error]).toEqual([[], undefined]);
    return outputs.map(({ port }) => port).filter((port) => port < 0xff00); // the rest is the controller
  };
  const packets = {
    known: "in_port=1,udp,dl_src=02:00:00:00:00:00,dl_dst=02:00:00:00:00:01,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1,tp_dst=2",
    unknown: "in_port=1,udp,dl_src=02:00:00:00:77:00,dl_dst=02:00:00:00:77:01,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1,tp_dst=2",
    broadcast: "in_port=1,arp,dl_src=02:00:00:00:00:00,dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2",
    linkLocal: "in_port=1,dl_src=02:00:00:00:00:00,dl_dst=01:80:c2:00:00:00,dl_type=0x1234",
  };
  const blocked = packets.known.replace("10.0.0.2", "10.0.0.9");
  const ourLldp = `in_port=1,dl_src=02:53:48:00:00:01,dl_dst=01:80:c2:00:00:0e,dl_type=0x88cc`;

  test("every packet takes the operator's flows once, what is blocked and our LLDP take none", () => {
    for (const packet of Object.values(packets)) expect(outputsOf([...guest, block], packet)).toEqual([2]);
    expect([blocked, ourLldp].map((packet) => outputsOf([...guest, block], packet))).toEqual([[], []]);
  });

  test("whichever kinds of our flows somebody has deleted, and whichever single ones are back, a packet takes the operator's flows once", () => {
    const kinds = [...new Set(guest.map(({ cookie: own }) => readCookie(own)?.kind))];
    expect(kinds.length).toBeGreaterThan(3);
    for (let left = 0; left < 2 ** kinds.length; left++) {
      const rest = guest.filter(({ cookie: own }) => ((left >> kinds.indexOf(readCookie(own)?.kind)) & 1) === 1);
      for (const packet of Object.values(packets)) expect(outputsOf(rest, packet)).toEqual([2]);
    }
    for (let count = 0; count <= guest.length; count++) for (const packet of Object.values(packets)) expect(outputsOf(guest.slice(0, count), packet)).toEqual([2]);
  });
});

test("a host's ARP and solicitations are shown until its addresses are known, and its cookie carries the first", () => {
  const net = network(1, [], 1);
  const [mac = ""] = net.hosts.keys();
  const learned = (addresses: readonly string[]): FlowEntry[] => {
    const hosts = new Map([[mac, { mac, addresses, at: { bridge: "b0", ofport: 1 } }]]);
    return (desiredForwarding({ ...net, hosts }).get("b0")?.flows ?? []).filter((flow) => valueOf(flow, "ethSrc") === macNumber(mac) && flow.tableId === table.learn);
  };
  const types = (addresses: readonly string[]): unknown[] => learned(addresses).map((flow) => valueOf(flow, "ethType")).filter((type) => type !== undefined);
  expect([types([]), types(["10.0.0.1"]), types(["fe80::1", "10.0.0.1"])]).toEqual([[0x806n, 0x86ddn], [0x86ddn], []]);
  expect(learned(["fe80::1", "10.0.0.1"])[0]?.cookie).toBe(cookie("learn", 0x1_0a00_0001n));
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

test("a new destination leaves the groups of others as they are", () => {
  const net = network(4, leafSpine, 4);
  const groups = (without: string): unknown => desiredForwarding({ ...net, hosts: new Map([...net.hosts].filter(([mac]) => mac !== without)) }).get("b0")?.groups;
  for (const mac of net.hosts.keys()) expect(groups(mac)).toEqual(groups("none"));
});
