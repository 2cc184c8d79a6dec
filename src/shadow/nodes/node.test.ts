import type { OpenFlowConnection } from "node-openflow";
import { cookie, nodePorts } from "../../network/pipeline.js";
import type { DesiredBridge } from "../../reconcile/database-state.js";
import { adapterBridge, shadowBridge } from "../names.js";
import { Corrected, NodeCounters } from "./counters.js";
import { nodeFlows, nodeNumbers, NodeRows, type ShadowNode } from "./node.js";

const node = (ofport: number): ShadowNode => ({ name: `shn${ofport}`, at: { bridge: "l1", ofport }, mac: "00:00:00:00:00:01", address: "10.0.0.1", ofport: nodePorts.first + ofport });

test("each edge port's node has a port number of its own on the adapter, the same whatever the order; two of one place take two", () => {
  expect(nodeNumbers([2, 1])).toEqual(nodeNumbers([1, 2]));
  expect(nodeNumbers([1, 241, 481, 2])).toEqual(new Map([[1, 0x7f01], [2, 0x7f02], [241, 0x7f03], [481, 0x7f04]]));
  const many = nodeNumbers(Array.from({ length: 400 }, (_, i) => i * 7 + 1));
  expect(many.size).toBe(nodePorts.count);
  expect(new Set(many.values()).size).toBe(nodePorts.count);
  expect([...many.values()].every((number) => number >= nodePorts.first && number < nodePorts.first + nodePorts.count)).toBe(true);
});

test("a held node sends nothing, and the flows that count stay as they are", () => {
  const free = nodeFlows([node(1)], false);
  const held = nodeFlows([node(1)], true);
  expect(free).toHaveLength(2);
  expect(held.slice(0, 2)).toEqual(free);
  expect(held[2]).toMatchObject({ instructions: [] });
  expect(held[2]?.priority).toBeGreaterThan(Math.max(...free.map(({ priority }) => priority)));
});

test("only the adapter of the node's bridge gets its port, and an adapter whose nodes did not change stays the same value", () => {
  const bridge = (name: string, role: "shadow" | "adapter"): DesiredBridge => ({ name, datapathType: "netdev", role, live: "l1", ports: [] });
  const bridges = [bridge(shadowBridge("l1"), "shadow"), bridge(adapterBridge("l1"), "adapter")];
  const rows = new NodeRows();
  expect(rows.added(bridges, new Map())).toBe(bridges);
  const nodes = new Map([["l1", [node(1)]]]);
  const [shadow, adapter] = rows.added(bridges, nodes);
  expect(shadow).toBe(bridges[0]);
  expect(adapter?.ports).toEqual([{ name: "shn1", type: "", options: new Map(), ofport: 0x7f01, role: "node", live: "l1:1" }]);
  expect(rows.added(bridges, nodes)[1]).toBe(adapter);
  expect(rows.added(bridges, new Map([["l1", [node(1), node(2)]]]))[1]?.ports).toHaveLength(2);
});

test("what nodes sent goes on being counted when their flows are put anew, and when they are gone", async () => {
  const counters = new NodeCounters();
  let flows: { readonly cookie: bigint; readonly packetCount: bigint; readonly byteCount: bigint }[] = [];
  const connection = { flowStats: () => Promise.resolve(flows) } as unknown as OpenFlowConnection;
  expect(counters.has("l1")).toBe(false);
  counters.note([node(1)]);
  const flow = (serial: number, packetCount: bigint) => ({ cookie: cookie("node", BigInt(serial)), packetCount, byteCount: packetCount * 100n });
  flows = [flow(1, 5n), flow(0x8001, 3n), flow(0, 99n)];
  expect((await counters.read("l1", connection)).get("l1:1")).toEqual({ inPackets: 5n, inBytes: 500n, outPackets: 3n, outBytes: 300n });
  flows = [flow(1, 2n), flow(0x8001, 4n)];
  expect((await counters.read("l1", connection)).get("l1:1")).toMatchObject({ inPackets: 7n, outPackets: 4n });
  flows = [];
  counters.note([]);
  expect((await counters.read("l1", connection)).get("l1:1")).toMatchObject({ inPackets: 7n, outPackets: 4n });
  expect(counters.of("l1", 2)).toMatchObject({ inPackets: 0n });
});

test("a corrected counter never goes back because the nodes' part was read a moment later, and does when the counter itself began anew", () => {
  const corrected = new Corrected();
  expect(corrected.of("p", 100n, 10n)).toBe(90n);
  expect(corrected.of("p", 100n, 12n)).toBe(90n);
  expect(corrected.of("p", 120n, 15n)).toBe(105n);
  // The switch was restarted: the port counts from 0, and of what nodes sent only what came since.
  expect(corrected.of("p", 3n, 15n)).toBe(3n);
  expect(corrected.of("p", 10n, 17n)).toBe(8n);
  // A port that was made anew before we came counts less than its nodes sent.
  expect([corrected.of("q", 5n, 50n), corrected.of("q", 9n, 52n)]).toEqual([5n, 7n]);
});
