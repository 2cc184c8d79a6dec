/**
 * Brings the shadow to what it should be. One pass: what the shadow should stand for (`hold`), the rows for it, the database, then the tables of each
 * shadow and adapter bridge. Passes run one at a time, whenever live changed; a change of live's tables alone takes a way of its own, which touches the
 * flows that changed on the bridge that has them and waits for no database.
 */
import { errorText } from "../base/error-text.js";
import type { DatabaseChange } from "../reconcile/database-state.js";
import { Converger } from "../reconcile/converger.js";
import type { SwitchWriter } from "../reconcile/switch-writer.js";
import type { ByFlows } from "./by-flows.js";
import { zonesOf } from "./connection-zones.js";
import type { EveryPort } from "./every-port.js";
import { FirstInStep } from "./first-in-step.js";
import type { FloodFence } from "./flood-fence.js";
import type { FollowedSource } from "./followed-source.js";
import { GuardWatch } from "./guard-watch.js";
import type { ShadowMode } from "./mode.js";
import { adapterBridge, shadowBridge } from "./names.js";
import type { ShadowEvents, ShadowParts } from "./parts.js";
import type { PlannedRows } from "./planned-rows.js";
import type { Demand } from "./replication/plan.js";
import type { ShadowSessions } from "./sessions.js";
import type { Teller, Telling } from "./teller.js";

export interface PassesParts {
  readonly shadow: Pick<ShadowParts, "database" | "deliveries" | "forgetTracked" | "guardsRestored" | "index" | "isCritical" | "log" | "nowMs" | "poke" | "remote" | "sessions">;
  readonly mode: Readonly<ShadowMode>;
  readonly planned: PlannedRows;
  readonly sessions: ShadowSessions;
  readonly source: FollowedSource;
  readonly teller: Teller;
  readonly fence: FloodFence;
  readonly every: EveryPort;
  readonly byFlows: ByFlows;
  readonly demand: (bridge: string) => Demand;
  /** Whether a live bridge's shadow is wholly as it should be. */
  readonly isInStep: (bridge: string) => boolean;
  readonly told: { readonly [Event in keyof ShadowEvents]: (...args: ShadowEvents[Event]) => void };
}

export class Passes {
  /** Why the last pass failed; undefined when it did not. */
  lastError: string | undefined;
  private readonly parts: PassesParts;
  private readonly converger: Converger;
  /** Live tables that changed, and nothing else: bridges whose followers have something to take. */
  private readonly tableConverger: Converger;
  private readonly first: FirstInStep;
  private readonly guards = new GuardWatch();
  /** Bridges whose tables came to be known and that no pass has told yet. */
  private readonly firstSynced = new Set<string>();
  /** Something changed since the rows were planned. */
  private isStale = false;
  /** Copies were made before this pass, or may have been by a controller before us. */
  private wasCopying = true;
  private changedAtMs: number | undefined;

  constructor(parts: PassesParts) {
    this.parts = parts;
    const { log, nowMs } = parts.shadow;
    this.first = new FirstInStep({
      isInStep: parts.isInStep,
      advance: () => this.advance(this.criticalBridges()),
      late: (bridges) => log.warn({ bridges }, "critical bridges are not in step in time; the others go on"),
      nowMs,
    });
    this.tableConverger = new Converger({
      pass: () => this.tablePass(),
      failed: (error) => log.warn({ err: error }, "following tables failed; trying again"),
      retryMs: 50,
    });
    this.converger = new Converger({
      pass: () => this.pass(),
      failed: (error) => {
        this.lastError = errorText(error);
        log.warn({ err: error }, "shadow pass failed; trying again");
      },
    });
  }

  /** Critical bridges that the others no longer wait for, because they did not come in step in time. */
  get late(): string[] {
    return [...this.first.late];
  }

  /** Something the shadow follows from changed: a pass takes it in. */
  changed(): void {
    this.changedAtMs ??= this.parts.shadow.nowMs();
    this.isStale = true;
    this.converger.trigger();
  }

  /** A live bridge is followed from now on. */
  follows(bridge: string): void {
    this.firstSynced.add(bridge);
  }

  /** A live bridge's tables changed. */
  tablesChanged(bridge: string): void {
    this.parts.teller.note(bridge);
    this.tableConverger.trigger();
  }

  /** Resolves when the shadow is as it should be, after everything that was asked before. */
  settle(): Promise<void> {
    return this.converger.settle();
  }

  /** No further pass starts; resolves when the running ones have ended. */
  async stop(): Promise<void> {
    await Promise.all([this.converger.stop(), this.tableConverger.stop()]);
  }

  private async pass(): Promise<void> {
    const { shadow, planned, sessions, source, teller, fence, told } = this.parts;
    const since = this.changedAtMs;
    this.changedAtMs = undefined;
    const isCopying = this.parts.mode.replicating && this.parts.mode.guarded;
    if (isCopying && !this.wasCopying) await shadow.forgetTracked?.();
    this.wasCopying = isCopying;
    this.takeRows();
    const far = await shadow.remote?.database.flush();
    // Their tables are known by the time their bridges are made.
    sessions.follow(this.criticalBridges());
    const { changes, mirrorsChanged } = await shadow.database.flush(() => this.betweenTransactions());
    this.lookAtChanges(changes, far?.changes ?? []);
    await this.syncSessions(source.live.bridges.keys());
    teller.tell(this.telling);
    const writers = sessions.writers();
    await flushAll(writers);
    await sessions.flushPorts();
    await fence.close(planned.rows.livePorts, sessions.portConfigs);
    if (mirrorsChanged) await shadow.poke();
    if (writers.every((writer) => writer.connected) && [...sessions.followers.values()].every((follower) => follower.synced || !source.live.bridges.has(follower.bridge))) {
      this.lastError = undefined;
      if (since !== undefined) told.converged(shadow.nowMs() - since);
    } else {
      this.changedAtMs ??= since;
      told.plan();
    }
  }

  private lookAtChanges(near: readonly DatabaseChange[], far: readonly DatabaseChange[]): void {
    const { shadow, planned, sessions } = this.parts;
    const restored = this.guards.restored(near, planned.rows.livePorts);
    if (restored.length > 0) shadow.guardsRestored?.(restored);
    // A port that is made anew has no bits set.
    for (const change of [...near, ...far]) if (change.op === "add-port") sessions.own.get(change.bridge)?.ports.doubt();
  }

  /** Plans the rows as they should be now, and tells the databases. */
  private takeRows(): void {
    const { shadow, mode, planned, source, every, byFlows, demand, told } = this.parts;
    const live = new Set(source.live.bridges.keys());
    every.lookAtAll(live);
    byFlows.lookAtAll(live);
    this.isStale = false;
    source.follow(mode.promoted);
    const isFirst = planned.take(
      { network: source.network, live: source.live },
      { sessions: shadow.sessions(), replicate: mode.replicating, guarded: mode.guarded, deliveries: shadow.deliveries ?? false, demand, sendsToEvery: (bridge) => every.sends(bridge), byFlows: (bridge) => byFlows.has(bridge) },
    );
    if (isFirst) told.planned();
  }

  /**
   * The bridges that came first get their tables while the others are made. Once the critical ones are made, nothing else happens
   * until they are in step.
   */
  private async betweenTransactions(): Promise<void> {
    // A pass of many transactions is long: what changed meanwhile is in the next one.
    if (this.isStale) {
      this.takeRows();
      this.parts.told.plan();
    }
    const critical = this.criticalBridges();
    if (critical.every((name) => this.isMade(shadowBridge(name)) && this.isMade(adapterBridge(name)))) await this.first.wait(critical);
    await this.advance(this.parts.source.live.bridges.keys());
  }

  /** Sets sessions up, with these live bridges and with all of ours that are made, and sends what is to be sent. */
  private async advance(followed: Iterable<string>): Promise<void> {
    await this.syncSessions(followed);
    this.parts.teller.tell(this.telling);
    for (const writer of this.parts.sessions.writers()) if (writer.dirty && writer.connected) void writer.flush().catch(() => this.changed());
  }

  /** Takes over what changed in live's tables. Nothing else: the database may be busy for long. */
  private async tablePass(): Promise<void> {
    const { bridges, writers } = this.parts.teller.tellChanged();
    await flushAll(writers);
    if (bridges.some((name) => this.firstSynced.delete(name))) this.changed();
  }

  private async syncSessions(followed: Iterable<string>): Promise<void> {
    const { sessions, source, planned } = this.parts;
    sessions.follow(followed);
    await sessions.unfollow((name) => source.network.bridges.has(name));
    await sessions.keep(new Set(planned.rows.bridges.map((bridge) => bridge.name)), (name) => this.isMade(name));
  }

  private criticalBridges(): string[] {
    return [...this.parts.source.live.bridges.keys()].filter((name) => this.parts.shadow.isCritical?.(name) === true);
  }

  private get telling(): Telling {
    const { source, mode, shadow } = this.parts;
    return { network: source.network, live: source.live, promoted: mode.promoted, zones: zonesOf(mode.promoted, shadow.remote !== undefined) };
  }

  /** Whether ovs-vswitchd has made a bridge of ours; of another host's nothing is known here. */
  private isMade(name: string): boolean {
    const { remote, index } = this.parts.shadow;
    return remote !== undefined || index.bridge(name)?.datapathId !== undefined;
  }
}

/** Flushes all; one that fails does not keep the others back. Rejects with the first failure when all are done. */
async function flushAll(writers: readonly SwitchWriter[]): Promise<void> {
  const results = await Promise.allSettled(writers.filter((writer) => writer.dirty).map((writer) => writer.flush()));
  const failure = results.find((result) => result.status === "rejected");
  if (failure !== undefined) throw failure.reason;
}
