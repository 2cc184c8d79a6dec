/**
 * The network side of the controller: attaches to the live bridges, keeps their forwarding and their shadow, promotes and
 * demotes, and takes everything away again. What to change on top of it is decided elsewhere and comes in as overlays.
 */
import { EventEmitter } from "node:events";
import { randomBytes } from "node:crypto";
import { allMeters } from "node-openflow";
import { OvsdbClient, type Replica } from "ovsdb-client";
import type { Logger } from "pino";
import { ConfigError } from "./config/load.js";
import { databaseOptions } from "./config/database.js";
import type { Config } from "./config/schema.js";
import { sessionSchema, type Session } from "./config/session-schema.js";
import { attachFlows, desiredForwarding } from "./forward/forwarding.js";
import { managementSocket, type Dial } from "./network/bridge-session.js";
import { BridgeIndex } from "./network/bridge-index.js";
import { entries, monitoredTables } from "./network/database-view.js";
import { Discovery } from "./network/discovery.js";
import type { FlowChange, FlowEntry, GroupChange } from "./network/flow-entry.js";
import { connected, graphOf } from "./network/graph.js";
import { portKey, type Network, type PortRef } from "./network/model.js";
import { mark } from "./network/pipeline.js";
import { unixctl, vswitchdSocket } from "./network/unixctl.js";
import { DatabaseWriter, type DatabaseWriterCounters } from "./reconcile/database-writer.js";
import { LiveSwitches } from "./reconcile/live-switches.js";
import type { SwitchState } from "./reconcile/switch-writer.js";
import { Replication } from "./replication.js";
import { Explainer } from "./shadow/explainer.js";
import type { CopyMode } from "./shadow/fidelity/account.js";
import { foreignClaims, type ConflictKind } from "./shadow/fidelity/conflicts.js";
import type { Counters } from "./shadow/fidelity/meter.js";
import { profileSession, readProfile } from "./shadow/profile-file.js";
import { Promotion, type PromotionStep } from "./shadow/promotion.js";
import { SessionStore } from "./shadow/replication/session-store.js";
import { foreignMirrors, liveMtus } from "./shadow/replication/rows.js";
import { tooLong } from "./shadow/replication/tunnel.js";
import { ResubmitWatch, resubmitCounter } from "./shadow/resubmit-watch.js";
import { Shadow } from "./shadow/shadow.js";
import type { TableFollower } from "./shadow/table-follower.js";
import type { PortReading } from "./telemetry/counter-windows.js";
import type { SwitchReading } from "./telemetry/switch-counters.js";

/** Flows of changes in force on a bridge at this moment, each with its remaining time. */
export type Overlays = (bridge: string) => readonly FlowEntry[];

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

export interface PortFidelity {
  /** "bridge:ofport" */
  readonly port: string;
  readonly selected: number;
  readonly copied: number;
}

/** Convergence times kept for the percentiles in the status. */
const keptLags = 1_000;
const auditIntervalMs = 2_000;
/** How much of each interval goes into audits. */
const auditBudgetMs = 40;
/** The interval of sFlow counters and the database's retry, in ms. */
const databaseBackoff = { initialMs: 100, maxMs: 2_000 };

/** The database of the host the shadow is on, where that is another. */
interface Far {
  readonly client: OvsdbClient;
  readonly replica: Replica;
}

export class Controller extends EventEmitter<ControllerEvents> {
  readonly discovery: Discovery;
  readonly shadow: Shadow;
  readonly promotion: Promotion;
  readonly live: LiveSwitches;
  readonly database: DatabaseWriter;
  readonly explainer: Explainer;
  readonly resubmits: ResubmitWatch;
  readonly replication: Replication;
  /** Why copying was switched off by ourselves; undefined while it was not. */
  stoppedCopying: string | undefined;
  /** Convergence times of the shadow in ms, latest last. */
  readonly lags: number[] = [];
  private readonly config: Config;
  private readonly log: Logger;
  private readonly client: OvsdbClient;
  private readonly far: Far | undefined;
  private readonly farDatabase: DatabaseWriter | undefined;
  private readonly replica: Replica;
  private readonly index: BridgeIndex;
  private readonly nowMs: () => number;
  private overlays: Overlays = () => [];
  private readonly bases = new WeakMap<Network, ReadonlyMap<string, SwitchState>>();
  private audit: NodeJS.Timeout | undefined;
  /** What is left of this round of audits. */
  private audits: (() => Promise<number>)[] = [];
  private wholeSinceMs: number | undefined;
  private promotedByUs = false;
  private wantsCopies: boolean;
  private shedWhy: string | undefined;
  /** Trials that need copies at this moment. */
  private trials = 0;
  private detaching = false;
  private readonly fidelityBase = new Map<string, { readonly isPart: boolean; readonly selected: bigint; readonly copied: bigint }>();
  /** The hosts that reached each other when live was last whole: what a promotion has to restore. */
  private lastWhole: Network | undefined;

  /** Connects to the database and builds the parts; nothing is changed before `start`. */
  static async create(config: Config, log: Logger, nowMs: () => number = () => performance.now(), signal?: AbortSignal): Promise<Controller> {
    const store = SessionStore.open(config.stateDir, configuredSessions(config));
    const client = await OvsdbClient.connect({ ...databaseOptions(config), backoff: databaseBackoff, ...(signal === undefined ? {} : { signal }) });
    const replica = await client.replica("Open_vSwitch", monitoredTables);
    const { remote } = config.shadow;
    if (remote === undefined) return new Controller(config, log, nowMs, client, replica, store, undefined);
    const why = tooLong(liveMtus(replica, config.bridges), remote.mtu);
    if (why !== undefined) throw new ConfigError([why]);
    const far = await OvsdbClient.connect({ remote: remote.ovsdb, backoff: databaseBackoff, ...(signal === undefined ? {} : { signal }) });
    return new Controller(config, log, nowMs, client, replica, store, { client: far, replica: await far.replica("Open_vSwitch", monitoredTables) });
  }

  private constructor(config: Config, log: Logger, nowMs: () => number, client: OvsdbClient, replica: Replica, store: SessionStore, far: Far | undefined) {
    super();
    this.config = config;
    this.wantsCopies = config.shadow.replicate;
    this.log = log;
    this.nowMs = nowMs;
    this.client = client;
    this.replica = replica;
    const dial = (bridge: string): Dial => managementSocket(config.openflow.runDir, bridge);
    this.index = new BridgeIndex(replica);
    this.database = new DatabaseWriter(client, replica, { index: this.index, nowMs, rank: (bridge) => (this.isCritical(bridge) ? 0 : 1) });
    this.discovery = new Discovery({ index: this.index, dial, bridges: config.bridges, lldpKey: randomBytes(32), log, nowMs });
    this.live = new LiveSwitches({
      desired: (bridge) => this.desiredLive(bridge),
      log,
      sending: (bridge, flows, groups) => this.emit("sending", bridge, flows, groups),
      taken: (bridge, flow) => this.emit("conflict", bridge, "our flow deleted", `table ${flow.tableId}, priority ${flow.priority}`, 1),
      differed: (bridge, differences) => this.emit("conflict", bridge, "our tables changed", "what we put there was changed or deleted", differences),
    });
    this.explainer = new Explainer({ tables: replica, dial, control: async (method, params) => unixctl(await vswitchdSocket(config.openflow.runDir), method, params) });
    const { sflow } = config;
    const isOurMirror = (uuid: string): boolean => entries(replica.table("Mirror").get(uuid), "external_ids").has(mark.role);
    const vswitchd = async (method: string, ...args: string[]): Promise<string> => unixctl(await vswitchdSocket(config.openflow.runDir), method, args);
    const { remote } = config.shadow;
    this.far = far;
    this.farDatabase = far === undefined ? undefined : new DatabaseWriter(far.client, far.replica);
    this.shadow = new Shadow({
      remote: this.farDatabase === undefined || remote === undefined ? undefined : { database: this.farDatabase, dial: (bridge) => managementSocket(remote.runDir, bridge), tunnels: remote },
      database: this.database,
      tables: replica,
      isCritical: (bridge) => this.isCritical(bridge),
      index: this.index,
      dial,
      compose: (network) => this.compose(network),
      poke: () => this.live.poke(),
      log,
      nowMs,
      holdMs: config.shadow.holdMs,
      replicate: config.shadow.replicate,
      sessions: () => this.replication.active(),
      showSink: config.shadow.showSink,
      tap: config.telemetry.tcp.enabled,
      sflow: { target: `${sflow.host}:${sflow.port}`, sampling: sflow.samplingRate, pollingS: sflow.pollingS, agent: sflow.agent },
      liveFlowRemoved: (bridge, flow) => {
        this.live.removed(bridge, flow);
        this.replication.flowRemoved(bridge, flow, () => this.desiredLive(bridge)?.flows);
      },
      following: (follower) => this.emit("following", follower),
      guardsRestored: (ports) => ports.forEach((port) => this.emit("conflict", this.bridgeOf(port), "our guard deleted", port, 1)),
    });
    this.replication = new Replication({
      store,
      shadow: this.shadow,
      connection: (bridge) => this.discovery.connection(bridge),
      flushLive: () => this.live.settle(),
      readUpcalls: () => vswitchd("upcall/show"),
      maxCachedFlows: config.shadow.maxCachedFlows,
      foreignMirrors: (bridge) => foreignMirrors(this.index.bridges(), isOurMirror).get(bridge) ?? 0,
      warn: (why) => log.warn(why),
      nowMs,
    });
    this.resubmits = new ResubmitWatch({
      read: async () => Number(await vswitchd("coverage/read-counter", resubmitCounter)),
      exceeded: (packets) => this.stopCopying(`live and shadow together need more resubmits than a packet may have: ${packets} packets were dropped`),
    });
    this.promotion = new Promotion({ shadow: this.shadow, flushLive: () => this.live.settle(), nowMs });
  }

  start(): void {
    this.replica.on("changes", (changes) => {
      if (!this.index.changed(changes)) return;
      this.discovery.databaseChanged();
      // Rows of ours that someone changed or took away come back, and settings are followed.
      if (!this.detaching) this.shadow.changed();
    });
    this.replica.on("stale", () => {
      this.log.warn("the database is away; the model stays as it is");
      this.discovery.freeze(true);
    });
    this.replica.on("synced", () => this.discovery.freeze(false));
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
    this.audit = setInterval(() => void this.auditAll(), auditIntervalMs);
  }

  /** Who gives the overlays. Call `overlaysChanged` when they differ. */
  setOverlays(overlays: Overlays): void {
    this.overlays = overlays;
  }

  /** Brings live, and the shadow with it, to the overlays of now; resolves when live has them. */
  async overlaysChanged(): Promise<void> {
    this.shadow.changed();
    await this.live.settle();
  }

  get databaseState(): string {
    return `${this.client.state}, ${this.replica.state}`;
  }

  /** What was written to the databases, live's and the one of the shadow's host together where that is another. */
  get databaseWrites(): DatabaseWriterCounters {
    const far = this.farDatabase?.counters;
    const own = this.database.counters;
    if (far === undefined) return own;
    const sum = (key: Exclude<keyof DatabaseWriterCounters, "longestMs">): number => own[key] + far[key];
    return { transactions: sum("transactions"), changes: sum("changes"), refused: sum("refused"), rows: sum("rows"), bytes: sum("bytes"), longestMs: Math.max(own.longestMs, far.longestMs) };
  }

  /** Packets that sessions asked for of each edge port since we attached to it, and those of them that reached the shadow. */
  async fidelity(): Promise<PortFidelity[]> {
    // Flows' counters are as old as the revalidators' last round; ports' own are not. Without its answer they are taken as they are.
    if (this.replication.selectsParts) await this.flushCounters().catch(() => undefined);
    const ports: PortFidelity[] = [];
    for (const [port, { received, copied, asked = "all" }] of await this.copyCounters()) {
      if (received === undefined || copied === undefined || asked === "nothing") continue; // one of the two bridges is away, or nobody asked
      const now = { isPart: typeof asked === "object", selected: typeof asked === "object" ? asked.selected : received, copied };
      const before = this.fidelityBase.get(port) ?? now;
      // Counters start anew with ovs-vswitchd, with the port, or with the flows that select.
      const base = now.isPart !== before.isPart || now.selected < before.selected || now.copied < before.copied ? now : before;
      this.fidelityBase.set(port, base);
      ports.push({ port, selected: Number(now.selected - base.selected), copied: Number(now.copied - base.copied) });
    }
    return ports;
  }

  /** Resolves when ovs-vswitchd has brought the counters of flows and patch ports up to date. */
  async flushCounters(): Promise<void> {
    await unixctl(await vswitchdSocket(this.config.openflow.runDir), "revalidator/wait", []);
  }

  /** The `tag` of a live port; undefined when it has none. */
  portTag({ bridge, ofport }: PortRef): number | undefined {
    return this.index.bridge(bridge)?.ports.find((port) => port.ofport === ofport)?.tag;
  }

  /** Port counters of every bridge that is connected, on live or in the shadow; the shadow's under the names of live. */
  async portReadings(side: "live" | "shadow"): Promise<PortReading[]> {
    const bridges = [...this.discovery.current.bridges.keys()];
    const read = async (bridge: string): Promise<PortReading[]> => {
      const stats = await (side === "live" ? this.discovery.connection(bridge) : this.shadow.connection(bridge))?.portStats();
      return (stats ?? []).map(({ portNo, ...counters }) => ({ port: { bridge, ofport: portNo }, ...counters }));
    };
    return (await Promise.all(bridges.map(read))).flat();
  }

  /** Counters of tables, meters and groups of every bridge that is connected, under the names of live. */
  async switchReadings(side: "live" | "shadow"): Promise<SwitchReading[]> {
    const read = async (bridge: string): Promise<SwitchReading[]> => {
      const connection = side === "live" ? this.discovery.connection(bridge) : this.shadow.connection(bridge);
      if (connection === undefined) return [];
      const [tables, meters, groups] = await Promise.all([connection.tableStats(), connection.multipart("meter", { meterId: allMeters }), connection.groupStats()]);
      const droppedBy = (bands: readonly { readonly packetBandCount: bigint }[]): bigint => bands.reduce((sum, band) => sum + band.packetBandCount, 0n);
      return [{ bridge, tables, meters: meters.map((meter) => ({ ...meter, dropped: droppedBy(meter.bands) })), groups }];
    };
    return (await Promise.all([...this.discovery.current.bridges.keys()].map(read))).flat();
  }

  /** How many packets one sample stands for, by bridge, from now on; others as configured. Bridges with an sFlow row of the operator's keep it. */
  setSampling(rates: ReadonlyMap<string, number>): void {
    this.shadow.setSampling(rates);
  }

  /** Counters of every replicated port at both ends, read now, and what is asked of it, by "bridge:ofport". */
  async copyCounters(): Promise<Map<string, Counters>> {
    const bridges = [...this.discovery.current.bridges.keys()].filter((bridge) => this.shadow.edges(bridge).length > 0);
    const isOn = this.copyMode === "on";
    const live = await Promise.all(
      bridges.map(async (bridge) => ({
        asked: await this.replication.asked(bridge),
        ports: new Map((await this.discovery.connection(bridge)?.portStats())?.map((stats) => [stats.portNo, stats]) ?? []),
      })),
    );
    const copies = await this.shadow.portCounters();
    return new Map(
      bridges.flatMap((bridge, at) =>
        this.shadow.edges(bridge).map((ofport): [string, Counters] => {
          const port = portKey({ bridge, ofport });
          const stats = live[at]?.ports.get(ofport);
          const asked = live[at]?.asked.get(ofport);
          // While copying is off no flow selects.
          const known = isOn || asked === "nothing" ? asked : "all";
          return [port, { received: stats?.rxPackets, receiveDrops: stats?.rxDropped, copied: copies.get(port)?.copied, asked: known }];
        }),
      ),
    );
  }

  /** What is asked for the copies now. */
  get copyMode(): CopyMode {
    if (this.promotion.state !== "off" || !this.wantsCopies || this.stoppedCopying !== undefined) return "off";
    return this.shedWhy === undefined ? "on" : "shed";
  }

  /** Why the budget has shed the copy; undefined while it has not. */
  get shedding(): string | undefined {
    return this.shedWhy;
  }

  /** The budget sheds the copy, or (undefined) lets it come back. */
  shed(why: string | undefined): void {
    if (this.shedWhy === why) return;
    this.shedWhy = why;
    this.applyCopying();
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
    this.promotedByUs = false;
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
    clearInterval(this.audit);
    await this.live.clear();
    await this.shadow.remove();
    this.emit("detached");
  }

  /** Ends the controller and leaves all it made in place: a restarted one takes it over without a change. */
  async stop(): Promise<void> {
    clearInterval(this.audit);
    await this.live.stop();
    await this.shadow.stop();
    await this.discovery.stop();
    await this.client.close();
    await this.far?.client.close();
  }

  /** Forwarding and overlays for any network, live or the shadow's. */
  private compose(network: Network): Map<string, SwitchState> {
    const base = this.base(network);
    return new Map(
      [...base].map(([bridge, state]) => {
        const overlays = this.overlays(bridge);
        return [bridge, overlays.length === 0 ? state : { flows: [...state.flows, ...overlays], groups: state.groups }];
      }),
    );
  }

  /** Whether the configuration names a bridge, or a host behind it, to come first. */
  private isCritical(bridge: string): boolean {
    const { critical } = this.config.shadow;
    if (critical.length === 0) return false;
    const { current } = this.discovery;
    if (this.criticalOf?.network !== current) {
      const hosts = [...current.hosts.values()].filter(({ mac, addresses }) => critical.some((one) => one.toLowerCase() === mac || addresses.includes(one)));
      this.criticalOf = { network: current, bridges: new Set([...critical, ...hosts.map(({ at }) => at.bridge)]) };
    }
    return this.criticalOf.bridges.has(bridge);
  }

  private criticalOf: { readonly network: Network; readonly bridges: ReadonlySet<string> } | undefined;

  /** Forwarding of a network, made once for each. */
  private base(network: Network): ReadonlyMap<string, SwitchState> {
    let base = this.bases.get(network);
    if (base === undefined) this.bases.set(network, (base = this.config.forward.enabled ? desiredForwarding(network) : attachFlows(network)));
    return base;
  }

  private desiredLive(bridge: string): SwitchState | undefined {
    if (this.detaching) return undefined;
    const network = this.discovery.current;
    if (!network.bridges.has(bridge)) return undefined;
    if (!this.discovery.settled) {
      // What a controller before us left works; before we know the network we only add what lets us listen.
      return this.discovery.inherited(bridge) ? undefined : attachFlows(network).get(bridge);
    }
    // What copies, and the rules about replica ports, are known once the shadow has been planned: till then they stay.
    if (this.config.shadow.enabled && !this.shadow.replication.bridges.has(bridge) && this.discovery.inherited(bridge)) return undefined;
    const state = this.base(network).get(bridge);
    return state === undefined ? undefined : { flows: [...state.flows, ...this.overlays(bridge), ...this.promotion.flows(bridge), ...this.shadow.copyFlows(bridge)], groups: state.groups };
  }

  private networkChanged(network: Network): void {
    if (this.detaching) return;
    this.live.changed();
    if (this.config.shadow.enabled && this.discovery.settled) {
      // The shadow's source first: it must hold what vanished before live's forwarding forgets it.
      this.shadow.update(network);
      void this.considerPromotion(network);
    }
    this.emit("network", network);
  }

  /** Promotes when live can't connect hosts that the shadow can, and demotes again when live is whole. */
  private async considerPromotion(network: Network): Promise<void> {
    const { automatic, holdDownMs } = this.config.policy.promotion;
    const cut = cutOff(this.lastWhole ?? network, network);
    const isWhole = cut === undefined;
    if (isWhole && this.promotion.state === "off") this.lastWhole = network;
    if (!automatic) return;
    if (cut !== undefined && this.promotion.state === "off") {
      const shadow = graphOf(this.shadow.network);
      if (!connected(shadow, cut[0], cut[1])) return;
      this.promotedByUs = true;
      await this.promote(`live no longer connects ${cut[0]} and ${cut[1]}`).catch((err: unknown) => this.log.error({ err }, "promotion failed"));
      return;
    }
    if (!this.promotedByUs || this.promotion.state !== "on") return;
    if (!isWhole) {
      this.wholeSinceMs = undefined;
      return;
    }
    const now = this.nowMs();
    this.wholeSinceMs ??= now;
    if (now - this.wholeSinceMs < holdDownMs) {
      setTimeout(() => void this.considerPromotion(this.discovery.current), holdDownMs).unref();
      return;
    }
    this.wholeSinceMs = undefined;
    await this.demote("live is whole again").catch((err: unknown) => this.log.error({ err }, "demotion failed"));
  }

  /** Harm to live that the copy may have a part in: no more copies until somebody asks for them again. */
  private stopCopying(why: string): void {
    if (this.stoppedCopying !== undefined || this.promotion.state !== "off") return;
    this.stoppedCopying = why;
    this.log.error({ why }, "copying is switched off");
    this.applyCopying();
  }

  /**
   * Copies while `body` runs, also when they are shed: a trial has to see what comes, and what it proves is what ends the
   * pressure. Not when copying is switched off or did harm.
   */
  async withCopies<T>(body: () => Promise<T>): Promise<T> {
    this.trials++;
    if (this.shedWhy !== undefined) this.applyCopying();
    try {
      return await body();
    } finally {
      this.trials--;
      if (this.shedWhy !== undefined) this.applyCopying();
    }
  }

  private applyCopying(): void {
    this.shadow.setMode({ replicating: this.wantsCopies && this.stoppedCopying === undefined && (this.shedWhy === undefined || this.trials > 0) });
  }

  private bridgeOf(replicaPort: string): string {
    const row = this.index.bridges().find((bridge) => bridge.ports.some((port) => port.name === replicaPort));
    return row?.name ?? "";
  }

  /** Foreign flows and groups in what is ours. */
  private lookForClaims(): void {
    for (const bridge of this.discovery.current.bridges.keys()) {
      const follower = this.shadow.follower(bridge);
      if (follower?.synced !== true) continue;
      for (const { kind, detail } of foreignClaims(follower.currentFlows(), follower.currentGroups(), this.live.groups(bridge))) this.emit("conflict", bridge, kind, detail, 1);
      const blocked = this.live.counters().get(bridge)?.blocked ?? 0;
      if (blocked > 0) this.emit("conflict", bridge, "place of our flow taken", `${blocked} flows of ours are not in place`, 1);
    }
  }

  /** Copies on or off, as asked for. */
  setReplicating(on: boolean): void {
    this.stoppedCopying = undefined;
    this.wantsCopies = on;
    this.applyCopying();
  }

  private async auditAll(): Promise<void> {
    await this.resubmits.look();
    await this.replication.cachedFlows.look();
    if (this.promotion.state === "promoting" || this.promotion.state === "demoting" || this.detaching) return;
    try {
      if (this.audits.length === 0) {
        this.lookForClaims();
        this.audits = [...this.live.audited(), ...this.shadow.audited()];
      }
      const startMs = this.nowMs();
      let found = 0;
      // A share of the time and no more: on a large network a round takes several turns.
      while (this.nowMs() - startMs < auditBudgetMs) {
        const next = this.audits.pop();
        if (next === undefined) break;
        found += await next();
      }
      if (found > 0) this.log.warn({ found }, "an audit found differences and mended them");
      // Guards and rows someone deleted come back with the next pass. One that finds nothing to do costs nothing.
      this.shadow.changed();
    } catch (err) {
      this.log.warn({ err }, "audit failed");
    }
  }
}

/** What the configuration says is copied: its sessions and the profile's, or without both everything. */
function configuredSessions({ shadow: { sessions, profile } }: Config): readonly Session[] {
  if (sessions === undefined && profile === undefined) return [sessionSchema.parse({ name: "all" })];
  return [...(sessions ?? []), ...(profile === undefined ? [] : [profileSession(readProfile(profile))])];
}

/** Two bridges with hosts that were connected in `before` and are not in `now`; undefined when nothing is cut off. */
function cutOff(before: Network, now: Network): readonly [string, string] | undefined {
  const graph = graphOf(now);
  const was = graphOf(before);
  const withHosts = [...new Set([...before.hosts.values()].map((host) => host.at.bridge))].filter((name) => now.bridges.has(name)).sort();
  const [first, ...others] = withHosts;
  if (first === undefined) return undefined;
  const lost = others.find((name) => connected(was, first, name) && !connected(graph, first, name));
  return lost === undefined ? undefined : [first, lost];
}
