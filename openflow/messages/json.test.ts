import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { decodeLine, encodeLine } from "./json.js";

const recorded = ["1.3", "1.4"].flatMap((version) =>
  readFileSync(path.join(__dirname, `../vectors/ovs-3.1-of${version}.hex`), "utf8")
    .split("\n")
    .filter((line) => /^[<>] /.test(line))
    .map((line) => line.slice(2)),
);
const parsed = (line: string): unknown => JSON.parse(line);

describe("JSON lines", () => {
  it("give a changed message back too, or say what is wrong with it", () => {
    fc.assert(
      fc.property(fc.constantFrom(...recorded), fc.nat(), fc.integer({ min: 1, max: 255 }), (line, where, flip) => {
        const bytes = Buffer.from(line, "hex");
        const at = where % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        const json = decodeLine(bytes.toString("hex"));
        if ("error" in (parsed(json) as object)) expect(parsed(json)).toMatchObject({ error: { code: "malformed", offset: expect.any(Number) } });
        else expect(encodeLine(json)).toBe(bytes.toString("hex"));
      }),
      { numRuns: 3000 },
    );
  });

  it("keep padding that is not zero", () => {
    const barrier = "0514000800000001";
    expect(parsed(decodeLine(barrier))).toEqual({ type: "barrierRequest", version: 5, xid: 1 });
    const role = "0518001800000001" + "00000002" + "deadbeef" + "0000000000000009";
    expect(parsed(decodeLine(role))).toMatchObject({ type: "roleRequest", role: 2, generationId: "9", patch: [[12, "deadbeef"]] });
    expect(encodeLine(decodeLine(role))).toBe(role);
  });

  it.each([
    ["xyz", "not-hex"],
    ["051400", "malformed"],
    ["0514000900000001", "malformed"],
  ])("refuse to decode %s", (line, code) => expect(parsed(decodeLine(line))).toMatchObject({ error: { code } }));

  it.each([
    ["{", "not-json"],
    ["null", "not-encodable"],
    ['{"type":"flowMod","version":5,"xid":1}', "not-encodable"],
    ['{"type":"nonsense","version":5,"xid":1}', "not-encodable"],
    ['{"type":"barrierRequest","version":5,"xid":-1}', "not-encodable"],
    ['{"whole":"zz"}', "not-encodable"],
  ])("refuse to encode %s", (line, code) => expect(parsed(encodeLine(line))).toMatchObject({ error: { code } }));
});
