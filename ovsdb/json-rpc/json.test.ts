import fc from "fast-check";
import { parseJson, stringifyJson } from "./json.js";

const integer = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) => (Number.isSafeInteger(Number(n)) ? Number(n) : n));
const tree = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, integer, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string({ unit: "grapheme" }), fc.boolean(), fc.constant(null), tie("array"), tie("object")),
  array: fc.array(tie("value"), { maxLength: 5 }),
  object: fc.dictionary(fc.string({ maxLength: 6 }), tie("value"), { maxKeys: 5 }),
})).value;

test("64-bit integers survive both ways, exactly, beside everything else", () => {
  fc.assert(
    fc.property(tree, (value) => {
      const got = parseJson(stringifyJson(value));
      expect(stringifyJson(got)).toBe(stringifyJson(value));
    }),
  );
});

test("what is a long integer, and what only looks like one", () => {
  expect(parseJson("[9223372036854775807,-9007199254740993,9007199254740991]")).toEqual([9223372036854775807n, -9007199254740993n, 9007199254740991]);
  expect(parseJson('["9223372036854775807","a\\"9223372036854775807"]')).toEqual(["9223372036854775807", 'a"9223372036854775807']);
  expect(parseJson("[0.12345678901234567,12345678901234567890.5,1e20]")).toEqual([0.12345678901234567, 12345678901234567890.5, 1e20]);
  expect(() => parseJson('{"a":12345678901234567890')).toThrow(SyntaxError);
});

test("a string of megabytes with a long number does not overflow the matcher", () => {
  const text = JSON.stringify(`${"x\\\"é".repeat(1 << 20)}12345678901234567890`);
  expect(stringifyJson(parseJson(text))).toBe(text);
});
