import { announced } from "./announced.js";
import { Rib, type Speaker } from "./rib.js";

const speaker = (from: string, source: Speaker["source"] = "bgp"): Speaker => ({ from, to: "10.9.0.1", source });
function ribOf(...routes: readonly (readonly [from: string, prefix: string, atMs: number, source?: Speaker["source"]])[]): Rib {
  const rib = new Rib(1_000, () => undefined);
  for (const [from, prefix, atMs, source] of routes) rib.announce(speaker(from, source), { prefix, family: prefix.includes(":") ? "ipv6" : "ipv4", pathId: undefined, nextHop: from, attributes: {} }, atMs);
  return rib;
}

test("by neighbour, by source and inside a prefix; each prefix once", () => {
  const rib = ribOf(["10.9.0.2", "10.1.0.0/16", 1], ["10.9.0.3", "10.1.0.0/16", 2], ["10.9.0.3", "192.0.2.0/24", 3], ["10.9.0.2", "2001:db8:1::/48", 4], ["10.9.0.2", "0.0.0.0/0", 5], ["1.1.1.1", "10.2.0.0/16", 6, "ospf"]);
  const of = (selector: Parameters<typeof announced>[1]): readonly string[] => announced(rib, selector).prefixes;
  expect(of({})).toEqual(["0.0.0.0/0", "2001:db8:1::/48"]); // the default route stands for the others
  expect(of({ from: "10.9.0.3" })).toEqual(["10.1.0.0/16", "192.0.2.0/24"]);
  expect(of({ source: "ospf" })).toEqual(["10.2.0.0/16"]);
  // What contains the prefix asked for does not lie within it.
  expect(of({ within: "10.0.0.0/8" })).toEqual(["10.1.0.0/16", "10.2.0.0/16"]);
  expect(of({ within: "10.1.0.0/16" })).toEqual(["10.1.0.0/16"]);
  expect(of({ within: "10.1.0.0/17" })).toEqual([]);
  expect(of({ within: "2001:db8::/32" })).toEqual(["2001:db8:1::/48"]);
  expect(of({ within: "::/0" })).toEqual(["2001:db8:1::/48"]);
  rib.withdraw(speaker("10.9.0.2"), { prefix: "10.1.0.0/16", pathId: undefined }, 9, "withdrawn");
  expect(of({ within: "10.1.0.0/16" })).toEqual(["10.1.0.0/16"]);
  rib.withdraw(speaker("10.9.0.3"), { prefix: "10.1.0.0/16", pathId: undefined }, 9, "withdrawn");
  expect(of({ within: "10.1.0.0/16" })).toEqual([]);
});

test("of too many those announced first stay, and the next has its turn when one goes", () => {
  const rib = ribOf(...Array.from({ length: 5 }, (_, i) => ["10.9.0.2", `10.${9 - i}.0.0/16`, i] as const));
  expect(announced(rib, {}, 3)).toEqual({ prefixes: ["10.7.0.0/16", "10.8.0.0/16", "10.9.0.0/16"], leftOut: 2 });
  rib.withdraw(speaker("10.9.0.2"), { prefix: "10.8.0.0/16", pathId: undefined }, 9, "withdrawn");
  expect(announced(rib, {}, 3)).toEqual({ prefixes: ["10.6.0.0/16", "10.7.0.0/16", "10.9.0.0/16"], leftOut: 1 });
});

test("of prefixes within each other the outermost stand for all, and those within come when it goes", () => {
  const rib = ribOf(["10.9.0.2", "10.0.0.0/8", 1], ["10.9.0.2", "10.1.0.0/16", 2], ["10.9.0.2", "10.1.2.0/24", 3], ["10.9.0.2", "11.0.0.0/24", 4], ["10.9.0.2", "2001:db8::/32", 5], ["10.9.0.2", "2001:db8:7::/48", 6], ["10.9.0.2", "2001:db9::/48", 7]);
  expect(announced(rib, {}).prefixes).toEqual(["10.0.0.0/8", "11.0.0.0/24", "2001:db8::/32", "2001:db9::/48"]);
  rib.withdraw(speaker("10.9.0.2"), { prefix: "10.0.0.0/8", pathId: undefined }, 9, "withdrawn");
  rib.withdraw(speaker("10.9.0.2"), { prefix: "2001:db8::/32", pathId: undefined }, 9, "withdrawn");
  expect(announced(rib, {}).prefixes).toEqual(["10.1.0.0/16", "11.0.0.0/24", "2001:db8:7::/48", "2001:db9::/48"]);
});
