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
import { Converger } from "../reconcile/converger.js";
import type { DesiredDatabase, DesiredSflow } from "../reconcile/database-state.js";
import type { SwitchState, SwitchWriter, WriterCounters } from "../reconcile/switch-writer.js";
import { adapterCounters, type PortCount } from "./adapter-counters.js";
import { adapterFlows, type DesiredShadow, type Wiring } from "./desired-shadow.js";
import { FollowedSource } from "./followed-source.js";
import { GuardWatch } from "./guard-watch.js";
import type { Held } from "./hold.js";
import { adapterBridge, shadowBridge } from "./names.js";
import type { ShadowEvents, ShadowParts } from "./parts.js";
import { ShadowPlan } from "./plan.js";
import { ownExit, patchExit, replicationFlows, tunnelExit } from "./replication/flows.js";
import { edgeNumbers, nothingPlanned, type ReplicationPlan } from "./replication/plan.js";
import { ShadowSessions, type OwnBridge } from "./sessions.js";
import { tellChanges, tellShadow } from "./shadow-tables.js";
import { bridgeStatus, type ShadowBridgeStatus } from "./status.js";
import type { TableFollower } from "./table-follower.js";
import { Trials } from "./trials.js";

export class Shadow extends EventEmitter<ShadowEvents> {
  private readonly parts: ShadowParts;
  private readonly converger: Converger;
  /** Live tables that changed, and nothing else: bridges whose followers have something to take. */
  private readonly tableConverger: Converger;
  private readonly tablesChanged = new Set<string>();
  /** From a change of a live flow seen to the same on the shadow, in ms. */
  readonly flowLag = new Histogram();
  private readonly planner: ShadowPlan;
  private readonly sessions: ShadowSessions;
  private readonly source: FollowedSource;
  private rows: DesiredShadow = { bridges: [], livePorts: new Map(), left: [] };
  private plan: ReplicationPlan = nothingPlanned;
  private changedAtMs: number | undefined;
  private isPlanned = false;
  private sampling: ReadonlyMap<string, number> = new Map();
  private readonly trials: Trials;
  private isPromoted = false;
  private readonly guards = new GuardWatch();
  private isGuarded = true;
  private isReplicating: boolean;
  private active = false;
  private lastError: string | undefined;

  constructor(parts: ShadowParts) {
    super();
    this.parts = parts;
    this.isReplicating = parts.replicate;
    this.planner = new ShadowPlan(parts.tables);
    this.source = new FollowedSource({ nowMs: parts.nowMs, holdMs: parts.holdMs, released: () => this.changed() });
    this.sessions = new ShadowSessions({
      dial: parts.dial,
      dialOwn: parts.remote?.dial ?? parts.dial,
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
    this.converger.trigger();
  }

  /** Resolves when the shadow is as it should be, after everything that was asked before. */
  settle(): Promise<void> {
    return this.converger.settle();
  }

  /** Whether it is known which edge ports have a replica. */
  get planned(): boolean {
    return this.isPlanned;
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
    return this.rows.left;
  }

  /** Edge ports of a live bridge that have a replica. */
  edges(bridge: string): number[] {
    const plan = this.plan.bridges.get(bridge);
    return plan === undefined ? [] : edgeNumbers(plan);
  }

  /** Devices on which copies are shown as they enter the shadow, while tapped. */
  get taps(): string[] {
    return [...this.source.network.bridges.keys()].filter((name) => this.edges(name).length > 0).map(adapterBridge);
  }

  /** How what is to be copied is copied. */
  get replication(): ReplicationPlan {
    return this.plan;
  }

  get replicating(): boolean {
    return this.isReplicating && this.isGuarded;
  }

  wiring(bridge: string): Wiring {
    if (this.parts.remote !== undefined) return "commonTunnel";
    return this.plan.bridges.get(bridge)?.wiring === "common" ? "commonPatch" : "each";
  }

  /** Flows on a live bridge that copy what no Mirror row copies. */
  copyFlows(bridge: string): FlowEntry[] {
    const plan = this.plan.bridges.get(bridge);
    if (plan === undefined || !this.replicating) return [];
    return replicationFlows(plan, { each: ownExit, commonPatch: patchExit, commonTunnel: tunnelExit }[this.wiring(bridge)]);
  }

  /** Live tables as followed: for the guest's view of foreign flows. */
  follower(bridge: string): TableFollower | undefined {
    return this.sessions.followers.get(bridge);
  }

  /** Guards on or off, copies on or off, and where the shadow's output goes. Takes effect with the next `settle`. */
  setMode(mode: { readonly guarded?: boolean; readonly promoted?: boolean; readonly replicating?: boolean; readonly tapped?: boolean }): void {
    this.trials.isAlwaysTapped = this.parts.tap || (mode.tapped ?? this.trials.isAlwaysTapped);
    this.isReplicating = mode.replicating ?? this.isReplicating;
    this.isGuarded = mode.guarded ?? this.isGuarded;
    this.isPromoted = mode.promoted ?? this.isPromoted;
    this.changed();
  }

  /** Packets that came into the adapter from each replica port and that the shadow sent towards its host, by live portKey. */
  portCounters(): Promise<Map<string, PortCount>> {
    const adapters = [...this.source.network.bridges.keys()].map((bridge) => ({ bridge, edges: this.edges(bridge), connection: this.sessions.own.get(adapterBridge(bridge))?.session.connection }));
    return adapterCounters(adapters);
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
    this.sampling = rates;
    this.changed();
  }

  /** Flow statistics of the shadow bridge of a live bridge. */
  async shadowFlowStats(bridge: string, cookie: bigint, cookieMask: bigint) {
    const connection = this.sessions.own.get(shadowBridge(bridge))?.session.connection;
    if (connection === undefined) throw new Error(`the shadow of ${bridge} is not connected`);
    return connection.flowStats({ cookie, cookieMask });
  }

  status(): ShadowBridgeStatus[] {
    const { followers, own } = this.sessions;
    return [...this.source.network.bridges.keys()].sort().map((live) =>
      bridgeStatus({ live, shadow: own.get(shadowBridge(live)), adapter: own.get(adapterBridge(live)), follower: followers.get(live), held: this.source.held, lastError: this.lastError, nowMs: this.parts.nowMs() }),
    );
  }

  /** What was sent to our bridges, by their names. */
  writerCounters(): ReadonlyMap<string, WriterCounters> {
    return this.sessions.counters();
  }

  /** The bridges that can be audited, each by its own: live bridges as followed, and ours. */
  audited(): (() => Promise<number>)[] {
    return this.sessions.audited();
  }

  /** Takes the shadow away: our rows on live, our bridges, our sessions. */
  async remove(): Promise<void> {
    await Promise.all([this.converger.stop(), this.tableConverger.stop()]);
    this.source.stop();
    this.active = false;
    await this.sessions.close();
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
    await this.sessions.close();
  }

  private async pass(): Promise<void> {
    const since = this.changedAtMs;
    this.changedAtMs = undefined;
    this.source.follow(this.isPromoted);
    const planned = this.planner.rows(this.source.network, this.source.live, (name) => this.parts.index.bridge(name), {
      sessions: this.parts.sessions(),
      replicate: this.isReplicating,
      guarded: this.isGuarded,
      tunnels: this.parts.remote?.tunnels,
    });
    this.rows = planned;
    this.plan = planned.replication;
    if (!this.isPlanned) {
      this.isPlanned = true;
      this.emit("planned");
    }
    const sflow = new Map([...this.source.live.bridges.keys()].flatMap((name) => (this.parts.sflow === undefined ? [] : [[name, this.sflowOf(name, this.parts.sflow)] as const])));
    const remote = this.parts.remote?.database;
    remote?.setDesired({ bridges: this.rows.bridges, livePorts: new Map(), sflow: new Map() });
    await remote?.flush();
    const desired: DesiredDatabase = { bridges: remote === undefined ? this.rows.bridges : [], livePorts: this.rows.livePorts, sflow };
    this.parts.database.setDesired(desired);
    const { changes, mirrorsChanged } = await this.parts.database.flush(async () => {
      // The bridges that came first get their tables while the others are made.
      await this.syncSessions();
      this.setTables();
      for (const { writer } of this.sessions.own.values()) if (writer.dirty) void writer.flush().catch(() => this.changed());
      await this.criticalFirst();
    });
    const restored = this.guards.restored(changes, this.rows.livePorts);
    if (restored.length > 0) this.parts.guardsRestored?.(restored);
    await this.syncSessions();
    this.setTables();
    const writers = this.sessions.writers();
    await this.flushAll(writers);
    if (mirrorsChanged) await this.parts.poke();
    if (writers.every((writer) => writer.connected) && [...this.sessions.followers.values()].every((follower) => follower.synced || !this.source.live.bridges.has(follower.bridge))) {
      this.lastError = undefined;
      if (since !== undefined) this.emit("converged", this.parts.nowMs() - since);
    } else {
      this.changedAtMs ??= since;
      this.emit("plan");
    }
  }

  /**
   * Gives the critical bridges the time to come in step before the next transaction: while ovs-vswitchd runs its configuration
   * it answers nobody, so a session set up meanwhile takes many rounds of it. Once for each pass, and no longer than needed.
   */
  private async criticalFirst(): Promise<void> {
    const names = [...this.source.live.bridges.keys()].filter((name) => this.parts.isCritical?.(name) === true);
    const writers = names.flatMap((name) => [this.sessions.own.get(shadowBridge(name))?.writer, this.sessions.own.get(adapterBridge(name))?.writer]);
    const end = this.parts.nowMs() + criticalWaitMs;
    while (writers.some((writer) => writer !== undefined && (!writer.connected || writer.dirty)) && this.parts.nowMs() < end) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      this.setTables();
    }
  }

  private sflowOf(bridge: string, configured: DesiredSflow): DesiredSflow {
    const sampling = this.sampling.get(bridge);
    return sampling === undefined ? configured : { ...configured, sampling };
  }

  /** Takes over what changed in live's tables. Nothing else: the database may be busy for long. */
  private async tablePass(): Promise<void> {
    const names = [...this.tablesChanged];
    this.tablesChanged.clear();
    const writers = names.flatMap((name) => {
      // A bridge whose shadow was never told its tables gets them whole, with the pass that makes it.
      const own = this.sessions.own.get(shadowBridge(name));
      if (own?.told === undefined) return [];
      tellChanges(own, this.sessions.followers.get(name));
      return [own.writer];
    });
    await this.flushAll(writers);
    if (names.some((name) => this.firstSynced.delete(name))) this.changed();
  }

  /** Bridges whose tables came to be known and that no pass has told yet. */
  private readonly firstSynced = new Set<string>();

  /** Flushes all; one that fails does not keep the others back. Rejects with the first failure when all are done. */
  private async flushAll(writers: readonly SwitchWriter[]): Promise<void> {
    const results = await Promise.allSettled(writers.filter((writer) => writer.dirty).map((writer) => writer.flush()));
    const failure = results.find((result) => result.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  }

  private async syncSessions(): Promise<void> {
    this.sessions.follow(this.source.live.bridges.keys());
    await this.sessions.unfollow((name) => this.source.network.bridges.has(name));
    // Of another host's bridges nothing is known here.
    const isMade = (name: string): boolean => this.parts.remote !== undefined || this.parts.index.bridge(name)?.datapathId !== undefined;
    await this.sessions.keep(new Set(this.rows.bridges.map((bridge) => bridge.name)), isMade);
  }

  private startFollowing(follower: TableFollower): void {
    const { bridge } = follower;
    this.firstSynced.add(bridge);
    follower.on("changed", () => {
      this.tablesChanged.add(bridge);
      this.tableConverger.trigger();
    });
    follower.on("removed", (flow) => this.parts.liveFlowRemoved(bridge, flow));
    this.parts.following?.(follower);
  }

  private setTables(): void {
    const composed = this.parts.compose(this.source.network);
    for (const name of this.source.network.bridges.keys()) {
      const own = this.sessions.own.get(shadowBridge(name));
      if (own !== undefined) this.setShadow(name, own, composed.get(name) ?? { flows: [], groups: [] });
      const mode = { tap: this.trials.tapOf(name), showSink: this.parts.showSink, promoted: this.isPromoted };
      const adapter = this.sessions.own.get(adapterBridge(name));
      const edges = this.edges(name);
      const wiring = this.wiring(name);
      const told = JSON.stringify([edges, mode, wiring]);
      if (adapter === undefined || adapter.told === told) continue;
      adapter.told = told;
      adapter.writer.setDesired({ flows: adapterFlows(edges, mode, wiring), groups: [] });
    }
  }

  /** The tables of one shadow bridge, as far as they are to be told. */
  private setShadow(name: string, own: OwnBridge, ours: SwitchState): void {
    const follower = this.sessions.followers.get(name);
    // What a controller before us left in the shadow stays until live's tables are known.
    if (follower?.known === false && this.source.live.bridges.has(name)) return;
    if (tellShadow(own, follower, ours, this.trials.flowsOf(name))) this.tablesChanged.delete(name);
  }
}

/** How long the other bridges wait for the critical ones, in ms. */
const criticalWaitMs = 3_000;
