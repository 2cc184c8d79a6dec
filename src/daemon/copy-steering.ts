/**
 * Holds `shadow.copyBudget`: reads each second what the switches counted, and brings new shares of the sessions with `auto` to live. Each change is one
 * bundle of flows of table 246 on a bridge, at most one a second. The shares are kept over a restart, which then changes nothing.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { OpenFlowConnection } from "node-openflow";
import type { Logger } from "pino";
import { z } from "zod";
import { errorText } from "../base/error-text.js";
import { replaceFile } from "../base/replace-file.js";
import { cookie } from "../network/pipeline.js";
import { portKey, type Network, type PortRef } from "../network/model.js";
import { CopyBudget, type CopyReading, type SteeredPort } from "../shadow/replication/copy-budget.js";
import { copyReading, isSteered, steeredPorts, type CopyBudgetLimit, type SteeringView } from "../shadow/replication/copy-reading.js";
import type { ReplicationPlan } from "../shadow/replication/plan.js";
import { firstShares, maxRaised, maxRaisedHosts, type Shares } from "../shadow/replication/shares.js";

export interface SteeringParts {
  readonly stateDir: string;
  /** What may be copied; undefined: sessions with `auto` are not carried out. */
  readonly limit: () => CopyBudgetLimit | undefined;
  readonly plan: () => ReplicationPlan;
  readonly network: () => Network;
  /** False while nothing is copied at all. */
  readonly isCopying: () => boolean;
  readonly connection: (bridge: string) => OpenFlowConnection | undefined;
  /** Resolves when flows' counters are up to date. */
  readonly flushCounters: () => Promise<void>;
  /** Brings shares to live; resolves when they are in force. */
  readonly apply: (shares: Shares) => Promise<void>;
  /** How long a suspicion lasts, in ms. */
  readonly suspicionMs: () => number;
  readonly nowMs: () => number;
  readonly log: Logger;
}

const lookEveryMs = 1_000;
/** A port with a suspected host weighs this much … */
const suspectedWeight = 64;
/** … and one of which live and shadow differ this much: 8 and 4 times the share of others. */
const deviatingWeight = 16;
/** Suspicions kept at most; beyond it the oldest goes. */
const maxSuspicions = 1_024;

const kept = z.strictObject({
  base: z.number().int().min(1).max(1_000),
  raised: z.array(z.strictObject({ bridge: z.string(), ofport: z.number().int(), factor: z.number().int().min(2), macs: z.array(z.string()).max(maxRaisedHosts) })).max(maxRaised),
});

export class CopySteering {
  private readonly parts: SteeringParts;
  private readonly budget: CopyBudget;
  /** By port: its weight, and until when. */
  private readonly suspicions = new Map<string, { readonly weight: number; readonly untilMs: number }>();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private failure: string | undefined;
  private unit = "";

  constructor(parts: SteeringParts) {
    this.parts = parts;
    this.budget = new CopyBudget(this.read());
  }

  get shares(): Shares {
    return this.budget.shares;
  }

  start(): void {
    this.timer = setInterval(() => {
      this.looking ??= this.look()
        .then(() => (this.failure = undefined))
        .catch((error: unknown) => (this.failure = errorText(error)))
        .then(() => (this.looking = undefined));
    }, lookEveryMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  /** More of this port is copied for a while. */
  suspect(port: PortRef): void {
    this.weigh(port, suspectedWeight);
  }
  /** Live and shadow differ about this port. */
  deviates(port: PortRef): void {
    this.weigh(port, deviatingWeight);
  }

  status(): SteeringView | undefined {
    const limit = this.parts.limit();
    return limit === undefined ? undefined : { limit, shares: this.budget.shares, state: this.budget.state, changes: this.budget.changes, failure: this.failure };
  }

  private weigh(port: PortRef, weight: number): void {
    const key = portKey(port);
    const old = this.suspicions.get(key);
    const now = this.parts.nowMs();
    this.suspicions.delete(key);
    if (this.suspicions.size >= maxSuspicions) for (const [oldest] of [...this.suspicions].slice(0, 1)) this.suspicions.delete(oldest);
    this.suspicions.set(key, { weight: Math.max(weight, old !== undefined && old.untilMs > now ? old.weight : 0), untilMs: now + this.parts.suspicionMs() });
  }

  private async look(): Promise<void> {
    const { limit: limitOf, isCopying, plan, apply, log } = this.parts;
    const limit = limitOf();
    if (limit === undefined || !isCopying() || ![...plan().bridges.values()].some(isSteered)) return;
    const unit = Object.keys(limit).join();
    const reading = await this.reading(limit);
    if (reading === undefined) return;
    if (unit !== this.unit) this.budget.rebase(reading); // counters of another unit
    this.unit = unit;
    if (!this.budget.take(reading, "packetsPerS" in limit ? limit.packetsPerS : limit.bitsPerS, this.ports())) return;
    const { shares, state } = this.budget;
    log.debug({ shares, state }, "shares of copies");
    this.keep(shares);
    await apply(shares);
    // What was copied while they came into force belongs to neither.
    const after = await this.reading(limit);
    if (after !== undefined) this.budget.rebase(after);
  }

  /** Undefined while a bridge is away: what it copied would be missing. */
  private async reading(limit: CopyBudgetLimit): Promise<CopyReading | undefined> {
    const { plan, connection, flushCounters, nowMs } = this.parts;
    const askedMs = nowMs();
    await flushCounters();
    const tMs = (askedMs + nowMs()) / 2;
    const counts = await Promise.all(
      [...plan().bridges.values()].filter(({ sessions, mirrored }) => sessions.length > 0 || mirrored.size > 0).map(async (bridge) => {
        const to = connection(bridge.bridge);
        if (to === undefined) return undefined;
        const [flows, ports] = await Promise.all([to.flowStats({ cookie: cookie("replicate"), cookieMask: 0xffff_ff00_0000_0000n }), to.portStats()]);
        const received = new Map(ports.map((port) => [port.portNo, { packetCount: port.rxPackets, byteCount: port.rxBytes, ageMs: port.durationSec * 1_000 + port.durationNsec / 1e6 }] as const));
        const sent = new Map(ports.map((port) => [port.portNo, { packetCount: port.txPackets, byteCount: port.txBytes }] as const));
        return { plan: bridge, flows, received, sent };
      }),
    );
    const known = counts.filter((one) => one !== undefined);
    return known.length < counts.length ? undefined : copyReading(tMs, known, limit);
  }

  private ports(): SteeredPort[] {
    const now = this.parts.nowMs();
    for (const [key, { untilMs }] of this.suspicions) if (untilMs <= now) this.suspicions.delete(key);
    const macs = new Map<string, string[]>();
    for (const { mac, at } of this.parts.network().hosts.values()) macs.set(portKey(at), [...(macs.get(portKey(at)) ?? []), mac]);
    return [...this.parts.plan().bridges.values()].flatMap(steeredPorts).map((port) => ({ ...port, weight: this.suspicions.get(portKey(port))?.weight ?? 1, macs: (macs.get(portKey(port)) ?? []).sort() }));
  }

  private get file(): string {
    return path.join(this.parts.stateDir, "copy-shares.json");
  }

  /** What was in force before a restart. A file that can't be taken is as none: shares are found anew within seconds. */
  private read(): Shares {
    try {
      return kept.parse(JSON.parse(readFileSync(this.file, "utf8")));
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== "ENOENT") this.parts.log.warn({ err, file: this.file }, "the kept shares of copies can't be used");
      return firstShares;
    }
  }

  private keep(shares: Shares): void {
    replaceFile(this.file, JSON.stringify(shares), { flush: false }); // what is lost is found anew
  }
}
