/** The attack model: vectors in, calibrated answers out. It only answers; what to do about it is decided elsewhere. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { DestinationVector, IngressEvidence } from "../telemetry/destination-windows.js";
import { featureNames } from "../telemetry/features.js";
import { readModel, type Manifest } from "./manifest.js";

export interface FeatureEvidence {
  readonly name: string;
  readonly value: number;
}

export interface Judgement {
  readonly subject: string;
  readonly atMs: number;
  /** Calibrated, 0 to 1. */
  readonly confidence: number;
  /** "unknown": too few samples, or outside what the model was trained on. */
  readonly answer: "attack" | "benign" | "unknown";
  readonly why: string;
  readonly features: readonly FeatureEvidence[];
  readonly ingress: readonly IngressEvidence[];
}

/** What may lie outside the training's range before the model is out of its depth: this share of the range on each side. */
const supportMargin = 0.25;

/** The first feature whose value is outside the training's range, with a margin; rate features may be higher than ever seen. */
export function outsideSupport(manifest: Pick<Manifest, "support">, values: Float64Array): string | undefined {
  const at = values.findIndex((value, i) => {
    const min = manifest.support.min[i] ?? 0;
    const max = manifest.support.max[i] ?? 0;
    const margin = (max - min) * supportMargin + 1e-6;
    const isRate = featureNames[i] === "logPps" || featureNames[i] === "surge";
    return value < min - margin || (!isRate && value > max + margin) || !Number.isFinite(value);
  });
  return at < 0 ? undefined : featureNames[at];
}

export class AttackModel {
  readonly manifest: Manifest;
  private readonly session: InferenceSession;

  private constructor(manifest: Manifest, session: InferenceSession) {
    this.manifest = manifest;
    this.session = session;
  }

  /** Loads the model of a folder. Throws ModelError when it does not fit this program. */
  static async load(dir: string): Promise<AttackModel> {
    const { manifest, model } = readModel(dir);
    // One thread: the machine's cores belong to the switch.
    const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
    return new AttackModel(manifest, session);
  }

  get name(): string {
    return `${this.manifest.name}-v${this.manifest.version}`;
  }

  /** Judges vectors in one batch. */
  async judge(vectors: readonly DestinationVector[]): Promise<Judgement[]> {
    if (vectors.length === 0) return [];
    const width = featureNames.length;
    const input = new Float32Array(vectors.length * width);
    vectors.forEach((vector, i) => input.set(vector.values, i * width));
    const outputs = await this.session.run({ features: new Tensor("float32", input, [vectors.length, width]) });
    const logits = outputs[this.manifest.output]?.data as Float32Array;
    const { a, b } = this.manifest.calibration;
    return vectors.map((vector, i): Judgement => {
      const confidence = 1 / (1 + Math.exp(-(a * (logits[i] ?? 0) + b)));
      const outside = outsideSupport(this.manifest, vector.values);
      const isThin = vector.samples < this.manifest.minSamples;
      const answer = isThin || outside !== undefined ? "unknown" : confidence >= this.manifest.threshold.confidence ? "attack" : "benign";
      const why = isThin ? `only ${vector.samples} samples` : outside !== undefined ? `${outside} is outside of what the model was trained on` : `confidence ${confidence.toFixed(3)}`;
      return {
        subject: vector.subject,
        atMs: vector.windowEndMs,
        confidence,
        answer,
        why,
        features: featureNames.map((name, k) => ({ name, value: vector.values[k] ?? 0 })),
        ingress: vector.evidence,
      };
    });
  }
}
