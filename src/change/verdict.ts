/** From what a trial counted to its verdict: pass, fail or inconclusive. Pure. */
import type { Verdict } from "./change.js";

export interface TrialCounts {
  readonly attackPackets: number;
  readonly attackMatched: number;
  readonly benignPackets: number;
  readonly benignMatched: number;
  /** Copied over selected packets. */
  readonly fidelity: number;
}

export interface VerdictLimits {
  readonly minAttackRatio: number;
  readonly maxBenignRatio: number;
}

export interface Judged {
  readonly verdict: Verdict;
  readonly attackMatchedRatio: number;
  readonly benignMatchedRatio: number;
  readonly reasons: readonly string[];
}

/** Below these a trial says nothing. */
const minAttackPackets = 20;
const minFidelity = 0.9;

const percent = (ratio: number): string => `${(ratio * 100).toFixed(1)} %`;
const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

export function judgeTrial(counts: TrialCounts, limits: VerdictLimits): Judged {
  const attackMatchedRatio = share(counts.attackMatched, counts.attackPackets);
  const benignMatchedRatio = share(counts.benignMatched, counts.benignPackets);
  const facts = [
    `meets ${percent(attackMatchedRatio)} of ${counts.attackPackets} attack packets`,
    `meets ${percent(benignMatchedRatio)} of ${counts.benignPackets} benign packets`,
    `fidelity ${percent(counts.fidelity)}`,
  ];
  const judged = (verdict: Verdict, ...why: string[]): Judged => ({ verdict, attackMatchedRatio, benignMatchedRatio, reasons: [...facts, ...why] });
  // Harm shows even in a poor copy: what it would hit is wrong whatever else was missed.
  if (benignMatchedRatio > limits.maxBenignRatio) return judged("fail", `benign above the limit of ${percent(limits.maxBenignRatio)}`);
  if (counts.fidelity < minFidelity) return judged("inconclusive", `fidelity below ${percent(minFidelity)}`);
  if (counts.attackPackets < minAttackPackets) return judged("inconclusive", `fewer than ${minAttackPackets} attack packets`);
  if (attackMatchedRatio < limits.minAttackRatio) return judged("fail", `attack below the limit of ${percent(limits.minAttackRatio)}`);
  return judged("pass");
}
