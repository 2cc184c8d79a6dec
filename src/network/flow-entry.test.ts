import { action } from "node-openflow";
import { diffGroups, type GroupEntry } from "./flow-entry.js";

test("groups are compared by type and buckets", () => {
  const group = (groupId: number, port: number): GroupEntry => ({
    groupId,
    groupType: "ff",
    buckets: [{ weight: 0, watchPort: port, watchGroup: 0xffffffff, actions: [action.output(port)] }],
  });
  expect(diffGroups([group(1, 1)], [group(1, 1)])).toEqual([]);
  expect(diffGroups([group(1, 2), group(3, 1)], [group(1, 1), group(2, 1)]).map(({ op, group: { groupId } }) => `${op} ${groupId}`)).toEqual(["modify 1", "add 3", "delete 2"]);
});
