/** What a model says of itself, and whether that is what this code computes. A model that does not fit is refused. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { hopMs, windowMs } from "../telemetry/destination-windows.js";
import { featureNames } from "../telemetry/features.js";

const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  kind: z.literal("attack"),
  windowMs: z.number(),
  hopMs: z.number(),
  /** Windows of fewer sampled packets are answered "unknown". */
  minSamples: z.number().int().min(1),
  features: z.array(z.string()),
  output: z.string(),
  calibration: z.object({ method: z.literal("platt"), a: z.number().positive(), b: z.number() }),
  threshold: z.object({ confidence: z.number().min(0).max(1), falsePositiveRatio: z.number(), benignWindows: z.number() }),
  /** Range of each feature in the training data: outside of it the model knows nothing. */
  support: z.object({ min: z.array(z.number()), max: z.array(z.number()) }),
  /** Of model.onnx. */
  sha256: z.string(),
  trainingData: z.object({ sha256: z.string(), rows: z.number() }),
});
export type Manifest = z.output<typeof manifestSchema>;

/** A model that can't be used, and why. */
export class ModelError extends Error {
  override readonly name = "ModelError";
}

/** Checks `json` against the features of this code. `file` is named in messages. Throws ModelError. */
export function parseManifest(json: unknown, file: string): Manifest {
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new ModelError(`${file}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not a manifest"}`);
  }
  const manifest = parsed.data;
  const differing = featureNames.findIndex((name, i) => manifest.features[i] !== name);
  if (differing >= 0 || manifest.features.length !== featureNames.length) {
    const at = differing >= 0 ? differing : featureNames.length;
    throw new ModelError(`${file}: feature ${at} is "${manifest.features[at] ?? "(none)"}" in the model and "${featureNames[at] ?? "(none)"}" in this program`);
  }
  if (manifest.windowMs !== windowMs || manifest.hopMs !== hopMs) {
    throw new ModelError(`${file}: windows of ${manifest.windowMs} ms moved by ${manifest.hopMs} ms in the model, ${windowMs} ms and ${hopMs} ms in this program`);
  }
  for (const bound of [manifest.support.min, manifest.support.max]) {
    if (bound.length !== featureNames.length) throw new ModelError(`${file}: support has ${bound.length} values for ${featureNames.length} features`);
  }
  return manifest;
}

/** Reads manifest.json and model.onnx of a folder and checks that they belong together. Throws ModelError. */
export function readModel(dir: string): { readonly manifest: Manifest; readonly model: Uint8Array } {
  const file = `${dir}/manifest.json`;
  let manifest: Manifest;
  let model: Uint8Array;
  try {
    manifest = parseManifest(JSON.parse(readFileSync(file, "utf8")), file);
    model = readFileSync(`${dir}/model.onnx`);
  } catch (error) {
    throw error instanceof ModelError ? error : new ModelError(`${file}: ${(error as Error).message}`);
  }
  const sha256 = createHash("sha256").update(model).digest("hex");
  if (sha256 !== manifest.sha256) throw new ModelError(`${dir}/model.onnx: SHA-256 is ${sha256}, the manifest says ${manifest.sha256}`);
  return { manifest, model };
}
