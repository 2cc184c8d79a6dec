/**
 * The truth about the copy, put together: fidelity measured all the time, the budget that sheds the copy under pressure, samples of
 * order and delay, and the account of conflicts. It steers nothing but whether copies are made.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Logger } from "pino";
import { errorText } from "../base/error-text.js";
import type { ObservationSink } from "../base/observation.js";
import type { BudgetLimits } from "../config/level-schema.js";
import type { Config } from "../config/schema.js";
import { portAt, type PortRef } from "../network/model.js";
import { Budget, type Pressure } from "../shadow/fidelity/budget.js";
import { capture } from "../shadow/fidelity/capture.js";
import { Conflicts } from "../shadow/fidelity/conflicts.js";
import { FidelityMeter } from "../shadow/fidelity/meter.js";
import { PressureGauge } from "../shadow/fidelity/pressure.js";
import { compareCaptures } from "../shadow/fidelity/sample.js";
import { isLarge, whoseTurn } from "../telemetry/reading-turns.js";
import type { Controller } from "./controller.js";

export interface CopiesParts {
  readonly controller: Controller;
  readonly config: Config;
  readonly sink: ObservationSink;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly epochMs: () => number;
}

/** Pressure is looked at twice a second, and the copy goes at the second look above a limit: within 2 s with all that it takes. */
const pressureEveryMs = 500;
const pressureLooks = 2;
/** One port's packets are sampled this often, port after port: at most so many packets, for at most so long. */
const sampleEveryMs = 10_000;
const samplePackets = 500;
const sampleMs = 1_000;
/** The captures' edges are left out: kernel timestamps and our clock differ by less. */
const marginMs = 20;
const run = promisify(execFile);

/** Without the limits that are not named. */
const given = (limits: BudgetLimits): Partial<Required<Pressure>> => Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== undefined));

export class Copies {
  readonly meter: FidelityMeter;
  readonly conflicts: Conflicts;
  readonly gauge: PressureGauge;
  readonly budget: Budget;
  /** Why no sample could be taken last; undefined when one could. */
  sampleFailure: string | undefined;
  private readonly parts: CopiesParts;
  private timers: NodeJS.Timeout[] = [];
  private looking = false;
  private sampling: Promise<void> | undefined;
  private nextPort = 0;
  private drops: { readonly tMs: number; readonly count: number } | undefined;

  constructor(parts: CopiesParts) {
    this.parts = parts;
    const { controller, config, sink, nowMs, epochMs } = parts;
    const { enabled: _enabled, holdMs, ...limits } = config.shadow.budget;
    const { runDir } = config.openflow;
    this.conflicts = new Conflicts(sink, epochMs);
    this.gauge = new PressureGauge(runDir, nowMs);
    this.budget = new Budget({ limits, looks: pressureLooks, holdMs });
    this.meter = new FidelityMeter({
      read: (looks) => controller.readings.copyCounters(whoseTurn(looks)),
      isLarge: () => isLarge(controller.discovery.current),
      // Answers when the revalidators have been over all cached flows, and so have brought patch ports' counters up to date.
      flushCounters: (looks) => controller.readings.flushCounters(whoseTurn(looks)),
      mode: () => controller.copying.mode,
      sink,
      nowMs,
      epochMs,
      target: config.shadow.fidelity.target,
    });
    controller.on("conflict", (bridge, kind, detail, times) => this.conflicts.note(bridge, kind, detail, times));
  }

  start(): void {
    this.meter.start();
    this.timers = [setInterval(() => void this.sample(), sampleEveryMs)];
    if (this.parts.config.shadow.budget.enabled) this.timers.push(setInterval(() => void this.lookAtPressure(), pressureEveryMs));
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.meter.stop();
    await this.sampling;
    this.gauge.close();
  }

  /** What an operator should know about the copies, as text. */
  problems(): string[] {
    const { meter, parts } = this;
    const age = meter.ageMs;
    return [
      ...(meter.failure !== undefined || (age !== undefined && age > 2_000) ? [`the switches do not tell their counters, the fidelity is an earlier one: ${meter.failure ?? "no answer yet"}`] : []),
      ...(parts.controller.copying.shedWhy === undefined ? [] : [`copies are shed: ${parts.controller.copying.shedWhy}`]),
      ...meter.measured().flatMap(({ alert }) => (alert === undefined ? [] : [`fidelity of ${alert.port} is below the target: ${alert.why}`])),
      ...this.gauge.failures.map((failure) => `the budget can't be watched in full: ${failure}`),
      ...this.conflicts.list().map(({ bridge, kind, detail, firstMs, lastMs, count }) => `conflict on ${bridge}: ${kind}: ${detail}, ${count} times from ${new Date(firstMs).toISOString()} to ${new Date(lastMs).toISOString()}`),
    ];
  }

  private async lookAtPressure(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const pressure = { ...(await this.gauge.read()), ...this.receiveDrops() };
      const { controller, sink, log, epochMs, nowMs } = this.parts;
      const before = this.budget.why;
      const { enabled: _enabled, holdMs: _holdMs, ...limits } = this.parts.config.shadow.budget;
      this.budget.setLimits({ ...limits, ...given(controller.levels.budget()) });
      this.budget.take(pressure, nowMs());
      const { why } = this.budget;
      if (why === before) return;
      controller.copying.shed(why);
      log.warn({ why, pressure }, why === undefined ? "copies come back" : "copies are shed");
      sink.happened({ tMs: epochMs(), kind: "fidelity", side: "shadow", subject: "copies", detail: { state: why === undefined ? "back" : "shed", why: why ?? "the pressure is gone", ...pressure } });
    } finally {
      this.looking = false;
    }
  }

  private receiveDrops(): { receiveDropsPerS?: number } {
    const { meter, parts } = this;
    const now = parts.nowMs();
    const count = meter.receiveDrops;
    if (this.drops === undefined || now - this.drops.tMs >= 1_000) {
      const before = this.drops;
      this.drops = { tMs: now, count };
      if (before !== undefined) return { receiveDropsPerS: (Math.max(0, count - before.count) * 1_000) / (now - before.tMs) };
    }
    return {};
  }

  /** Takes a sample of the next port that has traffic. */
  private async sample(): Promise<void> {
    const { controller, log } = this.parts;
    if (this.sampling !== undefined || controller.copying.mode !== "on") return;
    const ports = this.meter.copied;
    const port = ports[this.nextPort++ % Math.max(1, ports.length)];
    if (port === undefined) return;
    this.sampling = this.sampleOf(port)
      .then(
        () => (this.sampleFailure = undefined),
        (error: unknown) => {
          this.sampleFailure = errorText(error);
          log.debug({ port, err: error }, "no sample");
        },
      )
      .then(() => (this.sampling = undefined));
    await this.sampling;
  }

  private async sampleOf(port: string): Promise<void> {
    const { controller } = this.parts;
    const colon = port.lastIndexOf(":");
    const ref: PortRef = { bridge: port.slice(0, colon), ofport: Number(port.slice(colon + 1)) };
    const device = portAt(controller.discovery.current, ref)?.name;
    if (device === undefined) return;
    const sample = await controller.shadow.withPortTapped(ref, async (tap) => {
      // Ours: up, and without an address, so that the kernel sends nothing of its own into the bridge.
      await run("ip", ["link", "set", "dev", tap, "addrgenmode", "none"]);
      await run("ip", ["link", "set", "dev", tap, "up"]);
      const [shadow, live] = await Promise.all([capture(tap, 2 * samplePackets, 2 * sampleMs), capture(device, samplePackets, sampleMs)]);
      return compareCaptures(live.packets, shadow.packets, { fromMs: Math.max(shadow.fromMs, live.fromMs) + marginMs, toMs: Math.min(shadow.toMs, live.toMs) - marginMs });
    });
    if (sample !== undefined) this.meter.sampled(port, sample);
  }
}
