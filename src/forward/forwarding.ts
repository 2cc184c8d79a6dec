/**
 * The forwarding between known hosts of a network, as flows and groups for each bridge. Pure and deterministic, so that a
 * restarted controller computes the same and changes nothing.
 *
 * Unicast takes shortest paths, spread by destination; where there are several next hops a fast-failover group holds all
 * of them, in an order chosen by the destination's address. Broadcast takes one spanning tree. What we do not know goes
 * back to the operator's flows. docs/pipeline.md shows the tables.
 */
import { createHash } from "node:crypto";
import { action, instruction, match, type Action, type Match } from "node-openflow";
import { permanent, type FlowEntry, type GroupEntry } from "../network/flow-entry.js";
import { distancesTo, graphOf, nextHops, spanningTree } from "../network/graph.js";
import { ipv4Of, learnSerial } from "../network/hosts.js";
import { lldpEthType, lldpMulticast, lldpSource } from "../network/lldp.js";
import { portAt, type Bridge, type Host, type Network, type PortRef } from "../network/model.js";
import { cookie, dealtRegister, groupBase, passedRegister, priority, table, type CookieKind } from "../network/pipeline.js";

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
/** 01:80:c2:00:00:0X stays on one cable (IEEE 802.1Q, 8.6.3): BPDUs, LACP, pause, EAPOL, others' LLDP. */
const linkLocal = ["01:80:c2:00:00:00", "ff:ff:ff:ff:ff:f0"] as const;
const arp = { ethType: 0x0806 } as const;
const neighbourSolicitation = { ethType: 0x86dd, ipProto: 58, icmpv6Type: 135 } as const;
/** Enough of an unknown sender's packet for Ethernet, two VLAN tags and ARP or neighbour discovery. */
const learnBytes = 128;
const anyWatch = 0xffffffff;
const groupCount = 0x10000;

/** Where a flow stands, what it is for, and the serial of its cookie. */
interface Place {
  readonly tableId: number;
  readonly at: number;
  readonly kind: CookieKind;
  readonly serial?: bigint;
}

const flow = ({ tableId, at, kind, serial }: Place, spec: Parameters<typeof match>[0], actions: readonly Action[]): FlowEntry =>
  permanent({ tableId, priority: at, match: match(spec), cookie: cookie(kind, serial), instructions: actions.length === 0 ? [] : [instruction.apply(...actions)] });

/** The entry in table 0 and the ways between our tables, the same on every bridge, made once for owners and once for guests. */
const skeleton = (isGuest: boolean): readonly FlowEntry[] => (isGuest ? (guestFlows ??= makeSkeleton(true)) : (ownerFlows ??= makeSkeleton(false)));
let guestFlows: readonly FlowEntry[] | undefined;
let ownerFlows: readonly FlowEntry[] | undefined;

/** "Our tables have dealt with it." */
const dealt = (): Action => action.load(dealtRegister.field, 1n, dealtRegister.bit, 1);

/**
 * A guest's entry sends what our tables have not dealt with to the operator's flows by itself. A controller that thinks the switch its own
 * deletes our flows kind by kind, while others of them are put back: whichever are missing, the packet takes the operator's way, once.
 * An owner's does not: its own forwarding marks no packet, so that the flow of a host stays one output.
 */
function makeSkeleton(isGuest: boolean): FlowEntry[] {
  const dealtWith = isGuest ? [dealt()] : [];
  const toOperator = action.resubmit(table.operator);
  return [
    // What ends a packet stands before what sends it on a second time.
    ...(isGuest ? [flow({ tableId: table.operator, at: priority.entry, kind: "entry" }, { [dealtRegister.field]: [dealtRegister.mask, dealtRegister.mask] }, [])] : []),
    flow({ tableId: table.operator, at: priority.entry, kind: "entry" }, { [passedRegister.field]: [0n, passedRegister.mask] }, [
      action.load(passedRegister.field, 1n, passedRegister.bit, 1),
      action.resubmit(table.replicate),
      action.resubmit(table.admit),
      ...(isGuest ? [toOperator] : []),
    ]),
    // Only LLDP that claims to be ours: that of another system or controller goes its way.
    flow({ tableId: table.admit, at: priority.discovery, kind: "discovery" }, { ethDst: lldpMulticast, ethSrc: lldpSource, ethType: lldpEthType }, [action.toController(), ...dealtWith]),
    flow({ tableId: table.admit, at: priority.miss, kind: "entry" }, {}, [action.resubmit(table.learn), action.resubmit(table.forward)]),
    flow({ tableId: table.forward, at: priority.discovery, kind: "forward" }, { ethDst: linkLocal }, [toOperator, ...dealtWith]),
    flow({ tableId: table.forward, at: priority.miss, kind: "forward" }, {}, [toOperator, ...dealtWith]),
  ];
}

/** Shows senders we do not know to the controller, and of those we know what tells an address we miss; others pass silently. */
function learning(bridge: Bridge, hosts: readonly Host[], options: ForwardingOptions): FlowEntry[] {
  const show = [action.toController(learnBytes)];
  return [...bridge.ports.values()]
    .filter((port) => port.role === "edge")
    .flatMap(({ ofport: inPort }) => {
      const here = hosts.filter((host) => host.at.ofport === inPort);
      const known = here.flatMap((host) => {
        const telling: Place = { tableId: table.learn, at: priority.block, kind: "learn" };
        const sender = { inPort, ethSrc: host.mac };
        return [
          flow({ tableId: table.learn, at: priority.exact, kind: "learn", serial: learnSerial(host) }, sender, []),
          ...(ipv4Of(host) === undefined ? [flow(telling, { ...sender, ...arp }, show)] : []),
          ...(host.addresses.some((address) => address.includes(":")) ? [] : [flow(telling, { ...sender, ...neighbourSolicitation }, show)]),
        ];
      });
      const unknown = flow({ tableId: table.learn, at: priority.group, kind: "learn" }, { inPort }, show);
      return here.length >= options.maxHostsPerPort ? known : [unknown, ...known];
    });
}

/** A stable number from 0 to `below` - 1 for a text. */
function spread(text: string, below: number): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0) % below;
}

/** A host with what all bridges say about it, made once: there are as many flows as bridges times hosts. */
interface Destination {
  readonly at: PortRef;
  readonly match: Match;
  /** A stable number from its address, which chooses among next hops. */
  readonly order: number;
}
const destination = ({ mac, at }: Host): Destination => ({ at, match: match({ ethDst: mac }), order: spread(mac, 0x1_0000_0000) });

/** `ports` from the one on that `order` chooses, and around. */
function rotated(ports: readonly number[], order: number): readonly number[] {
  const first = order % ports.length;
  return first === 0 ? ports : [...ports.slice(first), ...ports.slice(0, first)];
}

/**
 * The fast-failover groups of one bridge: one for each order of next hops, shared by the destinations that have it. Ids come
 * from the ports' numbers; of two that meet the later in text order moves on, whichever host brought it.
 */
function failoverGroups(orders: readonly (readonly number[])[]): Map<string, GroupEntry> {
  const taken = new Set<number>();
  const byKey = new Map(orders.map((ports) => [ports.join(","), ports]));
  return new Map(
    [...byKey]
      .sort(([x], [y]) => (x < y ? -1 : 1))
      .map(([key, ports]): [string, GroupEntry] => {
        let slot = spread(`group ${key}`, groupCount);
        while (taken.has(slot)) slot = (slot + 1) % groupCount;
        taken.add(slot);
        const buckets = ports.map((port) => ({ weight: 0, watchPort: port, watchGroup: anyWatch, actions: [action.output(port)] }));
        return [key, { groupId: groupBase + slot, groupType: "ff", buckets }];
      }),
  );
}

/** Flows and groups towards every host; `hopsTo` gives the ports one hop closer to a bridge. */
function unicast(bridge: Bridge, destinations: readonly Destination[], hopsTo: (target: string) => readonly number[]): BridgeForwarding {
  const hops = new Map([...new Set(destinations.map(({ at }) => at.bridge))].map((target) => [target, hopsTo(target)]));
  const ways = destinations.flatMap(({ at, match, order }) => {
    const ports = at.bridge === bridge.name ? [at.ofport] : (hops.get(at.bridge) ?? []);
    return ports.length === 0 ? [] : [{ match, ports: rotated(ports, order) }]; // no way: the operator's flows may know one
  });
  const groups = failoverGroups(ways.map(({ ports }) => ports).filter((ports) => ports.length > 1));
  const place = { tableId: table.forward, priority: priority.exact, cookie: cookie("forward") };
  const flows = ways.map(({ match, ports }) => {
    const group = ports.length > 1 ? groups.get(ports.join(",")) : undefined;
    return permanent({ ...place, match, instructions: [instruction.apply(group === undefined ? action.output(ports[0] ?? 0) : action.group(group.groupId))] });
  });
  return { flows, groups: [...groups.values()] };
}

function flooding(bridge: Bridge, tree: ReadonlySet<number>): FlowEntry[] {
  const ports = [...bridge.ports.values()].sort((x, y) => x.ofport - y.ofport);
  const out = ports.filter((port) => port.role === "edge" || (port.role === "fabric" && tree.has(port.ofport)));
  const off = ports.filter((port) => port.role === "fabric" && !tree.has(port.ofport));
  const drop: Place = { tableId: table.forward, at: priority.exact, kind: "forward" };
  const send: Place = { tableId: table.forward, at: priority.group, kind: "forward" };
  return [
    ...off.map((port) => flow(drop, { inPort: port.ofport, ethDst: broadcast }, [])),
    ...(out.length === 0 ? [] : [flow(send, { ethDst: broadcast }, out.map((port) => action.output(port.ofport)))]),
  ];
}

/** Hosts at edge ports, by bridge, each bridge's in the order of their addresses. */
function hostsByBridge(network: Network): Map<string, Host[]> {
  const byBridge = new Map<string, Host[]>([...network.bridges.keys()].map((name) => [name, []]));
  const sorted = [...network.hosts.values()].sort((x, y) => (x.mac < y.mac ? -1 : 1));
  for (const host of sorted) if (portAt(network, host.at)?.role === "edge") byBridge.get(host.at.bridge)?.push(host);
  return byBridge;
}

/** Flows and groups of every bridge. OpenFlow never sends a packet back out of the port it came in by, so floods may name it. */
export function desiredForwarding(network: Network, options: ForwardingOptions = defaults): Map<string, BridgeForwarding> {
  const graph = graphOf(network);
  const tree = spanningTree(graph);
  const byBridge = hostsByBridge(network);
  const destinations = graph.names.flatMap((name) => byBridge.get(name) ?? []).map(destination);
  const distances = new Map(graph.names.flatMap((name, at) => (byBridge.get(name)?.length === 0 ? [] : [[name, distancesTo(graph, at)] as const])));
  return new Map(
    graph.names.map((name, at) => {
      const bridge = network.bridges.get(name);
      if (bridge === undefined) throw new Error(`no bridge ${name}`);
      const { flows, groups } = unicast(bridge, destinations, (target) => nextHops(graph, at, distances.get(target) ?? []));
      const own = byBridge.get(name) ?? [];
      return [name, { flows: [...skeleton(false), ...learning(bridge, own, options), ...flows, ...flooding(bridge, tree[at] ?? new Set())], groups }];
    }),
  );
}

/** What a bridge gets before discovery is complete, or all the time where live forwards by its own flows (`isGuest`): it listens, and all forwarding stays the operator's. */
export function attachFlows(network: Network, options: ForwardingOptions = defaults, isGuest = false): Map<string, BridgeForwarding> {
  const byBridge = hostsByBridge(network);
  return new Map([...network.bridges].map(([name, bridge]) => [name, attached(bridge, byBridge.get(name) ?? [], options, isGuest)]));
}

const attached = (bridge: Bridge, hosts: readonly Host[], options: ForwardingOptions, isGuest: boolean): BridgeForwarding => ({ flows: [...skeleton(isGuest), ...learning(bridge, hosts, options)], groups: [] });

/**
 * `attachFlows` of one network after the other: a bridge with the edge ports and hosts of before has the very same flows, which nobody
 * compares again. (Ports of ours come and go on it without being any of its edges.)
 */
export class AttachFlows {
  private readonly isGuest: () => boolean;
  private readonly known = new Map<string, { readonly edges: string; readonly hosts: readonly Host[]; readonly flows: BridgeForwarding }>();

  /** `isGuest`: always the same. */
  constructor(isGuest: () => boolean = () => false) {
    this.isGuest = isGuest;
  }

  of(network: Network): Map<string, BridgeForwarding> {
    const byBridge = hostsByBridge(network);
    for (const name of this.known.keys()) if (!network.bridges.has(name)) this.known.delete(name);
    return new Map([...network.bridges].map(([name, bridge]) => [name, this.one(bridge, byBridge.get(name) ?? [])]));
  }

  private one(bridge: Bridge, hosts: readonly Host[]): BridgeForwarding {
    const edges = [...bridge.ports.values()].flatMap(({ role, ofport }) => (role === "edge" ? [ofport] : [])).join();
    const before = this.known.get(bridge.name);
    if (before !== undefined && before.edges === edges && before.hosts.length === hosts.length && before.hosts.every((host, at) => host === hosts[at])) return before.flows;
    const flows = attached(bridge, hosts, defaults, this.isGuest());
    this.known.set(bridge.name, { edges, hosts, flows });
    return flows;
  }
}
