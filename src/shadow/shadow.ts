/**
 * The shadow of a network: keeps the shadow and adapter bridges, the replica ports and all their tables as they should be (`Passes`). A
 * shadow's tables are the live bridge's foreign flows, copied, and our own flows computed for the shadow's network: so equal to live, or held.
 */
import { EventEmitter } from "node:events";
import type { OpenFlowConnection } from "node-openflow";
import { Histogram } from "../base/histogram.js";
import type { FlowEntry } from "../network/flow-entry.js";
import type { Network } from "../network/model.js";
import { sinkTable } from "../network/pipeline.js";
import type { PortConfigs } from "../network/port-config.js";
import { nothing } from "../reconcile/database-state.js";
import type { PortConfigCounters } from "../reconcile/port-config-writer.js";
import type { WriterCounters } from "../reconcile/switch-writer.js";
import { AdapterCounters, type PortCount } from "./adapter-counters.js";
import { ByFlows } from "./by-flows.js";
import type { DesiredShadow, Wiring } from "./desired-shadow.js";
import { EveryPort } from "./every-port.js";
import { FloodFence } from "./flood-fence.js";
import { FollowedSource } from "./followed-source.js";
import type { Held } from "./hold.js";
import type { ShadowMode } from "./mode.js";
import { adapterBridge, deliveries, shadowBridge } from "./names.js";
import { NodeCounters } from "./nodes/counters.js";
import type { ShadowNode } from "./nodes/node.js";
import type { ShadowEvents, ShadowParts } from "./parts.js";
import { Passes } from "./passes.js";
import type { PlannedShadow } from "./plan.js";
import { PlannedRows } from "./planned-rows.js";
import { CopyFlows } from "./replication/copy-flows.js";
import { edgeNumbers, everything, type Demand, type ReplicationPlan } from "./replication/plan.js";
import { portVlans } from "./replication/rows.js";
import type { Shares } from "./replication/shares.js";
import { ShadowSessions } from "./sessions.js";
import { Sinks } from "./sinks/sinks.js";
import type { ObjectState } from "./staleness/staleness-watch.js";
import { zonesOf, type ZoneMap } from "./connection-zones.js";
import { ShadowStates } from "./states.js";
import type { ShadowBridgeStatus } from "./status.js";
import type { TableFollower } from "./table-follower.js";
import { Teller } from "./teller.js";
import { Trials } from "./trials.js";

const noEdges: readonly number[] = [];
const noFlows: readonly FlowEntry[] = [];
const noNodes: readonly ShadowNode[] = [];

export class Shadow extends EventEmitter<ShadowEvents> {
  /** From a change of a live flow seen to the same on the shadow, in ms. */
  readonly flowLag = new Histogram();
  /** What the adapters counted of what shadow nodes send. */
  readonly nodeCounters = new NodeCounters();
  /** What goes to collectors elsewhere. */
  readonly sinks: Sinks;
  private readonly parts: ShadowParts;
  private readonly mode: ShadowMode;
  private readonly planned: PlannedRows;
  private readonly sessions: ShadowSessions;
  private readonly source: FollowedSource;
  private readonly trials: Trials;
  private readonly fence: FloodFence;
  private readonly every: EveryPort;
  private readonly byFlows: ByFlows;
  private readonly states: ShadowStates;
  private readonly passes: Passes;
  private readonly copying = new CopyFlows();
  private readonly counted = new AdapterCounters(this.nodeCounters);
  private areNodesHeld = false;
  private active = false;

  constructor(parts: ShadowParts) {
    super();
    this.parts = parts;
    const { index, remote, nowMs } = parts;
    const changed = (): void => this.changed();
    const demand = (bridge: string): Demand => this.demand(bridge);
    const mode = (this.mode = { complete: false, guarded: true, promoted: false, replicating: parts.replicate });
    const planned = (this.planned = new PlannedRows(parts));
    const source = (this.source = new FollowedSource({ nowMs, holdMs: parts.holdMs, released: changed }));
    const fence = (this.fence = new FloodFence(parts.dialPorts, nowMs));
    this.sinks = new Sinks(parts.sinks, () => source.network, () => portVlans(index.bridges()));
    const sessions = (this.sessions = new ShadowSessions({
      dial: parts.dial,
      dialOwn: remote?.dial ?? parts.dial,
      dialPorts: parts.dialPorts,
      restored: remote === undefined ? parts.restored : () => Promise.resolve(),
      dialOwnPorts: remote?.dialPorts ?? parts.dialPorts,
      nowMs,
      lag: this.flowLag,
      changed,
      following: (follower) => this.startFollowing(follower),
    }));
    const every = (this.every = new EveryPort({ sessions, index, isRemote: remote !== undefined, told: parts.sendsToEvery, changed }));
    const byFlows = (this.byFlows = new ByFlows({ sessions, tables: parts.tables, index, copyBy: parts.copyBy ?? "mirrors", changed }));
    this.trials = new Trials(
      {
        apply: () => {
          this.changed();
          return this.settle();
        },
        isConnected: (bridge) => sessions.own.get(shadowBridge(bridge))?.writer.connected === true,
        taps: () => this.taps,
        showSink: parts.showSink,
      },
      parts.tap,
    );
    const teller = new Teller({
      sessions,
      trials: this.trials,
      compose: parts.compose,
      demand,
      edges: (bridge) => this.edges(bridge),
      wiring: (bridge) => this.wiring(bridge),
      showSink: parts.showSink,
      deliveries: parts.deliveries ?? false,
      sinks: (bridge) => this.sinks.flows(bridge, this.edges(bridge), this.wiring(bridge)),
      collector: () => this.sinks.collectorFlows(),
      sinkTables: parts.sinks.map(({ place }) => sinkTable(place)),
      nodes: (bridge) => planned.nodes.get(bridge) ?? noNodes,
      nodesHeld: () => this.nodesHeld,
    });
    const states = (this.states = new ShadowStates({ shadow: parts, mode, planned, sessions, source, demand, lastError: () => this.passes.lastError }));
    this.passes = new Passes({
      shadow: parts,
      mode,
      planned,
      sessions,
      source,
      teller,
      fence,
      every,
      byFlows,
      demand,
      isInStep: (bridge) => states.isInStep(bridge),
      told: { planned: () => this.emit("planned"), converged: (lagMs) => this.emit("converged", lagMs), plan: () => this.emit("plan") },
    });
  }

  /** The live network changed, or something in its database that is ours. */
  update(live: Network): void {
    this.active = true;
    this.source.update(live, this.mode.promoted);
    this.changed();
  }

  /** Desired flows changed (an overlay, a trial, a mode): converge again. */
  changed(): void {
    if (this.active) this.passes.changed();
  }

  /** Resolves when the shadow is as it should be, after everything that was asked before. */
  settle(): Promise<void> {
    return this.passes.settle();
  }

  /** The network the shadow stands for. */
  get network(): Network {
    return this.source.network;
  }

  get held(): readonly Held[] {
    return this.source.held;
  }

  /** Edge ports without a copy, and why. */
  get left(): DesiredShadow["left"] {
    const open = this.fence.open(this.planned.rows.livePorts, this.sessions.portConfigs);
    const why = "its copies: the bridge speaks no OpenFlow 1.0, so what the action FLOOD sends enters the shadow by this port as well";
    return open.length === 0 ? this.planned.rows.left : [...this.planned.rows.left, ...open.map((port) => ({ port, why }))];
  }

  /** Edge ports of a live bridge that have a replica. */
  edges(bridge: string): readonly number[] {
    const plan = this.planned.rows.replication.bridges.get(bridge);
    return plan?.cabled === true ? edgeNumbers(plan) : noEdges;
  }

  /** Whether a trial stands on the shadow. */
  get isTrying(): boolean {
    return this.trials.isRunning;
  }

  /** Whether a bridge is at a level below the highest one. */
  get isPartial(): boolean {
    return [...this.network.bridges.keys()].some((bridge) => this.parts.demand(bridge).level !== everything.level);
  }

  /** What the shadow of a live bridge has now: all of it while it is to carry the traffic, or a trial is made there. */
  demand(bridge: string): Demand {
    return this.mode.complete || this.trials.isAt(bridge) ? everything : this.parts.demand(bridge);
  }

  /** Devices on which copies are shown as they enter the shadow, while tapped. */
  get taps(): string[] {
    return [...this.source.network.bridges.keys()].filter((name) => this.edges(name).length > 0).map(adapterBridge);
  }

  /** Devices on which what the shadow would deliver is shown, by the live bridge each stands for; none unless asked for at the start. */
  get deliveries(): ReadonlyMap<string, string> {
    if (this.parts.deliveries !== true) return new Map();
    return new Map([...this.source.network.bridges.keys()].filter((name) => this.edges(name).length > 0).map((name) => [name, deliveries(name)]));
  }

  /** How what is to be copied is copied. */
  get replication(): ReplicationPlan {
    return this.planned.rows.replication;
  }

  /** The rows as they are planned, and what of live has no place in them. */
  get plannedRows(): PlannedShadow {
    return { ...this.planned.rows, left: this.left };
  }

  get replicating(): boolean {
    return this.mode.replicating && this.mode.guarded;
  }

  wiring(bridge: string): Wiring {
    if (this.parts.remote !== undefined) return "commonTunnel";
    return this.planned.rows.replication.bridges.get(bridge)?.wiring === "common" ? "commonPatch" : "each";
  }

  /** Flows on a live bridge that copy what no Mirror row copies. */
  copyFlows(bridge: string): readonly FlowEntry[] {
    const plan = this.planned.rows.replication.bridges.get(bridge);
    return plan === undefined || !this.replicating ? noFlows : this.copying.of(plan, this.wiring(bridge));
  }

  /** What sessions with `auto` copy from now on; tell the live switches afterwards. */
  setShares(shares: Shares): void {
    this.copying.shares = shares;
  }

  /** Configuration bits of a live bridge's ports as followed; undefined while they are not known. */
  portConfigs(bridge: string): PortConfigs | undefined {
    return this.sessions.portConfigs.get(bridge)?.current;
  }

  /** Live tables as followed: for the guest's view of foreign flows. */
  follower(bridge: string): TableFollower | undefined {
    return this.sessions.followers.get(bridge);
  }

  /** Changes what is asked of the shadow, and whether its copies are always shown. Takes effect with the next `settle`. */
  setMode({ tapped, ...mode }: Partial<Readonly<ShadowMode>> & { readonly tapped?: boolean }): void {
    this.trials.isAlwaysTapped = this.parts.tap || (tapped ?? this.trials.isAlwaysTapped);
    Object.assign(this.mode, mode);
    this.changed();
  }

  /** Whether a live bridge's own flows send to replica ports now (`EveryPort`). */
  reachesReplicas(bridge: string): boolean {
    return this.every.reaches(bridge);
  }

  /** Whether flows copy on a live bridge what Mirror rows could, too (`ByFlows`). */
  copiesByFlows(bridge: string): boolean {
    return this.byFlows.asked(bridge);
  }

  /** Packets that came into the adapter from each replica port and that the shadow sent towards its host, by live portKey. */
  portCounters(bridges: Iterable<string> = this.source.network.bridges.keys()): Promise<Map<string, PortCount>> {
    const adapters = [...bridges].map((bridge) => ({ bridge, edges: this.edges(bridge), connection: this.sessions.own.get(adapterBridge(bridge))?.session.connection }));
    return this.counted.read(adapters);
  }

  /** Real shadow nodes, whose devices exist. Takes effect with the next `settle`. `held`: they are to send nothing. */
  setNodes(nodes: readonly ShadowNode[], held: boolean): void {
    const byBridge = new Map<string, ShadowNode[]>();
    for (const node of nodes) byBridge.set(node.at.bridge, [...(byBridge.get(node.at.bridge) ?? []), node]);
    const before = this.planned.nodes;
    // Of a bridge whose nodes are those of before the same value, so that nobody compares it again.
    this.planned.nodes = new Map([...byBridge].map(([bridge, list]) => [bridge, sameNodes(before.get(bridge), list) ?? list] as const));
    this.nodeCounters.note(nodes);
    this.areNodesHeld = held;
    this.changed();
  }

  /** Nothing that a node sends enters the shadow: it carries the traffic, a trial looks at what it meets, or somebody asked for it. */
  get nodesHeld(): boolean {
    return this.areNodesHeld || this.mode.promoted || this.trials.isRunning;
  }

  /** The session with the adapter of a live bridge, for reading; undefined while there is none. */
  adapterConnection(bridge: string): OpenFlowConnection | undefined {
    return this.sessions.own.get(adapterBridge(bridge))?.session.connection;
  }

  /** Runs `body` while the shadows also have `flows` and all copies are shown (`Trials.withTrial`). */
  withTrial: Trials["withTrial"] = (flows, body) => this.trials.withTrial(flows, body);

  /** Runs `body` while the copies of one edge port are shown (`Trials.withPortTapped`). */
  withPortTapped: Trials["withPortTapped"] = (port, body) => this.trials.withPortTapped(port, body);

  /** The session with the shadow of a live bridge, for reading; undefined while there is none. */
  connection(bridge: string): OpenFlowConnection | undefined {
    return this.sessions.own.get(shadowBridge(bridge))?.session.connection;
  }

  /** sFlow sampling rates by live bridge, from the next pass on; bridges without one keep the configured rate. */
  setSampling(rates: ReadonlyMap<string, number>): void {
    this.planned.sampling = rates;
    this.changed();
  }

  /** Flow statistics of the shadow bridge of a live bridge. */
  async shadowFlowStats(bridge: string, cookie: bigint, cookieMask: bigint) {
    const connection = this.sessions.own.get(shadowBridge(bridge))?.session.connection;
    if (connection === undefined) throw new Error(`the shadow of ${bridge} is not connected`);
    return connection.flowStats({ cookie, cookieMask });
  }

  status(): ShadowBridgeStatus[] {
    return [...this.source.network.bridges.keys()].sort().map((live) => this.states.of(live));
  }

  /** Flows of a live bridge as followed, and of its shadow as known to be installed; these with the zones of connection tracking that live has. */
  flowsOf(bridge: string): { readonly live: Iterable<FlowEntry>; readonly shadow: Iterable<FlowEntry> } {
    const own = this.sessions.own.get(shadowBridge(bridge));
    return { live: this.sessions.followers.get(bridge)?.currentFlows() ?? noFlows, shadow: own === undefined ? noFlows : [...own.writer.installed().flows].map((flow) => own.zones.toLive.flow(flow)) };
  }

  /** In which zones the shadow tracks connections. */
  get zones(): ZoneMap {
    return zonesOf(this.mode.promoted, this.parts.remote !== undefined);
  }

  /** Every object of the shadow, each with whether it is as live is. */
  objectStates(): Iterable<ObjectState> {
    return this.states.objects();
  }

  /** Critical bridges that the others no longer wait for, because they did not come in step in time. */
  get late(): string[] {
    return this.passes.late;
  }

  /** What was sent to our bridges, by their names. */
  writerCounters(): ReadonlyMap<string, WriterCounters> {
    return this.sessions.counters();
  }

  /** Port-mods that were sent, by bridge: to ours, and to live ones about our ports there. */
  portMods(): ReadonlyMap<string, PortConfigCounters> {
    return new Map([...[...this.sessions.own].map(([name, { ports }]) => [name, ports.counters] as const), ...this.fence.counters()]);
  }

  /** The bridges that can be audited, each by its own: live bridges as followed, and ours. */
  audited(): ReturnType<ShadowSessions["audited"]> {
    return this.sessions.audited();
  }

  /** Takes the shadow away: our rows on live, our bridges, our sessions. */
  async remove(): Promise<void> {
    const { database, remote, poke, revalidated } = this.parts;
    this.active = false;
    await this.stop();
    // Copies end first: what they went on teaching the shadow would be forgotten on live, too, when the shadow's ports go.
    this.planned.withoutCopies();
    if ((await database.flush()).mirrorsChanged) await poke();
    await revalidated?.();
    database.setDesired(nothing);
    const { mirrorsChanged } = await database.flush();
    if (mirrorsChanged) await poke();
    remote?.database.setDesired(nothing);
    await remote?.database.flush();
  }

  /** Ends the sessions and leaves everything in place, for a restart. */
  async stop(): Promise<void> {
    await this.passes.stop();
    this.source.stop();
    this.fence.stop();
    await this.sessions.close();
  }

  private startFollowing(follower: TableFollower): void {
    const { bridge } = follower;
    this.passes.follows(bridge);
    follower.on("changed", () => {
      this.every.look(bridge);
      this.byFlows.look(bridge);
      this.passes.tablesChanged(bridge);
    });
    follower.on("removed", (flow) => this.parts.liveFlowRemoved(bridge, flow));
    this.parts.following?.(follower);
  }
}

/** The nodes of before, when these are the same. */
const sameNodes = (before: readonly ShadowNode[] | undefined, now: readonly ShadowNode[]): readonly ShadowNode[] | undefined => (before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : undefined);
