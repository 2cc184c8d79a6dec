/**
 * A change and its one life: proposed → tried → live → expired or rolled back; rejected when the trial failed. Pure.
 *
 * Nothing goes live without a trial that passed or an override that is recorded, and everything live ends.
 */
import type { BlockRule } from "./block-rule.js";

export type ChangeState = "proposed" | "tried" | "live" | "expired" | "rolledBack" | "rejected";
export const finalStates: ReadonlySet<ChangeState> = new Set<ChangeState>(["expired", "rolledBack", "rejected"]);

export interface Origin {
  readonly by: "policy" | "operator";
  readonly reason: string;
  readonly predictionId?: number;
}

export type Verdict = "pass" | "fail" | "inconclusive";

export interface TrialReport {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly verdict: Verdict;
  /** Of the packets to the victim that are attack, the share the rules met; and of the benign ones. */
  readonly attackMatchedRatio: number;
  readonly benignMatchedRatio: number;
  readonly attackPackets: number;
  readonly benignPackets: number;
  /** Copied over selected packets while it ran. */
  readonly fidelity: number;
  readonly reasons: readonly string[];
}

export interface Verification {
  readonly atMs: number;
  readonly ok: boolean;
  readonly droppedPackets: number;
  readonly why: string;
}

export interface Change {
  readonly id: number;
  readonly kind: "block";
  readonly origin: Origin;
  readonly rules: readonly BlockRule[];
  readonly leaseMs: number;
  readonly state: ChangeState;
  readonly proposedAtMs: number;
  /** When it ends by itself; set when it goes live. Milliseconds since the epoch, like all times of a change. */
  readonly deadlineMs?: number;
  readonly trial?: TrialReport;
  /** An operator's word that it goes live whatever the trial says. */
  readonly override?: string;
  readonly verification?: Verification;
  readonly timeline: readonly { readonly state: ChangeState; readonly atMs: number; readonly why: string }[];
}

export type ChangeEvent =
  | { readonly type: "tried"; readonly report: TrialReport }
  | { readonly type: "push" }
  | { readonly type: "verified"; readonly verification: Verification }
  | { readonly type: "breach"; readonly why: string }
  | { readonly type: "cancel"; readonly why: string }
  | { readonly type: "deadline" };

export function propose(parts: Pick<Change, "id" | "origin" | "rules" | "leaseMs"> & { readonly override?: string }, nowMs: number): Change {
  return { ...parts, kind: "block", state: "proposed", proposedAtMs: nowMs, timeline: [{ state: "proposed", atMs: nowMs, why: parts.origin.reason }] };
}

/** Whether a change may go live: tried, and passed or overridden. */
export function mayGoLive(change: Change): boolean {
  return change.state === "tried" && (change.trial?.verdict === "pass" || change.override !== undefined);
}

function enter(change: Change, state: ChangeState, nowMs: number, why: string): Change {
  return { ...change, state, timeline: [...change.timeline, { state, atMs: nowMs, why }] };
}

/** The change after `event`; the same change when the event means nothing in its state. */
export function transition(change: Change, event: ChangeEvent, nowMs: number): Change {
  if (finalStates.has(change.state)) return change;
  switch (event.type) {
    case "tried": {
      if (change.state !== "proposed") return change;
      const tried = enter({ ...change, trial: event.report }, "tried", nowMs, event.report.reasons.join("; "));
      if (event.report.verdict === "pass" || change.override !== undefined) return tried;
      return enter(tried, "rejected", nowMs, `the trial's verdict is ${event.report.verdict}`);
    }
    case "push": {
      if (!mayGoLive(change)) return change;
      const why = change.trial?.verdict === "pass" ? "the trial passed" : `override: ${change.override ?? ""}`;
      return enter({ ...change, deadlineMs: nowMs + change.leaseMs }, "live", nowMs, why);
    }
    case "verified":
      return change.state === "live" ? { ...change, verification: event.verification } : change;
    case "breach":
    case "cancel":
      return enter(change, change.state === "live" ? "rolledBack" : "rejected", nowMs, event.why);
    case "deadline":
      return change.state === "live" && nowMs >= (change.deadlineMs ?? 0) ? enter(change, "expired", nowMs, "the lease ended") : change;
  }
}
