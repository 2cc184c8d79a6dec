/** What is copied follows what routers announce: BIRD beside the daemon on a real Open vSwitch. */
import { readFileSync } from "node:fs";
import { Capsule } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { Router } from "../../lab/routers.js";
import { Shadowd } from "../../lab/shadowd.js";
import { waitFor } from "../../lab/wait.js";

interface Session {
  readonly state: string;
  readonly problems: readonly string[];
  readonly ports: readonly { readonly selected: number }[];
}

let ovs: Ovs;
let frr: Router;
let bird: Router;
let daemon: Shadowd;
/** One more than an origin follows, and four. */
const many = Array.from({ length: 1_005 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
const [customers, others] = ["203.0.113.0/24", "198.51.100.0/24"];

const ctl = <T>(...args: string[]): Promise<T> => daemon.ctl<T>(args);
/** The prefixes that flows of ours select at this moment (table 244). */
async function selected(): Promise<readonly string[]> {
  const flows = await ovs.ofctl("dump-flows", "br0", "table=244");
  return [...new Set([...flows.matchAll(/nw_dst=([\d./]+)/g)].map(([, prefix = ""]) => prefix))].sort();
}
const has = (prefix: string, isWanted: boolean): Promise<void> => waitFor(async () => (await selected()).includes(prefix) === isWanted, `${prefix} is ${isWanted ? "" : "no more "}selected: ${daemon.log.slice(-10).join("\n")}`, 20_000);

beforeAll(async () => {
  ovs = await Ovs.start(await Capsule.start());
  const { capsule } = ovs;
  await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure", "other_config:disable-in-band=true");
  await ovs.ofctl("add-flow", "br0", "priority=0,actions=NORMAL");
  frr = await Router.create(ovs, { name: "r1", addresses: ["10.9.0.1/24"], bridge: "br0" });
  bird = await Router.create(ovs, { name: "r2", addresses: ["10.9.0.2/24"], bridge: "br0" });
  // Where packets to the prefixes go, whatever becomes of the routes.
  await frr.exec("ip", "route", "add", "default", "via", "10.9.0.2");
  const config = {
    analysis: { routing: { enabled: true } },
    shadow: {
      sessions: [
        { name: "bgp", origins: [{ match: "tcp,tp_dst=179" }, { match: "tcp,tp_src=179" }] },
        { name: "many", origins: [{ routes: { within: "10.0.0.0/8" } }], direction: "to" },
        { name: "customers", origins: [{ routes: { from: "10.9.0.2", source: "bgp", within: "203.0.0.0/8" } }], direction: "to" },
      ],
    },
    stateDir: "/run/lab/state",
  };
  daemon = new Shadowd(capsule);
  daemon.start(JSON.stringify(config));
  await daemon.inStep(1);
  await Promise.all([
    frr.startFrr(["zebra", "bgpd"], "hostname frr\nrouter bgp 65001\n bgp router-id 10.9.0.1\n no bgp ebgp-requires-policy\n neighbor 10.9.0.2 remote-as 65002\n neighbor 10.9.0.2 timers connect 1\n"),
    bird.startBird(`router id 10.9.0.2;
protocol device { }
protocol static customers { disabled; ipv4; route ${customers} blackhole; }
protocol static many { disabled; ipv4; ${many.map((prefix) => `route ${prefix} blackhole;`).join(" ")} }
protocol static others { ipv4; route ${others} blackhole; }
protocol bgp b4 { local 10.9.0.2 as 65002; neighbor 10.9.0.1 as 65001; connect retry time 1; error wait time 1, 2; ipv4 { import all; export all; }; }
`),
  ]);
}, 90_000);
afterAll(() => ovs[Symbol.asyncDispose]());

test("a new prefix is selected when it is announced, one outside is not, and none is after its withdrawal", async () => {
  await waitFor(async () => (await ctl<{ routes: { prefix: string }[] }>("routes")).routes.some(({ prefix }) => prefix === others), `the other prefix is heard: ${daemon.log.slice(-10).join("\n")}`, 40_000);
  expect(await selected()).toEqual([]);
  await bird.birdc("enable", "customers");
  await has(customers, true);
  expect(await selected()).toEqual([customers]);
  // What goes there is copied: as many as were sent, not one that goes elsewhere.
  const count = async (): Promise<number> => (await ctl<Session>("mirror", "show", "customers")).ports.reduce((sum, port) => sum + port.selected, 0);
  const before = await count();
  const send = `import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nfor i in range(50):\n    s.sendto(b"x", ("203.0.113.7", 9)); s.sendto(b"x", ("198.51.100.7", 9))`;
  await frr.exec("python3", "-c", send);
  await waitFor(async () => (await count()) - before >= 50, "the copies are counted", 20_000);
  expect((await count()) - before).toBe(50);
  await bird.birdc("disable", "customers");
  await has(customers, false);
  expect((await ctl<Session>("mirror", "show", "customers")).state).toBe("selects nothing");
});

test("a neighbour that goes takes its prefixes along", async () => {
  await bird.birdc("enable", "customers");
  await has(customers, true);
  await bird.birdc("disable", "b4");
  await has(customers, false);
  await bird.birdc("enable", "b4");
  await has(customers, true);
});

test("of more prefixes than an origin follows the rest is told, and nothing else suffers", async () => {
  const followed = async (): Promise<readonly string[]> => (await selected()).filter((prefix) => prefix.startsWith("10."));
  await bird.birdc("enable", "many");
  await waitFor(async () => (await followed()).length === 1_000, "a thousand are followed", 30_000);
  const { problems, state } = await ctl<Session>("mirror", "show", "many");
  expect([state, problems]).toEqual(["copying", ["origins[0]: 5 announced prefixes are not followed: at most 1000 are"]]);
  expect(await selected()).toContain(customers);
  await bird.birdc("disable", "many");
  await waitFor(async () => (await followed()).length === 0, "none is followed any more", 30_000);
  expect((await ctl<Session>("mirror", "show", "many")).problems).toEqual([]);
});

test("a session added at run time follows at once, and is shown with its routes", async () => {
  const added = await ctl<{ session: { origins: { routes?: object }[] }; state: string; problems: string[] }>("mirror", "add", "all", "--routes", "--direction", "to");
  expect(added).toMatchObject({ state: "copying", problems: [] });
  expect(added.session.origins[0]?.routes).toEqual({});
  expect(await selected()).toEqual([others, customers]);
  await ctl("mirror", "remove", "all");
  expect(await selected()).toEqual([customers]);
  // Kept on disk as it was given, without the prefixes of the moment.
  expect(readFileSync(ovs.capsule.path("/run/lab/state/sessions.json"), "utf8")).not.toContain("203.0.113");
});
