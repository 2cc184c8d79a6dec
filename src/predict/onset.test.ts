import type { Judgement } from "./attack-model.js";
import { noOnsets, track, type OnsetState, type Prediction } from "./onset.js";

const options = { windows: 2, minConfidence: 0.9, model: "attack-v1" };
const judgement = (answer: Judgement["answer"], confidence = 0.99, subject = "10.0.0.1", atMs = 0): Judgement => ({ subject, atMs, confidence, answer, why: "", features: [{ name: "dataReturnRatio", value: 0.25 }], ingress: [] });

/** How many predictions each judgement in turn makes. */
function follow(judgements: readonly Judgement[]): { readonly counts: number[]; readonly all: Prediction[]; readonly state: OnsetState } {
  let state = noOnsets;
  const all: Prediction[] = [];
  const counts = judgements.map((one) => {
    const [next, predictions] = track(state, [one], options);
    state = next;
    all.push(...predictions);
    return predictions.length;
  });
  return { counts, all, state };
}

test("one window makes no prediction, two in a row do, and each further one renews it", () => {
  expect(follow([judgement("attack"), judgement("attack"), judgement("attack")]).counts).toEqual([0, 1, 1]);
});

test("a benign window between two starts the count again", () => {
  expect(follow([judgement("attack"), judgement("benign"), judgement("attack")]).counts).toEqual([0, 0, 0]);
});

test("an unknown window says nothing either way", () => {
  expect(follow([judgement("attack"), judgement("unknown"), judgement("attack")]).counts).toEqual([0, 0, 1]);
});

test("a window below the wanted confidence does not count", () => {
  expect(follow([judgement("attack", 0.85), judgement("attack", 0.85)]).counts).toEqual([0, 0]);
});

test("a prediction is as sure as the weakest of its windows, and says what speaks against it", () => {
  const [prediction] = follow([judgement("attack", 0.95), judgement("attack", 0.99)]).all;
  expect(prediction).toMatchObject({ kind: "attack", confidence: 0.95, model: "attack-v1", counterEvidence: "the destination answers 25 % of the packets with data" });
});

test("a subject is clear only after several quiet windows, then counts anew", () => {
  const attacked = [judgement("attack"), judgement("attack")];
  const quiet = (count: number): Judgement[] => Array.from({ length: count }, () => judgement("benign"));
  expect(follow([...attacked, ...quiet(5), judgement("attack")]).counts.at(-1)).toBe(1);
  const cleared = follow([...attacked, ...quiet(6), judgement("attack")]);
  expect(cleared.counts.at(-1)).toBe(0);
});

test("subjects are counted apart, and their number is bounded", () => {
  expect(follow([judgement("attack", 0.99, "10.0.0.1"), judgement("attack", 0.99, "10.0.0.2")]).counts).toEqual([0, 0]);
  const [state] = track(noOnsets, Array.from({ length: 10_000 }, (_, i) => judgement("attack", 0.99, `h${i}`)), options);
  expect(state.subjects.size).toBe(8_192);
});
