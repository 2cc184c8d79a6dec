/** Whose turn it is to send LLDP: all of a small network each second, of a large one each in its turn, and whoever has a silent link always. */
import { missedAfterMs, turnEveryS, turnOf } from "./lldp-turns.js";

test("the turns of a network get longer with its links, and end at four seconds", () => {
  expect([0, 1, 64, 65, 128, 198, 10_000].map(turnEveryS)).toEqual([1, 1, 1, 2, 2, 4, 4]);
  expect([1, 4].map(missedAfterMs)).toEqual([1_500, 4_500]);
});

test("of a small network every bridge sends and is asked each second", () => {
  for (const place of [0, 1, 2]) for (const second of [0, 1, 2]) expect(turnOf(place, second, 1, false)).toEqual({ sends: true, isAsked: true });
});

test("of a large one each bridge sends once in a turn, a quarter of them in each second, and nobody is asked", () => {
  const sent = Array.from({ length: 8 }, () => 0);
  for (let second = 40; second < 44; second++) {
    const turns = sent.map((_, place) => turnOf(place, second, 4, false));
    expect(turns.filter(({ sends }) => sends)).toHaveLength(2);
    expect(turns.some(({ isAsked }) => isAsked)).toBe(false);
    turns.forEach(({ sends }, place) => (sent[place] = (sent[place] ?? 0) + Number(sends)));
  }
  expect(sent).toEqual(sent.map(() => 1));
});

test("a bridge with a silent link sends and is asked each second", () => {
  for (const second of [0, 1, 2, 3]) expect(turnOf(1, second, 4, true)).toEqual({ sends: true, isAsked: true });
});
