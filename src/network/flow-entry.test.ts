import fc from "fast-check";
import { action, instruction, match } from "node-openflow";
import { diffFlows, diffGroups, flowKey, flowMods, permanent, type FlowEntry, type GroupEntry } from "./flow-entry.js";

const flows = fc.uniqueArray(
  fc.record({ tableId: fc.integer({ min: 0, max: 2 }), priority: fc.integer({ min: 0, max: 2 }), inPort: fc.integer({ min: 1, max: 3 }), out: fc.integer({ min: 1, max: 3 }), ours: fc.boolean() }).map(
    ({ tableId, priority, inPort, out, ours }): FlowEntry =>
      permanent({ tableId, priority, match: match({ inPort }), cookie: ours ? 1n : 0n, instructions: [instruction.apply(action.output(out))] }),
  ),
  { selector: flowKey },
);
const owned = (flow: FlowEntry): boolean => flow.cookie === 1n;

test("applying the difference gives the desired state and leaves foreign flows alone", () => {
  fc.assert(
    fc.property(flows, flows, (wanted, actual) => {
      const desired = wanted.map((flow) => ({ ...flow, cookie: 1n }));
      const table = new Map(actual.map((flow) => [flowKey(flow), flow]));
      const foreign = actual.filter((flow) => !owned(flow));
      for (const { op, flow } of diffFlows(desired, actual, owned)) {
        if (op === "delete") table.delete(flowKey(flow));
        else if (op !== "blocked") table.set(flowKey(flow), flow);
      }
      for (const flow of foreign) expect(table.get(flowKey(flow))).toEqual(flow);
      const blocked = new Set(foreign.map(flowKey));
      const expected = desired.filter((flow) => !blocked.has(flowKey(flow)));
      expect([...table.values()].filter(owned).map(flowKey).sort()).toEqual(expected.map(flowKey).sort());
      expect(diffFlows(expected, table.values(), owned)).toEqual([]);
    }),
  );
});

test("a lease's remaining time is no difference, another action is", () => {
  const flow = permanent({ tableId: 0, priority: 1, match: match({ inPort: 1 }), cookie: 1n, instructions: [] });
  expect(diffFlows([{ ...flow, hardTimeout: 9 }], [{ ...flow, hardTimeout: 30 }], owned)).toEqual([]);
  const [change] = diffFlows([{ ...flow, instructions: [instruction.apply(action.output(2))] }], [flow], owned);
  expect(change?.op).toBe("modify");
  expect(flowMods(change === undefined ? [] : [change])[0]).toMatchObject({ command: "add", cookie: 1n });
});

test("groups are compared by type and buckets", () => {
  const group = (groupId: number, port: number): GroupEntry => ({
    groupId,
    groupType: "ff",
    buckets: [{ weight: 0, watchPort: port, watchGroup: 0xffffffff, actions: [action.output(port)] }],
  });
  expect(diffGroups([group(1, 1)], [group(1, 1)])).toEqual([]);
  expect(diffGroups([group(1, 2), group(3, 1)], [group(1, 1), group(2, 1)]).map(({ op, group: { groupId } }) => `${op} ${groupId}`)).toEqual(["modify 1", "add 3", "delete 2"]);
});

test("of two desired flows in one place the later counts, and the state settles", () => {
  const base = permanent({ tableId: 0, priority: 1, match: match({ inPort: 1 }), cookie: 1n, instructions: [] });
  const overlay = { ...base, instructions: [instruction.apply(action.output(2))] };
  expect(diffFlows([base, overlay], [], owned)).toEqual([{ op: "add", flow: overlay }]);
  expect(diffFlows([base, overlay], [overlay], owned)).toEqual([]);
});
