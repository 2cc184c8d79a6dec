import { parseFlow } from "node-openflow";
import { permanent, type FlowEntry } from "../network/flow-entry.js";
import { ConnectionTracking, type TrackingBridge } from "./connection-tracking.js";
import { zoneUse } from "./zone-use.js";

const flows = (texts: readonly string[]): FlowEntry[] =>
  texts.map((text, i) => {
    const { tableId, match, cookie, instructions } = parseFlow(text);
    return permanent({ tableId, priority: i, match, cookie, instructions });
  });
const bridge = (name: string, texts: readonly string[], datapathType = "netdev"): TrackingBridge & { set: (next: readonly string[]) => void } => {
  let [version, now] = [1, flows(texts)];
  const set = (next: readonly string[]): void => {
    now = flows(next);
    version++;
  };
  return { name, datapathType, set, follower: { get version() { return version; }, currentFlows: () => now, currentGroups: () => [] } };
};
function tracking(bridges: readonly TrackingBridge[], { isShared = true, others = [] as readonly string[], refuse = (_zone: string): boolean => false } = {}) {
  const asked: string[] = [];
  const failed: unknown[] = [];
  const made = new ConnectionTracking({
    bridges: () => bridges,
    isShared,
    others: () => Promise.resolve(others.length === 0 ? [] : [zoneUse(flows(others), [])]),
    control: (method, ...args) => {
      asked.push([method, ...args].join(" "));
      return refuse(args.at(-1) ?? "") ? Promise.reject(new Error("no")) : Promise.resolve("");
    },
    failed: (error) => failed.push(error),
  });
  return { made, asked, failed };
}

test("zones of one table collide over all its bridges, those of another datapath do not", () => {
  const { made } = tracking([bridge("a", ["ip,actions=ct(zone=5)"]), bridge("b", ["ip,actions=ct(zone=0x8005)"]), bridge("c", ["ip,actions=ct(zone=0x8006)"]), bridge("d", ["ip,actions=ct(zone=6)"], "system")]);
  expect(made.list().map((one) => [one.bridge, one.colliding])).toEqual([["a", [5]], ["b", [0x8005]], ["c", []], ["d", []]]);
  expect(made.claims()).toEqual([
    { bridge: "b", kind: "zone of shadows used", detail: expect.stringMatching(/^zone 32773 .* zone 5, which live uses, too/) as string },
    { bridge: "c", kind: "zone of shadows used", detail: expect.stringMatching(/^zone 32774 .* zone 6$/) as string },
  ]);
  const many = bridge("a", Array.from({ length: 20 }, () => "ip,actions=write_actions(ct(commit,zone=NXM_NX_REG1[0..15]))"));
  expect(tracking([many]).made.claims().map(({ kind, detail }) => [kind, detail.slice(0, 19)])).toEqual(Array.from({ length: 8 }, (_, i) => ["tracked in live's zone", `table 0, priority ${i}`]));
  expect(tracking([bridge("a", ["ip,actions=ct(zone=5),ct(zone=0x8005)"])], { isShared: false }).made.claims()).toEqual([]);
});

test("which entries are the shadow's", () => {
  const one = bridge("a", ["ip,actions=ct(zone=5)", "ip,actions=ct(zone=0x8009)"]);
  const { made } = tracking([one]);
  expect([5, 0x8005, 0x8009, 9, 7, 0x8007].map((zone) => made.isShadows(zone))).toEqual([false, true, false, true, false, false]);
  one.set(["ip,actions=ct(zone=NXM_NX_REG1[0..15])"]);
  expect([5, 0x8005].map((zone) => made.isShadows(zone))).toEqual([false, true]);
  expect(tracking([one], { isShared: false }).made.isShadows(0x8005)).toBe(false);
});

test("what is taken away is the shadow's alone, of flows that are gone as well", async () => {
  const one = bridge("a", ["ip,actions=ct(zone=5),ct(zone=7)", "ip,actions=ct(zone=0x8007)"]);
  const { made, asked, failed } = tracking([one]);
  made.note();
  one.set(["ip,actions=ct(zone=0x8007),ct(zone=9)"]);
  made.note();
  expect(await made.forget()).toBe(2);
  const at = (zone: number): string => `dpctl/flush-conntrack zone=${zone}`;
  // 7 and 0x8007 were both live's, so neither is the shadow's alone.
  expect(asked.sort()).toEqual([at(0x8005), at(0x8009)].sort());
  expect(failed).toEqual([]);
  const two = tracking([bridge("a", ["ip,actions=ct(zone=5)"]), bridge("b", ["ip,actions=ct(zone=5)"], "system")]);
  await two.made.forget();
  expect(two.asked).toEqual(["netdev", "system"].map((type) => `dpctl/flush-conntrack ${type}@ovs-${type} zone=${0x8005}`));
});

test("zones of a bridge that is not followed stay as they are; where it takes them from a field nothing is taken away, and that is told", async () => {
  const two = (): TrackingBridge[] => [bridge("a", ["ip,actions=ct(zone=5),ct(zone=6)"])];
  const named = tracking(two(), { others: ["ip,actions=ct(zone=0x8005)"] });
  expect([await named.made.forget(), named.asked, named.failed]).toEqual([1, [`dpctl/flush-conntrack zone=${0x8006}`], []]);
  const taken = tracking(two(), { others: ["ip,actions=ct(zone=NXM_NX_REG1[0..15])"] });
  expect([await taken.made.forget(), taken.asked, taken.failed.length]).toEqual([0, [], 1]);
});

test("a refusal is told and ends nothing else", async () => {
  const { made, failed } = tracking([bridge("a", ["ip,actions=ct(zone=5)"])], { refuse: (zone) => zone === "zone=32773" });
  made.note();
  expect([await made.forget(), failed.length]).toEqual([0, 1]);
  expect(await tracking([bridge("a", ["ip,actions=ct(zone=5)"])], { isShared: false }).made.forget()).toBe(0);
});
