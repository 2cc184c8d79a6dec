import { emptyNetwork, type Bridge, type Link, type Network, type Port } from "../network/model.js";
import { hold, type ShadowSource } from "./hold.js";

const port = (ofport: number, role: Port["role"], up = true): Port => ({ name: `p${ofport}`, ofport, role, type: "", up, ifindex: ofport });
const bridge = (name: string, ports: Port[]): Bridge => ({
  name,
  datapathId: 1n,
  datapathType: "netdev",
  failMode: "secure",
  ports: new Map(ports.map((p) => [p.ofport, p])),
});
const link = (a: string, ap: number, b: string, bp: number, up = true): Link => ({
  a: { bridge: a, ofport: ap },
  b: { bridge: b, ofport: bp },
  up,
});
const network = (bridges: Bridge[], links: Link[]): Network => ({
  bridges: new Map(bridges.map((b) => [b.name, b])),
  links,
  hosts: new Map(),
});

const leaf = bridge("l1", [port(1, "edge"), port(2, "fabric")]);
const spine = bridge("s1", [port(1, "fabric")]);
const healthy: ShadowSource = hold({ network: emptyNetwork, held: [] }, network([leaf, spine], [link("l1", 2, "s1", 1)]), 0, 60_000);

test("a healthy network is followed as it is", () => {
  expect(healthy.held).toEqual([]);
  expect([...healthy.network.bridges.keys()]).toEqual(["l1", "s1"]);
});

test("a bridge that vanishes while its neighbour keeps the cable is held, with its link, for the grace only", () => {
  const live = network([bridge("l1", [port(1, "edge"), port(2, "edge")])], []);
  const now = hold(healthy, live, 1_000, 60_000);
  expect(now.held.map((h) => h.element)).toEqual(["bridge s1"]);
  expect(now.network.bridges.has("s1")).toBe(true);
  expect(now.network.links).toEqual([link("l1", 2, "s1", 1)]);
  expect(now.network.bridges.get("l1")?.ports.get(2)?.role).toBe("fabric");
  const later = hold(now, live, 61_000, 60_000);
  expect(later.held).toEqual([]);
  expect(later.network.bridges.has("s1")).toBe(false);
  expect(later.network.links).toEqual([]);
});

test("a bridge taken out together with its neighbour's port is followed at once", () => {
  const now = hold(healthy, network([bridge("l1", [port(1, "edge")])], []), 1_000, 60_000);
  expect(now.held).toEqual([]);
  expect([...now.network.bridges.keys()]).toEqual(["l1"]);
});

test("two neighbouring bridges that vanish together are both held", () => {
  const three = hold(
    { network: emptyNetwork, held: [] },
    network([leaf, bridge("s1", [port(1, "fabric"), port(2, "fabric")]), bridge("s2", [port(1, "fabric")])], [link("l1", 2, "s1", 1), link("s1", 2, "s2", 1)]),
    0,
    60_000,
  );
  const now = hold(three, network([leaf], []), 10, 60_000);
  expect(now.held.map((h) => h.element)).toEqual(["bridge s1", "bridge s2"]);
});

test("a link that lost its carrier stays up in the shadow until the grace has passed", () => {
  const down = network([bridge("l1", [port(1, "edge"), port(2, "fabric", false)]), bridge("s1", [port(1, "fabric", false)])], [link("l1", 2, "s1", 1, false)]);
  const now = hold(healthy, down, 5, 60_000);
  expect(now.network.links[0]?.up).toBe(true);
  expect(now.network.bridges.get("l1")?.ports.get(2)?.up).toBe(true);
  expect(now.held).toEqual([{ element: "link l1:2-s1:1", sinceMs: 5, why: "lost its carrier" }]);
  expect(hold(now, down, 60_005, 60_000).network.links[0]?.up).toBe(false);
  expect(hold(now, network([leaf, spine], [link("l1", 2, "s1", 1)]), 6, 60_000).held).toEqual([]);
});

test("a removed port is a declared edit, and a new cable is followed", () => {
  const removed = hold(healthy, network([bridge("l1", [port(1, "edge")]), spine], []), 1, 60_000);
  expect(removed.network.links).toEqual([]);
  const two = network([leaf, spine, bridge("s2", [port(7, "fabric")])], [link("l1", 2, "s2", 7)]);
  expect(hold(healthy, two, 1, 60_000).network.links).toEqual([link("l1", 2, "s2", 7)]);
});
