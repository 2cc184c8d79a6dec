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
import type { Logger } from "pino";
import { Histogram } from "../base/histogram.js";
import type { BridgeIndex } from "../network/bridge-index.js";
import { BridgeSession, type Dial } from "../network/bridge-session.js";
import type { Session } from "../config/session-schema.js";
import type { Tables } from "../network/database-view.js";
import { flowKey, type FlowEntry } from "../network/flow-entry.js";
import { emptyNetwork, portKey, type Network, type PortRef } from "../network/model.js";
import { isOurGroup, isOurMeter, isOurs, replicaPort } from "../network/pipeline.js";
import { Converger } from "../reconcile/converger.js";
import type { DatabaseChange, DesiredDatabase, DesiredSflow } from "../reconcile/database-state.js";
import type { DatabaseWriter } from "../reconcile/database-writer.js";
import { ownsAll, SwitchWriter, type SwitchState, type WriterCounters } from "../reconcile/switch-writer.js";
import { tableDifferences } from "./compare.js";
import { adapterFlows, type DesiredShadow, type Wiring } from "./desired-shadow.js";
import { hold, type Held, type ShadowSource } from "./hold.js";
import { adapterBridge, shadowBridge } from "./names.js";
import { ShadowPlan } from "./plan.js";
import { ownExit, patchExit, replicationFlows, tunnelExit } from "./replication/flows.js";
import { edgeNumbers, nothingPlanned, type ReplicationPlan } from "./replication/plan.js";
import type { Tunnels } from "./replication/tunnel.js";
import { TableFollower } from "./table-follower.js";

/** Our own flows and groups for each bridge of a network: forwarding, and the changes in force. */
export type Compose = (network: Network) => ReadonlyMap<string, SwitchState>;

export interface ShadowParts {
  readonly database: DatabaseWriter;
  readonly tables: Tables;
  readonly index: BridgeIndex;
  readonly dial: (bridge: string) => Dial;
  readonly compose: Compose;
  /** Which live bridges come first when much is to be brought in step. */
  readonly isCritical?: (bridge: string) => boolean;
  /** The other host, where the shadow's and the adapters' bridges are; undefined: beside live. */
  readonly remote: { readonly database: DatabaseWriter; readonly dial: (bridge: string) => Dial; readonly tunnels: Tunnels } | undefined;
  /** Makes vswitchd revalidate its cached flows; called after a Mirror row changed. */
  readonly poke: () => Promise<void>;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly holdMs: number;
  readonly replicate: boolean;
  /** What is to be copied, now. */
  readonly sessions: () => readonly Session[];
  readonly showSink: boolean;
  /** Copies are always shown on the adapters' LOCAL devices, not only during a trial. */
  readonly tap: boolean;
  readonly sflow: DesiredSflow | undefined;
  /** A flow went away on a live bridge, by time-out or by anyone's hand. */
  readonly liveFlowRemoved: (bridge: string, flow: FlowEntry) => void;
  /** A live bridge is being followed: who wants to know of its edits listens to the follower. */
  readonly following?: (follower: TableFollower) => void;
  /** Guards that somebody deleted have been put back, by the names of their ports. */
  readonly guardsRestored?: (ports: readonly string[]) => void;
}

export type BridgeState = "in step" | "held" | "converging" | "not connected" | "off";

export interface ShadowBridgeStatus {
  readonly live: string;
  readonly shadow: string;
  readonly adapter: string;
  readonly state: BridgeState;
  readonly why: string;
  readonly flows: number;
  readonly differences: readonly string[];
  /** Since the live tables that the shadow follows were last proved to be live's, in ms; undefined: never yet. */
  readonly staleMs: number | undefined;
  /** What was sent to each bridge; undefined before it has a session. */
  readonly shadowWriter: WriterCounters | undefined;
  readonly adapterWriter: WriterCounters | undefined;
}

export interface ShadowEvents {
  /** For the first time it is known which edge ports have a replica. */
  planned: [];
  /** A pass ended with everything in place; `lagMs` since the oldest change it took in. */
  converged: [lagMs: number];
  /** A pass ended and not all is in place; `copyFlows` may give other flows all the same. */
  plan: [];
}

/** A shadow or adapter bridge with its session and its tables. */
class OwnBridge {
  readonly writer: SwitchWriter;
  readonly session: BridgeSession;
  /** What the writer was last told whole, so that equal parts are not told again. */
  told: unknown;

  constructor(name: string, dial: Dial, lag: Histogram, nowMs: () => number, changed: () => void) {
    this.writer = new SwitchWriter(ownsAll, lag, nowMs);
    this.session = new BridgeSession(name, dial, async () => {});
    this.session.on("up", (connection) => {
      this.writer.attach(connection);
      // At once: the pass that is running may be at the database for long.
      void this.writer.flush().then(changed, changed);
    });
    this.session.on("down", () => this.writer.attach(undefined));
  }
}

export class Shadow extends EventEmitter<ShadowEvents> {
  private readonly parts: ShadowParts;
  private readonly converger: Converger;
  /** Live tables that changed, and nothing else: bridges whose followers have something to take. */
  private readonly tableConverger: Converger;
  private readonly tablesChanged = new Set<string>();
  /** From a change of a live flow seen to the same on the shadow, in ms. */
  readonly flowLag = new Histogram();
  private readonly planner: ShadowPlan;
  private readonly followers = new Map<string, TableFollower>();
  private readonly own = new Map<string, OwnBridge>();
  private live: Network = emptyNetwork;
  private followed: Network | undefined;
  private source: ShadowSource = { network: emptyNetwork, held: [] };
  private rows: DesiredShadow = { bridges: [], livePorts: new Map(), left: [] };
  private plan: ReplicationPlan = nothingPlanned;
  private changedAtMs: number | undefined;
  private releaseTimer: NodeJS.Timeout | undefined;
  private trial: ReadonlyMap<string, readonly FlowEntry[]> | undefined;
  private isPlanned = false;
  private sampling: ReadonlyMap<string, number> = new Map();
  private isTapped = false;
  /** Copies are shown on the adapters' LOCAL devices outside of trials, too: somebody listens there. */
  private isAlwaysTapped = false;
  /** The one port whose copies are shown for a sample. */
  private tappedPort: PortRef | undefined;
  private isPromoted = false;
  /** Replica ports that had their guards after the last pass. */
  private guarded: ReadonlySet<string> = new Set();
  private isGuarded = true;
  private isReplicating: boolean;
  private active = false;
  private lastError: string | undefined;

  constructor(parts: ShadowParts) {
    super();
    this.parts = parts;
    this.isReplicating = parts.replicate;
    this.planner = new ShadowPlan(parts.tables);
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
    this.live = live;
    this.active = true;
    this.follow();
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
    return this.followers.get(bridge);
  }

  /** Guards on or off, copies on or off, and where the shadow's output goes. Takes effect with the next `settle`. */
  setMode(mode: { readonly guarded?: boolean; readonly promoted?: boolean; readonly replicating?: boolean; readonly tapped?: boolean }): void {
    this.isAlwaysTapped = mode.tapped ?? this.isAlwaysTapped;
    this.isReplicating = mode.replicating ?? this.isReplicating;
    this.isGuarded = mode.guarded ?? this.isGuarded;
    this.isPromoted = mode.promoted ?? this.isPromoted;
    this.changed();
  }

  /** Packets that came into the adapter from each replica port and that the shadow sent towards its host, by live portKey. */
  async portCounters(): Promise<Map<string, { readonly copied: bigint; readonly delivered: bigint }>> {
    const counters = new Map<string, { copied: bigint; delivered: bigint }>();
    for (const bridge of this.source.network.bridges.keys()) {
      const edges = this.edges(bridge);
      const connection = this.own.get(adapterBridge(bridge))?.session.connection;
      if (connection === undefined || edges.length === 0) continue;
      const stats = new Map((await connection.portStats()).map((one) => [one.portNo, one]));
      for (const n of edges) {
        // What went on to the shadow's port: the same whether it came through a replica port of its own or the common one.
        const egress = stats.get(replicaPort(n));
        counters.set(portKey({ bridge, ofport: n }), { copied: egress?.txPackets ?? 0n, delivered: egress?.rxPackets ?? 0n });
      }
    }
    return counters;
  }

  /**
   * Runs `body` while the shadows also have `flows` (by live bridge) and the adapters show all copies on their LOCAL devices.
   * The flows are gone again when it ends, however it ends. `ingress`: devices on which copies can be seen as they enter the
   * shadow; `matched`: devices to which the trial's flows send what they meet.
   */
  async withTrial<T>(flows: ReadonlyMap<string, readonly FlowEntry[]>, body: (devices: { readonly ingress: readonly string[]; readonly matched: readonly string[] }) => Promise<T>): Promise<T> {
    if (this.trial !== undefined) throw new Error("another trial is running");
    const missing = [...flows.keys()].find((bridge) => this.own.get(shadowBridge(bridge))?.writer.connected !== true);
    if (missing !== undefined) throw new Error(`the shadow of ${missing} is not connected`);
    this.trial = flows;
    this.isTapped = true;
    this.changed();
    try {
      await this.settle();
      return await body({ ingress: this.taps, matched: [...flows.keys()].map(shadowBridge) });
    } finally {
      this.trial = undefined;
      this.isTapped = false;
      this.changed();
      await this.settle();
    }
  }

  /** The session with the shadow of a live bridge, for reading; undefined while there is none. */
  connection(bridge: string): OpenFlowConnection | undefined {
    return this.own.get(shadowBridge(bridge))?.session.connection;
  }

  /** sFlow sampling rates by live bridge, from the next pass on; bridges without one keep the configured rate. */
  setSampling(rates: ReadonlyMap<string, number>): void {
    this.sampling = rates;
    this.changed();
  }

  /**
   * Runs `body` while the copies of one edge port are shown on its adapter's LOCAL device, whose name it is given. Rejects when the
   * device shows something else: a trial, or what the shadow would deliver.
   */
  async withPortTapped<T>(port: PortRef, body: (device: string) => Promise<T>): Promise<T> {
    if (this.parts.showSink || this.trial !== undefined || this.tappedPort !== undefined) throw new Error("the adapters' LOCAL devices show something else");
    this.tappedPort = port;
    this.changed();
    try {
      await this.settle();
      return await body(adapterBridge(port.bridge));
    } finally {
      this.tappedPort = undefined;
      this.changed();
      await this.settle();
    }
  }

  /** Flow statistics of the shadow bridge of a live bridge. */
  async shadowFlowStats(bridge: string, cookie: bigint, cookieMask: bigint) {
    const connection = this.own.get(shadowBridge(bridge))?.session.connection;
    if (connection === undefined) throw new Error(`the shadow of ${bridge} is not connected`);
    return connection.flowStats({ cookie, cookieMask });
  }

  status(): ShadowBridgeStatus[] {
    return [...this.source.network.bridges.keys()].sort().map((live) => {
      const shadow = shadowBridge(live);
      const adapter = adapterBridge(live);
      const own = this.own.get(shadow);
      const auditedMs = this.followers.get(live)?.auditedMs;
      const common = {
        live,
        shadow,
        adapter,
        staleMs: auditedMs === undefined ? undefined : this.parts.nowMs() - auditedMs,
        shadowWriter: own?.writer.counters,
        adapterWriter: this.own.get(adapter)?.writer.counters,
      };
      const flows = own?.writer.size ?? 0;
      const heldHere = this.source.held.filter((held) => held.element === `bridge ${live}` || held.element.includes(`${live}:`));
      if (!own?.writer.connected || !this.own.get(adapter)?.writer.connected) {
        return { ...common, state: "not connected", why: own?.session.lastFailure ?? this.lastError ?? "", flows, differences: [] };
      }
      const follower = this.followers.get(live);
      const installed = own.writer.installed();
      const differences = follower?.synced
        ? tableDifferences({ flows: follower.currentFlows(), groups: follower.currentGroups(), meters: follower.currentMeters() }, installed)
        : [];
      if (heldHere.length > 0 || (this.source.held.length > 0 && differences.length > 0)) {
        return { ...common, state: "held", why: this.source.held.map((held) => `${held.element}: ${held.why}`).join("; "), flows, differences };
      }
      if (!follower?.synced) return { ...common, state: "converging", why: "live tables are not known yet", flows, differences };
      return { ...common, state: differences.length === 0 ? "in step" : "converging", why: "", flows, differences };
    });
  }

  /** What was sent to our bridges, by their names. */
  writerCounters(): ReadonlyMap<string, WriterCounters> {
    return new Map([...this.own].map(([name, { writer }]) => [name, writer.counters]));
  }

  /** The bridges that can be audited, each by its own: live bridges as followed, and ours. */
  audited(): (() => Promise<number>)[] {
    return [...[...this.followers.values()].map((follower) => () => follower.audit()), ...[...this.own.values()].map(({ writer }) => () => writer.audit())];
  }

  /** Takes the shadow away: our rows on live, our bridges, our sessions. */
  async remove(): Promise<void> {
    await Promise.all([this.converger.stop(), this.tableConverger.stop()]);
    clearTimeout(this.releaseTimer);
    this.active = false;
    await this.closeSessions();
    this.parts.database.setDesired({ bridges: [], livePorts: new Map(), sflow: new Map() });
    const { mirrorsChanged } = await this.parts.database.flush();
    if (mirrorsChanged) await this.parts.poke();
    this.parts.remote?.database.setDesired({ bridges: [], livePorts: new Map(), sflow: new Map() });
    await this.parts.remote?.database.flush();
  }

  /** Ends the sessions and leaves everything in place, for a restart. */
  async stop(): Promise<void> {
    await Promise.all([this.converger.stop(), this.tableConverger.stop()]);
    clearTimeout(this.releaseTimer);
    await this.closeSessions();
  }

  private async closeSessions(): Promise<void> {
    await Promise.all([...this.followers.values()].map((follower) => follower.close()));
    await Promise.all([...this.own.values()].map((own) => own.session.close()));
    this.followers.clear();
    this.own.clear();
  }

  private async pass(): Promise<void> {
    const since = this.changedAtMs;
    this.changedAtMs = undefined;
    this.follow();
    this.scheduleRelease();
    const planned = this.planner.rows(this.source.network, this.live, (name) => this.parts.index.bridge(name), {
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
    const sflow = new Map([...this.live.bridges.keys()].flatMap((name) => (this.parts.sflow === undefined ? [] : [[name, this.sflowOf(name, this.parts.sflow)] as const])));
    const remote = this.parts.remote?.database;
    remote?.setDesired({ bridges: this.rows.bridges, livePorts: new Map(), sflow: new Map() });
    await remote?.flush();
    const desired: DesiredDatabase = { bridges: remote === undefined ? this.rows.bridges : [], livePorts: this.rows.livePorts, sflow };
    this.parts.database.setDesired(desired);
    const { changes, mirrorsChanged } = await this.parts.database.flush(async () => {
      // The bridges that came first get their tables while the others are made.
      await this.syncSessions();
      this.setTables();
      for (const { writer } of this.own.values()) if (writer.dirty) void writer.flush().catch(() => this.changed());
      await this.criticalFirst();
    });
    this.noteRestored(changes);
    await this.syncSessions();
    this.setTables();
    const writers = [...this.own.values()].map((own) => own.writer);
    await this.flushAll(writers);
    if (mirrorsChanged) await this.parts.poke();
    if (writers.every((writer) => writer.connected) && [...this.followers.values()].every((follower) => follower.synced || !this.live.bridges.has(follower.bridge))) {
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
    const names = [...this.live.bridges.keys()].filter((name) => this.parts.isCritical?.(name) === true);
    const writers = names.flatMap((name) => [this.own.get(shadowBridge(name))?.writer, this.own.get(adapterBridge(name))?.writer]);
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
      const own = this.own.get(shadowBridge(name));
      if (own?.told === undefined) return [];
      this.followTables(name, own);
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

  /** A guard that is added to a port which stood before, and which was guarded before, had been deleted by somebody. */
  private noteRestored(changes: readonly DatabaseChange[]): void {
    const fresh = new Set(changes.flatMap((change) => (change.op === "add-port" ? [change.port.name] : [])));
    const remade = new Set(changes.flatMap((change) => (change.op === "delete-guard" ? [change.name] : [])));
    const restored = changes.flatMap((change) => (change.op === "add-guard" && !fresh.has(change.port) && !remade.has(change.name) && this.guarded.has(change.port) ? [change.port] : []));
    if (restored.length > 0) this.parts.guardsRestored?.(restored);
    this.guarded = new Set([...this.rows.livePorts.values()].flatMap((ports) => ports.flatMap((port) => (port.guard === undefined ? [] : [port.name]))));
  }

  /** What the shadow stands for now. While it carries the traffic it stays as it is, whatever live does meanwhile. */
  private follow(): void {
    if (this.isPromoted) return;
    // Without a change of live and with nothing held there is nothing to follow: the same network, the same value.
    if (this.followed === this.live && this.source.held.length === 0) return;
    this.followed = this.live;
    this.source = hold(this.source, this.live, this.parts.nowMs(), this.parts.holdMs);
  }

  /** Lets go of what is held when its grace ends. */
  private scheduleRelease(): void {
    clearTimeout(this.releaseTimer);
    if (this.isPromoted || this.source.held.length === 0) return;
    const oldest = Math.min(...this.source.held.map((held) => held.sinceMs));
    this.releaseTimer = setTimeout(() => this.changed(), Math.max(1, oldest + this.parts.holdMs - this.parts.nowMs() + 1));
    this.releaseTimer.unref();
  }

  private async syncSessions(): Promise<void> {
    const changed = (): void => this.changed();
    for (const name of this.live.bridges.keys()) {
      if (this.followers.has(name)) continue;
      const follower = new TableFollower(name, this.parts.dial(name), this.parts.nowMs);
      this.firstSynced.add(name);
      follower.on("changed", () => {
        this.tablesChanged.add(name);
        this.tableConverger.trigger();
      });
      follower.on("removed", (flow) => this.parts.liveFlowRemoved(name, flow));
      this.parts.following?.(follower);
      this.followers.set(name, follower);
    }
    for (const [name, follower] of this.followers) {
      // A held bridge's follower keeps its last tables; one that is let go is forgotten.
      if (this.source.network.bridges.has(name)) continue;
      this.followers.delete(name);
      await follower.close();
    }
    const wanted = new Set(this.rows.bridges.map((bridge) => bridge.name));
    // A bridge that is not made yet has no socket: dialling it would only put the next try off. Of another host's nothing is known here.
    const isMade = (name: string): boolean => this.parts.remote !== undefined || this.parts.index.bridge(name)?.datapathId !== undefined;
    const dial = this.parts.remote?.dial ?? this.parts.dial;
    for (const name of wanted) if (!this.own.has(name) && isMade(name)) this.own.set(name, new OwnBridge(name, dial(name), this.flowLag, this.parts.nowMs, changed));
    for (const [name, own] of this.own) {
      if (wanted.has(name)) continue;
      this.own.delete(name);
      await own.session.close();
    }
  }

  private setTables(): void {
    const composed = this.parts.compose(this.source.network);
    for (const name of this.source.network.bridges.keys()) {
      const own = this.own.get(shadowBridge(name));
      if (own !== undefined) this.setShadow(name, own, composed.get(name) ?? { flows: [], groups: [] });
      const tap = this.isTapped || this.isAlwaysTapped || this.parts.tap || (this.tappedPort?.bridge === name ? this.tappedPort.ofport : false);
      const mode = { tap, showSink: this.parts.showSink, promoted: this.isPromoted };
      const adapter = this.own.get(adapterBridge(name));
      const edges = this.edges(name);
      const wiring = this.wiring(name);
      const told = JSON.stringify([edges, mode, wiring]);
      if (adapter === undefined || adapter.told === told) continue;
      adapter.told = told;
      adapter.writer.setDesired({ flows: adapterFlows(edges, mode, wiring), groups: [] });
    }
  }

  /** The whole tables of one shadow bridge; only what of ours changed, when the follower has nothing to take. */
  private setShadow(name: string, own: OwnBridge, ours: SwitchState): void {
    const follower = this.followers.get(name);
    // What a controller before us left in the shadow stays until live's tables are known.
    if (follower?.known === false && this.live.bridges.has(name)) return;
    const trial = this.trial?.get(name) ?? noFlows;
    const before = own.told as Told | undefined;
    if (before !== undefined && before.ours === ours && before.trial === trial && before.follower === follower) return this.followTables(name, own);
    own.told = { ours, trial, follower } satisfies Told;
    follower?.take();
    this.tablesChanged.delete(name);
    const foreign = follower === undefined ? [] : [...follower.currentFlows()].filter((flow) => !isOurs(flow.cookie));
    own.writer.setDesired({ flows: [...foreign, ...ours.flows, ...trial].map(copied), ...this.lists(follower, ours) });
  }

  /** Hands on what a follower has to tell. */
  private followTables(name: string, own: OwnBridge): void {
    const follower = this.followers.get(name);
    const told = own.told as Told;
    if (follower === undefined) return;
    const { flows, lists } = follower.take();
    if (flows === "all") {
      const { ours, trial } = told;
      const foreign = [...follower.currentFlows()].filter((flow) => !isOurs(flow.cookie));
      own.writer.setDesired({ flows: [...foreign, ...ours.flows, ...trial].map(copied), ...this.lists(follower, ours) });
      return;
    }
    const keep = told.byKey ?? (told.byKey = new Map([...told.ours.flows, ...told.trial].map((flow) => [flowKey(flow), flow])));
    const changes: [string, FlowEntry | undefined, number][] = [];
    for (const [key, { flow, seenMs }] of flows) {
      // In a place where we want a flow ourselves, and for our own on live, what we composed counts.
      const one = keep.get(key) ?? (flow === undefined || isOurs(flow.cookie) ? undefined : flow);
      changes.push([key, one === undefined ? undefined : copied(one), seenMs]);
    }
    own.writer.change(changes);
    if (lists) {
      const { groups, meters } = this.lists(follower, told.ours);
      own.writer.setLists(groups, meters);
    }
  }

  private lists(follower: TableFollower | undefined, ours: SwitchState) {
    return {
      groups: [...(follower?.currentGroups() ?? []).filter(({ groupId }) => !isOurGroup(groupId)), ...ours.groups],
      meters: [...(follower?.currentMeters() ?? []).filter(({ meterId }) => !isOurMeter(meterId)), ...(ours.meters ?? [])],
    };
  }
}

/** What a shadow bridge's writer was last told besides live's own tables. */
interface Told {
  readonly ours: SwitchState;
  readonly trial: readonly FlowEntry[];
  readonly follower: TableFollower | undefined;
  /** Our flows by key, made when first needed. */
  byKey?: ReadonlyMap<string, FlowEntry>;
}

/** How long the other bridges wait for the critical ones, in ms. */
const criticalWaitMs = 3_000;
const noFlows: readonly FlowEntry[] = [];

/** A copy lives as long as its original: it has no timeouts of its own. */
function copied(flow: FlowEntry): FlowEntry {
  return flow.idleTimeout === 0 && flow.hardTimeout === 0 && flow.flags === 0 ? flow : { ...flow, idleTimeout: 0, hardTimeout: 0, flags: 0 };
}

