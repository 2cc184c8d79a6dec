/**
 * The shadow of a network: keeps the shadow and adapter bridges, the replica ports and all their tables as they should be.
 *
 * One pass: what the shadow should stand for (`hold`), the rows for it, one database transaction, then the tables of each
 * shadow and adapter bridge. Passes run one at a time, whenever live changed. A shadow's tables are the live bridge's
 * foreign flows, copied, and our own flows computed for the shadow's network: so equal to live, or held.
 */
import { EventEmitter } from "node:events";
import type { OpenFlowConnection } from "node-openflow";
import type { Logger } from "pino";
import type { FlowEntry, GroupEntry } from "../network/flow-entry.js";
import { BridgeSession, type Dial } from "../network/bridge-session.js";
import type { BridgeRow } from "../network/database-view.js";
import type { Session } from "../config/session-schema.js";
import { emptyNetwork, portKey, type Network } from "../network/model.js";
import { isOurGroup, isOurs, replicaPort } from "../network/pipeline.js";
import { Converger } from "../reconcile/converger.js";
import type { DesiredDatabase, DesiredSflow } from "../reconcile/database-state.js";
import type { DatabaseWriter } from "../reconcile/database-writer.js";
import { ownsAll, SwitchWriter, type SwitchState } from "../reconcile/switch-writer.js";
import { tableDifferences } from "./compare.js";
import { adapterFlows, desiredShadow, replicatedEdges, type DesiredShadow, type Wiring } from "./desired-shadow.js";
import { hold, type Held, type ShadowSource } from "./hold.js";
import { adapterBridge, shadowBridge } from "./names.js";
import { replicationFlows, ownExit, patchExit, tunnelExit } from "./replication/flows.js";
import { planReplication, type ReplicationPlan } from "./replication/plan.js";
import type { Tunnels } from "./replication/tunnel.js";
import { foreignMirrors, portVlans } from "./replication/rows.js";
import { TableFollower } from "./table-follower.js";

/** Our own flows and groups for each bridge of a network: forwarding, and the changes in force. */
export type Compose = (network: Network) => ReadonlyMap<string, SwitchState>;

export interface ShadowParts {
  readonly database: DatabaseWriter;
  readonly readBridges: () => readonly BridgeRow[];
  readonly dial: (bridge: string) => Dial;
  readonly compose: Compose;
  /** The other host, where the shadow's and the adapters' bridges are; undefined: beside live. */
  readonly remote: { readonly database: DatabaseWriter; readonly dial: (bridge: string) => Dial; readonly tunnels: Tunnels } | undefined;
  /** Whether a Mirror row, by uuid, carries our mark. */
  readonly isOurMirror: (uuid: string) => boolean;
  /** Makes vswitchd revalidate its cached flows; called after a Mirror row changed. */
  readonly poke: () => Promise<void>;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly holdMs: number;
  readonly replicate: boolean;
  /** What is to be copied, now. */
  readonly sessions: () => readonly Session[];
  readonly showSink: boolean;
  readonly sflow: DesiredSflow | undefined;
  /** A flow went away on a live bridge, by time-out or by anyone's hand. */
  readonly liveFlowRemoved: (bridge: string, flow: FlowEntry) => void;
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
}

export interface ShadowEvents {
  /** A pass ended with everything in place; `lagMs` since the oldest change it took in. */
  converged: [lagMs: number];
  /** A pass ended and not all is in place; `copyFlows` may give other flows all the same. */
  plan: [];
}

/** A shadow or adapter bridge with its session and its tables. */
class OwnBridge {
  readonly writer = new SwitchWriter(ownsAll);
  readonly session: BridgeSession;

  constructor(name: string, dial: Dial, changed: () => void) {
    this.session = new BridgeSession(name, dial, async () => {});
    this.session.on("up", (connection) => {
      this.writer.attach(connection);
      changed();
    });
    this.session.on("down", () => this.writer.attach(undefined));
  }
}

export class Shadow extends EventEmitter<ShadowEvents> {
  private readonly parts: ShadowParts;
  private readonly converger: Converger;
  private readonly followers = new Map<string, TableFollower>();
  private readonly own = new Map<string, OwnBridge>();
  private live: Network = emptyNetwork;
  private source: ShadowSource = { network: emptyNetwork, held: [] };
  private rows: DesiredShadow = { bridges: [], livePorts: new Map(), left: [] };
  private plan: ReplicationPlan = { bridges: new Map(), problems: new Map(), asked: new Map(), left: [] };
  private changedAtMs: number | undefined;
  private releaseTimer: NodeJS.Timeout | undefined;
  private trial: ReadonlyMap<string, readonly FlowEntry[]> | undefined;
  private sampling: ReadonlyMap<string, number> = new Map();
  private isTapped = false;
  private isPromoted = false;
  private isGuarded = true;
  private isReplicating: boolean;
  private active = false;
  private lastError: string | undefined;

  constructor(parts: ShadowParts) {
    super();
    this.parts = parts;
    this.isReplicating = parts.replicate;
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
    return replicatedEdges(this.rows, bridge);
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
  setMode(mode: { readonly guarded?: boolean; readonly promoted?: boolean; readonly replicating?: boolean }): void {
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
      const ingress = [...this.source.network.bridges.keys()].filter((name) => this.edges(name).length > 0).map(adapterBridge);
      return await body({ ingress, matched: [...flows.keys()].map(shadowBridge) });
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
      const common = { live, shadow, adapter };
      const own = this.own.get(shadow);
      const flows = own?.writer.installed().flows.length ?? 0;
      const heldHere = this.source.held.filter((held) => held.element === `bridge ${live}` || held.element.includes(`${live}:`));
      if (!own?.writer.connected || !this.own.get(adapter)?.writer.connected) {
        return { ...common, state: "not connected", why: own?.session.lastFailure ?? this.lastError ?? "", flows, differences: [] };
      }
      const follower = this.followers.get(live);
      const installed = own.writer.installed();
      const differences = follower?.synced
        ? tableDifferences({ flows: follower.currentFlows(), groups: follower.currentGroups() }, installed)
        : [];
      if (heldHere.length > 0 || (this.source.held.length > 0 && differences.length > 0)) {
        return { ...common, state: "held", why: this.source.held.map((held) => `${held.element}: ${held.why}`).join("; "), flows, differences };
      }
      if (!follower?.synced) return { ...common, state: "converging", why: "live tables are not known yet", flows, differences };
      return { ...common, state: differences.length === 0 ? "in step" : "converging", why: "", flows, differences };
    });
  }

  /** Compares everything with dumps and mends it; returns the number of differences found. */
  async audit(): Promise<number> {
    let found = 0;
    for (const follower of this.followers.values()) found += await follower.audit();
    for (const own of this.own.values()) found += await own.writer.audit();
    return found;
  }

  /** Takes the shadow away: our rows on live, our bridges, our sessions. */
  async remove(): Promise<void> {
    await this.converger.stop();
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
    await this.converger.stop();
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
    const bridges = this.parts.readBridges();
    this.plan = planReplication({
      network: this.source.network,
      sessions: this.parts.sessions(),
      vlans: portVlans(bridges),
      foreignMirrors: foreignMirrors(bridges, this.parts.isOurMirror),
      tunnelled: this.parts.remote !== undefined,
    });
    this.rows = desiredShadow(this.source.network, this.live, { plan: this.plan, replicate: this.isReplicating, guarded: this.isGuarded, tunnels: this.parts.remote?.tunnels });
    const sflow = new Map([...this.live.bridges.keys()].flatMap((name) => (this.parts.sflow === undefined ? [] : [[name, { ...this.parts.sflow, sampling: this.sampling.get(name) ?? this.parts.sflow.sampling }] as const])));
    const remote = this.parts.remote?.database;
    remote?.setDesired({ bridges: this.rows.bridges, livePorts: new Map(), sflow: new Map() });
    await remote?.flush();
    const desired: DesiredDatabase = { bridges: remote === undefined ? this.rows.bridges : [], livePorts: this.rows.livePorts, sflow };
    this.parts.database.setDesired(desired);
    const { mirrorsChanged } = await this.parts.database.flush();
    await this.syncSessions();
    this.setTables();
    const writers = [...this.own.values()].map((own) => own.writer);
    await Promise.all(writers.map((writer) => writer.flush()));
    if (mirrorsChanged) await this.parts.poke();
    if (writers.every((writer) => writer.connected) && [...this.followers.values()].every((follower) => follower.synced || !this.live.bridges.has(follower.bridge))) {
      this.lastError = undefined;
      if (since !== undefined) this.emit("converged", this.parts.nowMs() - since);
    } else {
      this.changedAtMs ??= since;
      this.emit("plan");
    }
  }

  /** What the shadow stands for now. While it carries the traffic it stays as it is, whatever live does meanwhile. */
  private follow(): void {
    if (!this.isPromoted) this.source = hold(this.source, this.live, this.parts.nowMs(), this.parts.holdMs);
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
      const follower = new TableFollower(name, this.parts.dial(name));
      follower.on("changed", changed);
      follower.on("removed", (flow) => this.parts.liveFlowRemoved(name, flow));
      this.followers.set(name, follower);
    }
    for (const [name, follower] of this.followers) {
      // A held bridge's follower keeps its last tables; one that is let go is forgotten.
      if (this.source.network.bridges.has(name)) continue;
      this.followers.delete(name);
      await follower.close();
    }
    const wanted = new Set(this.rows.bridges.map((bridge) => bridge.name));
    for (const name of wanted) if (!this.own.has(name)) this.own.set(name, new OwnBridge(name, (this.parts.remote?.dial ?? this.parts.dial)(name), changed));
    for (const [name, own] of this.own) {
      if (wanted.has(name)) continue;
      this.own.delete(name);
      await own.session.close();
    }
  }

  private setTables(): void {
    const composed = this.parts.compose(this.source.network);
    for (const name of this.source.network.bridges.keys()) {
      const follower = this.followers.get(name);
      const ours = composed.get(name) ?? { flows: [], groups: [] };
      const foreign = follower === undefined ? [] : [...follower.currentFlows()].filter((flow) => !isOurs(flow.cookie));
      const foreignGroups = follower === undefined ? [] : follower.currentGroups().filter((group: GroupEntry) => !isOurGroup(group.groupId));
      const trial = this.trial?.get(name) ?? [];
      this.own.get(shadowBridge(name))?.writer.setDesired({
        flows: [...foreign, ...ours.flows, ...trial].map((flow) => ({ ...flow, idleTimeout: 0, hardTimeout: 0, flags: 0 })),
        groups: [...foreignGroups, ...ours.groups],
      });
      this.own.get(adapterBridge(name))?.writer.setDesired({
        flows: adapterFlows(this.edges(name), { tap: this.isTapped, showSink: this.parts.showSink, promoted: this.isPromoted }, this.wiring(name)),
        groups: [],
      });
    }
  }
}
