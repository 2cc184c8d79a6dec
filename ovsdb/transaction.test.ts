import { OvsdbError } from "./errors.js";
import type { NamedUuid } from "./schema/datum.js";
import { parseSchema } from "./schema/schema.js";
import { Transaction, type Operation } from "./transaction.js";

const uuid = "3c0b5d7e-0000-4000-8000-000000000001";
// Columns as in the Open_vSwitch schema.
const schema = parseSchema({
  name: "Open_vSwitch",
  version: "8.3.1",
  tables: {
    Bridge: {
      columns: {
        name: { type: "string", mutable: false },
        ports: { type: { key: { type: "uuid", refTable: "Port" }, min: 0, max: "unlimited" } },
        other_config: { type: { key: "string", value: "string", min: 0, max: "unlimited" } },
        fail_mode: { type: { key: { type: "string", enum: ["set", ["standalone", "secure"]] }, min: 0, max: 1 } },
      },
    },
    Port: { columns: { name: { type: "string", mutable: false }, tag: { type: { key: { type: "integer", minInteger: 0, maxInteger: 4095 }, min: 0, max: 1 } } } },
  },
});

const build = (): Transaction => new Transaction(schema, () => Promise.resolve([]));

test("operations come out as RFC 7047 writes them", () => {
  const txn = build();
  const port: NamedUuid = txn.insert("Port", { name: "p1", tag: 7 }, "p");
  txn.mutate("Bridge", [["name", "==", "br0"]], [["ports", "insert", [port]]]);
  txn.mutate("Bridge", uuid, [["other_config", "delete", ["a", "b"]], ["other_config", "delete", new Map([["c", "1"]])]]);
  txn.mutate("Port", port, [["tag", "+=", 1]]);
  txn.update("Bridge", uuid, { fail_mode: [], other_config: [], ports: undefined });
  txn.wait("Bridge", uuid, ["fail_mode"], { fail_mode: "secure" }, "==", 0);
  txn.select("Bridge", [["ports", "includes", [uuid]]], ["name"]);
  txn.delete("Port", []);
  txn.comment("why");
  expect(txn.operations).toEqual([
    { op: "insert", table: "Port", row: { name: "p1", tag: ["set", [7]] }, "uuid-name": "p" },
    { op: "mutate", table: "Bridge", where: [["name", "==", "br0"]], mutations: [["ports", "insert", ["set", [["named-uuid", "p"]]]]] },
    { op: "mutate", table: "Bridge", where: [["_uuid", "==", ["uuid", uuid]]], mutations: [["other_config", "delete", ["set", ["a", "b"]]], ["other_config", "delete", ["map", [["c", "1"]]]]] },
    { op: "mutate", table: "Port", where: [["_uuid", "==", ["named-uuid", "p"]]], mutations: [["tag", "+=", 1]] },
    { op: "update", table: "Bridge", where: [["_uuid", "==", ["uuid", uuid]]], row: { fail_mode: ["set", []], other_config: ["map", []] } },
    { op: "wait", timeout: 0, table: "Bridge", where: [["_uuid", "==", ["uuid", uuid]]], columns: ["fail_mode"], until: "==", rows: [{ fail_mode: ["set", ["secure"]] }] },
    { op: "select", table: "Bridge", where: [["ports", "includes", ["set", [["uuid", uuid]]]]], columns: ["name"] },
    { op: "delete", table: "Port", where: [] },
    { op: "comment", comment: "why" },
  ]);
});

test.each<[string, (txn: Transaction) => void, RegExp]>([
  ["an unknown table", (txn) => txn.insert("Brigde", {}), /database Open_vSwitch has no table Brigde/],
  ["an unknown column", (txn) => txn.insert("Bridge", { nmae: "x" }), /table Bridge has no column nmae/],
  ["a column fixed at insert", (txn) => txn.update("Bridge", uuid, { name: "x" }), /Bridge\.name can be set at insert only/],
  ["a value out of range", (txn) => txn.insert("Port", { name: "x", tag: 4096 }), /Port\.tag: 4096 is not in 0 to 4095/],
  ["a name twice", (txn) => [txn.insert("Port", { name: "x" }, "p"), txn.insert("Port", { name: "y" }, "p")], /two inserted rows are named p/],
  ["a name that is none", (txn) => txn.insert("Port", { name: "x" }, "1p"), /can't name a row/],
  ["a map for a set", (txn) => txn.update("Bridge", uuid, { ports: new Map() }), /Bridge\.ports: is not a map/],
  ["a set for a map", (txn) => txn.update("Bridge", uuid, { other_config: ["a"] }), /Bridge\.other_config: expected a map/],
  ["a guard of what was not read", (txn) => txn.guard("Port", { _uuid: uuid, name: "x" }, ["name", "tag"]), /without column tag/],
])("%s is found before sending", (_what, edit, message) => {
  const txn = build();
  expect(() => edit(txn)).toThrow(expect.objectContaining({ kind: "schema", message: expect.stringMatching(message) as string }) as Error);
});

test("given names and made names never meet", () => {
  const txn = build();
  txn.insert("Port", { name: "a" }, "new0");
  txn.insert("Port", { name: "b" });
  expect(txn.operations.map((operation: Operation) => operation["uuid-name"])).toEqual(["new0", "new1"]);
});

test("guards are waits without a time, and their failure is told from any other", async () => {
  const fail = new OvsdbError("timed-out", "where clause test failed", { error: "timed out", opIndex: 1 });
  const txn = new Transaction(schema, () => Promise.reject(fail));
  txn.comment("first");
  txn.guard("Port", { _uuid: uuid, name: "p", tag: undefined }, ["tag"]);
  txn.guardAbsent("Bridge", [["name", "==", "br0"]]);
  txn.guardPresent("Bridge", uuid);
  expect(txn.isEmpty).toBe(true);
  txn.assert("lock");
  const where = [["_uuid", "==", ["uuid", uuid]]];
  expect(txn.operations.slice(1)).toEqual([
    { op: "wait", timeout: 0, table: "Port", where, columns: ["tag"], until: "==", rows: [{ tag: ["set", []] }] },
    { op: "wait", timeout: 0, table: "Bridge", where: [["name", "==", "br0"]], columns: ["_uuid"], until: "==", rows: [] },
    { op: "wait", timeout: 0, table: "Bridge", where, columns: ["_uuid"], until: "!=", rows: [] },
    { op: "assert", lock: "lock" },
  ]);
  const error = await txn.commit().catch((reason: unknown) => reason);
  expect([txn.isConflict(error), txn.isConflict(new OvsdbError("timed-out", "", { opIndex: 0 })), txn.isConflict(new Error("x"))]).toEqual([true, false, false]);
});
