import { readFileSync } from "node:fs";
import type { DestinationVector } from "../telemetry/destination-windows.js";
import { featureNames } from "../telemetry/features.js";
import { AttackModel } from "./attack-model.js";

interface Recorded {
  readonly kind: string;
  readonly isAttack: boolean;
  readonly sampling: number;
  readonly samples: number;
  readonly values: readonly number[];
}
/** Windows of the second lab's "judge" recordings (models/train/record-second-lab.mjs): neither trained on nor used for the threshold. */
const recorded = JSON.parse(readFileSync(`${import.meta.dirname}/fixtures/vectors.json`, "utf8")) as Recorded[];
const modelDir = `${import.meta.dirname}/../../models/attack-v1`;

const vectorOf = ({ samples, values }: Pick<Recorded, "samples" | "values">): DestinationVector => ({
  subject: "172.20.3.1",
  windowStartMs: 0,
  windowEndMs: 1_000,
  values: Float64Array.from(values),
  samples,
  evidence: [{ bridge: "l1", ofport: 2, packetsPerS: 500, classes: { "tcp-syn:80": 500 } }],
  attackRatio: 0,
});

let model: AttackModel;
beforeAll(async () => {
  model = await AttackModel.load(modelDir);
});

test.each([...new Set(recorded.map(({ kind }) => kind))])("%s gets the right answer at 1-in-1 and 1-in-8", async (kind) => {
  const ours = recorded.filter((one) => one.kind === kind);
  expect(ours).toHaveLength(6);
  const judgements = await model.judge(ours.map(vectorOf));
  expect(judgements.map(({ answer }) => answer)).toEqual(ours.map(({ isAttack }) => (isAttack ? "attack" : "benign")));
});

test("more packets never lower the confidence", async () => {
  const at = (name: string): number => featureNames.indexOf(name);
  for (const one of recorded) {
    const steps = Array.from({ length: 9 }, (_, i) => {
      const values = [...one.values];
      values[at("logPps")] = 2 + i;
      values[at("surge")] = i;
      return vectorOf({ samples: one.samples, values });
    });
    const confidences = (await model.judge(steps)).map(({ confidence }) => confidence);
    confidences.forEach((confidence, i) => expect(confidence).toBeGreaterThanOrEqual((confidences[i - 1] ?? 0) - 1e-6));
  }
});

test("a batch is judged as its vectors one by one", async () => {
  const vectors = recorded.map(vectorOf);
  const together = (await model.judge(vectors)).map(({ confidence }) => confidence);
  for (const [i, vector] of vectors.entries()) expect((await model.judge([vector]))[0]?.confidence).toBeCloseTo(together[i] ?? NaN, 5);
  expect(await model.judge([])).toEqual([]);
});

test("few samples, and values outside the training's range, are answered unknown with the reason", async () => {
  const flood = recorded.find(({ isAttack }) => isAttack);
  if (flood === undefined) throw new Error("no flood recorded");
  const strange = [...flood.values];
  strange[featureNames.indexOf("meanLength")] = 6;
  const broken = [...flood.values];
  broken[0] = NaN;
  const [thin, outside, notANumber] = await model.judge([vectorOf({ ...flood, samples: 9 }), vectorOf({ ...flood, values: strange }), vectorOf({ ...flood, values: broken })]);
  expect(thin).toMatchObject({ answer: "unknown", why: "only 9 samples" });
  expect(outside).toMatchObject({ answer: "unknown", why: "meanLength is outside of what the model was trained on" });
  expect(notANumber).toMatchObject({ answer: "unknown", why: "logPps is outside of what the model was trained on" });
});

test("a rate higher than any trained on is not strange", async () => {
  const flood = recorded.find(({ isAttack }) => isAttack);
  const values = [...(flood?.values ?? [])];
  values[featureNames.indexOf("logPps")] = Math.log(1e7);
  expect((await model.judge([vectorOf({ samples: 1_000, values })]))[0]?.answer).toBe("attack");
});

test("a judgement carries what it rests on", async () => {
  const [first] = recorded;
  if (first === undefined) throw new Error("nothing recorded");
  const vector = vectorOf(first);
  const [judgement] = await model.judge([vector]);
  expect(judgement).toMatchObject({ subject: "172.20.3.1", atMs: 1_000, ingress: vector.evidence });
  expect(judgement?.features.map(({ name }) => name)).toEqual(featureNames);
});
