import fc from "fast-check";
import { digestTables, TableDigest } from "./digest.js";
import type { FlowEntry } from "./flow-entry.js";

const flow = (tableId: number, priority: number, cookie = 1n): FlowEntry => ({ tableId, priority, match: [], cookie, instructions: [], idleTimeout: 0, hardTimeout: 0, flags: 0 });
const flows = fc.array(fc.record({ tableId: fc.integer({ min: 0, max: 3 }), priority: fc.integer({ min: 0, max: 65_535 }), cookie: fc.bigInt({ min: 0n, max: 5n }) }).map((one) => flow(one.tableId, one.priority, one.cookie)), { maxLength: 20 });

test("order does not count, and flow by flow gives the same as all at once", () => {
  fc.assert(
    fc.property(flows, flows, (kept, removed) => {
      const all = [...kept, ...removed];
      expect(digestTables(all.toReversed())).toEqual(digestTables(all));
      const table = new TableDigest();
      for (const one of all) table.add({ ...one, tableId: 0 });
      for (const one of removed) table.remove({ ...one, tableId: 0 });
      const expected = digestTables(kept.map((one) => ({ ...one, tableId: 0 }))).get(0);
      expect({ digest: table.hex, flows: table.flows }).toEqual(expected ?? { digest: "0".repeat(32), flows: 0 });
    }),
  );
});

test("a flow that acts otherwise, has another cookie or stands twice makes another digest; timeouts don't", () => {
  const withTimeout: FlowEntry = { ...flow(0, 1), hardTimeout: 5 };
  const one = digestTables([flow(0, 1)]).get(0)?.digest;
  const other = [flow(0, 2), flow(0, 1, 2n), { ...flow(0, 1), instructions: [{ type: "gotoTable", tableId: 1 }] as const }].map((different) => digestTables([different]).get(0)?.digest);
  expect(new Set([one, ...other, digestTables([flow(0, 1), flow(0, 1)]).get(0)?.digest]).size).toBe(5);
  expect(digestTables([withTimeout]).get(0)?.digest).toBe(one);
});
