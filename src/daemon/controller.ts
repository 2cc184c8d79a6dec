/**
 * The network side of the controller: attaches to the live bridges, keeps their forwarding and their shadow, promotes and
 * demotes, and takes everything away again. What to change on top of it is decided elsewhere and comes in as overlays.
 */
import { EventEmitter } from "node:events";
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import type { Config } from "../config/schema.js";
import { BridgeIndex } from "../network/bridge-index.js";
import { managementSocket, type Dial } from "../network/bridge-session.js";
import { Discovery } from "../network/discovery.js";
import type { FlowChange, GroupChange } from "../network/flow-entry.js";
import { FlowRestore } from "../network/flow-restore.js";
import type { Network, PortRef } from "../network/model.js";
import { portConfigSocket, readPortConfigs, type PortConfigs } from "../network/port-config.js";
import { unixctl, VswitchdControl, vswitchdSocket } from "../network/unixctl.js";
import { DatabaseWriter, type DatabaseWriterCounters } from "../reconcile/database-writer.js";
import { forgetAddresses, type Going } from "../reconcile/forget-addresses.js";
import { LiveSwitches } from "../reconcile/live-switches.js";
import type { SwitchState } from "../reconcile/switch-writer.js";
import { AutomaticPromotion } from "../shadow/automatic-promotion.js";
import { configuredSessions, criticalOf } from "../shadow/configured.js";
import { Copying } from "../shadow/copying.js";
import { Critical } from "../shadow/critical.js";
import { ConnectionTracking, readZoneUse } from "../shadow/connection-tracking.js";
import { Explainer } from "../shadow/explainer.js";
import type { ConflictKind } from "../shadow/fidelity/conflicts.js";
import { Levels } from "../shadow/levels/levels.js";
import { Promotion, type PromotionStep } from "../shadow/promotion.js";
import { Replication } from "../shadow/replication/replication.js";
import type { ExplainInput } from "../shadow/replication/explained.js";
import { copyByOf } from "../shadow/replication/copy-by.js";
import { foreignMirrors } from "../shadow/replication/rows.js";
import { placed } from "../shadow/sinks/sink-plan.js";
import { ResubmitWatch, resubmitCounter } from "../shadow/resubmit-watch.js";
import { Shadow } from "../shadow/shadow.js";
import type { TableFollower } from "../shadow/table-follower.js";
import { Audits } from "./audits.js";
import { Composition, type Overlays } from "./composition.js";
import { capturesFlows, comparesFlows } from "./flow-options.js";
import { CopySteering } from "./copy-steering.js";
import { Databases, writesOf } from "./databases.js";
import { openKept, type Kept } from "./kept.js";
import { Readings } from "./readings.js";

export interface ControllerEvents {
  network: [network: Network];
  /** The shadow took in all that was asked; `lagMs` after the oldest of it. */
  converged: [lagMs: number];
  promotion: [what: string, steps: readonly PromotionStep[]];
  detached: [];
  /** A live bridge's tables are being followed. */
  following: [follower: TableFollower];
  /** Changes of ours that are about to be sent to a live bridge. */
  sending: [bridge: string, flows: readonly FlowChange[], groups: readonly GroupChange[]];
  /** Somebody else did something to what is ours. */
  conflict: [bridge: string, kind: ConflictKind, detail: string, times: number];
}

/** Reading a bridge that is not followed is given up after this. */
const readOthersMs = 5_000;
/** Convergence times kept for the percentiles in the status. */
const keptLags = 1_000;
/** The cached flows of a large switch take a second or two to be looked at. */
const revalidationMs = 10_000;

const sumOf = (sizes: ReadonlyMap<number, number> | undefined): number | undefined => (sizes === undefined ? undefined : [...sizes.values()].reduce((sum, size) => sum + size, 0));

export class Controller extends EventEmitter<ControllerEvents> {
  readonly discovery: Discovery;
  readonly shadow: Shadow;
  readonly promotion: Promotion;
  readonly live: LiveSwitches;
  readonly database: DatabaseWriter;
  readonly explainer: Explainer;
  /** Where live and shadow track connections. */
  readonly tracking: ConnectionTracking;
  private readonly control: VswitchdControl;
  readonly resubmits: ResubmitWatch;
  readonly replication: Replication;
  readonly levels: Levels;
  readonly steering: CopySteering;
  /** Whether copies are made. */
  readonly copying: Copying;
  /** What the switches count. */
  readonly readings: Readings;
  /** Convergence times of the shadow in ms, latest last. */
  readonly lags: number[] = [];
  private readonly config: Config;
  private readonly log: Logger;
  private readonly databases: Databases;
  private readonly farDatabase: DatabaseWriter | undefined;
  private readonly index: BridgeIndex;
  private readonly nowMs: () => number;
  private readonly composition = new Composition(() => ({ discovery: this.discovery, shadow: this.shadow, promotion: this.promotion, forwards: this.config.forward.enabled, hasShadow: this.config.shadow.enabled }));
  private readonly audits: Audits;
  private readonly automatic: AutomaticPromotion;
  private readonly critical: Critical;
  private readonly flowRestore: FlowRestore;
  private suspicion: Config["shadow"]["suspicion"];
  private copyBudget: Config["shadow"]["copyBudget"];
  private detaching = false;
  private stopping = false;

  /** Connects to the database and builds the parts; nothing is changed before `start`. */
  static async create(config: Config, log: Logger, nowMs: () => number = () => performance.now(), signal?: AbortSignal): Promise<Controller> {
    const kept = openKept(config);
    return new Controller(config, log, nowMs, await Databases.open(config, signal), kept);
  }

  private constructor(config: Config, log: Logger, nowMs: () => number, databases: Databases, kept: Kept) {
    super();
    this.config = config;
    this.log = log;
    this.nowMs = nowMs;
    this.databases = databases;
    const { near: { client, replica }, far } = databases;
    this.critical = new Critical(kept.critical);
    this.suspicion = config.shadow.suspicion;
    this.levels = new Levels(config.shadow, { store: kept.levels, nowMs: Date.now, changed: () => this.shadow.changed() });
    this.copying = new Copying({ wanted: config.shadow.replicate, isPromoted: () => this.promotion.state !== "off", apply: (replicating) => this.shadow.setMode({ replicating }), log });
    this.flowRestore = new FlowRestore({ tables: replica, gaveUp: () => log.warn("flow-restore-wait was not cleared in time; flows are written all the same") });
    const restored = (): Promise<void> => this.flowRestore.done();
    const dial = (bridge: string): Dial => managementSocket(config.openflow.runDir, bridge);
    this.index = new BridgeIndex(replica);
    const beforeGoing = (going: readonly Going[]): Promise<void> =>
      forgetAddresses(going, (method, params) => this.control.ask(method, params)).catch((error: unknown) => log.warn({ err: error }, "addresses learned by the shadow stay, and may be forgotten on live with its ports"));
    this.database = new DatabaseWriter(client, replica, { index: this.index, nowMs, rank: (bridge) => this.critical.rank(bridge, this.discovery.current), beforeGoing });
    this.discovery = new Discovery({ index: this.index, dial, bridges: config.bridges, lldpKey: randomBytes(32), log, nowMs });
    this.live = new LiveSwitches({
      restored,
      desired: (bridge) => this.desiredLive(bridge),
      log,
      sending: (bridge, flows, groups) => this.emit("sending", bridge, flows, groups),
      taken: (bridge, flow) => this.emit("conflict", bridge, "our flow deleted", `table ${flow.tableId}, priority ${flow.priority}`, 1),
      differed: (bridge, differences) => this.emit("conflict", bridge, "our tables changed", "what we put there was changed or deleted", differences),
    });
    this.control = new VswitchdControl(config.openflow.runDir);
    // Those of live bridges are followed.
    const bitsOf = async (bridge: string, signal: AbortSignal): Promise<PortConfigs> => this.shadow.portConfigs(bridge) ?? readPortConfigs(portConfigSocket(config.openflow.runDir, bridge), signal);
    this.explainer = new Explainer({ tables: replica, dial, portConfigs: bitsOf, zones: () => this.shadow.zones, control: (method, params) => this.askLong(method, params) });
    const { sflow } = config;
    const vswitchd = (method: string, ...args: string[]): Promise<string> => this.control.ask(method, args);
    const { remote } = config.shadow;
    this.farDatabase = far === undefined ? undefined : new DatabaseWriter(far.client, far.replica);
    this.tracking = new ConnectionTracking({
      bridges: () =>
        [...this.discovery.current.bridges.values()].flatMap(({ name, datapathType }) => {
          const follower = this.shadow.follower(name);
          return follower === undefined ? [] : [{ name, datapathType, follower }];
        }),
      isShared: far === undefined,
      others: () => {
        const names = this.index.bridges().flatMap(({ name, role }) => (role !== undefined || config.bridges === "all" || config.bridges.includes(name) ? [] : [name]));
        return Promise.all(names.map((name) => readZoneUse(dial(name), AbortSignal.timeout(readOthersMs))));
      },
      control: (method, ...args) => this.askLong(method, args),
      failed: (err) => log.warn({ err }, "what the shadow tracked is not all taken away; it ends by its time-outs"),
    });
    this.shadow = new Shadow({
      restored,
      forgetTracked: () => this.tracking.forget(),
      remote: this.farDatabase === undefined || remote === undefined ? undefined : { database: this.farDatabase, dial: (bridge) => managementSocket(remote.runDir, bridge), dialPorts: (bridge) => portConfigSocket(remote.runDir, bridge), tunnels: remote },
      database: this.database,
      tables: replica,
      isCritical: (bridge) => this.critical.has(bridge, this.discovery.current),
      index: this.index,
      dial,
      dialPorts: (bridge) => portConfigSocket(config.openflow.runDir, bridge),
      compose: (network) => this.composition.of(network),
      poke: () => this.live.poke(),
      revalidated: remote !== undefined ? undefined : () => this.control.ask("revalidator/wait", [], revalidationMs).then(() => undefined, (error: unknown) => log.warn({ err: error }, "not known whether cached flows still copy")),
      log,
      nowMs,
      holdMs: config.shadow.holdMs,
      replicate: config.shadow.replicate,
      sessions: () => this.replication.active(),
      copyBy: copyByOf(config),
      demand: (bridge) => this.levels.of(bridge),
      sinks: placed(config.shadow.sinks),
      showSink: config.shadow.showSink,
      tap: config.telemetry.tcp.enabled || capturesFlows(config),
      deliveries: comparesFlows(config),
      sflow: { target: `${sflow.host}:${sflow.port}`, sampling: sflow.samplingRate, pollingS: sflow.pollingS, agent: sflow.agent },
      liveFlowRemoved: (bridge, flow) => {
        this.live.removed(bridge, flow);
        this.replication.flowRemoved(bridge, flow, () => this.desiredLive(bridge)?.flows);
      },
      following: (follower) => this.emit("following", follower),
      sendsToEvery: (bridge, does) => {
        if (does) this.emit("conflict", bridge, "flows send to replica ports", "they have the action ALL, or FLOOD on a bridge that speaks no OpenFlow 1.0: its copies go by one port, marked", 1);
        else log.info({ bridge }, "no flow sends to replica ports any more");
      },
      guardsRestored: (ports) => ports.forEach((port) => this.emit("conflict", this.bridgeOf(port), "our guard deleted", port, 1)),
    });
    this.replication = new Replication({
      store: kept.sessions,
      shadow: this.shadow,
      connection: (bridge) => this.discovery.connection(bridge),
      flushLive: () => this.live.settle(),
      readUpcalls: () => vswitchd("upcall/show"),
      maxCachedFlows: config.shadow.maxCachedFlows,
      hasCopyBudget: () => this.copyBudget !== undefined,
      steering: () => this.steering.status(),
      foreignMirrors: (bridge) => foreignMirrors(this.index.bridges(), databases.isOurMirror).get(bridge) ?? 0,
      warn: (why) => log.warn(why),
      nowMs,
    });
    this.resubmits = new ResubmitWatch({
      read: async () => Number(await vswitchd("coverage/read-counter", resubmitCounter)),
      exceeded: (packets) => this.copying.stop(`live and shadow together need more resubmits than a packet may have: ${packets} packets were dropped`),
    });
    this.promotion = new Promotion({ shadow: this.shadow, flushLive: () => this.live.settle(), nowMs });
    this.readings = new Readings({ discovery: this.discovery, shadow: this.shadow, replication: this.replication, copyMode: () => this.copying.mode, control: (method) => vswitchd(method), nowMs });
    this.copyBudget = config.shadow.copyBudget;
    this.steering = new CopySteering({
      stateDir: config.stateDir,
      limit: () => this.copyBudget,
      plan: () => this.shadow.replication,
      network: () => this.discovery.current,
      isCopying: () => this.copying.mode === "on" && this.shadow.replicating,
      connection: (bridge) => this.discovery.connection(bridge),
      flushCounters: () => this.readings.flushCounters(),
      apply: async (shares) => {
        this.shadow.setShares(shares);
        this.live.changed();
        await this.live.settle();
      },
      suspicionMs: () => this.suspicion.holdS * 1_000,
      nowMs,
      log,
    });
    this.shadow.setShares(this.steering.shares);
    const { automatic, holdDownMs } = config.policy.promotion;
    this.automatic = new AutomaticPromotion({
      enabled: automatic,
      holdDownMs,
      state: () => this.promotion.state,
      live: () => this.discovery.current,
      shadow: () => this.shadow.network,
      promote: (why) => this.promote(why),
      demote: (why) => this.demote(why),
      log,
      nowMs,
    });
    this.audits = new Audits({
      discovery: this.discovery,
      live: this.live,
      shadow: this.shadow,
      tracking: this.tracking,
      looks: [() => this.resubmits.look(), () => this.replication.cachedFlows.look()],
      isSuspended: () => this.promotion.state === "promoting" || this.promotion.state === "demoting" || this.detaching,
      conflict: (bridge, kind, detail, times) => this.emit("conflict", bridge, kind, detail, times),
      log,
      nowMs,
    });
  }

  start(): void {
    const { replica } = this.databases.near;
    replica.on("changes", (changes) => {
      this.flowRestore.changed();
      if (!this.index.changed(changes)) return;
      this.discovery.databaseChanged();
      // Rows of ours that someone changed or took away come back, and settings are followed.
      if (!this.detaching) this.shadow.changed();
    });
    replica.on("stale", () => {
      if (!this.stopping) this.log.warn("the database is away; the model stays as it is");
      this.discovery.freeze(true);
    });
    replica.on("synced", () => this.discovery.freeze(false));
    this.discovery.on("up", (bridge, connection) => {
      this.live.attach(bridge, connection);
      void this.live.settle().then(() => this.discovery.listening(bridge));
    });
    this.discovery.on("down", (bridge) => this.live.detach(bridge));
    this.discovery.on("network", (network) => this.networkChanged(network));
    this.shadow.on("planned", () => this.live.changed());
    this.shadow.on("converged", (lagMs) => {
      this.lags.push(lagMs);
      if (this.lags.length > keptLags) this.lags.shift();
      // Replica ports may have come: live's rules about them must follow.
      this.live.changed();
      this.emit("converged", lagMs);
    });
    this.shadow.on("plan", () => this.live.changed());
    this.discovery.start();
    this.audits.start();
    this.levels.start();
    this.steering.start();
  }

  /** Who gives the overlays. Call `overlaysChanged` when they differ. */
  setOverlays(overlays: Overlays): void {
    this.composition.overlays = overlays;
  }

  /** Brings live, and the shadow with it, to the overlays of now; resolves when live has them. */
  async overlaysChanged(): Promise<void> {
    this.shadow.changed();
    await this.live.settle();
  }

  /** uuid of the database's one Open_vSwitch row; undefined before it is known. */
  get databaseUuid(): string | undefined {
    return this.databases.uuid;
  }

  get databaseState(): string {
    return this.databases.state;
  }

  /** What was written to the databases, live's and the one of the shadow's host together where that is another. */
  get databaseWrites(): DatabaseWriterCounters {
    return writesOf(this.database.counters, this.farDatabase?.counters);
  }

  /** Why ovs-vswitchd could not open ports of ours, by their names. */
  portProblems(): ReadonlyMap<string, string> {
    return (this.farDatabase ?? this.database).problems();
  }

  /** The `tag` of a live port; undefined when it has none. */
  portTag({ bridge, ofport }: PortRef): number | undefined {
    return this.index.bridge(bridge)?.ports.find((port) => port.ofport === ofport)?.tag;
  }

  /** A question to the control socket of live's ovs-vswitchd on a connection of its own; rejects with its words, or with an answer of more than `maxBytes` (default 1 MiB). */
  async askLong(method: string, params: readonly string[], maxBytes?: number): Promise<string> {
    return unixctl(await vswitchdSocket(this.config.openflow.runDir), method, params, undefined, maxBytes);
  }

  /** How many packets one sample stands for, by bridge, from now on; others as configured. Bridges with an sFlow row of the operator's keep it. */
  setSampling(rates: ReadonlyMap<string, number>): void {
    this.shadow.setSampling(rates);
  }

  /** Takes over from live with the shadow. */
  async promote(why: string): Promise<readonly PromotionStep[]> {
    const steps = await this.promotion.promote();
    this.log.info({ why, steps }, "promoted");
    this.emit("promotion", `promoted: ${why}`, steps);
    return steps;
  }

  async demote(why: string): Promise<readonly PromotionStep[]> {
    const steps = await this.promotion.demote();
    this.automatic.demoted();
    this.discovery.databaseChanged();
    this.shadow.update(this.discovery.current);
    this.log.info({ why, steps }, "demoted");
    this.emit("promotion", `demoted: ${why}`, steps);
    return steps;
  }

  /**
   * Leaves the live bridges as they would be had we never come: demotes, takes our flows and groups off (the entry first,
   * so that the operator's flows carry on), then replica ports, mirrors, sFlow rows and our bridges.
   */
  async detach(): Promise<void> {
    if (this.detaching) return;
    if (this.promotion.state !== "off") await this.demote("detach");
    this.detaching = true;
    this.audits.stop();
    this.levels.stop();
    this.tracking.note();
    await this.live.clear();
    await this.shadow.remove();
    // Nothing makes entries any more once the cached flows are those without us.
    await this.askLong("revalidator/wait", []).catch(() => undefined);
    await this.tracking.forget();
    this.emit("detached");
  }

  /** Ends the controller and leaves all it made in place: a restarted one takes it over without a change. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.audits.stop();
    this.levels.stop();
    await this.steering.stop();
    this.flowRestore.stop();
    await this.live.stop();
    await this.shadow.stop();
    await this.discovery.stop();
    this.control.close();
    await this.databases.close();
  }

  private desiredLive(bridge: string): SwitchState | undefined {
    return this.detaching ? undefined : this.composition.live(bridge);
  }

  private networkChanged(network: Network): void {
    if (this.detaching) return;
    this.live.changed();
    if (this.config.shadow.enabled && this.discovery.settled) {
      // The shadow's source first: it must hold what vanished before live's forwarding forgets it.
      this.shadow.update(network);
      void this.automatic.consider(network);
    }
    this.emit("network", network);
  }

  private bridgeOf(replicaPort: string): string {
    const row = this.index.bridges().find((bridge) => bridge.ports.some((port) => port.name === replicaPort));
    return row?.name ?? "";
  }

  /** A host at this port is suspected: its bridge's shadow is raised for a while, and more of the port is copied. */
  suspect(at: PortRef, why: string): void {
    const { bridge } = at;
    this.steering.suspect(at);
    const { level, holdS } = this.suspicion;
    this.levels.raise({ bridges: [bridge], level, untilMs: Date.now() + holdS * 1_000, why });
  }

  /**
   * Takes what of a new configuration can change while running: sessions and profile, critical bridges, levels and their schedule,
   * copies on or off. Rejects, having changed nothing, with what is wrong with sessions or profile.
   */
  async reconfigure(next: Config): Promise<void> {
    const critical = criticalOf(next);
    const before = this.copyBudget;
    this.copyBudget = next.shadow.copyBudget;
    await this.replication.configure(configuredSessions(next)).catch((error: unknown) => {
      this.copyBudget = before;
      throw error;
    });
    this.critical.configure(critical);
    this.suspicion = next.shadow.suspicion;
    this.levels.configure(next.shadow);
    this.setReplicating(next.shadow.replicate);
    await this.shadow.settle();
    await this.live.settle();
  }

  /** What the behavioural profile has learned of hosts that others depend on, by address. */
  learned(dependents: ReadonlyMap<string, number>): void {
    this.critical.learned(dependents);
  }

  /** What the plan of replication is explained from, as far as the controller knows it. `config` and `where`: the one in force. */
  planInput(config: Config): Omit<ExplainInput, "behaviour" | "rates" | "where"> {
    const { shadow, replication, critical, copying, index, databases } = this;
    const { network } = shadow;
    return {
      network,
      plan: shadow.plannedRows,
      config,
      sessions: replication.sessions(),
      suspended: replication.suspended,
      levels: (bridge) => this.levels.of(bridge),
      demand: (bridge) => shadow.demand(bridge),
      place: (bridge) => ({ rank: critical.rank(bridge, network), isCritical: critical.has(bridge, network), ...critical.reasons(bridge, network) }),
      foreignMirrors: (bridge) => foreignMirrors(index.bridges(), databases.isOurMirror).get(bridge) ?? 0,
      sendsToEvery: (bridge) => shadow.reachesReplicas(bridge),
      copiesByFlows: (bridge) => shadow.copiesByFlows(bridge),
      off: shadow.replicating ? undefined : copying.why,
      shadowFlows: (bridge) => sumOf(shadow.follower(bridge)?.tableSizes()),
      cachedFlows: replication.cachedFlows.current,
    };
  }

  /** Copies on or off, as asked for. */
  setReplicating(on: boolean): void {
    this.copying.ask(on);
  }
}
