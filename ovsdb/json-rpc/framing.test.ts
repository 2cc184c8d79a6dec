import fc from "fast-check";
import { OvsdbError } from "../errors.js";
import { JsonFraming } from "./framing.js";
import { parseJson } from "./json.js";

const messages = fc.array(fc.oneof(fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue()), fc.array(fc.jsonValue())), { maxLength: 6 });

test("messages come out as they went in, however the bytes are cut", () => {
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (values, cuts) => {
      const bytes = Buffer.from(values.map((value) => JSON.stringify(value)).join(" \n"));
      const framing = new JsonFraming(1 << 20);
      const got: unknown[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const next = at + (cuts[i % cuts.length] ?? 1);
        got.push(...framing.push(bytes.subarray(at, next)));
        at = next;
      }
      expect(got).toEqual(values.map((value) => parseJson(JSON.stringify(value))));
    }),
  );
});

test.each([
  ["a byte between messages", "{} x"],
  ["a bracket too many", "{}]"],
  ["a string at top level", '"x"'],
  ["braces of the wrong kind", "{]"],
])("%s is a protocol error", (_what, text) => {
  expect(() => new JsonFraming(1 << 20).push(Buffer.from(text))).toThrow(OvsdbError);
});

test("a message beyond the bound is refused before it is held", () => {
  const framing = new JsonFraming(1000);
  framing.push(Buffer.from(`["${"x".repeat(600)}`));
  expect(() => framing.push(Buffer.from("x".repeat(600)))).toThrow(/longer than 1000/);
});
