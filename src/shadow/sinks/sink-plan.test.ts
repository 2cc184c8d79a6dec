import { sinkSchema, sinksSchema, type Sink } from "../../config/sink-schema.js";
import { sinkKey, sinkOverhead, sinkPorts, sinkSlots, slotKey, placed, tooLongForSink } from "./sink-plan.js";

const sink = (name: string, type: Sink["type"], over: object = {}): Sink => sinkSchema.parse({ name, type, collector: "192.0.2.2", local: "192.0.2.1", mtu: 1500, ...over });
const bridges = Array.from({ length: 600 }, (_, i) => `b${i}`);

test("bridges have numbers of their own at a collector, the same again and whoever else comes, and those beyond what a tunnel tells apart have none", () => {
  const sinks = [sink("x", "erspan"), sink("y", "gre"), sink("z", "vxlan")];
  const slots = sinkSlots(sinks, bridges);
  expect(sinkSlots([...sinks].reverse(), [...bridges].reverse())).toEqual(slots);
  const of = (name: string): number[] => bridges.flatMap((bridge) => slots.get(slotKey(name, bridge)) ?? []);
  expect([of("x"), of("y"), of("z")].map((list) => [list.length, new Set(list).size, Math.min(...list) > 0])).toEqual([[600, 600, true], [600, 600, true], [511, 511, true]]);
  expect([Math.max(...of("x")) <= 1_023, Math.max(...of("y")) <= 0xffff, Math.max(...of("z")) <= 511]).toEqual([true, true, true]);
  // Two sinks of one kind share the numbers: their tunnels may end at one collector.
  const two = sinkSlots([sink("x", "erspan"), sink("y", "erspan")], bridges);
  expect(two.size).toBe(1_023);
  expect(new Set(two.values()).size).toBe(1_023);
});

test("a key holds bridge and port in what the tunnel has room for, up to the largest of both", () => {
  expect(sinkKey("gre", 0xffff, 0x7eff)).toEqual({ key: 0x7fffff00 - 1, index: undefined });
  expect(sinkKey("gre", 0xffff, 0x7eff).key).toBeLessThan(2 ** 32);
  expect(sinkKey("vxlan", 0x1ff, 0x7eff).key).toBeLessThan(2 ** 24);
  expect(sinkKey("erspan", 7, 0x7eff)).toEqual({ key: 7, index: 0x7eff });
  expect(sinkKey("erspan3", 7, 3)).toEqual({ key: 7, index: undefined });
});

test("ports take the place of their name, and tunnels to one collector differ in what they take in", () => {
  const sinks = placed([sink("b", "erspan"), sink("a", "gre")]);
  expect(sinks.map(({ name, place }) => [name, place])).toEqual([["a", 0], ["b", 1]]);
  const slots = sinkSlots(sinks, ["l1", "l2"]);
  const ports = ["l1", "l2"].flatMap((bridge) => sinkPorts(bridge, sinks, slots));
  expect(ports.map(({ type, ofport }) => [type, ofport])).toEqual([["gre", 0x7ff0], ["erspan", 0x7ff1], ["gre", 0x7ff0], ["erspan", 0x7ff1]]);
  expect(new Set(ports.map(({ type, options }) => `${type} ${options.get("in_key")}`)).size).toBe(4);
  expect(ports[1]?.options.get("erspan_idx")).toBe("flow");
});

test("frames that do not fit are told with what they need; what is cut fits; a list names each sink once", () => {
  const mtus = new Map([["l1:a", 1_500], ["l1:b", 9_000]]);
  expect(tooLongForSink(mtus, sink("x", "gre", { mtu: 9_000 + sinkOverhead.gre }))).toBeUndefined();
  expect(tooLongForSink(mtus, sink("x", "gre", { mtu: 9_000 + sinkOverhead.gre - 1 }))).toMatch(/x: mtu is 9045: frames of l1:b \(MTU 9000\) need 9046 in gre/);
  expect(tooLongForSink(mtus, sink("x", "erspan", { maxLen: 128 }))).toBeUndefined();
  expect(tooLongForSink(mtus, sink("x", "erspan", { mtu: 160, maxLen: 128 }))).toMatch(/cut to 128 bytes, need 164/);
  expect(tooLongForSink(new Map(), sink("x", "gre"))).toBeUndefined();
  const list = [{ name: "x", type: "gre", collector: "192.0.2.2", local: "192.0.2.1", mtu: 1500 }];
  expect(sinksSchema.safeParse([...list, ...list]).error?.issues[0]?.message).toBe("there are two sinks x");
  expect(sinksSchema.safeParse([{ ...list[0], origins: [{ routes: {} }] }]).error?.issues[0]?.message).toBe("a sink follows no routes: use a session's");
});
