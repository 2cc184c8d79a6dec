#!/usr/bin/env node
/** ovs-shadowd: the composition root. Builds the parts, owns the order of start and stop. */
import { parseArgs } from "node:util";
import { OpenFlowServer } from "node-openflow";
import { pino, type Logger } from "pino";
import { SflowReceiver } from "sflow-collector";
import type { FidelitySurface } from "./api/fidelity-service.js";
import { startApi, type Api, type ControlSurface } from "./api/server.js";
import type { GetStatusResponse, StoreStatus } from "./api/generated/ovsshadow/v1/shadow.js";
import { ChangeManager } from "./change/change-manager.js";
import type { Change, Verification } from "./change/change.js";
import { History } from "./change/history.js";
import { runTrial } from "./change/trial.js";
import { ConfigError, loadConfig } from "./config/load.js";
import type { Config } from "./config/schema.js";
import { Controller } from "./controller.js";
import { Copies } from "./copies.js";
import { Learning } from "./learning.js";
import { Interception } from "./interception.js";
import { LevelControl } from "./level-control.js";
import { LevelStoreError } from "./shadow/levels/level-store.js";
import type { ObservationSink } from "./base/observation.js";
import { cookie } from "./network/pipeline.js";
import { AttackModel } from "./predict/attack-model.js";
import { ModelError } from "./predict/manifest.js";
import { SessionError } from "./shadow/replication/selector.js";
import { Observer } from "./observer.js";
import { processUnits, Recorder } from "./recorder.js";
import { Defence } from "./respond/defence.js";
import { HotRing } from "./store/hot-ring.js";
import { openStore } from "./store/open.js";
import type { StoreHealth, TimeSeriesStore } from "./store/store.js";
import { catalogue } from "./telemetry/features.js";

/** How long after a push its effect is looked at, and how often before it counts as having none: a flood may pause. */
const verifyAfterMs = 1_000;
const verifyLooks = 2;

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function storeStatus({ backend, counters, waiting, failure }: StoreHealth): StoreStatus {
  const dropped = Object.entries(counters.dropped).flatMap(([reason, count]) => (count === 0 ? [] : [{ reason, count }]));
  return { backend, observed: counters.observed, acknowledged: counters.acknowledged, waiting, dropped, failure: failure ?? "" };
}

/** Units by "kind metric", as the exports name them. */
function unitsOf(features: typeof catalogue): Record<string, string> {
  return Object.fromEntries([...features.flatMap(({ name, unit, subjects }) => subjects.map((kind) => [`${kind} ${name}`, unit] as const)), ...Object.entries(processUnits)]);
}

/** What must be there before the daemon is put together: files read, sockets open, the database connected. */
interface DaemonParts {
  readonly config: Config;
  readonly log: Logger;
  readonly controller: Controller;
  readonly history: History;
  readonly store: TimeSeriesStore;
  readonly sflow: SflowReceiver;
  readonly model: AttackModel | undefined;
  readonly openflow: OpenFlowServer | undefined;
  readonly interception: Interception;
}

class Daemon {
  private readonly config: Config;
  private readonly log: Logger;
  private readonly controller: Controller;
  private readonly history: History;
  private readonly changes: ChangeManager;
  private readonly sflow: SflowReceiver;
  private readonly observer: Observer;
  private readonly copies: Copies;
  private readonly learning: Learning;
  private readonly store: TimeSeriesStore;
  private readonly recorder: Recorder;
  /** The last minutes, for those who can't wait for the store. */
  readonly hot: HotRing;
  private readonly defence: Defence | undefined;
  private readonly openflow: OpenFlowServer | undefined;
  private readonly interception: Interception;
  private api: Api | undefined;
  private ending: Promise<void> | undefined;

  static async start(config: Config, log: Logger): Promise<Daemon> {
    // What can be wrong with the files is said before anything is touched.
    const model = config.model === undefined ? undefined : await AttackModel.load(config.model);
    const history = History.open(config.stateDir);
    if (history.cut > 0) log.warn({ records: history.cut }, "torn records at the end of the history were cut off");
    const store = await openStore({ config: config.store, stateDir: config.stateDir, units: unitsOf(catalogue), sampling: { sflow: { samplingRate: config.sflow.samplingRate, pollingS: config.sflow.pollingS } }, nowMs: Date.now });
    const { recovered } = await store.health();
    if (recovered.length > 0) log.warn({ recovered }, "the store was damaged and has been mended");
    const sflow = await SflowReceiver.listen(config.sflow);
    const openflow = config.openflow.listen === undefined ? undefined : await OpenFlowServer.listen({ remote: config.openflow.listen });
    const controller = await Controller.create(config, log);
    const interception = await Interception.start(config, controller, log, store);
    const daemon = new Daemon({ config, log, controller, history, store, sflow, model, openflow, interception });
    await daemon.run();
    return daemon;
  }

  private constructor({ config, log, controller, history, store, sflow, model, openflow, interception }: DaemonParts) {
    this.config = config;
    this.log = log;
    this.controller = controller;
    this.history = history;
    this.store = store;
    this.sflow = sflow;
    this.openflow = openflow;
    this.interception = interception;
    const { attack } = config.policy;
    this.changes = new ChangeManager({
      history,
      trial: (change) =>
        controller.withCopies(() => runTrial(change, {
          shadow: controller.shadow,
          streamsBefore: (victim) => this.defence?.streamsBefore(victim) ?? new Set(),
          selected: async () => (await controller.fidelity()).reduce((sum, port) => sum + port.selected, 0),
          limits: attack,
          trialMs: attack.trialMs,
          nowMs: Date.now,
        })),
      apply: () => controller.overlaysChanged(),
      verify: (change) => this.verify(change),
      nowMs: Date.now,
      maxRules: attack.maxRules,
      dryRun: attack.dryRun,
    });
    this.defence = model === undefined ? undefined : new Defence({ model, manager: this.changes, policy: attack, log, nowMs: Date.now });
    this.recorder = new Recorder({ store, controller, changes: this.changes, defence: this.defence, log, nowMs: Date.now });
    this.hot = new HotRing({ length: config.store.hotS, maxBytes: config.store.hotMb * 1_000_000 });
    const sink: ObservationSink = {
      observe: (observation) => {
        this.hot.observe(observation);
        store.observe(observation);
      },
      happened: (event) => store.happened(event),
    };
    this.observer = new Observer({
      controller,
      sflow: config.sflow,
      stateDir: config.stateDir,
      log,
      sink,
      past: store,
      suspected: (bridge, why) => controller.suspect(bridge, why),
      nowMs: Date.now,
      tunnels: config.telemetry.tunnels,
      tcpConnections: config.telemetry.tcp.enabled ? config.telemetry.tcp.maxConnections : undefined,
    });
    this.copies = new Copies({ controller, config, sink: this.observer, log, nowMs: () => performance.now(), epochMs: Date.now });
    this.learning = new Learning(controller, config);
    this.defence?.on("prediction", ({ subject }) => this.observer.suspect(subject));
    controller.setOverlays((bridge) => this.changes.overlays(bridge));
  }

  private async run(): Promise<void> {
    const { controller, defence, log } = this;
    this.changes.on("change", (change) => log.info({ id: change.id, state: change.state, why: change.timeline.at(-1)?.why }, "change"));
    this.sflow.on("error", (error) => log.error({ err: error }, "the sFlow socket failed"));
    this.sflow.on("datagram", (datagram) => {
      const packets = this.observer.datagram(datagram);
      defence?.packets(packets);
    });
    this.openflow?.on("rejected", (reason) => log.info({ reason }, "an OpenFlow peer was turned away"));
    // Switches that dial in are served by their management sockets; the connection itself is kept for the operator's convenience.
    await this.recorder.start();
    controller.start();
    this.observer.start();
    this.copies.start();
    this.learning.start();
    defence?.start();
    this.api = await startApi({
      listen: this.config.api.listen,
      control: this.surface(),
      observation: this.observer,
      routing: this.interception.surface(),
      fidelity: this.fidelitySurface(),
      store: this.store,
      replication: controller.replication,
      telemetry: this.observer,
      explain: controller.explainer,
      levels: new LevelControl({ levels: controller.levels, shadow: controller.shadow, flushLive: () => controller.live.settle(), nowMs: Date.now }),
      log,
    });
    log.info({ api: this.api.port, sflow: this.sflow.port, openflow: this.openflow?.port }, "ovs-shadowd is up");
  }

  /** Takes from a new configuration what can change while running; rejects, having changed nothing, when that can't be taken. */
  reconfigure(next: Config): Promise<void> {
    return this.controller.reconfigure(next);
  }

  /** Ends everything and leaves the network as it is, for a restart. */
  stop(): Promise<void> {
    this.ending ??= this.shutDown();
    return this.ending;
  }

  private async shutDown(): Promise<void> {
    this.changes.stop();
    await this.defence?.stop();
    await this.copies.stop();
    await this.learning.stop();
    await this.observer.stop();
    await this.sflow.close();
    await this.openflow?.close();
    await this.controller.stop();
    await this.interception[Symbol.asyncDispose]();
    await this.recorder.stop();
    await this.store.close();
    this.history.close();
    await this.api?.close();
  }

  private fidelitySurface(): FidelitySurface {
    const { controller, copies } = this;
    return {
      mode: () => ({ mode: controller.copyMode, shedWhy: controller.shedding ?? "" }),
      ports: () => copies.meter.measured(),
      conflicts: () => copies.conflicts.list(),
      failures: () => [copies.meter.failure, copies.meter.flushFailure, copies.sampleFailure, ...copies.gauge.failures].filter((text) => text !== undefined),
    };
  }

  private surface(): ControlSurface {
    const { controller, changes } = this;
    return {
      status: () => this.status(),
      topology: () => controller.discovery.current,
      predictions: () => this.defence?.predictions ?? [],
      changes,
      leaseMs: this.config.policy.attack.leaseS * 1_000,
      promote: (why) => controller.promote(why),
      demote: (why) => controller.demote(why),
      detach: async () => {
        await changes.cancelAll("detach");
        await controller.detach();
        setImmediate(() => void this.stop());
      },
    };
  }

  /** Looks at the rules of a change on live: do they drop what they should? */
  private async verify(change: Change): Promise<Verification> {
    const startMs = Date.now();
    let found = { flows: 0, dropped: 0 };
    for (let look = 0; look < verifyLooks && found.dropped === 0; look++) {
      await new Promise((resolve) => setTimeout(resolve, verifyAfterMs));
      // Flows' counters are as old as the revalidators' last round, which a flood makes longer: they are brought up to date first.
      await this.controller.flushCounters().catch(() => undefined);
      found = await this.onLive(change);
    }
    const { flows, dropped } = found;
    const atMs = Date.now();
    return { atMs, ok: flows === change.rules.length && dropped > 0, droppedPackets: dropped, why: `${flows} of ${change.rules.length} rules are on live and dropped ${dropped} packets in ${atMs - startMs} ms` };
  }

  /** How many flows of a change live has, and what they have met. */
  private async onLive(change: Change): Promise<{ readonly flows: number; readonly dropped: number }> {
    let [flows, dropped] = [0, 0];
    for (const bridge of new Set(change.rules.map((rule) => rule.bridge))) {
      for (const flow of (await this.controller.discovery.connection(bridge)?.flowStats({ cookie: cookie("change", BigInt(change.id)) })) ?? []) {
        flows++;
        dropped += Number(flow.packetCount);
      }
    }
    return { flows, dropped };
  }

  private async status(): Promise<GetStatusResponse> {
    const { controller } = this;
    const { sflow, observer } = this;
    const counters = controller.live.counters();
    const problems = [...controller.database.problems()].map(([name, error]) => `${name}: ${error}`);
    if (controller.stoppedCopying !== undefined) problems.push(`copying is off: ${controller.stoppedCopying}`);
    if (observer.failure !== undefined) problems.push(observer.failure);
    if (controller.resubmits.failure !== undefined) problems.push(`the resubmit budget can't be watched: ${controller.resubmits.failure}`);
    if (controller.shadow.late.length > 0) problems.push(`critical bridges did not come in step before the others: ${controller.shadow.late.join(", ")}`);
    problems.push(...this.copies.problems(), ...this.learning.problems());
    return {
      database: controller.databaseState,
      settled: controller.discovery.settled,
      bridges: [...controller.discovery.sessions()].map(([name, session]) => {
        const own = counters.get(name);
        return { name, connected: session.connected, why: session.why ?? "", flowMods: own?.flowMods ?? 0, blocked: own?.blocked ?? 0, refused: own?.refused ?? 0, repaired: own?.repaired ?? 0 };
      }),
      shadows: controller.shadow.status().map((shadow) => ({ ...shadow, differences: [...shadow.differences] })),
      held: controller.shadow.held.map(({ element, why }) => ({ element, why })),
      promotion: controller.promotion.state,
      convergence: { count: controller.lags.length, p50Ms: quantile(controller.lags, 0.5), p99Ms: quantile(controller.lags, 0.99) },
      sflow: {
        datagrams: sflow.counters.datagrams,
        packets: observer.feed.counters.packets,
        inside: observer.feed.counters.inside,
        unmapped: observer.feed.counters.unmapped,
        malformed: Object.values(sflow.counters.malformed).reduce((sum, count) => sum + count, 0),
        lost: sflow.counters.lost,
      },
      model: this.config.model === undefined ? "none" : this.config.model,
      history: this.history.failure === undefined ? "ok" : `failing: ${this.history.failure}`,
      fidelity: this.copies.meter.measured().map(({ port, selected, copied, received }) => ({ port, selected, copied, received })),
      left: controller.shadow.left.map(({ port, why }) => `${port}: ${why}`),
      problems,
      flowLag: controller.shadow.flowLag.summary(),
      databaseWrites: controller.databaseWrites,
      store: storeStatus(await this.store.health()),
      tcp: observer.tcp?.counters,
      gaps: controller.replication.bridges().flatMap(({ bridge, gaps, gapMs, gapPackets }) => (gaps === 0 ? [] : [{ bridge, count: gaps, ms: gapMs, packets: gapPackets }])),
    };
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: "string" }, help: { type: "boolean", short: "h" } } });
  if (values.help === true || values.config === undefined) {
    process.stdout.write("usage: ovs-shadowd --config FILE\n");
    process.exitCode = values.help === true ? 0 : 2;
    return;
  }
  const file = values.config;
  const config = loadConfig(file);
  const log = pino({ level: config.log.level }, pino.destination({ dest: 2, sync: true }));
  const daemon = await Daemon.start(config, log);
  const end = (signal: string): void => {
    log.info({ signal }, "ending; the network is left as it is");
    void daemon.stop();
  };
  process.once("SIGINT", () => end("SIGINT"));
  process.once("SIGTERM", () => end("SIGTERM"));
  const reload = async (): Promise<void> => {
    try {
      const next = loadConfig(file);
      await daemon.reconfigure(next);
      log.level = next.log.level;
      log.info("configuration read again: log.level and, of shadow, replicate, sessions, profile, critical, criticalFile, level, levels, schedule, timeZone and suspicion are in force, the rest at the next start");
    } catch (err) {
      log.error({ problems: err instanceof ConfigError ? err.problems : [err instanceof Error ? err.message : String(err)] }, "configuration not taken; the last good one stays in force");
    }
  };
  // One after the other: the last one that was asked for is the one in force.
  let reloading = Promise.resolve();
  process.on("SIGHUP", () => {
    reloading = reloading.then(reload);
  });
}

main().catch((error: unknown) => {
  const isOurs = error instanceof ConfigError || error instanceof ModelError || error instanceof SessionError || error instanceof LevelStoreError;
  process.stderr.write(`${isOurs ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(isOurs ? 2 : 1);
});
