import { parsePlaced } from "../../config/load.js";
import { sessionSchema, type Session } from "../../config/session-schema.js";
import type { Bridge, Network } from "../../network/model.js";
import type { BridgeLevel } from "../levels/levels.js";
import { explainPlan, type ExplainInput, type Reason } from "./explained.js";
import { planReplication } from "./plan.js";

const bridge = (name: string, ports: number): Bridge => ({
  name,
  datapathId: 1n,
  datapathType: "netdev",
  failMode: undefined,
  ports: new Map(Array.from({ length: ports }, (_, i) => [i + 1, { name: `${name}-${i + 1}`, ofport: i + 1, role: "edge" as const, type: "", up: true, ifindex: 0 }])),
});
const host = (mac: string, address: string, on: string, ofport: number) => [mac, { mac, addresses: [address], at: { bridge: on, ofport } }] as const;
const network: Network = { bridges: new Map(["a", "b"].map((name) => [name, bridge(name, 2)])), links: [], hosts: new Map([host("02:00:00:00:00:01", "10.0.0.1", "a", 1), host("02:00:00:00:00:02", "10.0.0.2", "b", 2)]) };
const level: BridgeLevel = { level: "packets", base: "packets", why: "configuration", untilMs: undefined, replicate: true };
const session = (name: string, over: object = {}): Session => sessionSchema.parse({ name, ...over });

function input(text: string, sessions: readonly Session[], over: Partial<ExplainInput> = {}): ExplainInput {
  const replication = planReplication({ network, sessions, vlans: new Map(), foreignMirrors: new Map([["b", 31]]), tunnelled: false });
  return {
    network,
    plan: { bridges: [], livePorts: new Map(), left: [], replication },
    ...parsePlaced(text, "c.yaml"),
    sessions: sessions.map((one) => ({ session: one, configured: true })),
    suspended: undefined,
    levels: () => level,
    demand: () => ({ level: "packets", replicate: true }),
    place: (name) => ({ rank: name === "b" ? 0 : 1, isCritical: name === "b", names: name === "b" ? ["10.0.0.2"] : [], links: 0, hosts: 1, dependents: name === "b" ? 3 : 0 }),
    sendsToEvery: () => false,
    foreignMirrors: (name) => (name === "b" ? 31 : 0),
    off: undefined,
    behaviour: undefined,
    shadowFlows: () => 7,
    rates: new Map(),
    cachedFlows: undefined,
    ...over,
  };
}
const words = (reasons: readonly Reason[]): string[] => reasons.map(({ by, text, where }) => `${by}: ${text}${where === "" ? "" : ` @${where}`}`);

test("the behavioural profile, critical names and limits are reasons, and the critical bridge comes first", () => {
  const behaviour = { services: [{ service: "10.0.0.2 tcp/80", clients: 5 }], critical: [{ host: "10.0.0.2", dependents: 3 }], talkers: [{ pair: "10.0.0.1 > 10.0.0.2", share: 0.25 }] };
  const { bridges } = explainPlan(input("shadow: { critical: [10.0.0.2] }", [session("all")], { behaviour }));
  expect(bridges.map(({ bridge: name, place, isCritical }) => [name, place, isCritical])).toEqual([["b", 1, true], ["a", 2, false]]);
  const [b, a] = bridges;
  expect(words(b?.placeWhy ?? [])).toEqual(["configuration: shadow.critical[0] names 10.0.0.2 @c.yaml:1", "profile: 3 services need hosts at it"]);
  expect(words(a?.placeWhy ?? [])).toEqual(["network: 0 links and 1 hosts"]);
  expect([b?.wiring, words(b?.wiringWhy ?? [])]).toEqual(["one replica port for all", ["limit: 2 edge ports, and 1 of the 32 Mirror rows of a bridge are free"]]);
  expect(words(b?.ports[1]?.why ?? [])).toEqual(["network: all copies share one way: flows say which port each came in by", "profile: 10.0.0.2: 3 services need it; offers 10.0.0.2 tcp/80 to 5; 25 % of the bytes lately"]);
  expect(a?.ports.map(({ by }) => by)).toEqual(["mirror", "mirror"]);
});

test("copies that are expected are at most what comes in, by the largest share that is asked for, and what is not known is not guessed", () => {
  const rates = new Map(["a:1", "a:2"].map((port) => [port, { receivedPerS: 200, copiedPerS: undefined }]));
  const sessions = [session("tenth", { percent: 10 }), session("half", { percent: 50, origins: [{ bridge: "a", port: 2 }], direction: "from" })];
  const { bridges, cost } = explainPlan(input("", sessions, { rates }));
  const a = bridges.find((one) => one.bridge === "a");
  expect(a?.ports.map(({ copiesPerS }) => copiesPerS)).toEqual([20, 120]);
  expect([a?.cost.copiesPerS, a?.cost.fractionPorts, cost.copiesPerS, cost.shadowFlows]).toEqual([140, 2, undefined, 14]);
});

test("what is not replicated has its reason: copying off, a suspended session, a level without copies", () => {
  const lefts = (over: Partial<ExplainInput>, sessions = [session("all")]): string[] => [...new Set(explainPlan(input("", sessions, over)).left.map(({ why }) => words([why])[0] ?? ""))];
  expect(lefts({})).toEqual([]);
  expect(lefts({ off: "shed: too many upcalls" })).toEqual(["operator: shed: too many upcalls"]);
  expect(lefts({ suspended: "too many cached flows" }, [])).toEqual(["limit: no session asks for it; those that take a fraction are suspended: too many cached flows"]);
  expect(lefts({}, [session("one", { origins: [{ bridge: "a", port: 1 }], direction: "from" })])).toEqual(["configuration: no session asks for it"]);
  expect(explainPlan(input("", [session("all")], { off: "x" })).bridges.every(({ cost }) => cost.copiesPerS === 0)).toBe(true);
});
