import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { parseJson, stringifyJson } from "./json.js";
import { LargeValue } from "./large-value.js";

function read(text: string, pieceBytes: number): unknown {
  const bytes = Buffer.from(text);
  const large = new LargeValue();
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const end = large.feed(bytes.subarray(at, at + pieceBytes));
    if (end >= 0) {
      expect(at + end).toBe(bytes.length);
      return large.value;
    }
  }
  throw new SyntaxError("the end is missing");
}
const filler = (bytes: number): string[] => Array.from({ length: Math.ceil(bytes / 50) }, (_, i) => `"row ${i}": {"a": ["map", [["ü", ${i}]]], "t": "}],[\\"{"}`);

describe("a large value", () => {
  it("is what JSON.parse makes of it, in whatever pieces it comes", () => {
    const rows = filler(300_000).join(" , ");
    const integers = Array.from({ length: 30_000 }, (_, i) => `${9_007_199_254_740_993n + BigInt(i)}`).join(",");
    const texts = [
      `{"id":3,"result":[false,"x",{"A":{${rows}},"B":{},"C":{${rows}}}],"error":null}`,
      `[1,[[${integers}]],{"__proto__":{${rows}},"x":1},[],{}, 2]`,
      `{"a":{${rows}},"a":[${integers}] }`,
      `{"deep":${"[".repeat(30)}{${rows}}${"]".repeat(30)}}`,
      `{"text":"${"x".repeat(200_000)}","b":[{"c":"${"\\\\\\\"".repeat(40_000)}"},${integers}]}`,
    ];
    for (const text of texts) for (const piece of [9_001, 65_536, 1 << 20]) expect(read(text, piece)).toEqual(parseJson(text));
  });

  it("is what was written, for any value", () => {
    const value = fc.oneof(fc.array(fc.jsonValue({ maxDepth: 4 }), { maxLength: 4 }), fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 4 }));
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1_000, max: 40_000 }), (values, piece) => {
        const filled = values.flatMap((one) => [one, Array.from({ length: 20_000 }, (_, i) => i)]);
        const text = stringifyJson({ filled, last: values });
        expect(read(text, piece)).toEqual(parseJson(text));
      }),
      { numRuns: 60 },
    );
  });

  it("that JSON.parse refuses is refused", () => {
    const rows = filler(200_000).join(",");
    const list = Array.from({ length: 60_000 }, (_, i) => i).join(",");
    const broken = [`{"a":{${rows},}}`, `{"a":{${rows}}{}}`, `[[${list}] 5]`, `[,[${list}]]`, `[[${list}],]`, `[[${list}}]`, `[7 [${list}]]`, `{[${list}]}`, `{"a" 1,"b":[${list}]}`, `{5:[${list}]}`, `[[${list}],,3]`, `[[${list}] [${list}]]`, `{"a":[${list}],"b"}`];
    for (const text of broken) {
      expect(() => parseJson(text)).toThrow(SyntaxError);
      expect(() => read(text, 30_000)).toThrow(SyntaxError);
    }
  });
});
