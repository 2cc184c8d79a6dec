import type { Network } from "../network/model.js";
import { Critical } from "./critical.js";

const bridges = new Map(["a", "b", "c", "d"].map((name, i) => [name, { name, datapathId: BigInt(i), datapathType: "netdev", failMode: undefined, ports: new Map() }]));
const link = (a: string, b: string, n: number) => ({ a: { bridge: a, ofport: n }, b: { bridge: b, ofport: n }, up: true });
const host = (mac: string, bridge: string, addresses: string[] = []) => [mac, { mac, addresses, at: { bridge, ofport: 9 } }] as const;
const network: Network = { bridges, links: [link("a", "c", 1), link("b", "c", 2)], hosts: new Map([host("02:00:00:00:00:01", "d", ["10.0.0.1"]), host("02:00:00:00:00:02", "d")]) };
const order = (critical: Critical): string[] => [...bridges.keys()].sort((x, y) => critical.rank(x, network) - critical.rank(y, network));

test("named bridges come first, and those of named hosts; then those with the most links and hosts", () => {
  const none = new Critical([]);
  expect(order(none)).toEqual(["c", "d", "a", "b"]);
  expect([...bridges.keys()].some((name) => none.has(name, network))).toBe(false);
  expect(Math.min(...[...bridges.keys()].map((name) => none.rank(name, network)))).toBeGreaterThanOrEqual(1);
  expect(order(new Critical(["b"]))).toEqual(["b", "c", "d", "a"]);
  for (const name of ["02:00:00:00:00:01".toUpperCase(), "10.0.0.1"]) expect(order(new Critical([name]))).toEqual(["d", "c", "a", "b"]);
  none.configure(["a"]);
  expect([none.has("a", network), none.rank("a", network)]).toEqual([true, 0]);
});

test("of bridges that nobody names those come first whose hosts others depend on, and what makes a place is told", () => {
  const critical = new Critical(["b"]);
  critical.learned(new Map([["10.0.0.1", 4], ["10.9.9.9", 100]]));
  expect(order(critical)).toEqual(["b", "d", "c", "a"]);
  expect(critical.reasons("d", network)).toEqual({ names: [], links: 0, hosts: 2, dependents: 4 });
  expect(critical.reasons("b", network)).toEqual({ names: ["b"], links: 1, hosts: 0, dependents: 0 });
  critical.learned(new Map());
  expect(order(critical)).toEqual(["b", "c", "d", "a"]);
});
