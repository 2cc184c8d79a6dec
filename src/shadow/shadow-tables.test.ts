import { parseFlow } from "node-openflow";
import { flowKey, permanent, type FlowEntry, type GroupEntry } from "../network/flow-entry.js";
import { cookie } from "../network/pipeline.js";
import type { SwitchState } from "../reconcile/switch-writer.js";
import { liveZones, ownZones } from "./connection-zones.js";
import type { OwnBridge } from "./sessions.js";
import { tellShadow } from "./shadow-tables.js";
import type { ChangedFlow, TableChanges, TableFollower } from "./table-follower.js";

const flow = (text: string, of = 0n): FlowEntry => {
  const { tableId, priority, match, instructions } = parseFlow(text);
  return permanent({ tableId, priority, match, cookie: of, instructions });
};

/** What a writer was told, as the state it would bring a switch to. */
function recorded() {
  const flows = new Map<string, FlowEntry>();
  let changes = 0;
  let groups: readonly GroupEntry[] = [];
  const writer = {
    setDesired(state: SwitchState): void {
      flows.clear();
      for (const one of state.flows) flows.set(flowKey(one), one);
      groups = state.groups;
    },
    change(list: Iterable<readonly [string, FlowEntry | undefined, number?]>): void {
      for (const [key, one] of list) {
        changes++;
        if (one === undefined) flows.delete(key);
        else flows.set(key, one);
      }
    },
    setLists: (next: readonly GroupEntry[]) => void (groups = next),
  };
  return { own: { writer, told: undefined, zones: ownZones } as unknown as OwnBridge, flows: () => [...flows.values()], groups: () => groups, changes: () => changes };
}
const zonesIn = (flows: readonly FlowEntry[]): string[] => flows.map((one) => flowKey(one).replace(/.*ctZone=([0-9a-f]+).*/, "match $1") + JSON.stringify(one.instructions, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value)).replace(/.*"zone":(\d+).*/, " ct $1"));

/** A follower of these flows; `next` is what it has to tell. */
function following(flows: FlowEntry[]): { follower: TableFollower; next: Map<string, ChangedFlow> } {
  const next = new Map<string, ChangedFlow>();
  const take = (): TableChanges => {
    const now: TableChanges = { flows: new Map(next), lists: false };
    next.clear();
    return now;
  };
  return { next, follower: { currentFlows: () => flows, currentGroups: () => [], currentMeters: () => [], take } as unknown as TableFollower };
}

const nothing: SwitchState = { flows: [], groups: [] };
const trial: readonly FlowEntry[] = [];

test("a flow that goes from live goes from the shadow, where it matches another zone", () => {
  const { own, flows } = recorded();
  const [gone, stays] = [flow("ip,ct_zone=5,actions=output:1"), flow("ip,actions=ct(zone=5)")];
  const { follower, next } = following([gone, stays]);
  tellShadow(own, follower, nothing, trial, ownZones);
  expect(zonesIn(flows())).toEqual([expect.stringContaining("match 8005"), expect.stringContaining("ct 32773")]);
  next.set(flowKey(gone), { flow: undefined, last: gone, seenMs: 1 });
  tellShadow(own, follower, nothing, trial, ownZones);
  expect(zonesIn(flows())).toEqual([expect.stringContaining("ct 32773")]);
});

test("other zones change the flows that name any, not ours in the same place, and nothing else", () => {
  const { own, flows, changes } = recorded();
  const foreign = [flow("ip,ct_zone=5,actions=output:1"), flow("priority=7,ip,actions=ct(zone=5)"), flow("priority=8,ip,actions=ct(zone=6)"), flow("arp,actions=NORMAL")];
  const ours = { flows: [flow("priority=8,ip,actions=drop", cookie("forward"))], groups: [] };
  const { follower } = following(foreign);
  tellShadow(own, follower, ours, trial, ownZones);
  const before = flows();
  expect(before).toHaveLength(4);
  tellShadow(own, follower, ours, trial, liveZones);
  expect(own.zones).toBe(liveZones);
  expect(changes()).toBe(3); // one place is left, two flows are told
  const byKey = (list: readonly FlowEntry[]): string[] => list.map((one) => `${flowKey(one)} ${one.cookie}`).sort();
  expect(byKey(flows())).toEqual(byKey([foreign[0], foreign[1], foreign[3], ours.flows[0]].filter((one) => one !== undefined)));
  tellShadow(own, follower, ours, trial, ownZones);
  expect(byKey(flows())).toEqual(byKey(before));
  tellShadow(own, follower, ours, trial, ownZones);
  expect(changes()).toBe(6);
});
