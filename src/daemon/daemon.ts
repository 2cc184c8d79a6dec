/** The daemon put together: its parts, and the order in which they start and stop. */
import { OpenFlowServer } from "node-openflow";
import type { Logger } from "pino";
import { SflowReceiver } from "sflow-collector";
import { DriftWatch } from "../analysis/drift/drift-watch.js";
import type { FidelitySurface } from "../api/fidelity-service.js";
import { startApi, type Api, type ControlSurface } from "../api/server.js";
import { ChangeManager } from "../change/change-manager.js";
import { History } from "../change/history.js";
import { runTrial } from "../change/trial.js";
import type { Where } from "../config/load.js";
import type { Config } from "../config/schema.js";
import { AttackModel } from "../predict/attack-model.js";
import { Defence } from "../respond/defence.js";
import { explainPlan, type ExplainedPlan } from "../shadow/replication/explained.js";
import { LevelControl } from "../shadow/levels/level-control.js";
import { StalenessWatch, stalenessUnits } from "../shadow/staleness/staleness-watch.js";
import { openStore } from "../store/open.js";
import type { TimeSeriesStore } from "../store/store.js";
import { catalogue } from "../telemetry/features.js";
import { Controller } from "./controller.js";
import { Copies } from "./copies.js";
import { FlowFollowing } from "./flow-following.js";
import { comparesFlows } from "./flow-options.js";
import { Interception } from "./interception.js";
import { Learning } from "./learning.js";
import { Nodes } from "./nodes.js";
import { Observer } from "./observer.js";
import { processUnits, Recorder } from "./recorder.js";
import { sinkStatus } from "./sink-status.js";
import { status } from "./status.js";
import { verifyOnLive } from "./verification.js";

/** Units by "kind metric", as the exports name them. */
function unitsOf(features: typeof catalogue): Record<string, string> {
  return Object.fromEntries([...features.flatMap(({ name, unit, subjects }) => subjects.map((kind) => [`${kind} ${name}`, unit] as const)), ...Object.entries(processUnits), ...Object.entries(stalenessUnits)]);
}

const takeLearnedMs = 30_000;

/** What must be there before the daemon is put together: files read, sockets open, the database connected. */
interface DaemonParts {
  readonly config: Config;
  readonly where: Where;
  readonly log: Logger;
  readonly controller: Controller;
  readonly history: History;
  readonly store: TimeSeriesStore;
  readonly sflow: SflowReceiver;
  readonly model: AttackModel | undefined;
  readonly openflow: OpenFlowServer | undefined;
  readonly interception: Interception;
  readonly drift: DriftWatch;
}

export class Daemon {
  private readonly config: Config;
  /** The configuration as it was last read, of which what can change while running is in force. */
  private read: { readonly config: Config; readonly where: Where };
  private readonly log: Logger;
  private readonly controller: Controller;
  private readonly history: History;
  private readonly changes: ChangeManager;
  private readonly sflow: SflowReceiver;
  private readonly observer: Observer;
  private readonly flows: FlowFollowing | undefined;
  private readonly copies: Copies;
  private readonly learning: Learning;
  private readonly staleness: StalenessWatch;
  private readonly nodes: Nodes;
  private readonly store: TimeSeriesStore;
  private readonly recorder: Recorder;
  private readonly defence: Defence | undefined;
  private readonly openflow: OpenFlowServer | undefined;
  private readonly interception: Interception;
  private api: Api | undefined;
  private learnedTimer: NodeJS.Timeout | undefined;
  private readonly drift: DriftWatch;
  private ending: Promise<void> | undefined;

  /** `where`: where in its file each part of the configuration stands. */
  static async start(config: Config, log: Logger, where: Where = () => undefined): Promise<Daemon> {
    // What can be wrong with the files is said before anything is touched.
    const model = config.model === undefined ? undefined : await AttackModel.load(config.model);
    const history = History.open(config.stateDir);
    if (history.cut > 0) log.warn({ records: history.cut }, "torn records at the end of the history were cut off");
    const store = await openStore({ config: config.store, stateDir: config.stateDir, units: unitsOf(catalogue), sampling: { sflow: { samplingRate: config.sflow.samplingRate, pollingS: config.sflow.pollingS } }, nowMs: Date.now });
    const { recovered } = await store.health();
    if (recovered.length > 0) log.warn({ recovered }, "the store was damaged and has been mended");
    const sflow = await SflowReceiver.listen(config.sflow);
    const openflow = config.openflow.listen === undefined ? undefined : await OpenFlowServer.listen({ remote: config.openflow.listen });
    const drift = new DriftWatch({ file: config.topology.file, stateDir: config.stateDir, sink: store, warn: (why) => log.warn(why), nowMs: Date.now });
    const controller = await Controller.create(config, log);
    const interception = await Interception.start(config, controller, log, store);
    const daemon = new Daemon({ config, where, log, controller, history, store, sflow, model, openflow, interception, drift });
    await daemon.run();
    return daemon;
  }

  private constructor({ config, where, log, controller, history, store, sflow, model, openflow, interception, drift }: DaemonParts) {
    this.config = config;
    this.read = { config, where };
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
        controller.copying.during(() => runTrial(change, {
          shadow: controller.shadow,
          streamsBefore: (victim) => this.defence?.streamsBefore(victim) ?? new Set(),
          selected: async () => (await controller.readings.fidelity()).reduce((sum, port) => sum + port.selected, 0),
          limits: attack,
          trialMs: attack.trialMs,
          nowMs: Date.now,
        })),
      apply: () => controller.overlaysChanged(),
      verify: (change) => verifyOnLive(controller, change),
      nowMs: Date.now,
      maxRules: attack.maxRules,
      dryRun: attack.dryRun,
    });
    this.defence = model === undefined ? undefined : new Defence({ model, manager: this.changes, policy: attack, log, nowMs: Date.now });
    this.recorder = new Recorder({ store, controller, changes: this.changes, defence: this.defence, log, nowMs: Date.now });
    this.observer = new Observer({
      controller,
      sflow: config.sflow,
      stateDir: config.stateDir,
      log,
      sink: store,
      past: store,
      suspected: (at, why) => controller.suspect(at, why),
      deviates: (at) => controller.steering.deviates(at),
      nowMs: Date.now,
      tunnels: config.telemetry.tunnels,
      deliveries: comparesFlows(config),
      tcpConnections: config.telemetry.tcp.enabled ? config.telemetry.tcp.maxConnections : undefined,
    });
    this.copies = new Copies({ controller, config, sink: this.observer, log, nowMs: () => performance.now(), epochMs: Date.now });
    this.flows = FlowFollowing.of({
      controller,
      config,
      tcp: this.observer.tcp,
      lostDatagrams: () => sflow.counters.lost,
      happened: (event) => this.observer.happened(event),
      log,
      nowMs: Date.now,
    });
    this.learning = new Learning(controller, config);
    const { targetMs, firstMs, provedMs, objective } = config.shadow.staleness;
    this.staleness = new StalenessWatch({
      states: () => controller.shadow.objectStates(),
      target: { behindMs: targetMs, firstMs, provedMs, objective },
      sink: store,
      nowMs: () => performance.now(),
      epochMs: Date.now,
    });
    this.nodes = new Nodes({ controller, config: config.shadow, observer: this.observer, log, nowMs: Date.now, isRoot: process.geteuid?.() === 0 });
    this.drift = drift;
    controller.on("network", (network) => {
      if (controller.discovery.settled) this.drift.update(network);
    });
    this.defence?.on("prediction", ({ subject }) => this.observer.suspect(subject, `attack on ${subject} predicted`));
    controller.setOverlays((bridge) => this.changes.overlays(bridge));
  }

  private async run(): Promise<void> {
    const { controller, defence, log } = this;
    this.changes.on("change", (change) => log.info({ id: change.id, state: change.state, why: change.timeline.at(-1)?.why }, "change"));
    this.sflow.on("error", (error) => log.error({ err: error }, "the sFlow socket failed"));
    this.sflow.on("datagram", (datagram) => {
      const { packets, deliveries } = this.observer.datagram(datagram);
      this.flows?.packets(packets);
      this.flows?.delivered(deliveries);
      defence?.packets(packets);
    });
    this.openflow?.on("rejected", (reason) => log.info({ reason }, "an OpenFlow peer was turned away"));
    // Switches that dial in are served by their management sockets; the connection itself is kept for the operator's convenience.
    await this.recorder.start();
    controller.start();
    this.observer.start();
    this.flows?.start();
    this.takeLearned();
    this.learnedTimer = setInterval(() => this.takeLearned(), takeLearnedMs);
    this.learnedTimer.unref();
    this.copies.start();
    this.learning.start();
    if (this.config.shadow.enabled) this.staleness.start();
    this.nodes.start();
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
      drift: this.drift,
      flows: { flows: this.flows?.watch, comparison: this.flows?.comparison },
      plan: { explained: () => Promise.resolve(this.explained()) },
      sinks: { sinks: () => sinkStatus(controller.shadow, this.config, controller.portProblems()), problems: () => controller.shadow.sinks.problems() },
      staleness: { watch: this.staleness, shadow: controller.shadow },
      nodes: this.nodes,
      levels: new LevelControl({ levels: controller.levels, shadow: controller.shadow, flushLive: () => controller.live.settle(), nowMs: Date.now }),
      log,
    });
    log.info({ api: this.api.port, sflow: this.sflow.port, openflow: this.openflow?.port }, "ovs-shadowd is up");
  }

  /** Takes from a new configuration what can change while running; rejects, having changed nothing, when that can't be taken. */
  async reconfigure(next: Config, where: Where = () => undefined): Promise<void> {
    await this.controller.reconfigure(next);
    this.read = { config: next, where };
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
    this.staleness.stop();
    clearInterval(this.learnedTimer);
    await this.nodes.stop();
    await this.flows?.stop();
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

  private explained(): ExplainedPlan {
    const { controller, copies, observer } = this;
    const { config, where } = this.read;
    return explainPlan({ ...controller.planInput(config), where, behaviour: observer.profile(), rates: copies.meter.rates() });
  }

  /** What the profile says of who depends on whom goes into the order in which bridges are brought in step. */
  private takeLearned(): void {
    this.controller.learned(new Map(this.observer.profile().critical.map(({ host, dependents }) => [host, dependents])));
  }

  private fidelitySurface(): FidelitySurface {
    const { controller, copies } = this;
    return {
      mode: () => ({ mode: controller.copying.mode, shedWhy: controller.copying.shedWhy ?? "" }),
      ports: () => copies.meter.measured(),
      conflicts: () => copies.conflicts.list(),
      failures: () => [copies.meter.failure, copies.meter.flushFailure, copies.sampleFailure, ...copies.gauge.failures].filter((text) => text !== undefined),
    };
  }

  private surface(): ControlSurface {
    const { controller, changes, observer, copies, learning, staleness, sflow, history, store } = this;
    const { model } = this.config;
    return {
      status: () => status({ controller, observer, copies, learning, staleness, nodes: this.nodes, sflow, history, store, model }),
      topology: () => controller.discovery.current,
      predictions: () => this.defence?.predictions ?? [],
      changes,
      leaseMs: this.config.policy.attack.leaseS * 1_000,
      promote: (why) => controller.promote(why),
      demote: (why) => controller.demote(why),
      detach: async () => {
        await changes.cancelAll("detach");
        staleness.stop();
        await this.nodes.detach(() => controller.detach());
        setImmediate(() => void this.stop());
      },
    };
  }
}
