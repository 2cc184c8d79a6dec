import fc from "fast-check";
import { RowIndex } from "./row-index.js";
import type { Row } from "./schema/row-codec.js";

const row = (uuid: string, fields: object): Row => ({ _uuid: uuid, ...fields });

test("elements of sets, keys of maps, several columns together; values of different types are different", () => {
  const index = new RowIndex(["n", "set"]);
  const a = row("a", { n: 1, set: ["x", "y"] });
  const b = row("b", { n: "1", set: ["x", "x;"] });
  index.change("a", undefined, a);
  index.change("b", undefined, b);
  expect([...index.get(1, "y").keys()]).toEqual(["a"]);
  expect([...index.get("1", "x").keys()]).toEqual(["b"]);
  expect([index.one(1, "x"), index.one(1, "z"), index.get(2, "x").size]).toEqual([a, undefined, 0]);
  const byKey = new RowIndex(["map"]);
  byKey.change("a", undefined, row("a", { map: new Map([["k", "v"]]) }));
  expect([byKey.get("k").size, byKey.get("v").size]).toEqual([1, 0]);
});

test("after any changes it finds what looking at every row finds", () => {
  const change = fc.record({ uuid: fc.constantFrom("a", "b", "c", "d"), next: fc.option(fc.record({ n: fc.option(fc.nat(4), { nil: undefined }), set: fc.uniqueArray(fc.constantFrom("x", "y", "z")) }), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), fc.nat(4), fc.nat(4), (changes, from, to) => {
      const rows = new Map<string, Row>();
      const [byBoth, byNumber] = [new RowIndex(["n", "set"]), new RowIndex(["n"])];
      for (const { uuid, next } of changes) {
        const now = next === undefined ? undefined : row(uuid, next);
        for (const index of [byBoth, byNumber]) index.change(uuid, rows.get(uuid), now);
        if (now === undefined) rows.delete(uuid);
        else rows.set(uuid, now);
        byNumber.range(0, 4); // sorted now: the next change must not leave it as it is
      }
      for (const n of [undefined, 0, 1, 2, 3, 4]) {
        for (const element of ["x", "y", "z"]) {
          const expected = [...rows.values()].filter((each) => each["n"] === n && (each["set"] as string[]).includes(element));
          expect(new Set(byBoth.get(n, element).values())).toEqual(new Set(expected));
        }
      }
      const inRange = [...rows.values()].filter((each) => each["n"] !== undefined && (each["n"] as number) >= from && (each["n"] as number) <= to);
      expect(new Set(byNumber.range(from, to))).toEqual(new Set(inRange));
    }),
  );
});

test("100,000 rows: a look-up takes less than 10 µs", () => {
  const index = new RowIndex(["n"]);
  for (let n = 0; n < 100_000; n++) index.change(String(n), undefined, row(String(n), { n }));
  const started = performance.now();
  for (let n = 0; n < 10_000; n++) index.one(n * 7);
  expect((performance.now() - started) / 10_000).toBeLessThan(0.01);
});
