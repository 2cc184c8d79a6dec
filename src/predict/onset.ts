/** From judgements to predictions: a subject counts as attacked after some windows in a row, and as clear after more. Pure. */
import type { Judgement } from "./attack-model.js";

export interface Prediction {
  readonly id: number;
  readonly atMs: number;
  readonly subject: string;
  readonly kind: "attack";
  /** How far ahead it speaks: the attack is taken to go on for this long. */
  readonly horizonMs: number;
  readonly confidence: number;
  readonly model: string;
  /** What speaks for it and what against. */
  readonly evidence: Judgement;
  readonly counterEvidence: string;
}

interface Subject {
  readonly hits: number;
  readonly misses: number;
  readonly active: boolean;
  /** The lowest confidence of the windows in a row: the prediction is as sure as its weakest window. */
  readonly confidence: number;
}

export interface OnsetState {
  readonly subjects: ReadonlyMap<string, Subject>;
  readonly nextId: number;
}
export const noOnsets: OnsetState = { subjects: new Map(), nextId: 1 };

/** Quiet windows in a row after which a subject counts as clear. */
const clearAfter = 6;
const horizonMs = 10_000;
const maxSubjects = 8_192;

/**
 * Takes the judgements of one moment. `windows`: how many in a row make a prediction; `minConfidence`: what each must have.
 * While the attack goes on each further window makes a further prediction.
 */
export function track(
  state: OnsetState,
  judgements: readonly Judgement[],
  options: { readonly windows: number; readonly minConfidence: number; readonly model: string },
): readonly [OnsetState, readonly Prediction[]] {
  const subjects = new Map(state.subjects);
  const predictions: Prediction[] = [];
  let { nextId } = state;
  for (const judgement of judgements) {
    const old = subjects.get(judgement.subject) ?? { hits: 0, misses: 0, active: false, confidence: 1 };
    if (judgement.answer === "attack" && judgement.confidence >= options.minConfidence) {
      const hits = old.hits + 1;
      const confidence = Math.min(old.hits === 0 ? 1 : old.confidence, judgement.confidence);
      const active = old.active || hits >= options.windows;
      if (!subjects.has(judgement.subject) && subjects.size >= maxSubjects) continue;
      subjects.set(judgement.subject, { hits, misses: 0, active, confidence });
      if (!active) continue;
      const returning = judgement.features.find((feature) => feature.name === "dataReturnRatio")?.value ?? 0;
      predictions.push({
        id: nextId++,
        atMs: judgement.atMs,
        subject: judgement.subject,
        kind: "attack",
        horizonMs,
        confidence,
        model: options.model,
        evidence: judgement,
        counterEvidence: `the destination answers ${(returning * 100).toFixed(0)} % of the packets with data`,
      });
    } else if (judgement.answer !== "unknown") {
      const misses = old.misses + 1;
      if (misses >= clearAfter || !old.active) subjects.delete(judgement.subject);
      else subjects.set(judgement.subject, { ...old, hits: 0, misses });
    }
  }
  return [{ subjects, nextId }, predictions];
}
