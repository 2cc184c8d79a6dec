/**
 * The shadow that a network should have: bridges, ports, guards and adapter flows. Pure.
 *
 * One bridge of live, with an edge port N and a fabric port F (docs/pipeline.md has the picture):
 *
 *     live L ──shm-N (guarded)── sha-N ▷ adapter X ▷ shb-N ──── she-N = port N of shadow S
 *                                 in sha-N → shb-N ; in shb-N → sink (sha-N when promoted)
 *     shadow S port F ──── port of the far shadow bridge that stands for the link's other end
 */
import { action, instruction, match, port as reserved } from "node-openflow";
import type { FlowEntry } from "../network/flow-entry.js";
import { portKey, type Bridge, type Network, type Port } from "../network/model.js";
import { cookie, maxReplicatedPort, replicaPort, table } from "../network/pipeline.js";
import type { DesiredBridge, DesiredPort } from "../reconcile/database-state.js";
import * as names from "./names.js";

/** The most Mirror rows one bridge can have (ovs-vswitchd, MAX_MIRRORS). */
export const maxGuards = 32;

export interface ShadowOptions {
  /** Copy edge traffic into the shadow. Off leaves the shadow in place, its guards included. */
  readonly replicate: boolean;
  /** Promoted: guards are off, so that the shadow's output can reach the live edge. */
  readonly guarded: boolean;
  /** VLAN tag of a live access port, by portKey. */
  readonly tags: ReadonlyMap<string, number>;
  /** Mirror rows on a bridge that are not ours, by bridge name: they count towards the 32. */
  readonly foreignMirrors: ReadonlyMap<string, number>;
}

export interface DesiredShadow {
  readonly bridges: readonly DesiredBridge[];
  readonly livePorts: ReadonlyMap<string, readonly DesiredPort[]>;
  /** Edge ports that get no copy, with the reason. */
  readonly left: readonly { readonly port: string; readonly why: string }[];
}

const patch = (peer: string): ReadonlyMap<string, string> => new Map([["peer", peer]]);

/** Edge ports of `bridge` that can have a replica, in order, and those that can't. */
function replicated(bridge: Bridge, foreignMirrors: number): { readonly edges: Port[]; readonly left: { port: string; why: string }[] } {
  const left: { port: string; why: string }[] = [];
  const edges: Port[] = [];
  for (const port of [...bridge.ports.values()].filter((p) => p.role === "edge").sort((x, y) => x.ofport - y.ofport)) {
    const name = portKey({ bridge: bridge.name, ofport: port.ofport });
    if (port.ofport > maxReplicatedPort) left.push({ port: name, why: `OpenFlow port above ${maxReplicatedPort}` });
    else if (edges.length >= maxGuards - foreignMirrors) left.push({ port: name, why: `bridge has no free Mirror row (${maxGuards} at most)` });
    else edges.push(port);
  }
  return { edges, left };
}

/** Rows for the shadow of `source`; `live` says which bridges are there to hang replica ports on. */
export function desiredShadow(source: Network, live: Network, options: ShadowOptions): DesiredShadow {
  const bridges: DesiredBridge[] = [];
  const livePorts = new Map<string, DesiredPort[]>();
  const left: { port: string; why: string }[] = [];
  const peers = new Map(
    source.links.flatMap((link) => [
      [portKey(link.a), link.b] as const,
      [portKey(link.b), link.a] as const,
    ]),
  );
  for (const bridge of source.bridges.values()) {
    const { edges, left: without } = replicated(bridge, options.foreignMirrors.get(bridge.name) ?? 0);
    left.push(...without);
    const shadowPorts: DesiredPort[] = [];
    const adapterPorts: DesiredPort[] = [];
    const onLive: DesiredPort[] = [];
    for (const port of edges) {
      const n = port.ofport;
      const key = portKey({ bridge: bridge.name, ofport: n });
      const common = { type: "patch" as const, live: key };
      const tag = options.tags.get(key);
      shadowPorts.push({ ...common, name: names.edge(bridge.name, n), options: patch(names.egress(bridge.name, n)), ofport: n, role: "edge" });
      adapterPorts.push({ ...common, name: names.egress(bridge.name, n), options: patch(names.edge(bridge.name, n)), ofport: replicaPort(n), role: "egress" });
      adapterPorts.push({ ...common, name: names.ingress(bridge.name, n), options: patch(names.replica(bridge.name, n)), ofport: n, role: "ingress" });
      onLive.push({
        ...common,
        name: names.replica(bridge.name, n),
        options: patch(names.ingress(bridge.name, n)),
        ofport: replicaPort(n),
        role: "replica",
        ...(tag === undefined ? {} : { tag }),
        ...(options.guarded
          ? { guard: { name: names.guard(bridge.name, n), ...(options.replicate ? { source: port.name } : {}) } }
          : {}),
      });
    }
    for (const port of bridge.ports.values()) {
      const here = { bridge: bridge.name, ofport: port.ofport };
      const far = peers.get(portKey(here));
      if (port.role !== "fabric" || far === undefined || !source.bridges.has(far.bridge)) continue;
      shadowPorts.push({
        name: names.fabric(here.bridge, here.ofport),
        type: "patch",
        options: patch(names.fabric(far.bridge, far.ofport)),
        ofport: here.ofport,
        role: "fabric",
        live: portKey(here),
      });
    }
    const common = { datapathType: bridge.datapathType, live: bridge.name };
    bridges.push({ ...common, name: names.shadowBridge(bridge.name), role: "shadow", ports: shadowPorts });
    bridges.push({ ...common, name: names.adapterBridge(bridge.name), role: "adapter", ports: adapterPorts });
    if (live.bridges.has(bridge.name)) {
      // An edge port that is held but gone from live has nothing to copy.
      const present = onLive.filter((port) => live.bridges.get(bridge.name)?.ports.has(port.ofport - 0x8000));
      livePorts.set(bridge.name, present);
    }
  }
  return { bridges, livePorts, left };
}

export interface AdapterMode {
  /** Also show every copy, or those of one edge port, on the adapter's LOCAL device, where a capture reads it. */
  readonly tap: boolean | number;
  /** Show what the shadow would have delivered there, instead. Not while tapped: the two could not be told apart. */
  readonly showSink: boolean;
  /** What the shadow sends out of an edge port goes to the live edge, instead of ending here. */
  readonly promoted: boolean;
}

/**
 * Flows of the adapter of one live bridge with these replicated edge ports. What the shadow would have sent to a host ends
 * here: counted by the flow, and dropped unless promoted.
 */
export function adapterFlows(edges: readonly number[], mode: AdapterMode): FlowEntry[] {
  const entry = (inPort: number, actions: ReturnType<typeof action.output>[]): FlowEntry => ({
    tableId: table.operator,
    priority: 100,
    match: match({ inPort }),
    cookie: cookie("adapter", BigInt(inPort)),
    instructions: actions.length === 0 ? [] : [instruction.apply(...actions)],
    idleTimeout: 0,
    hardTimeout: 0,
    flags: 0,
  });
  return edges.flatMap((n) => [
    entry(n, [action.output(replicaPort(n)), ...(mode.tap === true || mode.tap === n ? [action.output(reserved.local)] : [])]),
    entry(replicaPort(n), mode.promoted ? [action.output(n)] : mode.showSink && mode.tap === false ? [action.output(reserved.local)] : []),
  ]);
}

/** Edge ports that the shadow of `bridge` has, by OpenFlow port number. */
export function replicatedEdges(shadow: DesiredShadow, bridge: string): number[] {
  const adapter = shadow.bridges.find((row) => row.role === "adapter" && row.live === bridge);
  return adapter?.ports.filter((port) => port.role === "ingress").map((port) => port.ofport) ?? [];
}

/** Flows on a live bridge while promoted: edge ports talk to the shadow, and only to it. */
export function promotionFlows(edges: readonly number[], stage: "isolate" | "return" | "both"): FlowEntry[] {
  const entry = (inPort: number, out: number | undefined): FlowEntry => ({
    tableId: table.operator,
    priority: 65535,
    match: match({ inPort }),
    cookie: cookie("promotion", BigInt(inPort)),
    instructions: out === undefined ? [] : [instruction.apply(action.output(out))],
    idleTimeout: 0,
    hardTimeout: 0,
    flags: 0,
  });
  return edges.flatMap((n) => [
    entry(replicaPort(n), stage === "isolate" ? undefined : n),
    ...(stage === "both" ? [entry(n, replicaPort(n))] : []),
  ]);
}
