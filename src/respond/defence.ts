/**
 * The loop from samples to changes: sFlow → features → model → predictions → candidates → trial → live. It never touches a switch:
 * it proposes, and the change manager does the rest.
 */
import { EventEmitter } from "node:events";
import type { Logger } from "pino";
import type { Change } from "../change/change.js";
import type { ChangeManager } from "../change/change-manager.js";
import type { Config } from "../config/schema.js";
import type { AttackModel } from "../predict/attack-model.js";
import { noOnsets, track, type OnsetState, type Prediction } from "../predict/onset.js";
import { FeatureWindows, hopMs, type DestinationVector } from "../telemetry/destination-windows.js";
import type { ObservedPacket } from "../telemetry/observed-packet.js";
import { Streams } from "../telemetry/streams.js";
import { candidates } from "./attack-policy.js";

export interface DefenceParts {
  readonly model: AttackModel;
  readonly manager: Pick<ChangeManager, "submit" | "inForce">;
  readonly policy: Config["policy"]["attack"];
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

export interface DefenceEvents {
  prediction: [Prediction];
}

/** Predictions kept for the API. */
const keptPredictions = 1_000;
/** A lease with less than this left is renewed while the attack goes on. */
const renewBeforeMs = 3_000;
/** Candidates tried in a row for one subject. */
const maxAttempts = 5;
/** After all candidates failed for a subject, it is left alone for this long. */
const retryAfterMs = 5_000;
/** What was there this long before the first alarm counts as there before the attack. */
const marginMs = 3_000;
/** What is seen in the first seconds was there before we came, and so before any attack we could tell. */
const warmUpMs = 5_000;
/** Vectors that may wait for the model; beyond, the oldest are dropped and counted. */
const maxWaiting = 65_536;

export class Defence extends EventEmitter<DefenceEvents> {
  readonly predictions: Prediction[] = [];
  readonly counters = { vectors: 0, dropped: 0, judged: 0, failures: 0 };
  private readonly parts: DefenceParts;
  private readonly windows = new FeatureWindows();
  private readonly streams = new Streams();
  private onsets: OnsetState = noOnsets;
  private waiting: DestinationVector[] = [];
  private judging: Promise<void> | undefined;
  private readonly busy = new Set<string>();
  private readonly quietUntil = new Map<string, number>();
  private readonly alarms = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;
  /** When the first sample came. */
  private firstSeenMs = Infinity;

  constructor(parts: DefenceParts) {
    super();
    this.parts = parts;
  }

  start(): void {
    // Windows end by the clock as well: a network that falls silent must not leave its last window open.
    this.timer = setInterval(() => this.take(this.windows.advance(this.parts.nowMs())), hopMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.judging;
  }

  /** Sampled packets, as they come. */
  packets(packets: readonly ObservedPacket[]): void {
    for (const packet of packets) {
      this.firstSeenMs = Math.min(this.firstSeenMs, packet.tMs);
      this.streams.add(packet);
      this.take(this.windows.add(packet));
    }
  }

  /** One-way streams to a victim that were there before its attack began. */
  streamsBefore(victim: string): ReadonlySet<string> {
    const alarmMs = this.alarms.get(victim) ?? this.parts.nowMs();
    return this.streams.before(victim, Math.max(alarmMs - marginMs, this.firstSeenMs + warmUpMs));
  }

  private take(vectors: readonly DestinationVector[]): void {
    if (vectors.length === 0) return;
    this.counters.vectors += vectors.length;
    this.waiting.push(...vectors);
    const excess = this.waiting.length - maxWaiting;
    if (excess > 0) {
      this.waiting.splice(0, excess);
      this.counters.dropped += excess;
    }
    this.judging ??= this.judgeWaiting().finally(() => (this.judging = undefined));
  }

  private async judgeWaiting(): Promise<void> {
    while (this.waiting.length > 0) {
      const vectors = this.waiting;
      this.waiting = [];
      try {
        const judgements = await this.parts.model.judge(vectors);
        this.counters.judged += judgements.length;
        const { windows, minConfidence } = this.parts.policy;
        const [onsets, predictions] = track(this.onsets, judgements, { windows, minConfidence, model: this.parts.model.name });
        this.onsets = onsets;
        for (const subject of this.alarms.keys()) if (!onsets.subjects.has(subject)) this.alarms.delete(subject);
        for (const prediction of predictions) this.predicted(prediction);
      } catch (err) {
        this.counters.failures++;
        this.parts.log.error({ err }, "the model failed");
      }
    }
  }

  private predicted(prediction: Prediction): void {
    const { subject } = prediction;
    if (!this.alarms.has(subject)) {
      this.alarms.set(subject, prediction.evidence.atMs);
      this.parts.log.warn({ subject, confidence: prediction.confidence }, "attack predicted");
    }
    this.predictions.push(prediction);
    if (this.predictions.length > keptPredictions) this.predictions.shift();
    this.emit("prediction", prediction);
    if (this.parts.policy.enabled && !this.busy.has(subject)) void this.respond(prediction);
  }

  /**
   * Proposes candidates, narrowest first, until one is live. One response a subject at a time. A trial takes a second, in which the
   * attack grows: each next candidate is taken from the newest prediction.
   */
  private async respond({ subject }: Prediction): Promise<void> {
    const { nowMs, manager, policy, log } = this.parts;
    if (nowMs() < (this.quietUntil.get(subject) ?? 0)) return;
    const covered = manager.inForce().some((change) => change.rules.some((rule) => rule.ipv4Dst === subject) && (change.deadlineMs ?? 0) - nowMs() > renewBeforeMs);
    if (covered) return;
    this.busy.add(subject);
    try {
      const tried = new Set<string>();
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        const prediction = this.predictions.findLast((one) => one.subject === subject);
        const candidate = prediction && candidates(prediction, policy.maxRules).find(({ rules }) => !tried.has(JSON.stringify(rules)));
        if (prediction === undefined || candidate === undefined) break;
        tried.add(JSON.stringify(candidate.rules));
        const reason = `prediction ${prediction.id}: attack on ${subject}, confidence ${prediction.confidence.toFixed(2)}; ${candidate.why}`;
        const change: Change = await manager.submit({ origin: { by: "policy", reason, predictionId: prediction.id }, rules: candidate.rules, leaseMs: policy.leaseS * 1_000 });
        if (change.state === "live") return;
        log.info({ id: change.id, state: change.state, trial: change.trial }, "candidate not taken");
      }
      this.quietUntil.set(subject, nowMs() + retryAfterMs);
    } catch (err) {
      this.quietUntil.set(subject, nowMs() + retryAfterMs);
      log.warn({ err, subject }, "no response");
    } finally {
      this.busy.delete(subject);
    }
  }
}
