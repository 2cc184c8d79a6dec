/**
 * The shadow that a network should have: bridges, ports, guards and adapter flows. Pure.
 *
 * One bridge of live, with an edge port N and a fabric port F (docs/pipeline.md has the picture):
 *
 *     live L ──shm-N (guarded)── sha-N ▷ adapter X ▷ shb-N ──── she-N = port N of shadow S
 *                                 in sha-N → shb-N ; in shb-N → sink (sha-N when promoted)
 *     shadow S port F ──── port of the far shadow bridge that stands for the link's other end
 */
import { action, instruction, match, port as reserved, type Action, type MatchSpec } from "node-openflow";
import { permanent, type FlowEntry } from "../network/flow-entry.js";
import { portKey, type Bridge, type Network, type PortRef } from "../network/model.js";
import { commonReplicaPort, cookie, priority, replicaPort, deliveriesPort, table } from "../network/pipeline.js";
import type { DesiredBridge, DesiredPort } from "../reconcile/database-state.js";
import * as names from "./names.js";
import { tunnelOptions, type Tunnels } from "./replication/tunnel.js";
import type { BridgePlan, ReplicationPlan } from "./replication/plan.js";

export interface ShadowOptions {
  /** How each bridge's copies are made. */
  readonly plan: ReplicationPlan;
  /** Copy edge traffic into the shadow. Off leaves the shadow in place, its guards included. */
  readonly replicate: boolean;
  /** Promoted: guards are off, so that the shadow's output can reach the live edge. */
  readonly guarded: boolean;
  /** Give each adapter a device that shows what the shadow would deliver. */
  readonly deliveries?: boolean;
  /** Set: the adapters are on another host, at the far ends of these; with the UDP port of each bridge's. */
  readonly tunnels?: (Tunnels & { readonly udpPorts: ReadonlyMap<string, number> }) | undefined;
  /** Ports of a bridge's adapter that lead to collectors. */
  readonly sinks?: ((bridge: string) => readonly DesiredPort[]) | undefined;
}

export interface DesiredShadow {
  readonly bridges: readonly DesiredBridge[];
  readonly livePorts: ReadonlyMap<string, readonly DesiredPort[]>;
  /** Edge ports that get no copy, with the reason. */
  readonly left: readonly { readonly port: string; readonly why: string }[];
}

const serviceTag = 0x88a8;
const vidPresent = 0x1000;
const maxVid = 4_094;

const patch = (peer: string): ReadonlyMap<string, string> => new Map([["peer", peer]]);

/** The ends of a cable: on live, and on the adapter. */
interface Cable {
  readonly replica: DesiredPort;
  readonly ingress: DesiredPort;
}

/** The patch of one edge port, or with `n` undefined the one for all. */
function patchCable(bridge: string, n: number | undefined): Cable {
  const id = n ?? "all";
  const ofport = n === undefined ? commonReplicaPort : replicaPort(n);
  const common = { type: "patch", live: n === undefined ? bridge : portKey({ bridge, ofport: n }) } as const;
  const [here, there] = [names.replica(bridge, id), names.ingress(bridge, id)];
  return {
    replica: { ...common, name: here, options: patch(there), ofport, role: "replica" },
    ingress: { ...common, name: there, options: patch(here), ofport: n ?? commonReplicaPort, role: "ingress" },
  };
}

/** The tunnel of a bridge. */
function tunnelCable(bridge: string, tunnels: Tunnels, udpPort: number): Cable {
  const { replica, ingress } = patchCable(bridge, undefined);
  const { type, liveAddress, shadowAddress } = tunnels;
  return {
    replica: { ...replica, type, options: tunnelOptions(shadowAddress, liveAddress, udpPort) },
    ingress: { ...ingress, type, options: tunnelOptions(liveAddress, shadowAddress, udpPort) },
  };
}

/** Replica ports on live with their guards, and their ends on the adapter. */
function cables(plan: BridgePlan, options: ShadowOptions, udpPort: number): Cable[] {
  if (!plan.cabled || plan.edges.length === 0) return [];
  const all = options.tunnels !== undefined ? [tunnelCable(plan.bridge, options.tunnels, udpPort)] : plan.wiring === "common" ? [patchCable(plan.bridge, undefined)] : plan.edges.map((port) => patchCable(plan.bridge, port.ofport));
  if (!options.guarded) return all;
  return all.map((cable, i) => {
    const port = plan.wiring === "common" ? undefined : plan.edges[i];
    const copies = options.replicate && port !== undefined && plan.mirrored.has(port.ofport);
    const guard = { name: names.guard(plan.bridge, port?.ofport ?? "all"), ...(copies ? { source: port.name } : {}) };
    return { ...cable, replica: { ...cable.replica, guard } };
  });
}

/** The shadow's edge ports, each with the adapter's way to it. */
function edgePatches(plan: BridgePlan): { readonly shadow: DesiredPort; readonly adapter: DesiredPort }[] {
  return plan.edges.map(({ ofport: n }) => {
    const common = { type: "patch", live: portKey({ bridge: plan.bridge, ofport: n }) } as const;
    const [edge, egress] = [names.edge(plan.bridge, n), names.egress(plan.bridge, n)];
    return {
      shadow: { ...common, name: edge, options: patch(egress), ofport: n, role: "edge" },
      adapter: { ...common, name: egress, options: patch(edge), ofport: replicaPort(n), role: "egress" },
    };
  });
}

/** The shadow's ends of the links of a bridge. */
function fabricPorts(bridge: Bridge, source: Network, peers: ReadonlyMap<string, PortRef>): DesiredPort[] {
  return [...bridge.ports.values()].flatMap((port): DesiredPort[] => {
    const live = portKey({ bridge: bridge.name, ofport: port.ofport });
    const far = peers.get(live);
    if (port.role !== "fabric" || far === undefined || !source.bridges.has(far.bridge)) return [];
    const name = names.fabric(bridge.name, port.ofport);
    return [{ name, type: "patch", options: patch(names.fabric(far.bridge, far.ofport)), ofport: port.ofport, role: "fabric", live }];
  });
}

/** The adapter's device that shows what the shadow would deliver, where there is anything to be shown. */
function deliveriesPorts(plan: BridgePlan, { deliveries = false }: ShadowOptions): DesiredPort[] {
  return deliveries && plan.cabled && plan.edges.length > 0 ? [{ name: names.deliveries(plan.bridge), type: "internal", options: new Map(), ofport: deliveriesPort, role: "deliveries", live: plan.bridge }] : [];
}

/** Rows for the shadow of `source`; `live` says which bridges are there to hang replica ports on. */
export function desiredShadow(source: Network, live: Network, options: ShadowOptions): DesiredShadow {
  const bridges: DesiredBridge[] = [];
  const livePorts = new Map<string, readonly DesiredPort[]>();
  const peers = new Map(source.links.flatMap((link) => [[portKey(link.a), link.b] as const, [portKey(link.b), link.a] as const]));
  for (const bridge of source.bridges.values()) {
    const plan = options.plan.bridges.get(bridge.name);
    if (plan === undefined) throw new Error(`no plan for bridge ${bridge.name}`);
    const toLive = cables(plan, options, options.tunnels?.udpPorts.get(bridge.name) ?? 0);
    const edges = edgePatches(plan);
    const common = { datapathType: bridge.datapathType, live: bridge.name };
    bridges.push({ ...common, name: names.shadowBridge(bridge.name), role: "shadow", ports: [...edges.map(({ shadow }) => shadow), ...fabricPorts(bridge, source, peers)] });
    bridges.push({ ...common, name: names.adapterBridge(bridge.name), role: "adapter", ports: [...edges.map(({ adapter }) => adapter), ...toLive.map(({ ingress }) => ingress), ...deliveriesPorts(plan, options), ...(options.sinks?.(bridge.name) ?? [])] });
    const here = live.bridges.get(bridge.name);
    if (here === undefined) continue;
    // An edge port that is held but gone from live has nothing to copy.
    const present = toLive.map(({ replica }) => replica).filter(({ ofport }) => ofport === commonReplicaPort || here.ports.has(ofport - commonReplicaPort));
    livePorts.set(bridge.name, present);
  }
  return { bridges, livePorts, left: options.plan.left };
}

export interface AdapterMode {
  /** Also show every copy, or those of one edge port, on the adapter's LOCAL device, where a capture reads it. */
  readonly tap: boolean | number;
  /** Show what the shadow would have delivered there, instead. Not while tapped: the two could not be told apart. */
  readonly showSink: boolean;
  /** Show it on the adapter's own device for that, tapped or not, behind a tag with the port's number (0 for those above 4,094). */
  readonly deliveries?: boolean;
  /** What the shadow sends out of an edge port goes to the live edge, instead of ending here. */
  readonly promoted: boolean;
}

/** The replica ports of a bridge: one for each edge port, or one for all and what says there which edge port is meant. */
export type Wiring = "each" | "commonPatch" | "commonTunnel";

const mark = { commonPatch: "pktMark", commonTunnel: "tunnelId" } as const;

/** What comes from live for edge port N, as a match, and the actions that send to it. The mark goes no further than the cable. */
function cableEnd(wiring: Wiring, n: number, ownPort: number): { readonly from: MatchSpec; readonly unmark: readonly Action[]; readonly to: readonly Action[] } {
  if (wiring === "each") return { from: { inPort: ownPort }, unmark: [], to: [action.output(ownPort)] };
  const field = mark[wiring];
  return {
    from: { inPort: commonReplicaPort, [field]: n },
    unmark: wiring === "commonPatch" ? [action.setField(field, 0)] : [],
    to: [action.setField(field, n), action.output(commonReplicaPort)],
  };
}

/** What copies of edge port N have on the adapter, before the mark is taken off. */
export const cameIn = (wiring: Wiring, n: number): MatchSpec => cableEnd(wiring, n, n).from;

/**
 * Flows of the adapter of one live bridge with these replicated edge ports, which also go through the tables of sinks. What the shadow would have sent to a host ends
 * here: counted by the flow, and dropped unless promoted.
 */
export function adapterFlows(edges: readonly number[], mode: AdapterMode, wiring: Wiring = "each", sinkTables: readonly number[] = []): FlowEntry[] {
  const entry = (serial: number, spec: MatchSpec, actions: readonly Action[]): FlowEntry =>
    permanent({ tableId: table.operator, priority: 100, match: match(spec), cookie: cookie("adapter", BigInt(serial)), instructions: actions.length === 0 ? [] : [instruction.apply(...actions)] });
  return edges.flatMap((n) => {
    const live = cableEnd(wiring, n, n);
    const tap = mode.tap === true || mode.tap === n ? [action.output(reserved.local)] : [];
    const sink = mode.promoted ? live.to : mode.showSink && mode.tap === false ? [action.output(reserved.local)] : [];
    const shown = mode.deliveries === true && !mode.promoted ? [action.pushVlan(serviceTag), action.setField("vlanVid", vidPresent | (n <= maxVid ? n : 0)), action.output(deliveriesPort)] : [];
    const toSinks = sinkTables.map((id) => action.resubmit(id));
    return [entry(n, live.from, [...toSinks, ...live.unmark, action.output(replicaPort(n)), ...tap]), entry(replicaPort(n), { inPort: replicaPort(n) }, [...sink, ...shown])];
  });
}

/**
 * Flows on a live bridge about its replica ports: what comes from them is dropped, or given to the edge. While promoted edge
 * ports talk to the shadow, and only to it.
 */
export function promotionFlows(edges: readonly number[], stage: "isolate" | "return" | "both", wiring: Wiring = "each"): FlowEntry[] {
  const entry = (at: number, serial: number, spec: MatchSpec, actions: readonly Action[]): FlowEntry =>
    permanent({ tableId: table.operator, priority: at, match: match(spec), cookie: cookie("promotion", BigInt(serial)), instructions: actions.length === 0 ? [] : [instruction.apply(...actions)] });
  const drop = (port: number): FlowEntry => entry(priority.promotion, port, { inPort: port }, []);
  const toShadow = edges.flatMap((n) => (stage === "both" ? [entry(priority.promotion, n, { inPort: n }, cableEnd(wiring, n, replicaPort(n)).to)] : []));
  if (wiring === "each") {
    return [...edges.map((n) => (stage === "isolate" ? drop(replicaPort(n)) : entry(priority.promotion, replicaPort(n), { inPort: replicaPort(n) }, [action.output(n)]))), ...toShadow];
  }
  // One rule drops all. While promoted it is not there: it would tie with those that look at the mark.
  if (stage === "isolate") return edges.length === 0 ? [] : [drop(commonReplicaPort)];
  return [
    ...edges.map((n) => {
      const { from, unmark } = cableEnd(wiring, n, commonReplicaPort);
      return entry(priority.promotion, replicaPort(n), from, [...unmark, action.output(n)]);
    }),
    ...toShadow,
  ];
}
