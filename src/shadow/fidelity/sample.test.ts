/** What two captures of the same packets say. */
import { compareCaptures, type Packet } from "./sample.js";

const packet = (number: number, tMs: number): Packet => ({ tMs, digest: `packet ${number}` });
const live = Array.from({ length: 100 }, (_, i) => packet(i, 1_000 + i));
const all = { fromMs: 1_000, toMs: 1_099 };

test("each copied once, in order, 20 µs later", () => {
  const sample = compareCaptures(live, live.map(({ digest, tMs }) => ({ digest, tMs: tMs + 0.02 })), all);
  expect(sample).toMatchObject({ looked: 100, matched: 100, duplicated: 0, reordered: 0 });
  expect(sample?.delayP50Us).toBeCloseTo(20, 3);
});

test("missing, doubled and overtaken copies are told", () => {
  const copies = [0, 1, 3, 2, 4, 4, 4, 6].map((number, at) => packet(number, 1_010 + at));
  expect(compareCaptures(live.slice(0, 7), copies, all)).toMatchObject({ looked: 7, matched: 6, duplicated: 2, reordered: 1 });
});

test("packets outside of the window, and those that look alike, are not looked at; nothing to look at is no sample", () => {
  const twice = [packet(1, 1_000), packet(1, 1_001), packet(2, 1_002), packet(3, 2_000)];
  expect(compareCaptures(twice, [packet(1, 1_003), packet(1, 1_003), packet(2, 1_004)], all)).toMatchObject({ looked: 1, matched: 1, duplicated: 0 });
  expect(compareCaptures([], live, all)).toBeUndefined();
});
