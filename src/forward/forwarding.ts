/**
 * The forwarding between known hosts of a network, as flows and groups for each bridge. Pure and deterministic, so that a
 * restarted controller computes the same and changes nothing.
 *
 * Unicast takes shortest paths, spread by destination; where there are several next hops a fast-failover group holds all
 * of them, in an order chosen by the destination's address. Broadcast takes one spanning tree. What we do not know goes
 * back to the operator's flows.
 */
import { createHash } from "node:crypto";
import { action, instruction, match, type Action } from "node-openflow";
import { permanent, type FlowEntry, type GroupEntry } from "../network/flow-entry.js";
import { distancesTo, graphOf, nextHops, spanningTree, type Graph } from "../network/graph.js";
import type { Bridge, Host, Network } from "../network/model.js";
import { cookie, groupBase, passedRegister, priority, table, type CookieKind } from "../network/pipeline.js";
import { lldpEthType, lldpMulticast } from "../network/lldp.js";

export interface BridgeForwarding {
  readonly flows: readonly FlowEntry[];
  readonly groups: readonly GroupEntry[];
}

export interface ForwardingOptions {
  /** Hosts learned behind one port before learning stops there. */
  readonly maxHostsPerPort: number;
}
const defaults: ForwardingOptions = { maxHostsPerPort: 64 };

const broadcast = ["01:00:00:00:00:00", "01:00:00:00:00:00"] as const;
/** Enough of an unknown sender's packet for Ethernet, a VLAN tag and ARP or the IPv6 header. */
const learnBytes = 128;
const anyWatch = 0xffffffff;

const flow = (tableId: number, at: number, spec: Parameters<typeof match>[0], kind: CookieKind, actions: readonly Action[]): FlowEntry =>
  permanent({ tableId, priority: at, match: match(spec), cookie: cookie(kind), instructions: actions.length === 0 ? [] : [instruction.apply(...actions)] });

/** The entry in table 0 and the ways between our tables, the same on every bridge. */
function skeleton(): FlowEntry[] {
  return [
    flow(table.operator, priority.entry, { [passedRegister.field]: [0n, passedRegister.mask] }, "entry", [
      action.load(passedRegister.field, 1n, passedRegister.bit, 1),
      action.resubmit(table.admit),
    ]),
    flow(table.admit, priority.discovery, { ethDst: lldpMulticast, ethType: lldpEthType }, "discovery", [action.toController()]),
    flow(table.admit, priority.miss, {}, "entry", [action.resubmit(table.learn), action.resubmit(table.forward)]),
    flow(table.forward, priority.miss, {}, "forward", [action.resubmit(table.operator)]),
  ];
}

/** Shows senders we do not know to the controller; hosts we know pass silently. */
function learning(bridge: Bridge, hosts: readonly Host[], options: ForwardingOptions): FlowEntry[] {
  return [...bridge.ports.values()]
    .filter((port) => port.role === "edge")
    .flatMap((port) => {
      const here = hosts.filter((host) => host.at.bridge === bridge.name && host.at.ofport === port.ofport);
      const known = here.map((host) => flow(table.learn, priority.exact, { inPort: port.ofport, ethSrc: host.mac }, "learn", []));
      const unknown = flow(table.learn, priority.group, { inPort: port.ofport }, "learn", [action.toController(learnBytes)]);
      return here.length >= options.maxHostsPerPort ? known : [unknown, ...known];
    });
}

/** A stable number from 0 to `below` - 1 for a text. */
function spread(text: string, below: number): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0) % below;
}

/** Group ids of one bridge: by the ordered ports, so that destinations with the same order share a group. */
class Groups {
  readonly all = new Map<string, GroupEntry>();
  private readonly taken = new Set<number>();

  /** The group that uses the first of `ports` that is up. */
  idOf(ports: readonly number[]): number {
    const key = ports.join(",");
    const known = this.all.get(key);
    if (known !== undefined) return known.groupId;
    let id = groupBase + spread(`group ${key}`, 0x10000);
    while (this.taken.has(id)) id = groupBase + ((id - groupBase + 1) % 0x10000);
    this.taken.add(id);
    const buckets = ports.map((port) => ({ weight: 0, watchPort: port, watchGroup: anyWatch, actions: [action.output(port)] }));
    this.all.set(key, { groupId: id, groupType: "ff", buckets });
    return id;
  }
}

function unicast(bridge: Bridge, at: number, graph: Graph, distances: ReadonlyMap<string, readonly number[]>, hosts: readonly Host[], groups: Groups): FlowEntry[] {
  return hosts.flatMap((host) => {
    const to = (actions: Action[]): FlowEntry[] => [flow(table.forward, priority.exact, { ethDst: host.mac }, "forward", actions)];
    if (host.at.bridge === bridge.name) return to([action.output(host.at.ofport)]);
    const ports = nextHops(graph, at, distances.get(host.at.bridge) ?? []);
    if (ports.length === 0) return []; // no way: the operator's flows may know one
    if (ports.length === 1) return to([action.output(ports[0] ?? 0)]);
    const first = spread(host.mac, ports.length);
    return to([action.group(groups.idOf([...ports.slice(first), ...ports.slice(0, first)]))]);
  });
}

function flooding(bridge: Bridge, tree: ReadonlySet<number>): FlowEntry[] {
  const ports = [...bridge.ports.values()].sort((x, y) => x.ofport - y.ofport);
  const out = ports.filter((port) => port.role === "edge" || (port.role === "fabric" && tree.has(port.ofport)));
  const off = ports.filter((port) => port.role === "fabric" && !tree.has(port.ofport));
  return [
    ...off.map((port) => flow(table.forward, priority.exact, { inPort: port.ofport, ethDst: broadcast }, "forward", [])),
    ...(out.length === 0 ? [] : [flow(table.forward, priority.group, { ethDst: broadcast }, "forward", out.map((port) => action.output(port.ofport)))]),
  ];
}

/** Flows and groups of every bridge. OpenFlow never sends a packet back out of the port it came in by, so floods may name it. */
export function desiredForwarding(network: Network, options: ForwardingOptions = defaults): Map<string, BridgeForwarding> {
  const graph = graphOf(network);
  const tree = spanningTree(graph);
  const hosts = [...network.hosts.values()].sort((x, y) => (x.mac < y.mac ? -1 : 1));
  const distances = new Map(
    [...new Set(hosts.map((host) => host.at.bridge))].flatMap((name) => {
      const target = graph.index.get(name);
      return target === undefined ? [] : [[name, distancesTo(graph, target)] as const];
    }),
  );
  return new Map(
    graph.names.map((name, at) => {
      const bridge = network.bridges.get(name);
      if (bridge === undefined) throw new Error(`no bridge ${name}`);
      const groups = new Groups();
      const flows = [
        ...skeleton(),
        ...learning(bridge, hosts, options),
        ...unicast(bridge, at, graph, distances, hosts, groups),
        ...flooding(bridge, tree[at] ?? new Set()),
      ];
      return [name, { flows, groups: [...groups.all.values()] }];
    }),
  );
}

/** What a bridge gets before discovery is complete: it listens, and all forwarding stays the operator's. */
export function attachFlows(network: Network): Map<string, BridgeForwarding> {
  return new Map(
    [...network.bridges].map(([name, bridge]) => [name, { flows: [...skeleton(), ...learning(bridge, [...network.hosts.values()], defaults)], groups: [] }]),
  );
}
