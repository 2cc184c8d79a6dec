import { describe, expect, it } from "@jest/globals";
import { Reader, WireError, Writer } from "../wire/reader.js";
import { action, readActions, writeAction, type Action } from "./action.js";
import { instruction, instructionsKey, readInstructions } from "./instruction.js";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
const written = (item: Action): string => {
  const out = new Writer(5);
  writeAction(out, item);
  return Buffer.from(out.done()).toString("hex");
};

describe("actions", () => {
  it.each([
    ["a vendor we do not know", "ffff 0010 deadbeef 0102030405060708"],
    ["an output whose padding is not zero", "0000 0010 00000001 0000 000000000001"],
    ["a set-field of an unknown field", "0019 0010 ffff7e08 00abcdef 01020304"],
  ])("keep %s byte for byte", (_, text) => {
    const bytes = hex(text);
    const items = readActions(new Reader(bytes, 5));
    expect(items).toEqual([{ type: "unknown", bytes }]);
    expect(items.map(written)).toEqual([Buffer.from(bytes).toString("hex")]);
  });

  it.each(["0000 0000", "0000 0004", "0000 0018 00000001 0000 000000000000 0000000000000000", "0000 0010 00000001", "0012 000c 00000000 00000000"])("refuse %s", (text) => {
    expect(() => readActions(new Reader(hex(text), 5))).toThrow(WireError);
  });

  it("write a masked set-field as NXAST_REG_LOAD2 and read it again", () => {
    const bytes = written(action.setField("reg2", 4, 0xc));
    expect(bytes).toBe("ffff0018000023200021" + "00010508000000040000000c" + "0000");
    expect(readActions(new Reader(hex(bytes), 5))).toEqual([action.setField("reg2", 4, 0xc)]);
  });

  it("have the options of controller2 as Open vSwitch 3.1 sends them", () => {
    const bytes = "ffff0030000023200025000000000000" + "00000008fffc0000" + "00010008fff30000" + "0002000502000000" + "00040004" + "00000000";
    const [item] = readActions(new Reader(hex(bytes), 5));
    expect(item).toEqual({ type: "controller2", options: { maxLen: 0xfffc, controllerId: 0xfff3, reason: 2, pause: true } });
    expect(item === undefined ? "" : written(item)).toBe(bytes);
  });

  it("grow the buffer where they must", () => {
    const many = Array.from({ length: 200 }, (_, i) => action.load("reg0", BigInt(i), 0, 32));
    const out = new Writer(5);
    for (const one of many) writeAction(out, one);
    expect(readActions(new Reader(out.done(), 5))).toEqual(many);
  });
});

describe("instructions", () => {
  it("have one key when they do the same", () => {
    expect(instructionsKey([instruction.apply()])).toBe(instructionsKey([]));
    expect(instructionsKey([instruction.apply(action.output(1))])).not.toBe(instructionsKey([instruction.apply(action.output(2))]));
  });
  it("have a key in whatever version they are of", () => {
    const meter: Action = { type: "meter", meterId: 7 };
    const enqueue: Action = { type: "enqueue", port: 2, queueId: 3 };
    expect(instructionsKey([instruction.apply(meter, action.output(1))])).toBe(instructionsKey([instruction.meter(7), instruction.apply(action.output(1))]));
    expect(instructionsKey([instruction.apply(meter)])).toBe(instructionsKey([instruction.meter(7)]));
    expect(instructionsKey([instruction.apply(action.output(1), meter)])).not.toBe(instructionsKey([instruction.apply(action.output(1))]));
    expect(instructionsKey([instruction.apply(enqueue)])).not.toBe(instructionsKey([instruction.apply({ ...enqueue, queueId: 4 })]));
    expect(() => instructionsKey([instruction.apply(enqueue, action.pushVlan())])).toThrow(RangeError);
  });
  it("keep an unknown one byte for byte", () => {
    const bytes = hex("0007 0010 0000000000000001 00000002");
    expect(readInstructions(new Reader(bytes, 5))).toEqual([{ type: "unknown", bytes }]);
  });
});
