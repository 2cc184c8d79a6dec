import { existsSync, readFileSync } from "node:fs";
import { applyDiff, decodeValue, defaultValue, encodeValue, NamedUuid } from "./datum.js";
import { parseSchema, type ColumnSchema } from "./schema.js";

// Column types as in the Open_vSwitch schema.
const schema = parseSchema({
  name: "Test",
  version: "1.0.0",
  tables: {
    T: {
      columns: {
        name: { type: "string", mutable: false },
        tag: { type: { key: { type: "integer", minInteger: 0, maxInteger: 4095 }, min: 0, max: 1 } },
        trunks: { type: { key: { type: "integer", minInteger: 0, maxInteger: 4095 }, min: 0, max: 4096 } },
        external_ids: { type: { key: "string", value: "string", min: 0, max: "unlimited" } },
        fail_mode: { type: { key: { type: "string", enum: ["set", ["standalone", "secure"]] }, min: 0, max: 1 } },
        ports: { type: { key: { type: "uuid", refTable: "P" }, min: 0, max: "unlimited" } },
      },
    },
  },
});
const column = (name: string): ColumnSchema => {
  const found = schema.tables.get("T")?.columns.get(name);
  if (found === undefined) throw new Error(name);
  return found;
};

test("defaults are those of RFC 7047", () => {
  expect(defaultValue(column("name"))).toBe("");
  expect(defaultValue(column("tag"))).toBeUndefined();
  expect(defaultValue(column("trunks"))).toEqual([]);
  expect(defaultValue(column("external_ids"))).toEqual(new Map());
});

test("a set of one is bare on the wire, an optional column is its value", () => {
  expect(decodeValue(column("trunks"), 7)).toEqual([7]);
  expect(decodeValue(column("trunks"), ["set", [1, 2]])).toEqual([1, 2]);
  expect(decodeValue(column("tag"), ["set", []])).toBeUndefined();
  expect(decodeValue(column("ports"), ["uuid", "u1"])).toEqual(["u1"]);
});

test("modify is a difference for sets and maps, a replacement for the rest (seen on ovsdb-server 3.1)", () => {
  expect(new Set(applyDiff(column("trunks"), [1, 2, 3], ["set", [2, 9]]) as number[])).toEqual(new Set([1, 3, 9]));
  const map = new Map([["a", "1"], ["b", "2"]]);
  expect(applyDiff(column("external_ids"), map, ["map", [["b", "2"], ["c", "3"]]])).toEqual(new Map([["a", "1"], ["c", "3"]]));
  expect(applyDiff(column("external_ids"), map, ["map", [["a", "9"]]])).toEqual(new Map([["a", "9"], ["b", "2"]]));
  expect(applyDiff(column("tag"), 5, 6)).toBe(6);
  expect(applyDiff(column("tag"), 5, ["set", []])).toBeUndefined();
});

test("values are checked before they are sent, with table and column in the message", () => {
  expect(encodeValue(column("tag"), 5, "T")).toEqual(["set", [5]]);
  expect(encodeValue(column("ports"), [new NamedUuid("x")], "T")).toEqual(["set", [["named-uuid", "x"]]]);
  expect(() => encodeValue(column("tag"), 5000, "T")).toThrow(/T\.tag: 5000 is not in 0 to 4095/);
  expect(() => encodeValue(column("fail_mode"), "open", "T")).toThrow(/T\.fail_mode: open is not one of standalone, secure/);
  expect(() => encodeValue(column("name"), undefined, "T")).toThrow(/T\.name: 0 values, expected 1 to 1/);
});

test("64-bit integers are bigints where numbers end; reals stay numbers", () => {
  const typed = (type: string): ColumnSchema => {
    const found = parseSchema({ name: "D", tables: { T: { columns: { c: { type } } } } }).tables.get("T")?.columns.get("c");
    if (found === undefined) throw new Error(type);
    return found;
  };
  expect(decodeValue(typed("integer"), 9223372036854775807n)).toBe(9223372036854775807n);
  expect(decodeValue(typed("real"), 100000000000000000n)).toBe(1e17);
  expect(encodeValue(typed("integer"), 9223372036854775807n, "T")).toBe(9223372036854775807n);
  expect(() => encodeValue(typed("integer"), 2 ** 60, "T")).toThrow(/T\.c: 1152921504606847000 is not an integer \(beyond 2\^53: a bigint\)/);
  expect(() => encodeValue(typed("integer"), 2n ** 63n, "T")).toThrow(/64-bit/);
  expect(() => encodeValue(typed("real"), NaN, "T")).toThrow(/finite/);
  expect(() => encodeValue(typed("uuid"), "x", "T")).toThrow(/T\.c: x is not a uuid/);
});

test("a map that holds one pair at most is replaced by a modify, as an optional column is", () => {
  const single: ColumnSchema = { ...column("external_ids"), max: 1 };
  expect(applyDiff(single, new Map([["a", "1"]]), ["map", [["a", "1"]]])).toEqual(new Map([["a", "1"]]));
  expect(applyDiff(single, new Map([["a", "1"]]), ["map", []])).toEqual(new Map());
});

const ovsSchema = "/usr/share/openvswitch/vswitch.ovsschema";
(existsSync(ovsSchema) ? test : test.skip)("every column of Open vSwitch's schema: its default is valid, written and read back", () => {
  const parsed = parseSchema(JSON.parse(readFileSync(ovsSchema, "utf8")));
  expect(parsed.tables.size).toBeGreaterThan(15);
  for (const { name, columns } of parsed.tables.values()) {
    for (const each of columns.values()) {
      const value = defaultValue(each);
      // Defaults of columns with an enum or a range are the exception: "" is no enum value, 0 may be out of range.
      if (each.min > 0 && (each.key.enum !== undefined || each.key.min !== undefined)) continue;
      expect(decodeValue(each, encodeValue(each, value, name))).toEqual(value);
    }
  }
  const tag = parsed.tables.get("Port")?.columns.get("tag");
  expect([tag?.min, tag?.max, tag?.key.min, tag?.key.max]).toEqual([0, 1, 0, 4095]);
  expect(parsed.tables.get("Bridge")?.columns.get("name")?.mutable).toBe(false);
});
