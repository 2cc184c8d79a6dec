import fc from "fast-check";
import { action, instruction, instructionsKey, match, parseFlow, printFlow, type Action, type FieldName, type Instruction } from "node-openflow";
import { flowKey, permanent, type FlowEntry } from "../network/flow-entry.js";
import { tableDifferences } from "./compare.js";
import { liveZones, otherZone, ownZones } from "./connection-zones.js";

const flow = (text: string): FlowEntry => {
  const { tableId, priority, match: on, cookie, instructions } = parseFlow(text);
  return permanent({ tableId, priority, match: on, cookie, instructions });
};
const printed = ({ tableId, priority, match: on, instructions }: FlowEntry): string => printFlow({ ...parseFlow("actions=drop"), tableId, priority, match: on, instructions }).trim();
/** A flow's shadow, as ovs-ofctl writes it, from what it says. */
const shadowOf = (text: string): string => printed(ownZones.toShadow.flow(flow(text)));
const same = (text: string): string => printed(flow(text));

test.each([
  ["ip,actions=ct(table=1,zone=5)", "ip,actions=ct(table=1,zone=32773)"],
  ["ip,actions=ct(commit)", "ip,actions=ct(commit,zone=32768)"],
  ["ip,actions=ct(commit,force,zone=65520,nat(src=10.0.0.1),exec(set_field:1->ct_mark)),output:2", "ip,actions=ct(commit,force,zone=32752,nat(src=10.0.0.1),exec(set_field:1->ct_mark)),output:2"],
  ["tcp,actions=clone(ct(commit,zone=7,alg=ftp),clone(ct(table=3))),ct_clear", "tcp,actions=clone(ct(commit,zone=32775,alg=ftp),clone(ct(table=3,zone=32768))),ct_clear"],
  ["ip,actions=write_actions(ct(commit,zone=3))", "ip,actions=write_actions(ct(commit,zone=32771))"],
  ["ip,ct_state=+est+trk,ct_zone=5,actions=output:1", "ip,ct_state=+est+trk,ct_zone=32773,actions=output:1"],
  ["ip,ct_zone=5,actions=output:1", "ip,ct_zone=32773,actions=output:1"],
  ["ip,ct_state=+new,ct_zone=0,actions=output:1", "ip,ct_state=+new,ct_zone=32768,actions=output:1"],
  ["ip,actions=learn(table=4,NXM_NX_CT_ZONE[]=5,output:NXM_OF_IN_PORT[])", "ip,actions=learn(table=4,NXM_NX_CT_ZONE[]=0x8005,output:NXM_OF_IN_PORT[])"],
  [
    "ip,actions=ct(table=1,zone=NXM_NX_REG7[16..31]),output:2",
    "ip,actions=move:NXM_NX_REG7[16..31]->NXM_NX_TUN_GBP_ID[0..15],load:1->NXM_NX_TUN_GBP_ID[15],ct(table=1,zone=NXM_NX_TUN_GBP_ID[]),output:2",
  ],
])("%s becomes %s", (live, shadow) => {
  expect(shadowOf(live)).toBe(same(shadow));
  expect(printed(ownZones.toLive.flow(flow(shadow)))).toBe(same(live));
});

test("what names no zone is the same value afterwards, and so is what has none of its own to give", () => {
  for (const text of [
    "ip,reg0=5,actions=resubmit(,1),output:2",
    "ip,ct_state=+trk,actions=drop",
    // Untracked packets have ct_zone 0, in the shadow as well.
    "ip,ct_state=-trk,ct_zone=0,actions=output:1",
    "ip,ct_zone=0,actions=output:1",
    "ip,actions=write_actions(ct(commit,zone=NXM_NX_REG3[0..15]))",
    "ip,actions=ct(commit,zone=NXM_NX_TUN_GBP_ID[])",
    "ip,actions=learn(table=4,NXM_NX_CT_ZONE[],output:NXM_OF_IN_PORT[])",
  ]) {
    const one = flow(text);
    expect(ownZones.toShadow.flow(one)).toBe(one);
  }
  const zoned = flow("ip,actions=ct(zone=3)");
  expect(liveZones.toShadow.flow(zoned)).toBe(zoned);
  expect(ownZones.toShadow.flow(zoned).instructions).toBe(ownZones.toShadow.flow({ ...zoned }).instructions);
});

test("a switch may tell what makes a zone in other words", () => {
  const field = { name: "tunGbpId", value: 0x8000n, mask: 0x8000n } as const;
  const told: Action[] = [
    { type: "copyField", bits: 16, sourceOffset: 16, targetOffset: 0, source: "reg7", target: "tunGbpId" },
    { type: "setField", field },
    action.ct({ zone: { source: "tunGbpId", range: { offset: 0, bits: 16 } } }),
  ];
  const live = ownZones.toLive.flow({ match: [], instructions: [instruction.apply(...told)] });
  expect(live.instructions).toEqual([instruction.apply(action.ct({ zone: { source: "reg7", range: { offset: 16, bits: 16 } } }))]);
});

test("buckets have their zones, too", () => {
  const group = (zone: number) => ({ groupId: 1, groupType: "select" as const, buckets: [0, 1].map((i) => ({ weight: i, watchPort: 1, watchGroup: 1, actions: [action.ct({ flags: 1, zone: zone + i, recircTable: 3 })] })) });
  expect(ownZones.toShadow.group(group(5))).toEqual(group(0x8005));
  const plain = { buckets: [{ weight: 1, watchPort: 1, watchGroup: 1, actions: [action.output(1)] }] };
  expect(ownZones.toShadow.group(plain)).toBe(plain);
});

const zone = fc.integer({ min: 0, max: 0xffff });
const fieldZone = fc.record({ source: fc.constantFrom<FieldName>("reg0", "reg13", "ctZone", "pktMark"), range: fc.constantFrom({ offset: 0, bits: 16 }) });
const { actions } = fc.letrec<{ actions: Action[]; one: Action }>((tie) => ({
  one: fc.oneof(
    { maxDepth: 3 },
    fc.integer({ min: 1, max: 9 }).map((port) => action.output(port)),
    fc.constant(action.move("reg1", 0, "reg2", 0, 16)),
    fc.record({ zone: fc.oneof(zone, fieldZone), flags: fc.constantFrom(0, 1, 3), recircTable: fc.constantFrom(0xff, 4), inner: tie("actions") }).map(({ inner, ...parts }) => action.ct({ ...parts, actions: inner })),
    tie("actions").map((inner) => action.clone(...inner)),
    fc.tuple(zone, fc.integer({ min: 0, max: 15 })).chain(([value, offset]) =>
      fc.integer({ min: 1, max: 16 - offset }).map((bits): Action => ({
        type: "learn", idleTimeout: 0, hardTimeout: 0, priority: 1, cookie: 0n, flags: 0, tableId: 5, finIdleTimeout: 0, finHardTimeout: 0,
        specs: [{ bits, source: { immediate: Uint8Array.of(value >> 8, value & 0xff) }, target: { match: { field: "ctZone", offset } } }],
      })),
    ),
  ),
  actions: fc.array(tie("one"), { maxLength: 4 }),
}));
const flowWith = fc
  .record({ apply: actions, write: actions, ctZone: fc.option(zone, { nil: undefined }), ctState: fc.constantFrom(undefined, [0x21, 0x21] as const, [0, 0x20] as const, [0, 1] as const) })
  .map(({ apply, write, ...on }): FlowEntry => {
    const instructions: Instruction[] = [instruction.apply(...apply), instruction.write(...write), instruction.gotoTable(7)];
    return permanent({ tableId: 1, priority: 5, match: match({ ethType: 0x0800, ...on }), cookie: 7n, instructions });
  });

test("live's tables come back from the shadow's, and no two flows become one", () => {
  fc.assert(
    fc.property(flowWith, flowWith, (one, other) => {
      const { toShadow, toLive } = ownZones;
      const back = toLive.flow(toShadow.flow(one));
      expect([flowKey(back), instructionsKey(back.instructions)]).toEqual([flowKey(one), instructionsKey(one.instructions)]);
      expect(flowKey(toShadow.flow(one)) === flowKey(toShadow.flow(other))).toBe(flowKey(one) === flowKey(other));
    }),
    { numRuns: 500 },
  );
  fc.assert(fc.property(zone, (one) => otherZone(otherZone(one)) === one && otherZone(one) !== one));
});

test("a shadow that is as live is but for the zones has no difference, and one in live's zones has", () => {
  const live = { flows: [flow("table=1,priority=9,ip,ct_zone=5,actions=ct(commit,zone=5),output:2"), flow("actions=resubmit(,1)")], groups: [] };
  const shadow = { ...live, flows: live.flows.map((one) => ownZones.toShadow.flow(one)) };
  expect(tableDifferences(live, shadow)).toEqual([]);
  expect(tableDifferences(live, shadow, 20, liveZones)).toHaveLength(2);
  expect(tableDifferences(live, live)).toEqual([expect.stringContaining("is missing in the shadow"), expect.stringContaining("is in the shadow only")]);
  expect(tableDifferences(live, { ...shadow, flows: shadow.flows.map((one) => ({ ...one, instructions: [] })) })).toContainEqual(expect.stringMatching(/ctZone=5.* acts otherwise/));
});
