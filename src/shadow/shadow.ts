/**
 * The shadow of a network: keeps the shadow and adapter bridges, the replica ports and all their tables as they should be.
 *
 * One pass: what the shadow should stand for (`hold`), the rows for it, the database, then the tables of each shadow and adapter
 * bridge. Passes run one at a time, whenever live changed; a change of live's tables alone takes a way of its own, which touches
 * the flows that changed on the bridge that has them and waits for no database. A shadow's tables are the live bridge's foreign
 * flows, copied, and our own flows computed for the shadow's network: so equal to live, or held.
 */
import { EventEmitter } from "node:events";
import type { OpenFlowConnection } from "node-openflow";
import { Histogram } from "../base/histogram.js";
import type { FlowEntry } from "../network/flow-entry.js";
import type { Network } from "../network/model.js";
import type { DesiredBridge } from "../reconcile/database-state.js";
import type { PortConfigs } from "../network/port-config.js";
import { commonReplicaPort, sinkTable } from "../network/pipeline.js";
import { Converger } from "../reconcile/converger.js";
import type { PortConfigCounters } from "../reconcile/port-config-writer.js";
import type { SwitchWriter, WriterCounters } from "../reconcile/switch-writer.js";
import { AdapterCounters, type PortCount } from "./adapter-counters.js";
import type { DesiredShadow, Wiring } from "./desired-shadow.js";
import { FirstInStep } from "./first-in-step.js";
import { FloodFence } from "./flood-fence.js";
import { FollowedSource } from "./followed-source.js";
import { GuardWatch } from "./guard-watch.js";
import type { Held } from "./hold.js";
import { adapterBridge, shadowBridge, deliveries } from "./names.js";
import { NodeCounters } from "./nodes/counters.js";
import type { ShadowNode } from "./nodes/node.js";
import type { ShadowEvents, ShadowParts } from "./parts.js";
import type { PlannedShadow } from "./plan.js";
import { PlannedRows } from "./planned-rows.js";
import { copiesByFlows, hasBareGuards } from "./replication/copy-by.js";
import { ownExit, patchExit, replicationFlows, tunnelExit } from "./replication/flows.js";
import { firstShares, type Shares } from "./replication/shares.js";
import { edgeNumbers, everything, type BridgePlan, type Demand, type ReplicationPlan } from "./replication/plan.js";
import { portVlans } from "./replication/rows.js";
import { ShadowSessions } from "./sessions.js";
import { Sinks } from "./sinks/sinks.js";
import { ShadowObjects, type Copied } from "./staleness/objects.js";
import type { ObjectState } from "./staleness/staleness-watch.js";
import { bridgeStatus, Comparison, type ShadowBridgeStatus } from "./status.js";
import type { TableFollower } from "./table-follower.js";
import { Teller, type Telling } from "./teller.js";
import { Trials } from "./trials.js";

const noEdges: readonly number[] = [];
const noFlows: readonly FlowEntry[] = [];
const noNodes: readonly ShadowNode[] = [];

export class Shadow extends EventEmitter<ShadowEvents> {
  private readonly parts: ShadowParts;
  private readonly converger: Converger;
  /** Live tables that changed, and nothing else: bridges whose followers have something to take. */
  private readonly tableConverger: Converger;
  /** From a change of a live flow seen to the same on the shadow, in ms. */
  readonly flowLag = new Histogram();
  private readonly planned: PlannedRows;
  private readonly sessions: ShadowSessions;
  private readonly source: FollowedSource;
  /** Something changed since the rows were planned. */
  private isStale = false;
  private changedAtMs: number | undefined;
  private readonly trials: Trials;
  private readonly first: FirstInStep;
  private readonly teller: Teller;
  /** Every bridge has all of its shadow, whatever its level. */
  private isComplete = false;
  /** What the adapters counted of what shadow nodes send. */
  readonly nodeCounters = new NodeCounters();
  private readonly counted = new AdapterCounters(this.nodeCounters);
  private areNodesHeld = false;
  private isPromoted = false;
  private readonly guards = new GuardWatch();
  private readonly copying = new WeakMap<BridgePlan, { readonly shares: Shares | undefined; readonly flows: readonly FlowEntry[] }>();
  private shares = firstShares;
  private readonly comparison = new Comparison();
  private readonly objects: ShadowObjects;
  /** What goes to collectors elsewhere. */
  readonly sinks: Sinks;
  private readonly fence: FloodFence;
  /** Live bridges whose own flows send to replica ports, which their copies therefore don't go by. */
  private readonly sendToEvery = new Set<string>();
  private readonly toldOfEvery = new Set<string>();
  /** Live bridges on which flows copy what Mirror rows could, too. */
  private readonly byFlows = new Set<string>();
  private isGuarded = true;
  private isReplicating: boolean;
  private active = false;
  private lastError: string | undefined;

  constructor(parts: ShadowParts) {
    super();
    this.parts = parts;
    this.isReplicating = parts.replicate;
    this.planned = new PlannedRows(parts);
    this.sinks = new Sinks(parts.sinks, () => this.source.network, () => portVlans(parts.index.bridges()));
    this.objects = new ShadowObjects(parts.nowMs);
    this.fence = new FloodFence(parts.dialPorts, parts.nowMs);
    this.source = new FollowedSource({ nowMs: parts.nowMs, holdMs: parts.holdMs, released: () => this.changed() });
    this.sessions = new ShadowSessions({
      dial: parts.dial,
      dialOwn: parts.remote?.dial ?? parts.dial,
      dialPorts: parts.dialPorts,
      restored: parts.remote === undefined ? parts.restored : () => Promise.resolve(),
      dialOwnPorts: parts.remote?.dialPorts ?? parts.dialPorts,
      nowMs: parts.nowMs,
      lag: this.flowLag,
      changed: () => this.changed(),
      following: (follower) => this.startFollowing(follower),
    });
    this.trials = new Trials(
      {
        apply: () => {
          this.changed();
          return this.settle();
        },
        isConnected: (bridge) => this.sessions.own.get(shadowBridge(bridge))?.writer.connected === true,
        taps: () => this.taps,
        showSink: parts.showSink,
      },
      parts.tap,
    );
    this.teller = new Teller({
      sessions: this.sessions,
      trials: this.trials,
      compose: parts.compose,
      demand: (bridge) => this.demand(bridge),
      edges: (bridge) => this.edges(bridge),
      wiring: (bridge) => this.wiring(bridge),
      showSink: parts.showSink,
      deliveries: parts.deliveries ?? false,
      sinks: (bridge) => this.sinks.flows(bridge, this.edges(bridge), this.wiring(bridge)),
      sinkTables: parts.sinks.map(({ place }) => sinkTable(place)),
      nodes: (bridge) => this.planned.nodes.get(bridge) ?? noNodes,
      nodesHeld: () => this.nodesHeld,
    });
    this.first = new FirstInStep({
      isInStep: (bridge) => this.isInStep(bridge),
      advance: () => this.advance(this.criticalBridges()),
      late: (bridges) => parts.log.warn({ bridges }, "critical bridges are not in step in time; the others go on"),
      nowMs: parts.nowMs,
    });
    this.tableConverger = new Converger({
      pass: () => this.tablePass(),
      failed: (error) => parts.log.warn({ err: error }, "following tables failed; trying again"),
      retryMs: 50,
    });
    this.converger = new Converger({
      pass: () => this.pass(),
      failed: (error) => {
        this.lastError = error instanceof Error ? error.message : String(error);
        parts.log.warn({ err: error }, "shadow pass failed; trying again");
      },
    });
  }

  /** The live network changed, or something in its database that is ours. */
  update(live: Network): void {
    this.active = true;
    this.source.update(live, this.isPromoted);
    this.changed();
  }

  /** Desired flows changed (an overlay, a trial, a mode): converge again. */
  changed(): void {
    if (!this.active) return;
    this.changedAtMs ??= this.parts.nowMs();
    this.isStale = true;
    this.converger.trigger();
  }

  /** Resolves when the shadow is as it should be, after everything that was asked before. */
  settle(): Promise<void> {
    return this.converger.settle();
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
    return this.isComplete || this.trials.isAt(bridge) ? everything : this.parts.demand(bridge);
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
    return this.isReplicating && this.isGuarded;
  }

  wiring(bridge: string): Wiring {
    if (this.parts.remote !== undefined) return "commonTunnel";
    return this.planned.rows.replication.bridges.get(bridge)?.wiring === "common" ? "commonPatch" : "each";
  }

  /** Flows on a live bridge that copy what no Mirror row copies. */
  copyFlows(bridge: string): readonly FlowEntry[] {
    const plan = this.planned.rows.replication.bridges.get(bridge);
    if (plan === undefined || !this.replicating) return noFlows;
    // Of one plan the same flows, so that nobody compares them again; its wiring follows from the plan and from the start.
    const shares = plan.sessions.some(({ session }) => session.auto) ? this.shares : undefined;
    let known = this.copying.get(plan);
    if (known === undefined || known.shares !== shares) {
      const flows = replicationFlows(plan, { each: ownExit, commonPatch: patchExit, commonTunnel: tunnelExit }[this.wiring(bridge)], shares);
      this.copying.set(plan, (known = { shares, flows }));
    }
    return known.flows;
  }

  /** What sessions with `auto` copy from now on; tell the live switches afterwards. */
  setShares(shares: Shares): void {
    this.shares = shares;
  }

  /** Configuration bits of a live bridge's ports as followed; undefined while they are not known. */
  portConfigs(bridge: string): PortConfigs | undefined {
    return this.sessions.portConfigs.get(bridge)?.current;
  }

  /** Live tables as followed: for the guest's view of foreign flows. */
  follower(bridge: string): TableFollower | undefined {
    return this.sessions.followers.get(bridge);
  }

  /** All of the shadow whatever the levels, guards on or off, copies on or off, and where the shadow's output goes. Takes effect with the next `settle`. */
  setMode(mode: { readonly complete?: boolean; readonly guarded?: boolean; readonly promoted?: boolean; readonly replicating?: boolean; readonly tapped?: boolean }): void {
    this.trials.isAlwaysTapped = this.parts.tap || (mode.tapped ?? this.trials.isAlwaysTapped);
    this.isComplete = mode.complete ?? this.isComplete;
    this.isReplicating = mode.replicating ?? this.isReplicating;
    this.isGuarded = mode.guarded ?? this.isGuarded;
    this.isPromoted = mode.promoted ?? this.isPromoted;
    this.changed();
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
    return this.areNodesHeld || this.isPromoted || this.trials.isRunning;
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
    return [...this.source.network.bridges.keys()].sort().map((live) => this.statusOf(live));
  }

  /** Flows of a live bridge as followed, and of its shadow as known to be installed. */
  flowsOf(bridge: string): { readonly live: Iterable<FlowEntry>; readonly shadow: Iterable<FlowEntry> } {
    return { live: this.sessions.followers.get(bridge)?.currentFlows() ?? noFlows, shadow: this.sessions.own.get(shadowBridge(bridge))?.writer.installed().flows ?? noFlows };
  }

  /** Every object of the shadow, each with whether it is as live is. */
  objectStates(): Iterable<ObjectState> {
    return this.objects.of(this.copied(), this.parts.remote?.database ?? this.parts.database);
  }

  /** Critical bridges that the others no longer wait for, because they did not come in step in time. */
  get late(): string[] {
    return [...this.first.late];
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
  audited(): (() => Promise<number>)[] {
    return this.sessions.audited();
  }

  /** Takes the shadow away: our rows on live, our bridges, our sessions. */
  async remove(): Promise<void> {
    await Promise.all([this.converger.stop(), this.tableConverger.stop()]);
    this.source.stop();
    this.fence.stop();
    this.active = false;
    await this.sessions.close();
    // Copies end first: what they went on teaching the shadow would be forgotten on live, too, when the shadow's ports go.
    this.planned.withoutCopies();
    if ((await this.parts.database.flush()).mirrorsChanged) await this.parts.poke();
    await this.parts.revalidated?.();
    this.parts.database.setDesired({ bridges: [], livePorts: new Map(), sflow: new Map() });
    const { mirrorsChanged } = await this.parts.database.flush();
    if (mirrorsChanged) await this.parts.poke();
    this.parts.remote?.database.setDesired({ bridges: [], livePorts: new Map(), sflow: new Map() });
    await this.parts.remote?.database.flush();
  }

  /** Ends the sessions and leaves everything in place, for a restart. */
  async stop(): Promise<void> {
    await Promise.all([this.converger.stop(), this.tableConverger.stop()]);
    this.source.stop();
    this.fence.stop();
    await this.sessions.close();
  }

  private async pass(): Promise<void> {
    const since = this.changedAtMs;
    this.changedAtMs = undefined;
    this.takeRows();
    const far = await this.parts.remote?.database.flush();
    // Their tables are known by the time their bridges are made.
    this.sessions.follow(this.criticalBridges());
    const { changes, mirrorsChanged } = await this.parts.database.flush(() => this.betweenTransactions());
    const restored = this.guards.restored(changes, this.planned.rows.livePorts);
    if (restored.length > 0) this.parts.guardsRestored?.(restored);
    // A port that is made anew has no bits set.
    for (const change of [...changes, ...(far?.changes ?? [])]) if (change.op === "add-port") this.sessions.own.get(change.bridge)?.ports.doubt();
    await this.syncSessions(this.source.live.bridges.keys());
    this.teller.tell(this.telling);
    const writers = this.sessions.writers();
    await this.flushAll(writers);
    await this.sessions.flushPorts();
    await this.fence.close(this.planned.rows.livePorts, this.sessions.portConfigs);
    if (mirrorsChanged) await this.parts.poke();
    if (writers.every((writer) => writer.connected) && [...this.sessions.followers.values()].every((follower) => follower.synced || !this.source.live.bridges.has(follower.bridge))) {
      this.lastError = undefined;
      if (since !== undefined) this.emit("converged", this.parts.nowMs() - since);
    } else {
      this.changedAtMs ??= since;
      this.emit("plan");
    }
  }

  /** Plans the rows as they should be now, and tells the databases. */
  private takeRows(): void {
    for (const bridge of this.toldOfEvery) if (!this.source.live.bridges.has(bridge)) this.toldOfEvery.delete(bridge);
    for (const bridge of new Set([...this.source.live.bridges.keys(), ...this.sendToEvery])) this.lookAtEvery(bridge);
    for (const bridge of new Set([...this.source.live.bridges.keys(), ...this.byFlows])) this.lookAtNormal(bridge);
    this.isStale = false;
    this.source.follow(this.isPromoted);
    const isFirst = this.planned.take(
      { network: this.source.network, live: this.source.live },
      { sessions: this.parts.sessions(), replicate: this.isReplicating, guarded: this.isGuarded, deliveries: this.parts.deliveries ?? false, demand: (bridge) => this.demand(bridge), sendsToEvery: (bridge) => this.sendToEvery.has(bridge), byFlows: (bridge) => this.byFlows.has(bridge) },
    );
    if (isFirst) this.emit("planned");
  }

  /**
   * The bridges that came first get their tables while the others are made. Once the critical ones are made, nothing else happens
   * until they are in step.
   */
  private async betweenTransactions(): Promise<void> {
    // A pass of many transactions is long: what changed meanwhile is in the next one.
    if (this.isStale) {
      this.takeRows();
      this.emit("plan");
    }
    const critical = this.criticalBridges();
    if (critical.every((name) => this.isMade(shadowBridge(name)) && this.isMade(adapterBridge(name)))) await this.first.wait(critical);
    await this.advance(this.source.live.bridges.keys());
  }

  /** Sets sessions up, with these live bridges and with all of ours that are made, and sends what is to be sent. */
  private async advance(followed: Iterable<string>): Promise<void> {
    await this.syncSessions(followed);
    this.teller.tell(this.telling);
    for (const writer of this.sessions.writers()) if (writer.dirty && writer.connected) void writer.flush().catch(() => this.changed());
  }

  private criticalBridges(): string[] {
    return [...this.source.live.bridges.keys()].filter((name) => this.parts.isCritical?.(name) === true);
  }

  private isInStep(live: string): boolean {
    const own = [shadowBridge(live), adapterBridge(live)].map((name) => this.sessions.own.get(name));
    // The tables are compared only when nothing is on its way to them any more.
    return own.every((one) => one?.writer.settled === true) && ["in step", "held"].includes(this.statusOf(live).state);
  }

  private get telling(): Telling {
    return { network: this.network, live: this.source.live, promoted: this.isPromoted };
  }

  private statusOf(live: string): ShadowBridgeStatus {
    const { followers, own } = this.sessions;
    return bridgeStatus({
      live,
      level: this.demand(live).level,
      shadow: own.get(shadowBridge(live)),
      adapter: own.get(adapterBridge(live)),
      follower: followers.get(live),
      held: this.source.held,
      lastError: this.lastError,
      nowMs: this.parts.nowMs(),
      differences: this.comparison,
    });
  }

  private *copied(): Iterable<Copied> {
    const { planned, parts, source, sessions } = this;
    const rows = new Map<string, DesiredBridge[]>();
    for (const row of planned.rows.bridges) rows.set(row.live, [...(rows.get(row.live) ?? []), row]);
    const databases = [parts.database, ...(parts.remote === undefined ? [] : [parts.remote.database])];
    const pending = new Set(databases.flatMap((database) => [...database.outstanding(), ...database.awaited()]));
    const excused = this.isPromoted || source.held.length > 0;
    for (const [name, live] of source.network.bridges) {
      yield {
        live,
        level: this.demand(name).level,
        shadow: sessions.own.get(shadowBridge(name)),
        adapter: sessions.own.get(adapterBridge(name)),
        follower: sessions.followers.get(name),
        rows: rows.get(name) ?? [],
        isPlanned: planned.isCurrent(name, source.network, source.live),
        pending,
        excused,
      };
    }
  }

  /** Takes over what changed in live's tables. Nothing else: the database may be busy for long. */
  private async tablePass(): Promise<void> {
    const { bridges, writers } = this.teller.tellChanged();
    await this.flushAll(writers);
    if (bridges.some((name) => this.firstSynced.delete(name))) this.changed();
  }

  /** Bridges whose tables came to be known and that no pass has told yet. */
  private readonly firstSynced = new Set<string>();

  /** Flushes all; one that fails does not keep the others back. Rejects with the first failure when all are done. */
  private async flushAll(writers: readonly SwitchWriter[]): Promise<void> {
    const results = await Promise.allSettled(writers.filter((writer) => writer.dirty).map((writer) => writer.flush()));
    const failure = results.find((result) => result.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  }

  private async syncSessions(followed: Iterable<string>): Promise<void> {
    this.sessions.follow(followed);
    await this.sessions.unfollow((name) => this.source.network.bridges.has(name));
    await this.sessions.keep(new Set(this.planned.rows.bridges.map((bridge) => bridge.name)), (name) => this.isMade(name));
  }

  /** Whether ovs-vswitchd has made a bridge of ours; of another host's nothing is known here. */
  private isMade(name: string): boolean {
    return this.parts.remote !== undefined || this.parts.index.bridge(name)?.datapathId !== undefined;
  }

  /** Whether a live bridge's own flows send to replica ports: by ALL, which heeds no bit, or by FLOOD where the bit can't be set. */
  reachesReplicas(bridge: string): boolean {
    const follower = this.sessions.followers.get(bridge);
    if (this.parts.remote !== undefined) return false;
    if (follower?.known !== true) return this.isWiredAsOne(bridge);
    if (follower.sendTo("all") > 0) return true;
    if (follower.sendTo("flood") === 0) return false;
    const bits = this.sessions.portConfigs.get(bridge);
    return bits?.current === undefined ? this.isWiredAsOne(bridge) : !bits.tellsAll;
  }

  /** What counts until a bridge's tables and bits are known: how a controller before us has wired it, so that a restart changes nothing. */
  private isWiredAsOne(bridge: string): boolean {
    return this.parts.index.bridge(bridge)?.ports.some(({ role, ofport }) => role === "replica" && ofport === commonReplicaPort) === true;
  }

  /** Copies of bridges whose flows began, or ceased, to send to replica ports go another way. */
  private lookAtEvery(bridge: string): void {
    const reaches = this.reachesReplicas(bridge);
    if (this.sessions.followers.get(bridge)?.known === true && reaches !== this.toldOfEvery.has(bridge)) {
      if (reaches) this.toldOfEvery.add(bridge);
      else this.toldOfEvery.delete(bridge);
      this.parts.sendsToEvery?.(bridge, reaches);
    }
    if (reaches === this.sendToEvery.has(bridge)) return;
    if (reaches) this.sendToEvery.add(bridge);
    else this.sendToEvery.delete(bridge);
    this.changed();
  }

  /** Whether flows copy what Mirror rows could, too: a port that a Mirror row names takes all learned addresses with it when it goes. */
  copiesByFlows(bridge: string): boolean {
    const { copyBy = "mirrors", tables, index } = this.parts;
    const follower = this.sessions.followers.get(bridge);
    return copiesByFlows(copyBy, follower?.known === true ? follower.usesNormal() : undefined, hasBareGuards(tables, index.bridge(bridge)));
  }

  private lookAtNormal(bridge: string): void {
    const isByFlows = this.source.live.bridges.has(bridge) && this.copiesByFlows(bridge);
    if (isByFlows === this.byFlows.has(bridge)) return;
    if (isByFlows) this.byFlows.add(bridge);
    else this.byFlows.delete(bridge);
    this.changed();
  }

  private startFollowing(follower: TableFollower): void {
    const { bridge } = follower;
    this.firstSynced.add(bridge);
    follower.on("changed", () => {
      this.lookAtEvery(bridge);
      this.lookAtNormal(bridge);
      this.teller.note(bridge);
      this.tableConverger.trigger();
    });
    follower.on("removed", (flow) => this.parts.liveFlowRemoved(bridge, flow));
    this.parts.following?.(follower);
  }
}

/** The nodes of before, when these are the same. */
const sameNodes = (before: readonly ShadowNode[] | undefined, now: readonly ShadowNode[]): readonly ShadowNode[] | undefined => (before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : undefined);
