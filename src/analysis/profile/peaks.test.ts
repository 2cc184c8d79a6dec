import { seeded } from "../../base/seeded.js";
import { daily, Peaks } from "./peaks.js";

const minute = 60_000;
const day = 1_440 * minute;
/** Thursday, 1970-01-01, to Sunday: the epoch's own days. */
const thursday = 0;
const friday = day;
const saturday = 2 * day;

/** A day with its peak at `peakMinute`, an hour wide. */
function live(peaks: Peaks, startMs: number, peakMinute: number, height: number, noise: () => number = () => 0): void {
  for (let at = 0; at < 1_440; at++) {
    const off = Math.min(Math.abs(at - peakMinute), 1_440 - Math.abs(at - peakMinute));
    peaks.add("h", startMs + at * minute, height * (0.1 + 0.9 * Math.exp(-((off / 60) ** 2))) + noise());
  }
}

test("the peak of a day is found within five minutes and a tenth of its height, and noise does not move it", () => {
  const random = seeded(9);
  const peaks = new Peaks();
  for (let i = 0; i < 7; i++) live(peaks, i * day, 870, 1_000, () => 20 * random());
  const peak = peaks.peak("h", 7 * day);
  expect(Math.abs((peak?.atMs ?? 0) / minute - 870)).toBeLessThanOrEqual(5);
  expect(Math.abs((peak?.height ?? 0) / 1_000 - 1)).toBeLessThan(0.1);
  expect(peak?.seasons).toBe(7);
  expect(peaks.peak("nobody", 7 * day)).toBeUndefined();
});

test("a weekend is predicted by weekends and a working day by working days", () => {
  const peaks = new Peaks();
  for (let i = 0; i < 14; i++) {
    const isWeekend = i % 7 === 2 || i % 7 === 3;
    live(peaks, thursday + i * day, isWeekend ? 1_200 : 600, isWeekend ? 300 : 1_000);
  }
  const [work, weekend] = [peaks.peak("h", friday + 14 * day), peaks.peak("h", saturday + 14 * day)];
  expect(Math.abs((work?.atMs ?? 0) / minute - 600)).toBeLessThanOrEqual(5);
  expect(Math.abs((weekend?.atMs ?? 0) / minute - 1_200)).toBeLessThanOrEqual(5);
  expect([work?.height, weekend?.height].map((one) => Math.round((one ?? 0) / 100))).toEqual([10, 3]);
});

test("the intervals hold what comes as often as they say, and are as wide as the days differ", () => {
  const random = seeded(4);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  let [heldTime, heldHeight, promised, count] = [0, 0, 0, 0];
  const widths: number[] = [];
  for (let run = 0; run < 60; run++) {
    const peaks = new Peaks({ ...daily, weekends: false });
    for (let i = 0; i < 16; i++) {
      const [at, height] = [800 + 40 * normal(), 1_000 + 100 * normal()];
      if (i >= 9) {
        const said = peaks.peak("h", i * day);
        if (said === undefined) throw new Error("no peak is known");
        heldTime += Math.abs(said.atMs / minute - at) <= said.atPlusMinusMs / minute ? 1 : 0;
        heldHeight += Math.abs(said.height - height) <= said.plusMinus ? 1 : 0;
        promised += said.probability;
        count++;
        widths.push(said.atPlusMinusMs / minute);
      }
      live(peaks, i * day, at, height);
    }
  }
  // Standard deviation of a share of 420, of which 7 of a run hang together: about 3 %.
  expect(promised / count).toBeCloseTo(0.83, 1);
  expect(Math.abs(heldTime / count - promised / count)).toBeLessThan(0.08);
  expect(Math.abs(heldHeight / count - promised / count)).toBeLessThan(0.08);
  // 80 % of a normal distribution lie within 1.28 standard deviations.
  const typical = widths.sort((x, y) => x - y)[widths.length >> 1] ?? 0;
  expect(typical).toBeGreaterThan(35);
  expect(typical).toBeLessThan(80);
});

test("a peak at midnight is one peak, on whichever side it falls", () => {
  const peaks = new Peaks();
  for (let i = 0; i < 10; i++) live(peaks, i * day, i % 2 === 0 ? 1_430 : 10, 1_000);
  const peak = peaks.peak("h", 10 * day);
  const off = Math.abs((peak?.atMs ?? 0) / minute - 720);
  expect(off).toBeGreaterThan(700);
  expect((peak?.atPlusMinusMs ?? Infinity) / minute).toBeLessThan(30);
});

test("a day of which little was seen moves neither height nor interval of the others", () => {
  const peaks = new Peaks({ ...daily, weekends: false });
  for (let i = 0; i < 6; i++) live(peaks, i * day, 700, 1_000);
  const before = peaks.peak("h", 6 * day);
  for (let at = 0; at < 60; at++) peaks.add("h", 6 * day + at * minute, 100);
  const after = peaks.peak("h", 6 * day);
  expect(after?.height).toBe(before?.height);
  expect(after?.plusMinus).toBe(before?.plusMinus);
  expect(after?.seasons).toBe(7);
});

test("what was kept goes on the same, through JSON; a state of other seasons or another form is refused", () => {
  const random = seeded(2);
  const peaks = new Peaks();
  for (let i = 0; i < 3; i++) live(peaks, i * day, 500, 1_000, () => 100 * random());
  peaks.add("h", 3 * day + 5 * minute, 5);
  peaks.addPast("past", day, 7);
  const kept = JSON.parse(JSON.stringify(peaks.state())) as ReturnType<Peaks["state"]>;
  const again = new Peaks();
  expect(again.restore(kept)).toBe(true);
  for (const name of ["h", "past"]) expect(again.peak(name, 3 * day)).toEqual(peaks.peak(name, 3 * day));
  for (const one of [peaks, again]) live(one, 4 * day, 510, 900);
  expect(again.peak("h", 5 * day)).toEqual(peaks.peak("h", 5 * day));
  expect(new Peaks({ ...daily, slots: 96 }).restore(kept)).toBe(false);
  expect(new Peaks().restore({ options: daily })).toBe(false);
});

test("subjects beyond the bound are counted, and values that are none are not taken", () => {
  const peaks = new Peaks({ periodMs: 1_000, slots: 1, weekends: false });
  for (let i = 0; i < 4_100; i++) peaks.add(`h${i}`, 10, 1);
  expect([peaks.all().length, peaks.overflow]).toEqual([4_096, 4]);
  peaks.add("h0", 20, NaN);
  peaks.add("h0", -5, 9);
  expect(peaks.peak("h0", 500)?.height).toBe(1);
});
