/**
 * Puts what happens on the time axis: topology element by element, digests of the tables of both networks, predictions, changes,
 * promotion, and the process itself. It asks nobody to wait: what can't be recorded is left to the store to count.
 */
import { monitorEventLoopDelay, performance, type IntervalHistogram } from "node:perf_hooks";
import type { Logger } from "pino";
import { inTime } from "../base/in-time.js";
import type { EventKind, NetworkEvent, Side } from "../base/observation.js";
import type { ChangeManager } from "../change/change-manager.js";
import { digestTables, type DigestOfTable } from "../network/digest.js";
import { elementChanges, elementsOf, gone, isGone, type Detail } from "../network/elements.js";
import type { Network } from "../network/model.js";
import type { Defence } from "../respond/defence.js";
import { shadowBridge } from "../shadow/names.js";
import type { TimeSeriesStore } from "../store/store.js";
import type { Controller } from "./controller.js";

export interface RecorderParts {
  readonly store: TimeSeriesStore;
  readonly controller: Controller;
  readonly changes: ChangeManager;
  readonly defence: Defence | undefined;
  readonly log: Logger;
  /** ms since the epoch. */
  readonly nowMs: () => number;
}

/** By "kind metric". */
export const processUnits: Readonly<Record<string, string>> = {
  "process rssBytes": "bytes",
  "process heapBytes": "bytes",
  "process cpuRatio": "cores",
  "process loopDelayMaxMs": "ms",
  "process storeWaiting": "rows",
  "process storeDropped": "rows since the start",
};

const everyMs = 1_000;
/** How often it is looked whether the event loop is late. Each look wakes the process: a hundred a second take 0.7 % of a core, ten 0.1 %. */
const delayLookMs = 100;
/** A shadow's tables are also looked at when we sent it nothing: after this, or of a large network after a second for each of its bridges. */
const lookAnywayMs = 10_000;
const maxLookMs = 5_000;
const maxStartMs = 5_000;
const network = "live" as const;

export class Recorder {
  private readonly parts: RecorderParts;
  private elements: ReadonlyMap<string, Detail> = new Map();
  /** By side and "bridge/table". */
  private readonly digests: Record<Side, Map<string, string>> = { live: new Map(), shadow: new Map() };
  /** Of which bridges the digests are, as of the last look, and how many. */
  private readonly kept: Record<Side, { readonly of: Network["bridges"] | undefined; readonly size: number }> = { live: { of: undefined, size: 0 }, shadow: { of: undefined, size: 0 } };
  private readonly versions = new Map<string, number>();
  /** By live bridge: when its shadow's tables were looked at last, and how many changes it had been sent by then. */
  private readonly looked = new Map<string, { readonly tMs: number; readonly sent: number }>();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private readonly delay: IntervalHistogram = monitorEventLoopDelay({ resolution: delayLookMs });
  private cpu = process.cpuUsage();
  private cpuAtMs = performance.now();

  constructor(parts: RecorderParts) {
    this.parts = parts;
  }

  /** Takes up where the last recorder ended, and listens. To be called before the controller starts. */
  async start(): Promise<void> {
    const { controller, changes, defence } = this.parts;
    await inTime(this.takeUp(), maxStartMs).catch((err: unknown) => this.parts.log.warn({ err }, "the store does not tell what was recorded before"));
    this.record("alert", network, "recorder", { running: true });
    this.record("promotion", "shadow", "shadow", { state: controller.promotion.state, what: "the controller started", steps: [] });
    for (const change of changes.list()) this.record("change", network, `change ${change.id}`, change as unknown as Detail);
    changes.on("change", (change) => {
      this.record("change", network, `change ${change.id}`, change as unknown as Detail);
    });
    defence?.on("prediction", (prediction) => this.record("prediction", network, prediction.subject, prediction as unknown as Detail, prediction.atMs));
    controller.on("promotion", (what, steps) => {
      this.record("promotion", "shadow", "shadow", { state: controller.promotion.state, what, steps });
    });
    controller.on("network", (now) => this.topology(now));
    this.delay.enable();
    this.cpuAtMs = performance.now();
    this.timer = setInterval(() => this.tick(), everyMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.delay.disable();
    await this.looking;
    this.record("alert", network, "recorder", { running: false, why: "the controller ended" });
  }

  private record(kind: EventKind, side: Side, subject: string, detail: Detail, tMs = this.parts.nowMs()): void {
    this.parts.store.happened({ tMs, kind, side, subject, detail } satisfies NetworkEvent);
  }

  /** What the store last said of topology and tables, so that only what is other now is recorded, and what vanished meanwhile is. */
  private async takeUp(): Promise<void> {
    const { store, nowMs } = this.parts;
    const { events } = await store.stateAt(nowMs());
    const elements = new Map<string, Detail>();
    for (const { kind, side, subject, detail } of events) {
      if (kind === "topology" && !isGone(detail)) elements.set(subject, detail);
      if (kind === "tables" && !isGone(detail)) this.digests[side].set(subject, String(detail.digest));
    }
    this.elements = elements;
    const wasRunning = events.some(({ kind, subject, detail }) => kind === "alert" && subject === "recorder" && detail.running === true);
    if (!wasRunning) return;
    // It was killed: the last second it measured of itself is the last it recorded.
    const [last] = await store.latest({ kind: "process", side: network, name: "ovs-shadowd", sinceMs: 0 });
    if (last !== undefined) this.record("alert", network, "recorder", { running: false, why: "the controller ended without a word" }, last.tMs + everyMs);
  }

  private topology(now: Network): void {
    const elements = elementsOf(now);
    for (const [name, detail] of elementChanges(this.elements, elements)) this.record("topology", network, name, detail);
    this.elements = elements;
  }

  private tick(): void {
    this.measureProcess();
    this.looking ??= inTime(this.look(), maxLookMs)
      .catch((err: unknown) => this.parts.log.debug({ err }, "tables could not be read for their digests"))
      .finally(() => (this.looking = undefined));
  }

  /** Digests of the tables that changed since the last look. */
  private async look(): Promise<void> {
    const { controller, nowMs } = this.parts;
    const bridges = [...controller.discovery.current.bridges.keys()];
    for (const bridge of bridges) {
      const follower = controller.shadow.follower(bridge);
      if (follower?.synced !== true) continue;
      const version = follower.counters.updates + follower.counters.missed;
      if (this.versions.get(bridge) === version) continue;
      this.versions.set(bridge, version);
      this.tables("live", bridge, digestTables(follower.currentFlows()));
    }
    const shadows = controller.shadow.network.bridges;
    this.forgetBridges("live", controller.discovery.current.bridges);
    this.forgetBridges("shadow", shadows);
    for (const bridge of this.looked.keys()) if (!shadows.has(bridge)) this.looked.delete(bridge);
    const writers = controller.shadow.writerCounters();
    const anywayMs = Math.max(lookAnywayMs, shadows.size * 1_000);
    for (const bridge of shadows.keys()) {
      const sent = writers.get(shadowBridge(bridge))?.flowMods ?? 0;
      const last = this.looked.get(bridge);
      if (last?.sent === sent && nowMs() - last.tMs < anywayMs) continue;
      const flows = await controller.shadow.shadowFlowStats(bridge, 0n, 0n).catch(() => undefined);
      if (flows === undefined) continue; // not connected at this moment
      this.looked.set(bridge, { tMs: nowMs(), sent });
      // Zones of connection tracking as on live: equal tables have equal digests.
      this.tables("shadow", bridge, digestTables(flows.map((flow) => controller.shadow.zones.toLive.flow(flow))));
    }
  }

  private tables(side: Side, bridge: string, now: ReadonlyMap<number, DigestOfTable>): void {
    const known = this.digests[side];
    for (const [table, { digest, flows }] of now) {
      const subject = `${bridge}/${table}`;
      if (known.get(subject) === digest) continue;
      known.set(subject, digest);
      this.record("tables", side, subject, { digest, flows });
    }
    for (const subject of [...known.keys()]) {
      if (!subject.startsWith(`${bridge}/`) || now.has(Number(subject.slice(bridge.length + 1)))) continue;
      known.delete(subject);
      this.record("tables", side, subject, gone);
    }
  }

  /** Bridges that left the model have no tables any more. */
  private forgetBridges(side: Side, bridges: Network["bridges"]): void {
    // The very same bridges, and nothing told of them since: nothing to forget.
    const known = this.digests[side];
    if (this.kept[side].of === bridges && this.kept[side].size === known.size) return;
    this.kept[side] = { of: bridges, size: known.size };
    for (const subject of [...known.keys()]) {
      if (bridges.size === 0 || bridges.has(subject.slice(0, subject.lastIndexOf("/")))) continue;
      known.delete(subject);
      this.record("tables", side, subject, gone);
    }
  }

  private measureProcess(): void {
    const { store, nowMs } = this.parts;
    const used = process.cpuUsage(this.cpu);
    const at = performance.now();
    const cpuRatio = (used.user + used.system) / 1_000 / Math.max(1, at - this.cpuAtMs);
    this.cpu = process.cpuUsage();
    this.cpuAtMs = at;
    const { rss, heapUsed } = process.memoryUsage();
    // The histogram holds the times between two of its looks.
    const loopDelayMaxMs = Math.max(0, this.delay.max / 1e6 - delayLookMs);
    this.delay.reset();
    const tMs = nowMs() - everyMs;
    void store.health().then(({ waiting, counters }) => {
      const storeDropped = Object.values(counters.dropped).reduce((sum, count) => sum + count, 0);
      const values = { rssBytes: rss, heapBytes: heapUsed, cpuRatio, loopDelayMaxMs, storeWaiting: waiting, storeDropped };
      store.observe({ tMs, windowMs: everyMs, side: network, subject: { kind: "process", name: "ovs-shadowd" }, values });
    });
  }
}
