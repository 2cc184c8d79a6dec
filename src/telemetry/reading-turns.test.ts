import { emptyNetwork, type Network } from "../network/model.js";
import { isLarge, ReadingTurns, smallNetworkPorts, whoseTurn } from "./reading-turns.js";

const ports = (...packets: readonly number[]) => packets.map((count, i) => ({ portNo: i + 1, rxPackets: BigInt(count), txPackets: 0n }));

test("a bridge is quiet when each of its ports was, by what came between two readings; what was not read twice is not", () => {
  const turns = new ReadingTurns();
  turns.took("live a", 0, ports(1_000, 5));
  expect(turns.isQuiet("live a")).toBe(false);
  turns.took("live a", 6_000, ports(1_010, 5));
  expect([turns.isQuiet("live a"), turns.isQuiet("shadow a")]).toEqual([true, false]);
  turns.took("live a", 12_000, ports(1_010, 30));
  expect(turns.isQuiet("live a")).toBe(false);
  // Counters that began anew are no quiet.
  turns.took("live a", 13_000, ports(1_010, 31));
  turns.took("live a", 14_000, ports(0, 0));
  expect(turns.isQuiet("live a")).toBe(false);
  turns.keepOnly(new Set());
  turns.took("live a", 15_000, ports(0, 0));
  expect(turns.isQuiet("live a")).toBe(false);
});

test("a quiet bridge wakes when its samples stand for as many packets as a quiet one has in the longest window", () => {
  const turns = new ReadingTurns();
  turns.took("live a", 0, ports(0));
  turns.took("live a", 1_000, ports(1));
  turns.sampled("live a", 64);
  turns.sampled("live b", 64);
  expect([turns.isQuiet("live a"), turns.isQuiet("live b")]).toEqual([true, false]);
  turns.sampled("live a", 64);
  expect(turns.isQuiet("live a")).toBe(false);
  // A reading tells more than samples do.
  turns.took("live a", 2_000, ports(2));
  turns.sampled("live a", 64);
  expect(turns.isQuiet("live a")).toBe(true);
});

test("all are read every thirty seconds, whatever else; a network is large by its ports", () => {
  expect(Array.from({ length: 60 }, (_, s) => whoseTurn(s)).filter((whose) => whose === "all")).toHaveLength(2);
  const port = (ofport: number) => [ofport, { name: `p${ofport}`, ofport, role: "edge" as const, type: "", up: true, ifindex: 0 }] as const;
  const network = (count: number): Network => ({ ...emptyNetwork, bridges: new Map([["a", { name: "a", datapathId: 1n, datapathType: "netdev", failMode: undefined, ports: new Map(Array.from({ length: count }, (_, i) => port(i + 1))) }]]) });
  expect([isLarge(network(smallNetworkPorts)), isLarge(network(smallNetworkPorts + 1))]).toEqual([false, true]);
});
