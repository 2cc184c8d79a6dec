/**
 * Sinks: tunnels from the adapters to collectors elsewhere, or patches to a device of this host (`collector-bridge.ts`), which get what was copied as it
 * came in. They hang on bridges that are wholly ours and have no flow for what comes in by them, so that nothing a collector, or somebody in its name,
 * sends gets anywhere. Pure.
 */
import { createHash } from "node:crypto";
import { action, instruction, isKnown, match, type Action, type Match, type MatchSpec } from "node-openflow";
import type { Session } from "../../config/session-schema.js";
import type { Sink, TunnelSink } from "../../config/sink-schema.js";
import { permanent, type FlowEntry } from "../../network/flow-entry.js";
import { portKey, type Network } from "../../network/model.js";
import { cookie, sinkPort, sinkTable } from "../../network/pipeline.js";
import type { DesiredPort } from "../../reconcile/database-state.js";
import { collectorEnd, sinkName } from "../names.js";
import { select, type PortVlans, type Selection } from "../replication/selector.js";

type Type = Sink["type"];
type TunnelType = TunnelSink["type"];

/** Bytes that a tunnel adds to a frame's MTU: outer IP and tunnel headers, the frame's own Ethernet header and a tag. */
export const sinkOverhead: Readonly<Record<TunnelType, number>> = { gre: 20 + 8 + 18, erspan: 20 + 8 + 8 + 18, erspan3: 20 + 8 + 12 + 18, vxlan: 20 + 8 + 8 + 18, geneve: 20 + 8 + 8 + 18 };

/** Numbers that tell bridges apart at a collector, by what the tunnel has room for: ERSPAN's session id has 10 bits, a VNI 24 and GRE's key 32, 15 of them for the port; and by the ports of the collector bridge. */
const slots: Readonly<Record<Type, number>> = { gre: 0xffff, erspan: 0x3ff, erspan3: 0x3ff, vxlan: 0x1ff, geneve: 0x1ff, device: 0x7ff };
const portBits = 15;

/** The number of each bridge in each sink, from 1 on: a hash of both names, and where two meet the next free one. Undefined where there are more than fit. */
export function sinkSlots(sinks: readonly Pick<Sink, "name" | "type">[], bridges: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const taken = new Map<string, Set<number>>();
  for (const { name, type } of [...sinks].sort((x, y) => (x.name < y.name ? -1 : 1))) {
    // Tunnels of one kind may end at one collector; each device has its own.
    const shared = type === "device" ? slotKey(type, name) : type;
    const used = taken.get(shared) ?? new Set<number>();
    taken.set(shared, used);
    for (const bridge of [...bridges].sort()) {
      const size = slots[type];
      if (used.size >= size) break;
      let slot = createHash("sha256").update(`${name} ${bridge}`).digest().readUInt32BE(0) % size;
      while (used.has(slot + 1)) slot = (slot + 1) % size;
      used.add(slot + 1);
      found.set(slotKey(name, bridge), slot + 1);
    }
  }
  return found;
}
export const slotKey = (sink: string, bridge: string): string => `${sink} ${bridge}`;

/** What a collector sees of a packet that came in by a port of a bridge: GRE's key, the VNI, or ERSPAN's session id and index (type II). */
export function sinkKey(type: TunnelType, slot: number, edge: number): { readonly key: number; readonly index: number | undefined } {
  if (type === "erspan") return { key: slot, index: edge };
  if (type === "erspan3") return { key: slot, index: undefined };
  return { key: slot * 2 ** portBits + edge, index: undefined };
}

/** A sink with its place among all, which is that of its name. */
export type Placed<S extends Sink> = S & { readonly place: number };
export type PlacedSink = Placed<Sink>;
export const placed = (sinks: readonly Sink[]): PlacedSink[] => [...sinks].sort((x, y) => (x.name < y.name ? -1 : 1)).map((sink, place) => ({ ...sink, place }));

/** The sinks' ports of one bridge's adapter. */
export function sinkPorts(bridge: string, sinks: readonly PlacedSink[], slotOf: ReadonlyMap<string, number>): DesiredPort[] {
  return sinks.flatMap((sink): DesiredPort[] => {
    const slot = slotOf.get(slotKey(sink.name, bridge));
    if (slot === undefined) return [];
    const common = { name: sinkName(bridge, sink.place), ofport: sinkPort(sink.place), role: "sink", live: bridge } as const;
    if (sink.type === "device") return [{ ...common, type: "patch", options: new Map([["peer", collectorEnd(bridge, sink.place)]]) }];
    const { type, collector, local } = sink;
    // OVS wants tunnels between the same addresses to differ in the key that they take in.
    const ends: [string, string][] = [["remote_ip", collector], ["local_ip", local], ["in_key", String(slot)]];
    const own: Readonly<Record<TunnelType, readonly [string, string][]>> = {
      gre: [["out_key", "flow"]],
      vxlan: [["out_key", "flow"]],
      geneve: [["out_key", "flow"]],
      erspan: [["out_key", String(slot)], ["erspan_ver", "1"], ["erspan_idx", "flow"]],
      // Mirrored as it came in. Without a key that says the port there is nothing per packet.
      erspan3: [["out_key", String(slot)], ["erspan_ver", "2"], ["erspan_dir", "0"], ["erspan_hwid", "0"]],
    };
    return [{ ...common, type: type === "erspan3" ? "erspan" : type, options: new Map([...ends, ...own[type]]) }];
  });
}

/** What a sink takes of each edge port, by live portKey. */
export function sinkSelections(sink: Sink, network: Network, vlans: ReadonlyMap<string, PortVlans>): { readonly ports: ReadonlyMap<string, Selection>; readonly problems: readonly string[] } {
  const session: Session = { name: sink.name, origins: sink.origins, percent: 100, direction: sink.direction };
  return select(session, network, vlans);
}

const specOf = (fields: Match): MatchSpec => Object.fromEntries(fields.flatMap((one) => (isKnown(one) ? [[one.name, one.mask === undefined ? one.value : [one.value, one.mask]]] : [])));

/** What sends a copy that came in by edge port N to the collector. */
function exit({ type, place, maxLen }: PlacedSink, slot: number, edge: number): Action {
  // A patch port takes nothing that is cut: the collector bridge cuts.
  if (type === "device") return action.output(sinkPort(place));
  const out = maxLen === undefined ? action.output(sinkPort(place)) : action.outputTrunc(sinkPort(place), maxLen);
  if (type === "erspan3") return out;
  const { key, index } = sinkKey(type, slot, edge);
  return action.clone(index === undefined ? action.setField("tunnelId", key) : action.setField("tunErspanIdx", index), out);
}

/**
 * Flows of an adapter, one table a sink, which the entry of an edge port goes through. `from`: what packets of an edge port have there, before anything is taken off.
 */
export function sinkFlows(bridge: string, edges: readonly number[], sinks: readonly PlacedSink[], slotOf: ReadonlyMap<string, number>, selected: readonly ReadonlyMap<string, Selection>[], from: (edge: number) => MatchSpec): FlowEntry[] {
  return sinks.flatMap((sink, i) => {
    const slot = slotOf.get(slotKey(sink.name, bridge));
    if (slot === undefined) return [];
    return edges.flatMap((edge) => {
      const selection = selected[i]?.get(portKey({ bridge, ofport: edge }));
      if (selection === undefined) return [];
      const matches = selection === "all" ? [{}] : selection.map(specOf);
      return matches.map((spec) => permanent({ tableId: sinkTable(sink.place), priority: 100, match: match({ ...spec, ...from(edge) }), cookie: cookie("adapter", BigInt(sink.place + 1) * 0x10000n + BigInt(edge)), instructions: [instruction.apply(exit(sink, slot, edge))] }));
    });
  });
}

/** Why live frames would not fit into a sink's network, cut as they are; undefined when all do. */
export function tooLongForSink(liveMtus: ReadonlyMap<string, number>, sink: Sink): string | undefined {
  if (sink.type === "device") return undefined; // its own MTU is known once it is a port
  const { name, type, mtu, maxLen } = sink;
  const worst = [...liveMtus].sort(([, x], [, y]) => y - x)[0];
  if (worst === undefined) return undefined;
  // What is cut is a frame with its header.
  const needed = Math.min(worst[1] + sinkOverhead[type], maxLen === undefined ? Infinity : maxLen + sinkOverhead[type] - 18);
  if (needed <= mtu) return undefined;
  return `shadow.sinks ${name}: mtu is ${mtu}: frames of ${worst[0]} (MTU ${worst[1]})${maxLen === undefined ? "" : `, cut to ${maxLen} bytes,`} need ${needed} in ${type}; they would be lost without a word`;
}
