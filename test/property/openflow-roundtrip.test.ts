/** decode(encode(x)) = x, for values of every message, multipart type and action in every version that has it; and the same by way of JSON. */
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { readActions, writeAction } from "../../openflow/actions/action.js";
import { decodeLine, encodeLine } from "../../openflow/messages/json.js";
import { decodeMessage, encodeMessage, type Body } from "../../openflow/messages/message.js";
import { Reader, versions, Writer, type Version } from "../../openflow/wire/reader.js";
import { eachAction, eachMessage, eachMultipart } from "./openflow-values.js";

const numRuns = Number(process.env["RUNS"] ?? 25);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function roundTrip(version: Version, values: fc.Arbitrary<Body>): void {
  fc.assert(
    fc.property(values, fc.nat(0xffff_ffff), (body, xid) => {
      const bytes = encodeMessage(version, xid, body);
      expect(decodeMessage(bytes)).toEqual({ ...body, version, xid });
      expect(encodeLine(decodeLine(hex(bytes)))).toBe(hex(bytes));
    }),
    { numRuns },
  );
}

describe.each(versions)("wire version %d", (version) => {
  it.each(eachMessage(version))("message %s", (_, values) => roundTrip(version, values));
  it.each(eachMultipart(version, "request"))("request %s", (_, values) => roundTrip(version, values));
  it.each(eachMultipart(version, "reply"))("reply %s", (_, values) => roundTrip(version, values));
  it.each(eachAction(version))("action %s", (_, values) => {
    fc.assert(
      fc.property(values, (action) => {
        const out = new Writer(version);
        writeAction(out, action);
        expect(readActions(new Reader(out.done(), version))).toEqual([action]);
      }),
      { numRuns },
    );
  });
});
