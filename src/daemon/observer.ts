/**
 * The observing side put together: samples and counters of both networks become observations, anomalies and a profile, and sampling
 * follows what is to be seen. It changes nothing but the sampling rates.
 */
import type { Datagram, TunnelHeaders } from "sflow-collector";
import type { Logger } from "pino";
import type { ProfileDocument } from "../analysis/profile/document.js";
import type { PeakStore } from "../analysis/profile/peak-history.js";
import { Profile } from "../analysis/profile/profile.js";
import { readSnapshot, writeSnapshot } from "../analysis/profile/snapshot.js";
import { errorText } from "../base/error-text.js";
import type { NetworkEvent, Observation, ObservationSink } from "../base/observation.js";
import type { Config } from "../config/schema.js";
import type { BridgeState } from "../network/flow-table.js";
import { portKey, type Network, type PortRef } from "../network/model.js";
import { maxReplicatedPort } from "../network/pipeline.js";
import { Anomalies } from "../telemetry/anomalies.js";
import { EgressInference } from "../telemetry/egress-inference.js";
import { Observatory } from "../telemetry/observatory.js";
import { Queueing, type PairDelay } from "../telemetry/queueing.js";
import { planSampling, type BridgeTraffic } from "../telemetry/sampling-plan.js";
import { SflowFeed, type Fed } from "../telemetry/sflow-feed.js";
import { TcpMonitor } from "../telemetry/tcp/monitor.js";
import type { Controller } from "./controller.js";

export interface ObserverParts {
  readonly controller: Pick<Controller, "readings" | "setSampling" | "discovery" | "on" | "shadow" | "explainer">;
  readonly sflow: Config["sflow"];
  /** Where the profile is kept. */
  readonly stateDir: string;
  /** Capture TCP connections, so many at once; undefined: don't. */
  readonly tcpConnections: number | undefined;
  /** What features are of, of a tunnelled packet. */
  readonly tunnels: TunnelHeaders;
  /** Tell of packets that live delivered. */
  readonly deliveries?: boolean;
  readonly log: Logger;
  /** A host at a live edge port is under suspicion. */
  readonly suspected: (at: PortRef, why: string) => void;
  /** Live and shadow forward otherwise at this edge port. */
  readonly deviates: (at: PortRef) => void;
  /** Where every fact goes besides, as to a store. */
  readonly sink: ObservationSink;
  /** What is still known of the days before: peaks are learned from it when no profile was kept. */
  readonly past: PeakStore;
  /** ms since the epoch. */
  readonly nowMs: () => number;
}

/** How often sampling is planned anew: each change is a transaction, which pauses forwarding. At once when samples are far beyond the budget. */
const planEveryMs = 10_000;
const secondMs = 1_000;
const keepEveryMs = 60_000;
/** A bridge with a suspected host behind it gets this much more of the budget's weight … */
const suspicionWeight = 64;
/** … for this long. */
const suspicionMs = 60_000;
const maxRate = 4_096;
/** OpenFlow's own numbers, LOCAL among them. */
const firstReserved = 0xff00;

export class Observer implements ObservationSink {
  /** Where samples went that don't say so. */
  readonly egress: EgressInference;
  readonly feed: SflowFeed;
  readonly observatory: Observatory;
  readonly tcp: TcpMonitor | undefined;
  readonly anomalies = new Anomalies();
  private readonly queueing = new Queueing();
  private readonly listeners = new Set<(observation: Observation) => void>();
  private readonly parts: ObserverParts;
  /** Why the profile can't be kept; undefined while it can. */
  private keepFailure: string | undefined;
  private readonly learned: Profile;
  private readonly suspectedMs = new Map<string, number>();
  private rates: ReadonlyMap<string, number> = new Map();
  private bridges: Network["bridges"] = new Map();
  private timers: NodeJS.Timeout[] = [];
  private cpu = process.cpuUsage();
  private cpuAtMs: number;
  private samplesBefore = 0;

  constructor(parts: ObserverParts) {
    this.parts = parts;
    const { controller, log, nowMs, tcpConnections } = parts;
    this.cpuAtMs = nowMs();
    this.egress = new EgressInference({
      read: (bridge) => this.tablesOf(bridge),
      clockMs: () => performance.now(),
      leavesOut: (port) => port > maxReplicatedPort && port < firstReserved,
    });
    this.feed = new SflowFeed({ egressOf: (question) => this.egress.egress(question), tunnels: parts.tunnels, heard: (bridge, packets) => controller.readings.sampled(bridge, packets), deliveries: parts.deliveries ?? false });
    this.learned = new Profile({ happened: (event) => this.happened(event) });
    this.observatory = new Observatory({
      sink: this,
      readPorts: (side, whose) => controller.readings.portReadings(side, whose),
      readSwitches: (side) => controller.readings.switchReadings(side),
      network: () => controller.discovery.current,
      nowMs,
    });
    this.tcp = tcpConnections === undefined ? undefined : new TcpMonitor(tcpConnections);
    this.tcp?.on("second", (observations, opened) => {
      this.learned.opened(nowMs(), opened);
      for (const observation of observations) this.observe(observation);
      this.queued(observations);
    });
    this.tcp?.on("failure", (device, why) => log.warn({ device, why }, "a capture ended; trying again"));
    controller.on("converged", () => this.tcp?.setDevices(controller.shadow.taps));
    controller.on("network", (network) => this.networkChanged(network));
    controller.on("following", (follower) => follower.on("changed", () => this.egress.changed(follower.bridge)));
  }

  start(): void {
    try {
      const kept = readSnapshot(this.profileFile);
      if (kept === undefined || !this.learned.restore(kept)) this.learnPeaks();
    } catch (err) {
      this.parts.log.warn({ err }, "the kept profile can't be used; learning begins anew");
      this.learnPeaks();
    }
    this.observatory.start();
    this.timers = [setInterval(() => this.everySecond(), secondMs), setInterval(() => this.keep(), keepEveryMs)];
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.tcp?.close();
    await this.observatory.stop();
    this.keep();
  }

  /** What a datagram tells of; it has been taken in. */
  datagram(datagram: Datagram): Fed {
    const fed = this.feed.take(datagram, this.parts.nowMs());
    const { packets, crossings } = fed;
    this.observatory.packets(packets);
    this.observatory.crossings(crossings);
    for (const { header, from, tMs } of crossings) if (this.tcp !== undefined && header.src !== undefined && header.dst !== undefined) this.queueing.crossed(header.src, header.dst, from, tMs);
    for (const packet of packets) this.learned.packet(packet);
    return fed;
  }

  readonly profile = (): ProfileDocument => this.learned.document(this.parts.nowMs());

  /** An attack on, or an oddity of, this address: the bridge it is at is looked at more closely for a while. */
  suspect(address: string, why = `suspicion about ${address}`): void {
    const { network, nowMs } = { network: this.parts.controller.discovery.current, nowMs: this.parts.nowMs() };
    for (const host of network.hosts.values()) {
      if (!host.addresses.includes(address)) continue;
      this.suspectedMs.set(host.at.bridge, nowMs);
      this.parts.suspected(host.at, why);
    }
  }

  /** Calls `listener` with every observation of whatever source, until the returned function is called. */
  watch(listener: (observation: Observation) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  observe(observation: Observation): void {
    for (const listener of this.listeners) listener(observation);
    this.learned.observation(observation);
    this.parts.sink.observe(observation);
    for (const event of this.anomalies.take(observation)) {
      if (observation.subject.kind === "host") this.suspect(observation.subject.name);
      this.happened(event);
    }
  }

  happened(event: NetworkEvent): void {
    this.parts.log.info({ event }, "observed");
    this.parts.sink.happened(event);
  }

  /** What a second of TCP says of the queues on the ways of its pairs. */
  private queued(observations: readonly Observation[]): void {
    const nowMs = this.parts.nowMs();
    const delays = observations.flatMap(({ subject, values }): PairDelay[] => {
      const { tcpPathMs: pathMs, tcpPathLeastMs: leastMs, tcpBytes: bytes = 0 } = values;
      const [src, dst] = subject.name.split(">");
      return subject.kind !== "pair" || src === undefined || dst === undefined || pathMs === undefined || leastMs === undefined ? [] : [{ src, dst, pathMs, leastMs, bytes }];
    });
    if (delays.length === 0) return;
    const ports = new Map([...this.parts.controller.discovery.current.hosts.values()].flatMap(({ addresses, at }) => addresses.map((address) => [address, portKey(at)] as const)));
    for (const { port, atLeastMs, atMostMs } of this.queueing.second(delays, (address) => ports.get(address), nowMs)) {
      this.observatory.tell({ tMs: nowMs - secondMs, windowMs: secondMs, side: "live", subject: { kind: "port", name: port }, values: { queueAtLeastMs: atLeastMs, queueAtMostMs: atMostMs } });
    }
  }

  private learnPeaks(): void {
    const { past, nowMs, log } = this.parts;
    void this.learned
      .learnPeaks(past, nowMs())
      .then((slots) => log.info({ slots }, "peaks were learned from the store"))
      .catch((err: unknown) => log.info({ err }, "the store does not tell of the days before; peaks are learned anew"));
  }

  private networkChanged(network: Network): void {
    this.feed.update(network);
    this.egress.keepOnly(network.bridges);
    // A bridge that did not change is the very same value.
    for (const [name, bridge] of network.bridges) if (this.bridges.get(name) !== bridge) this.egress.changed(name);
    this.bridges = network.bridges;
  }

  /** A live bridge from the tables that are followed; undefined while they are not those of the switch. */
  private async tablesOf(bridge: string): Promise<BridgeState | undefined> {
    const { shadow, discovery, explainer } = this.parts.controller;
    const follower = shadow.follower(bridge);
    const connection = discovery.connection(bridge);
    if (follower?.synced !== true || connection === undefined) return undefined;
    return explainer.stateOf(bridge, connection, { flows: [...follower.currentFlows()], groups: follower.currentGroups() });
  }

  private everySecond(): void {
    const values = Object.fromEntries(Object.entries(this.egress.counters).map(([name, count]) => [`egress.${name}`, count]));
    const tell = (name: string, told: Readonly<Record<string, number>>): void => this.observatory.tell({ tMs: this.parts.nowMs() - secondMs, windowMs: secondMs, side: "live", subject: { kind: "process", name }, values: told });
    tell("egress", values);
    if (this.tcp !== undefined) tell("queueing", { "queueing.leftOut": this.queueing.leftOut });
    this.considerPlan();
    for (const { subject, cause } of this.observatory.deviating) {
      const colon = subject.name.lastIndexOf(":");
      if (subject.kind === "port" && (cause === "the networks differ" || cause === "both")) this.parts.deviates({ bridge: subject.name.slice(0, colon), ofport: Number(subject.name.slice(colon + 1)) });
    }
  }

  private considerPlan(): void {
    const { packets, inside } = this.feed.counters;
    const samples = packets + inside - this.samplesBefore;
    this.samplesBefore += samples;
    const isFarBeyond = samples > 2 * (this.parts.sflow.budgetSamplesPerS ?? Infinity);
    if (isFarBeyond || this.parts.nowMs() - this.cpuAtMs >= planEveryMs) this.plan();
  }

  /** Each bridge's sampling rate for its traffic of now, within the budget. */
  private plan(): void {
    const { controller, sflow, nowMs, log } = this.parts;
    if (sflow.budgetSamplesPerS === undefined) return;
    const now = nowMs();
    const used = process.cpuUsage(this.cpu);
    const cpu = (used.user + used.system) / 1_000 / Math.max(1, now - this.cpuAtMs);
    this.cpu = process.cpuUsage();
    this.cpuAtMs = now;
    const traffic = this.observatory
      .latest({ kind: "bridge", windowMs: 5_000 })
      .flatMap(({ side, subject, values }): BridgeTraffic[] => {
        const packetsPerS = values["inPacketsPerS"];
        if (side !== "live" || packetsPerS === undefined) return [];
        const isSuspected = now - (this.suspectedMs.get(subject.name) ?? -Infinity) < suspicionMs;
        return [{ bridge: subject.name, packetsPerS, weight: isSuspected ? suspicionWeight : 1 }];
      });
    const { rates, samplesPerS } = planSampling(traffic, { samplesPerS: sflow.budgetSamplesPerS, minRate: 1, maxRate, maxCpu: sflow.maxCpu }, cpu, this.rates);
    const isNew = rates.size !== this.rates.size || [...rates].some(([bridge, rate]) => this.rates.get(bridge) !== rate);
    if (!isNew) return;
    this.rates = rates;
    log.info({ rates: Object.fromEntries(rates), samplesPerS, cpu }, "sampling follows the traffic");
    controller.setSampling(rates);
  }

  /** What does not work: the profile can't be kept, a bridge's tables can't be read; undefined while all does. */
  get failure(): string | undefined {
    return [this.keepFailure, this.egress.failure].filter((one) => one !== undefined).join("; ") || undefined;
  }

  private get profileFile(): string {
    return `${this.parts.stateDir}/profile.json`;
  }

  private keep(): void {
    try {
      writeSnapshot(this.profileFile, this.learned.snapshot());
      this.keepFailure = undefined;
    } catch (error) {
      this.keepFailure = `the profile can't be kept: ${errorText(error)}`;
    }
  }
}
