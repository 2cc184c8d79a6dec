import { printInstructions, printMatch } from "node-openflow";
import { sinkSchema, sinksSchema, sinkTarget, type Sink } from "../../config/sink-schema.js";
import type { Bridge } from "../../network/model.js";
import { collectorFlows, desiredCollector } from "./collector-bridge.js";
import { placed, sinkFlows, sinkPorts, sinkSlots, tooLongForSink } from "./sink-plan.js";

const device = (name: string, of: string, over: object = {}): Sink => sinkSchema.parse({ name, type: "device", device: of, ...over });
const tunnel: Sink = sinkSchema.parse({ name: "t", type: "gre", collector: "192.0.2.2", local: "192.0.2.1", mtu: 1500 });
const bridge = (name: string): Bridge => ({ name, datapathId: 1n, datapathType: "netdev", failMode: undefined, ports: new Map() });
const network = new Map(["l2", "l1"].map((name) => [name, bridge(name)]));

test("the collector bridge has each device once and a patch of each adapter for each, whose other ends the adapters have", () => {
  const sinks = placed([tunnel, device("ids", "eth5", { vlan: 99 }), device("raw", "eth6", { maxLen: 64 })]);
  const slots = sinkSlots(sinks, [...network.keys()]);
  const row = desiredCollector(sinks, network, slots);
  expect(row?.ports.filter(({ type }) => type === "").map(({ name }) => name)).toEqual(["eth5", "eth6"]);
  const patches = row?.ports.filter(({ type }) => type === "patch") ?? [];
  const far = [...network.keys()].flatMap((name) => sinkPorts(name, sinks, slots)).filter(({ type }) => type === "patch");
  expect(new Set(patches.map(({ name, options }) => `${name} ${options.get("peer")}`))).toEqual(new Set(far.map(({ name, options }) => `${options.get("peer")} ${name}`)));
  expect(patches).toHaveLength(4);
  expect(new Set(row?.ports.map(({ ofport }) => ofport)).size).toBe(6);
  const flows = collectorFlows(sinks, network.keys(), slots);
  expect(flows.map(({ match }) => printMatch(match)).sort()).toEqual(patches.map(({ ofport }) => `in_port=${ofport}`).sort());
  const [tagged, plain] = ["push_vlan:0x8100,set_field:4195->vlan_vid,output:32768", "output(port=32769,max_len=64)"];
  expect(flows.map(({ instructions }) => printInstructions(instructions)).sort()).toEqual([plain, plain, tagged, tagged]);
});

test("without a device, or without a live bridge, there is none", () => {
  expect(desiredCollector(placed([tunnel]), network, new Map())).toBeUndefined();
  expect(desiredCollector(placed([device("ids", "eth5")]), new Map(), new Map())).toBeUndefined();
});

test("an adapter sends copies to the patch, whole, for nothing that is cut goes through one; and no tunnel's limits hold", () => {
  const sinks = placed([device("ids", "eth5", { maxLen: 64 })]);
  const slots = sinkSlots(sinks, ["l1"]);
  const [flow] = sinkFlows("l1", [1], sinks, slots, [new Map([["l1:1", "all" as const]])], (edge) => ({ inPort: edge }));
  expect(printInstructions(flow?.instructions ?? [])).toBe("output:32752");
  expect(tooLongForSink(new Map([["l1:a", 9_000]]), device("ids", "eth5"))).toBeUndefined();
  expect(sinkTarget(device("ids", "eth5", { vlan: 7 }))).toBe("device eth5, VLAN 7");
});

test("numbers are each device's own: as many bridges for the second as for the first", () => {
  const many = Array.from({ length: 2_000 }, (_, i) => `b${i}`);
  expect(sinkSlots(placed([device("ids", "eth5"), device("raw", "eth6")]), many).size).toBe(4_000);
});

test("a device belongs to one sink, and has a name that a device can have", () => {
  const list = [{ name: "x", type: "device", device: "eth5" }];
  expect(sinksSchema.safeParse([...list, { ...list[0], name: "y" }]).error?.issues[0]?.message).toBe("two sinks have the device eth5");
  expect(sinksSchema.safeParse([{ ...list[0], device: "a device with a long name" }]).error?.issues[0]?.message).toBe("expected the name of a network device");
  expect(sinksSchema.safeParse([{ ...list[0], vlan: 4_095 }]).success).toBe(false);
});
