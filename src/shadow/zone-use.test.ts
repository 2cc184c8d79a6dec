import { action, parseFlow } from "node-openflow";
import { permanent, type FlowEntry } from "../network/flow-entry.js";
import { claimedZones, collidingZones, zoneUse } from "./zone-use.js";

const flows = (...texts: readonly string[]): FlowEntry[] =>
  texts.map((text) => {
    const { tableId, priority, match, cookie, instructions } = parseFlow(text);
    return permanent({ tableId, priority, match, cookie, instructions });
  });

test("zones by number are collected from everywhere they are named", () => {
  const use = zoneUse(
    flows("ip,actions=ct(commit,zone=5),clone(ct(zone=6))", "ip,actions=write_actions(ct(commit))", "ip,ct_zone=9,actions=drop", "cookie=0x5348020000000000,ip,actions=ct(zone=77)"),
    [{ groupId: 3, groupType: "all", buckets: [{ weight: 0, watchPort: 0, watchGroup: 0, actions: [action.ct({ zone: 8 })] }] }, { groupId: 0x53480001, groupType: "all", buckets: [{ weight: 0, watchPort: 0, watchGroup: 0, actions: [action.ct({ zone: 78 })] }] }],
  );
  expect([...use.zones].sort((a, b) => a - b)).toEqual([0, 5, 6, 8, 9]);
  expect(use).toMatchObject({ fromField: 0, rangeTranslations: 0, problems: [], problemCount: 0 });
});

test("what a shadow can't say is told with its place", () => {
  const use = zoneUse(
    flows(
      "table=1,priority=7,ip,actions=ct(zone=NXM_NX_REG1[0..15])",
      "table=2,ip,actions=write_actions(ct(commit,zone=NXM_NX_REG1[0..15]))",
      "table=3,ip,actions=ct(zone=NXM_NX_TUN_GBP_ID[])",
      "table=4,ip,actions=move:NXM_NX_CT_ZONE[]->NXM_NX_REG2[0..15]",
      "table=5,ip,ct_zone=0,actions=drop",
      "table=6,tun_gbp_id=3,actions=drop",
      "table=7,ip,actions=learn(table=8,NXM_OF_ETH_SRC[],load:NXM_NX_CT_ZONE[]->NXM_NX_REG2[0..15])",
      "table=9,ip,actions=ct(commit,nat(src=10.0.0.1-10.0.0.9)),ct(commit,nat(src=10.0.0.1:80-90)),ct(nat)",
      "table=9,priority=2,ip,actions=ct(commit,nat(src=10.0.0.1)),ct(commit,nat(dst=10.0.0.1:80))",
    ),
    [],
  );
  expect(use.problems.map(({ where, isShared }) => [Number(/table (\d+)/.exec(where)?.[1]), isShared])).toEqual([[2, true], [3, true], [4, false], [5, false], [7, false], [6, false]]);
  expect(use).toMatchObject({ fromField: 3, rangeTranslations: 1, problemCount: 6 });
});

test("of very many problems the first are kept and all are counted", () => {
  const use = zoneUse(flows(...Array.from({ length: 150 }, (_, i) => `priority=${i + 1},ip,ct_zone=0,actions=drop`)), []);
  expect([use.problems.length, use.problemCount]).toEqual([100, 150]);
});

test("zones in the shadows' range, and those whose shadow live uses itself", () => {
  const used = new Set([0, 5, 0x8005, 65520]);
  expect(claimedZones(used)).toEqual([0x8005, 65520]);
  expect(collidingZones(used)).toEqual([5, 0x8005]);
});
