import type { BridgeRow, PortRow } from "../network/database-view.js";
import type { DatabaseChange } from "./database-state.js";
import { removedRows, WrittenLog, writtenRows } from "./written-rows.js";

const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const where = (n: number) => [["_uuid", "==", ["uuid", uuid(n)]]];

test("rows inserted by their answers, rows changed by column, rows that go because nothing refers to them", () => {
  const operations = [
    { op: "insert", table: "Port", row: { name: "p" } },
    { op: "mutate", table: "Bridge", where: where(1), mutations: [["ports", "insert", ["set", []]]] },
    { op: "update", table: "Bridge", where: where(1), row: { sflow: ["set", []] } },
    { op: "wait", table: "Bridge", where: where(2), columns: ["sflow"] },
    { op: "comment", comment: "x" },
    { op: "select", table: "Open_vSwitch", where: where(3), columns: ["next_cfg"] },
  ];
  const rows = writtenRows(operations, [{ uuid: ["uuid", uuid(7)] }, { count: 1 }, { count: 1 }, {}, {}, {}], [uuid(9)]);
  expect(rows).toEqual(new Map<string, unknown>([[uuid(9), "whole"], [uuid(7), "whole"], [uuid(1), new Set(["ports", "sflow"])]]));
  const port = (n: number) => ({ uuid: uuid(n), interfaceUuid: uuid(n + 100) }) as PortRow;
  const bridges = [{ uuid: uuid(1), ports: [port(10), port(11)], mirrors: [uuid(20)], sflow: uuid(30) } as unknown as BridgeRow];
  const removed = (change: Partial<DatabaseChange>): string[] => removedRows([change as DatabaseChange], bridges);
  expect(removed({ op: "delete-port", bridgeUuid: uuid(1), uuid: uuid(11) })).toEqual([uuid(11), uuid(111)]);
  expect(removed({ op: "delete-bridge", uuid: uuid(1) })).toEqual([uuid(1), uuid(10), uuid(110), uuid(11), uuid(111), uuid(20), uuid(30)]);
  expect(removed({ op: "delete-sflow", bridgeUuid: uuid(1) })).toEqual([uuid(30)]);
  expect(removed({ op: "delete-guard", uuid: uuid(20) })).toEqual([uuid(20)]);
});

test("an update that spans several transactions has what all of ours wrote; old ones are forgotten", () => {
  const log = new WrittenLog();
  log.keep(5, new Map([["a", new Set(["x"])]]));
  log.keep(7, new Map<string, ReadonlySet<string> | "whole">([["a", new Set(["y"])], ["b", "whole"]]));
  expect(log.between(4, 5)).toEqual(new Map([["a", new Set(["x"])]]));
  expect(log.between(5, 6)).toEqual(new Map());
  expect(log.between(4, 8)).toEqual(new Map<string, unknown>([["a", new Set(["x", "y"])], ["b", "whole"]]));
  for (let target = 10; target < 80; target++) log.keep(target, new Map([["c", "whole"]]));
  expect([log.between(4, 8).size, log.between(9, 80).size]).toEqual([0, 1]);
});
