import { sessionSchema, type Session } from "../../config/session-schema.js";
import type { Network, Port } from "../../network/model.js";
import { ownExit, replicationFlows } from "./flows.js";
import { placesOf, planReplication, sessionsAt, stateSession, type Demand } from "./plan.js";

const session = (name: string, parts: object = {}): Session => sessionSchema.parse({ name, ...parts });
const port = (ofport: number): Port => ({ name: `p${ofport}`, ofport, role: "edge", type: "", up: true, ifindex: ofport });
const names = ["a", "b", "c", "d"];
const network: Network = {
  bridges: new Map(names.map((name, i) => [name, { name, datapathId: BigInt(i), datapathType: "netdev", failMode: undefined, ports: new Map([1, 2].map((n) => [n, port(n)])) }])),
  links: [],
  hosts: new Map(),
};
const demands: Record<string, Demand> = {
  a: { level: "packets", replicate: true },
  b: { level: "state", replicate: true },
  c: { level: "flows", replicate: true },
  d: { level: "packets", replicate: false },
};
const demand = (bridge: string): Demand => demands[bridge] ?? { level: "topology", replicate: true };
const plan = (sessions: readonly Session[]) => planReplication({ network, sessions: sessionsAt(sessions, names.map(demand)), vlans: new Map(), foreignMirrors: new Map(), tunnelled: false, demand });

test("a bridge is copied as its level says: all, what opens and closes connections, nothing; and not while copying is off there", () => {
  const { bridges, asked } = plan([session("all")]);
  const shown = names.map((name) => {
    const one = bridges.get(name);
    return [one?.cabled, one?.mirrored.size, one?.sessions.map(({ session: { name: of } }) => of).join()];
  });
  expect(shown).toEqual([
    [true, 2, ""],
    [true, 0, "(state)"],
    [false, 0, ""],
    [true, 0, ""],
  ]);
  expect([...(asked.get("all") ?? [])]).toEqual(["a:1", "a:2"]);
  const state = bridges.get("b");
  if (state === undefined) throw new Error("b is not planned");
  expect(replicationFlows(state, ownExit).length).toBeGreaterThan(6); // three matches on each of two ports, and what carries them out
  expect(sessionSchema.safeParse(stateSession).success).toBe(false); // nobody can take its name
});

test("a session's place follows from its name, whoever else is there", () => {
  const all = Array.from({ length: 256 }, (_, i) => `s${i}`);
  const places = placesOf(all);
  expect(new Set(places.values()).size).toBe(256);
  expect([...places.values()].every((place) => place >= 1 && place <= 0xffff)).toBe(true);
  expect(placesOf([...all].reverse())).toEqual(places);
  // Without the others at most those that had one hash are elsewhere.
  const moved = all.filter((name) => placesOf([name]).get(name) !== places.get(name));
  expect(moved.length).toBeLessThan(8);
});

test("sessions that come and go leave the flows of the others as they are", () => {
  const text = (sessions: readonly Session[]): string[] => {
    const one = plan(sessions).bridges.get("a");
    if (one === undefined) throw new Error("a is not planned");
    return replicationFlows(one, ownExit).filter(({ tableId }) => tableId !== 243).map((flow) => JSON.stringify(flow, (_key, value: unknown) => (typeof value === "bigint" ? `${value}n` : value)));
  };
  const web = session("web", { origins: [{ match: "tcp,tp_dst=80" }], direction: "from" });
  const dns = session("dns", { origins: [{ match: "udp,tp_dst=53" }], direction: "from" });
  const before = text([web]);
  expect(text([dns, web])).toEqual(expect.arrayContaining(before));
  expect(text([dns, web]).length).toBeGreaterThan(before.length);
});
