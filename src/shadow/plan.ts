/**
 * The rows of the shadow of a whole network, made bridge by bridge and kept: a bridge is planned again only when it, one of its
 * cables, its settings or an option changed. An unchanged bridge keeps the very same values, which nobody compares again.
 */
import type { Session } from "../config/session-schema.js";
import type { BridgeRow, Tables } from "../network/database-view.js";
import { portKey, type Bridge, type Link, type Network, type PortRef } from "../network/model.js";
import { mark } from "../network/pipeline.js";
import type { DesiredBridge, DesiredPort } from "../reconcile/database-state.js";
import { reaches } from "../config/level-schema.js";
import { desiredShadow, type DesiredShadow } from "./desired-shadow.js";
import { everything, isLocal, nothingPlanned, planReplication, sessionsAt, type BridgePlan, type Demand, type ReplicationPlan } from "./replication/plan.js";
import { portVlans } from "./replication/rows.js";
import { tunnelPorts, type Tunnels } from "./replication/tunnel.js";
import { desiredCollector } from "./sinks/collector-bridge.js";
import { sinkPorts, sinkSlots, slotKey, type PlacedSink } from "./sinks/sink-plan.js";
import { bareSettings, liveSettings, withSettings, type LiveSettings } from "./settings.js";

export interface PlanOptions {
  /** What is to be copied. */
  readonly sessions: readonly Session[];
  readonly replicate: boolean;
  readonly guarded: boolean;
  readonly deliveries?: boolean;
  readonly tunnels: Tunnels | undefined;
  /** Whether a bridge's own flows send to replica ports as to every other (`PlanInput.sendsToEvery`). */
  readonly sendsToEvery?: (bridge: string) => boolean;
  /** Whether flows copy on a bridge what Mirror rows could, too (`PlanInput.byFlows`). */
  readonly byFlows?: (bridge: string) => boolean;
  /** Collectors that get the copies, too. */
  readonly sinks?: readonly PlacedSink[];
  /** What each bridge's shadow is to have; without it everything. */
  readonly demand?: (bridge: string) => Demand;
}

/** The rows, and how each bridge's copies are made. */
export interface PlannedShadow extends DesiredShadow {
  readonly replication: ReplicationPlan;
}

interface Planned {
  readonly bridge: Bridge;
  readonly live: Bridge | undefined;
  readonly row: BridgeRow | undefined;
  readonly links: string;
  readonly options: string;
  /** The bridge's part of a plan that was made for the network as a whole, as text; empty where the bridge alone says all. */
  readonly given: string;
  readonly rows: PlannedShadow;
}

interface Cables {
  readonly of: readonly Link[];
  readonly bridges: ReadonlySet<string>;
  readonly links: ReadonlyMap<string, readonly Link[]>;
  /** By bridge: what its rows follow from. */
  readonly texts: ReadonlyMap<string, string>;
}

const noPorts: ReadonlyMap<number, never> = new Map<number, never>();

export class ShadowPlan {
  private readonly tables: Tables;
  private readonly planned = new Map<string, Planned>();
  private cables: Cables | undefined;
  private collector: { readonly key: string; readonly bridge: DesiredBridge | undefined } | undefined;
  private readonly settings = new WeakMap<BridgeRow, LiveSettings>();
  /** Bridges planned since the start: what a change costs. */
  plannedBridges = 0;

  constructor(tables: Tables) {
    this.tables = tables;
  }

  /** Rows for the shadow of `source`; `rowOf` gives the database's row of a live bridge. */
  rows(source: Network, live: Network, rowOf: (bridge: string) => BridgeRow | undefined, options: PlanOptions): PlannedShadow {
    const optionsText = JSON.stringify(options);
    const { links, texts } = this.cablesOf(source);
    const udpPorts = options.tunnels === undefined ? new Map<string, number>() : tunnelPorts([...source.bridges.keys()], options.tunnels.basePort);
    const { sinks = [] } = options;
    const slots = sinkSlots(sinks, [...source.bridges.keys()]);
    const demand = options.demand ?? (() => everything);
    const whole = isLocal(options.sessions) ? undefined : this.wholePlan(source, rowOf, options);
    const bridges: DesiredBridge[] = [];
    const livePorts = new Map<string, readonly DesiredPort[]>();
    const left: DesiredShadow["left"][number][] = [];
    const parts: ReplicationPlan[] = [];
    for (const [name, bridge] of source.bridges) {
      const cables = links.get(name) ?? [];
      const cablesText = `${udpPorts.get(name) ?? ""} ${sinks.map((sink) => slots.get(slotKey(sink.name, name)) ?? "").join()} ${texts.get(name) ?? ""}`;
      const row = rowOf(name);
      const given = whole?.bridges.get(name);
      const givenText = given === undefined ? "" : planText(given);
      const { level, replicate } = demand(name);
      const ownOptions = `${optionsText} ${level} ${replicate} ${options.sendsToEvery?.(name) === true} ${options.byFlows?.(name) === true}`;
      let known = this.planned.get(name);
      if (known?.bridge !== bridge || known.live !== live.bridges.get(name) || known.row !== row || known.links !== cablesText || known.options !== ownOptions || known.given !== givenText) {
        const replication = given === undefined ? this.ownPlan(bridge, row, options) : { ...nothingPlanned, bridges: new Map([[name, given]]) };
        const rows = this.plan(bridge, cables, source, live, row, { ...options, plan: replication, udpPorts, sinkPorts: sinkPorts(name, sinks, slots) });
        known = { bridge, live: live.bridges.get(name), row, links: cablesText, options: ownOptions, given: givenText, rows: { ...rows, replication } };
        this.planned.set(name, known);
        this.plannedBridges++;
      }
      parts.push(known.rows.replication);
      for (const one of known.rows.bridges) bridges.push(one);
      for (const [on, ports] of known.rows.livePorts) livePorts.set(on, ports);
      for (const one of known.rows.left) left.push(one);
    }
    const collector = this.collectorOf(source, sinks, slots);
    if (collector !== undefined) bridges.push(collector);
    for (const name of this.planned.keys()) if (!source.bridges.has(name)) this.planned.delete(name);
    return { bridges, livePorts, left: whole === undefined ? left : [...left, ...whole.left], replication: whole ?? new Joined(parts, options.sessions) };
  }

  /** The collector bridge: the very same value while it is the same. */
  private collectorOf(source: Network, sinks: readonly PlacedSink[], slots: ReadonlyMap<string, number>): DesiredBridge | undefined {
    if (sinks.every(({ type }) => type !== "device")) return undefined;
    const key = JSON.stringify([sinks, [...slots], [...source.bridges.values()].map(({ name, datapathType }) => [name, datapathType])]);
    if (this.collector?.key !== key) this.collector = { key, bridge: desiredCollector(sinks, source.bridges, slots) };
    return this.collector.bridge;
  }

  /** Whether a bridge was planned from what it is now. */
  isPlanned(bridge: Bridge, live: Bridge | undefined, row: BridgeRow | undefined): boolean {
    const known = this.planned.get(bridge.name);
    return known !== undefined && known.bridge === bridge && known.live === live && known.row === row;
  }

  /** The cables of each bridge, and what they look like as text, made again when links or the set of bridges are others. */
  private cablesOf(source: Network): Cables {
    const { cables } = this;
    if (cables !== undefined && cables.of === source.links && cables.bridges.size === source.bridges.size && [...source.bridges.keys()].every((name) => cables.bridges.has(name))) return cables;
    const links = linksByBridge(source.links);
    const end = (port: PortRef): string => `${portKey(port)}${source.bridges.has(port.bridge) ? "" : "!"}`;
    const texts = new Map([...links].map(([name, list]) => [name, list.map(({ a, b }) => `${end(a)}-${end(b)}`).join()]));
    return (this.cables = { of: source.links, bridges: new Set(source.bridges.keys()), links, texts });
  }

  /** How a bridge is copied, from what it is itself. */
  private ownPlan(bridge: Bridge, row: BridgeRow | undefined, { sessions, tunnels, sendsToEvery, byFlows, demand = () => everything }: PlanOptions): ReplicationPlan {
    return planReplication({
      network: { bridges: new Map([[bridge.name, bridge]]), links: [], hosts: new Map() },
      sessions: sessionsAt(sessions, [demand(bridge.name)]),
      demand,
      vlans: portVlans(row === undefined ? [] : [row]),
      foreignMirrors: new Map([[bridge.name, row === undefined ? 0 : foreignMirrors(this.tables, row)]]),
      tunnelled: tunnels !== undefined,
      sendsToEvery,
      byFlows,
    });
  }

  /** How all are copied, where sessions name bridges: what goes to the hosts of one is selected on all others. */
  private wholePlan(network: Network, rowOf: (bridge: string) => BridgeRow | undefined, { sessions, tunnels, sendsToEvery, byFlows, demand = () => everything }: PlanOptions): ReplicationPlan {
    const rows = [...network.bridges.keys()].flatMap((name) => rowOf(name) ?? []);
    return planReplication({
      network,
      sessions: sessionsAt(sessions, [...network.bridges.keys()].map(demand)),
      demand,
      vlans: portVlans(rows),
      foreignMirrors: new Map(rows.map((row) => [row.name, foreignMirrors(this.tables, row)])),
      tunnelled: tunnels !== undefined,
      sendsToEvery,
      byFlows,
    });
  }

  private plan(bridge: Bridge, cables: readonly Link[], source: Network, live: Network, row: BridgeRow | undefined, options: PlanOptions & { readonly plan: ReplicationPlan; readonly udpPorts: ReadonlyMap<string, number>; readonly sinkPorts: readonly DesiredPort[] }): DesiredShadow {
    const { name } = bridge;
    const level = (options.demand?.(name) ?? everything).level;
    const settings = row === undefined ? undefined : reaches(level, "configuration") ? this.settingsOf(row) : bareSettings(row);
    // A network of this bridge and, so that its cables have far ends, its neighbours without ports.
    const far = cables.flatMap(({ a, b }) => [a, b]).map((end) => source.bridges.get(end.bridge));
    const around = new Map<string, Bridge>(far.flatMap((one) => (one === undefined ? [] : [[one.name, { ...one, ports: noPorts }] as const])));
    const here: Network = { bridges: around.set(name, bridge), links: cables, hosts: new Map() };
    const liveHere = live.bridges.get(name);
    const { plan, replicate, guarded, deliveries = false, tunnels, udpPorts } = options;
    const neighbours = [...around.keys()].filter((one) => one !== name).map((one) => [one, noBridgePlan(one)] as const);
    const rows = desiredShadow(here, { bridges: liveHere === undefined ? new Map() : new Map([[name, liveHere]]), links: [], hosts: new Map() }, {
      plan: { ...plan, bridges: new Map([...plan.bridges, ...neighbours]) },
      replicate,
      guarded,
      deliveries,
      tunnels: tunnels === undefined ? undefined : { ...tunnels, udpPorts },
      sinks: (one) => (one === name ? options.sinkPorts : []),
    });
    const own = rows.bridges.filter((one) => one.live === name);
    const onLive = rows.livePorts.get(name);
    return {
      bridges: settings === undefined ? own : own.map((one) => withSettings(one, settings)),
      livePorts: onLive === undefined ? new Map() : new Map([[name, onLive]]),
      left: [...rows.left, ...(settings?.left ?? [])],
    };
  }

  private settingsOf(row: BridgeRow): LiveSettings {
    let settings = this.settings.get(row);
    if (settings === undefined) this.settings.set(row, (settings = liveSettings(this.tables, row)));
    return settings;
  }
}

/** A bridge that nothing is copied of: a neighbour, whose rows are made elsewhere. */
const noBridgePlan = (bridge: string): BridgePlan => ({ bridge, wiring: "each", edges: [], cabled: false, mirrored: new Set(), sessions: [], members: new Map() });

/** All that a bridge's plan says, as text to compare by. */
function planText(plan: BridgePlan): string {
  return JSON.stringify(plan, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value instanceof Map || value instanceof Set ? [...(value as Iterable<unknown>)] : value));
}

/** The plans of single bridges as one; what is asked for rarely is put together when it is. */
class Joined implements ReplicationPlan {
  readonly bridges = new Map<string, BridgePlan>();
  private readonly parts: readonly ReplicationPlan[];
  private readonly sessions: readonly Session[];

  constructor(parts: readonly ReplicationPlan[], sessions: readonly Session[]) {
    this.parts = parts;
    this.sessions = sessions;
    for (const part of parts) for (const [name, plan] of part.bridges) this.bridges.set(name, plan);
  }

  get asked(): ReplicationPlan["asked"] {
    return new Map(this.sessions.map(({ name }) => [name, new Set(this.parts.flatMap((part) => [...(part.asked.get(name) ?? [])]))]));
  }
  get problems(): ReplicationPlan["problems"] {
    return new Map(this.sessions.map(({ name }) => [name, this.parts.flatMap((part) => part.problems.get(name) ?? [])]));
  }
  get left(): ReplicationPlan["left"] {
    return this.parts.flatMap((part) => part.left);
  }
}

function linksByBridge(links: readonly Link[]): Map<string, Link[]> {
  const byBridge = new Map<string, Link[]>();
  const add = (bridge: string, link: Link): void => {
    const list = byBridge.get(bridge);
    if (list === undefined) byBridge.set(bridge, [link]);
    else list.push(link);
  };
  for (const link of links) {
    add(link.a.bridge, link);
    if (link.b.bridge !== link.a.bridge) add(link.b.bridge, link);
  }
  return byBridge;
}

/** Mirror rows on a bridge that are not ours. */
function foreignMirrors(tables: Tables, row: BridgeRow): number {
  return row.mirrors.filter((uuid) => {
    const ids = tables.table("Mirror").get(uuid)?.["external_ids"];
    return !(ids instanceof Map && ids.has(mark.role));
  }).length;
}
