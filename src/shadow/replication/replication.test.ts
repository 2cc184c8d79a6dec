import fc from "fast-check";
import { isKnown, type Match } from "node-openflow";
import { sessionSchema, type Session } from "../../config/session-schema.js";
import type { Network, Port } from "../../network/model.js";
import { commonReplicaPort, replicaPort, table } from "../../network/pipeline.js";
import { readCachedFlows } from "./cached-flows.js";
import { prefixesBelow } from "./fraction.js";
import { ownExit, patchExit, replicationFlows } from "./flows.js";
import { GapCounter } from "./gaps.js";
import { copiesByFlows, planReplication, type PlanInput } from "./plan.js";
import { selectsParts } from "./session-status.js";
import { checkSession, select, type PortVlans } from "./selector.js";
import { tooLong, tunnelPorts } from "./tunnel.js";

const session = (parts: object): Session => sessionSchema.parse({ name: "s", ...parts });
const port = (ofport: number, role: Port["role"] = "edge"): Port => ({ name: `p${ofport}`, ofport, role, type: "", up: true, ifindex: ofport });
function network(edges: number): Network {
  const ports = new Map([...Array.from({ length: edges }, (_, i) => port(i + 1)), port(100, "fabric")].map((one) => [one.ofport, one]));
  const bridges = new Map(["l1", "l2"].map((name, i) => [name, { name, datapathId: BigInt(i), datapathType: "netdev", failMode: undefined, ports }]));
  const host = { mac: "02:00:00:00:00:07", addresses: ["10.0.0.7"], at: { bridge: "l2", ofport: 2 } };
  return { bridges, links: [], hosts: new Map([[host.mac, host]]) };
}
const text = (match: Match): string => match.map((field) => (isKnown(field) ? `${field.name}=${field.value.toString(16)}${field.mask === undefined ? "" : `/${field.mask.toString(16)}`}` : "?")).join(",");
const shown = (one: Session, vlans: ReadonlyMap<string, PortVlans> = new Map(), edges = 2): Record<string, string | string[]> =>
  Object.fromEntries([...select(one, network(edges), vlans).ports].map(([name, selection]) => [name, selection === "all" ? "all" : selection.map(text)]));
const plan = (sessions: readonly Session[], edges: number, parts: Partial<PlanInput> = {}) =>
  planReplication({ network: network(edges), sessions, vlans: new Map(), foreignMirrors: new Map(), tunnelled: false, ...parts });

test("origins narrow to ports, hosts, VLANs and matches", () => {
  expect(shown(session({}))).toEqual({ "l1:1": "all", "l1:2": "all", "l2:1": "all", "l2:2": "all" });
  expect(shown(session({ origins: [{ bridge: "l1", port: "p2" }], direction: "from" }))).toEqual({ "l1:2": "all" });
  expect(shown(session({ origins: [{ bridge: "l2", port: 2 }], direction: "to" }))["l1:1"]).toEqual(["ethDst=20000000007"]);
  expect(shown(session({ origins: [{ bridge: "l1", host: "10.0.0.7" }], direction: "from" }))["l1:1"]).toEqual(["ethType=800,ipv4Src=a000007", "ethType=806,arpSpa=a000007"]);
  expect(shown(session({ origins: [{ bridge: "l1", match: "in_port=2,tcp,tp_dst=80" }] }))).toEqual({ "l1:2": ["ethType=800,ipProto=6,tcpDst=50"] });
  const vlans = new Map<string, PortVlans>([
    ["l1:1", { tag: 5, mode: undefined, trunks: [], members: [1] }],
    ["l1:2", { tag: undefined, mode: "trunk", trunks: [6], members: [2] }],
    ["l2:1", { tag: 5, mode: "native-untagged", trunks: [], members: [1] }],
  ]);
  const untagged = ["vlanVid=0", "vlanVid=1000"];
  expect(shown(session({ origins: [{ vlan: 5 }] }), vlans)).toEqual({ "l1:1": untagged, "l2:1": ["vlanVid=1005", ...untagged], "l2:2": ["vlanVid=1005"] });
});

test("what can never be is refused with its place, what can't be now is a problem", () => {
  expect(() => checkSession(session({ origins: [{}, { match: "tcp,tp_dst=x" }] }))).toThrow(/^origins\[1\]\.match: /);
  expect(() => checkSession(session({ origins: [{ match: "reg3=1" }] }))).toThrow(/no part of a frame/);
  expect(() => checkSession(session({ origins: [{ match: "in_port=1" }] }))).toThrow(/needs the origin's bridge/);
  expect(select(session({ origins: [{ bridge: "l9" }, { bridge: "l1", port: 100 }] }), network(2), new Map()).problems).toEqual([
    "origins[0]: there is no bridge l9",
    expect.stringContaining("port 100 of l1 is no edge port"),
  ]);
  expect(sessionSchema.safeParse({ name: "s", origins: [{ port: 1 }] }).success).toBe(false);
  expect(sessionSchema.safeParse({ name: "s", percent: 0.01 }).success).toBe(false);
});

test("Mirror rows where everything of a plain port is asked for, flows elsewhere, one port for all above what is free", () => {
  const all = session({ name: "all" });
  expect([...(plan([all], 32).bridges.get("l1")?.mirrored ?? [])]).toHaveLength(32);
  expect(plan([all], 33).bridges.get("l1")).toMatchObject({ wiring: "common", mirrored: new Set() });
  expect(plan([all], 32, { foreignMirrors: new Map([["l1", 1]]) }).bridges.get("l1")?.wiring).toBe("common");
  expect(plan([all], 32, { foreignMirrors: new Map([["l1", 1]]) }).bridges.get("l2")?.wiring).toBe("each");
  const mixed = plan([all, session({ name: "part", percent: 5, origins: [{ bridge: "l1", port: 1 }], direction: "from" })], 2).bridges.get("l1");
  // The port of which a part is asked besides is copied whole all the same; its flows only count, and copy nothing.
  expect([...(mixed?.mirrored ?? [])]).toEqual([1, 2]);
  expect(mixed?.sessions.map(({ session: { name } }) => name)).toEqual(["part"]);
  expect(mixed === undefined || [copiesByFlows(mixed), selectsParts(mixed), replicationFlows(mixed, ownExit).some((flow) => JSON.stringify(flow.instructions, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)).includes(`"type":"output"`))]).toEqual([false, false, false]);
  expect(plan([session({ maxLen: 100 })], 2).problems.get("s")?.[0]).toMatch(/maxLen/);
  expect(plan([session({ maxLen: 100 })], 2, { tunnelled: true }).problems.get("s")).toEqual([]);
});

test("flows: none where Mirror rows do it all; one copy a port whatever the number of sessions; members of a bond leave by one", () => {
  const all = session({ name: "all" });
  const bridgeOf = (sessions: readonly Session[], edges: number, parts: Partial<PlanInput> = {}) => {
    const found = plan(sessions, edges, parts).bridges.get("l1");
    if (found === undefined) throw new Error("no plan");
    return found;
  };
  expect(replicationFlows(bridgeOf([all], 4), ownExit)).toEqual([]);
  const many = Array.from({ length: 20 }, (_, i) => session({ name: `s${i}`, percent: i + 1 }));
  const flows = replicationFlows(bridgeOf(many, 2), ownExit);
  const outputs = flows.filter((flow) => JSON.stringify(flow.instructions, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)).includes('"type":"output"'));
  expect(outputs.map((flow) => flow.tableId)).toEqual([table.copy, table.copy]);
  const bond = bridgeOf([session({ percent: 50 })], 1, { vlans: new Map([["l1:1", { tag: undefined, mode: undefined, trunks: [], members: [1, 51] }]]) });
  const copies = replicationFlows(bond, ownExit).filter((flow) => flow.tableId === table.copy && flow.instructions.length > 0);
  expect(copies.map((flow) => flow.instructions)).toEqual(Array(2).fill([expect.objectContaining({ actions: ownExit(1, undefined) })]));
  expect(ownExit(1, undefined)).toMatchObject([{ port: replicaPort(1) }]);
  expect(patchExit(7, undefined)).toMatchObject([{ type: "clone", actions: [{ field: { name: "pktMark", value: 7n } }, { port: commonReplicaPort }] }]);
});

test("the blocks of a fraction hold exactly its hashes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 0, max: 999 }), (tenths, hash) => {
      const holding = prefixesBelow(tenths).filter(([value, mask]) => (hash & mask) === value);
      expect(holding).toHaveLength(hash < tenths ? 1 : 0);
    }),
  );
});

test("tunnels: every bridge its own UDP port, and the MTU that does not suffice is named", () => {
  const names = Array.from({ length: 500 }, (_, i) => `b${i}`);
  const ports = tunnelPorts(names, 20_000);
  expect(new Set(ports.values()).size).toBe(500);
  expect(tunnelPorts([...names].reverse(), 20_000)).toEqual(ports);
  expect(tooLong(new Map([["l1:a", 1500], ["l1:b", 1600]]), 1_600)).toMatch(/l1:b \(MTU 1600\) need 1658/);
  expect(tooLong(new Map([["l1:a", 1500]]), 1_558)).toBeUndefined();
});

test("many flows lost at a time are one gap, with its time and packets", async () => {
  let now = 100;
  let mend = (): void => {};
  let packets = 10;
  const gaps = new GapCounter({ received: () => Promise.resolve(packets), mended: () => new Promise((resolve) => (mend = resolve)), nowMs: () => now });
  const first = gaps.lost("l1");
  await gaps.lost("l1");
  [now, packets] = [142, 17];
  mend();
  await first;
  expect(gaps.of("l1")).toEqual({ count: 1, ms: 42, packets: 7 });
  expect(gaps.of("l2")).toEqual({ count: 0, ms: 0, packets: 0 });
});

test("the cached flows of all datapaths are added up; another text is an error", () => {
  expect(readCachedFlows("netdev@ovs-netdev:\n  flows         : (current 89) (avg 100) (max 273) (limit 200000)\nx:\n  flows : (current 11) (avg 1)")).toBe(100);
  expect(() => readCachedFlows("nothing")).toThrow(/has no flow count/);
});

test("routes select what goes to and comes from the prefixes announced, in the direction asked; what is missing is said", () => {
  const by = (announced: object | undefined, parts: object = {}): Session => {
    const plain = session({ origins: [{ bridge: "l1", port: 1, routes: { within: "10.0.0.0/8" } }], ...parts });
    return announced === undefined ? plain : ({ ...plain, origins: plain.origins.map((origin) => ({ ...origin, announced })) } as Session);
  };
  const two = { prefixes: ["10.1.0.0/16", "2001:db8::/32"], leftOut: 0 };
  expect(shown(by(two, { direction: "to" }))).toEqual({ "l1:1": ["ethType=800,ipv4Dst=a010000/ffff0000", `ethType=86dd,ipv6Dst=20010db8${"0".repeat(24)}/ffffffff${"0".repeat(24)}`] });
  expect(shown(by(two))["l1:1"]).toHaveLength(4);
  expect(shown(by({ prefixes: ["10.1.2.3/32"], leftOut: 0 }, { direction: "from" }))).toEqual({ "l1:1": ["ethType=800,ipv4Src=a010203"] });
  expect(shown(by({ prefixes: [], leftOut: 0 }))).toEqual({});
  const problems = (one: Session): readonly string[] => select(one, network(2), new Map()).problems;
  expect(problems(by(two))).toEqual([]);
  expect(problems(by({ ...two, leftOut: 7 }))).toEqual(["origins[0]: 7 announced prefixes are not followed: at most 2 are"]);
  expect(problems(by(undefined))).toEqual(["origins[0]: routes are not listened to: needs analysis.routing.enabled"]);
  for (const origin of [{ routes: {}, host: "10.0.0.1" }, { routes: {}, match: "tcp" }, { routes: { within: "10.0.0.0" } }, { routes: { source: "rip" } }, { routes: { peer: "10.0.0.1" } }]) {
    expect(sessionSchema.safeParse({ name: "s", origins: [origin] }).success).toBe(false);
  }
});
