/** Runs changes through their life: one trial at a time, leases ended on time, every step into the history. */
import { EventEmitter } from "node:events";
import { inTime } from "../base/in-time.js";
import { flowKey, type FlowEntry } from "../network/flow-entry.js";
import { blockFlow, type BlockRule } from "./block-rule.js";
import { finalStates, propose, transition, type Change, type ChangeEvent, type Origin, type TrialReport, type Verification } from "./change.js";
import type { History } from "./history.js";

export interface ManagerParts {
  readonly history: History;
  readonly trial: (change: Change) => Promise<TrialReport>;
  /** Brings live to the overlays of now; resolves when it has them. */
  readonly apply: () => Promise<void>;
  /** Looks whether a change that is live does what it should. */
  readonly verify: (change: Change) => Promise<Verification>;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly maxRules: number;
  readonly dryRun: boolean;
}

export interface ManagerEvents {
  change: [Change];
}

export interface Proposal {
  readonly origin: Origin;
  readonly rules: readonly BlockRule[];
  readonly leaseMs: number;
  readonly override?: string;
  /** Try it and stop there. */
  readonly whatIf?: boolean;
}

/** Proposals that may wait for the trial; more are refused. */
const maxWaiting = 64;
/** A trial that takes longer is given up, so that it can't hold up the others. */
const maxTrialMs = 30_000;
const historyRetryMs = 1_000;
/** setTimeout's longest delay. */
const maxTimerMs = 2 ** 31 - 1;

export class ChangeManager extends EventEmitter<ManagerEvents> {
  private readonly parts: ManagerParts;
  private readonly changes = new Map<number, Change>();
  private nextId: number;
  private queue: Promise<unknown> = Promise.resolve();
  private waiting = 0;
  private timer: NodeJS.Timeout | undefined;
  private historyTimer: NodeJS.Timeout | undefined;

  constructor(parts: ManagerParts) {
    super();
    this.parts = parts;
    this.nextId = parts.history.nextId;
    for (const change of parts.history.changes()) {
      this.changes.set(change.id, change);
      // A controller before us died between proposal and push: nothing of it reached live.
      if (change.state === "proposed" || change.state === "tried") this.step(change.id, { type: "cancel", why: "the controller was restarted" });
    }
    this.expire();
  }

  list(): Change[] {
    return [...this.changes.values()].sort((x, y) => x.id - y.id);
  }

  get(id: number): Change | undefined {
    return this.changes.get(id);
  }

  /** Changes that are live. */
  inForce(): Change[] {
    const now = this.parts.nowMs();
    return this.list().filter((change) => change.state === "live" && now < (change.deadlineMs ?? 0));
  }

  /** The flows a bridge must have of the changes in force, with the seconds they have left. */
  overlays(bridge: string): FlowEntry[] {
    const now = this.parts.nowMs();
    const flows = this.inForce().flatMap((change) =>
      change.rules.filter((rule) => rule.bridge === bridge).map((rule) => blockFlow(rule, change.id, ((change.deadlineMs ?? now) - now) / 1_000)),
    );
    // A renewed lease has the same rule as the one it follows: the later one counts.
    return [...new Map(flows.map((flow) => [flowKey(flow), flow])).values()];
  }

  /** Proposes a change; resolves when it is live, rejected, or (what-if, dry run) tried. Rejects when it may not even be tried. */
  async submit(proposal: Proposal): Promise<Change> {
    const rules = this.inForce().reduce((sum, change) => sum + change.rules.length, 0) + proposal.rules.length;
    if (proposal.rules.length === 0) throw new RangeError("a change without rules");
    if (rules > this.parts.maxRules) throw new RangeError(`${rules} rules would be in force, ${this.parts.maxRules} are allowed`);
    if (this.waiting >= maxWaiting) throw new RangeError(`${maxWaiting} changes are waiting for their trial`);
    const { whatIf, ...rest } = proposal;
    const { id } = this.put(propose({ id: this.nextId++, ...rest }, this.parts.nowMs()));
    this.waiting++;
    const run = this.queue.then(() => this.run(id, whatIf === true)).finally(() => this.waiting--);
    this.queue = run.catch(() => undefined);
    return run;
  }

  /** Ends a change before its time. */
  async cancel(id: number, why: string): Promise<Change> {
    const change = this.step(id, { type: "cancel", why });
    await this.parts.apply();
    return change;
  }

  /** Ends everything in force, for a detach. */
  async cancelAll(why: string): Promise<void> {
    for (const change of this.list()) if (!finalStates.has(change.state)) this.step(change.id, { type: "cancel", why });
    clearTimeout(this.timer);
    await this.parts.apply();
  }

  stop(): void {
    clearTimeout(this.historyTimer);
    clearTimeout(this.timer);
  }

  private async run(id: number, isWhatIf: boolean): Promise<Change> {
    const proposed = this.must(id);
    if (finalStates.has(proposed.state)) return proposed;
    let report: TrialReport;
    try {
      report = await inTime(this.parts.trial(proposed), maxTrialMs);
    } catch (error) {
      const now = this.parts.nowMs();
      const none = { attackMatchedRatio: 0, benignMatchedRatio: 0, attackPackets: 0, benignPackets: 0, fidelity: 0 };
      report = { startedAtMs: now, endedAtMs: now, verdict: "inconclusive", ...none, reasons: [`the trial could not be run: ${(error as Error).message}`] };
    }
    const tried = this.step(id, { type: "tried", report });
    if (isWhatIf || this.parts.dryRun) return this.step(id, { type: "cancel", why: isWhatIf ? "what-if: not pushed" : "dry run: not pushed" });
    if (finalStates.has(tried.state)) return tried;
    // No change reaches live without a stored trial.
    if (this.parts.history.failure !== undefined) return this.step(id, { type: "cancel", why: `the trial could not be stored: ${this.parts.history.failure}` });
    const live = this.step(id, { type: "push" });
    if (live.state !== "live") return live;
    await this.parts.apply();
    this.expire();
    void this.verify(live).catch(() => undefined); // what can't be applied is applied by the next audit
    return live;
  }

  /** A change of the policy that does nothing on live is taken back; an operator's stays, as it may wait for its attack. */
  private async verify(change: Change): Promise<void> {
    const verification = await this.parts
      .verify(change)
      .catch((error: unknown): Verification => ({ atMs: this.parts.nowMs(), ok: false, droppedPackets: 0, why: (error as Error).message }));
    this.step(change.id, { type: "verified", verification });
    if (verification.ok || change.origin.by !== "policy") return;
    this.step(change.id, { type: "breach", why: `no effect on live: ${verification.why}` });
    await this.parts.apply();
  }

  /** Ends leases that are over and sets the clock for the next one. */
  private expire(): void {
    clearTimeout(this.timer);
    const now = this.parts.nowMs();
    let ended = false;
    let next = Infinity;
    for (const change of this.list()) {
      if (change.state !== "live") continue;
      if (now >= (change.deadlineMs ?? 0)) {
        this.step(change.id, { type: "deadline" });
        ended = true;
      } else next = Math.min(next, (change.deadlineMs ?? 0) - now);
    }
    if (ended) void this.parts.apply();
    if (next !== Infinity) this.timer = setTimeout(() => this.expire(), Math.min(next + 1, maxTimerMs));
  }

  private step(id: number, event: ChangeEvent): Change {
    const old = this.must(id);
    const next = transition(old, event, this.parts.nowMs());
    return next === old ? old : this.put(next);
  }

  private put(change: Change): Change {
    this.changes.set(change.id, change);
    if (!this.parts.history.record(change)) this.retryHistory();
    this.emit("change", change);
    return change;
  }

  /** A disk that refused is asked again every second until it takes all. */
  private retryHistory(): void {
    this.historyTimer ??= setTimeout(() => {
      this.historyTimer = undefined;
      if (!this.parts.history.retry()) this.retryHistory();
    }, historyRetryMs);
  }

  private must(id: number): Change {
    const change = this.changes.get(id);
    if (change === undefined) throw new RangeError(`no change ${id}`);
    return change;
  }
}
