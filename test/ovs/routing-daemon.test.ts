/** The daemon with routers in its network and another controller beside it: what the API and the command line tell. */
import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Capsule, projectDir } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { Router } from "../../lab/routers.js";
import { Shadowd } from "../../lab/shadowd.js";
import { waitFor } from "../../lab/wait.js";

interface Event {
  readonly tMs: number;
  readonly what: string;
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
}
interface ListedRoute {
  readonly prefix: string;
  readonly nextHop: string;
  readonly from: string;
  readonly to: string;
  readonly source: string;
}

let ovs: Ovs;
let frr: Router;
let bird: Router;
let osken: ChildProcess;
let oskenSays = "";
let daemon: Shadowd;

const ctl = <T>(...args: string[]): Promise<T> => daemon.ctl<T>(args);
const edits = (...more: string[]): Promise<Event[]> => ctl<Event[]>("edits", "--limit", "5000", ...more);
const routes = async (): Promise<ListedRoute[]> => (await ctl<{ routes: ListedRoute[] }>("routes")).routes;

async function oskenDoes(...commands: string[]): Promise<void> {
  oskenSays = "";
  writeFileSync(ovs.capsule.path("/run/lab/go.new"), commands.join("\n"));
  await ovs.capsule.run("mv", ["/run/lab/go.new", "/run/lab/go"]);
  await waitFor(() => oskenSays.includes("done"), "os-ken has done it", 30_000);
}

beforeAll(async () => {
  ovs = await Ovs.start(await Capsule.start());
  const { capsule } = ovs;
  osken = capsule.spawn("osken-manager", ["--ofp-tcp-listen-port", "6699", "--ofp-listen-host", "127.0.0.1", `${projectDir}/lab/tools/osken_editor.py`], { stdio: ["ignore", "pipe", "ignore"], env: { GO: "/run/lab/go" } });
  osken.stdout?.on("data", (chunk: Buffer) => (oskenSays += chunk.toString()));
  await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure", "other_config:disable-in-band=true", "--", "set-controller", "br0", "tcp:127.0.0.1:6699");
  frr = await Router.create(ovs, { name: "r1", addresses: ["10.9.0.1/24"], bridge: "br0" });
  bird = await Router.create(ovs, { name: "r2", addresses: ["10.9.0.2/24"], bridge: "br0" });
  await capsule.run("ip", ["address", "add", "10.9.0.254/24", "dev", "br0"]);
  await capsule.run("ethtool", ["-K", "br0", "tx", "off"]);
  await capsule.run("ip", ["link", "set", "br0", "up"]);
  await waitFor(() => oskenSays.includes("ready"), "os-ken has the bridge", 30_000);
  await ovs.ofctl("add-flow", "br0", "priority=0,actions=NORMAL");
  const config = `{ analysis: { routing: { enabled: true, bmp: "10.9.0.254:11019" }, edits: { owners: [{ name: the other controller, cookie: 0xabc000/0xfff000, ids: 500-599 }] } }, stateDir: /run/lab/state, sflow: { samplingRate: 64 } }`;
  daemon = new Shadowd(capsule);
  daemon.start(config);
  await daemon.inStep(1);
});
afterAll(async () => {
  osken?.kill();
  await ovs[Symbol.asyncDispose]();
});

test("routes by copies of the session and by BMP", async () => {
  await Promise.all([
    frr.startFrr(
      ["zebra", "bgpd"],
      `hostname frr
router bgp 65001
 bgp router-id 10.9.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.9.0.2 remote-as 65002
 neighbor 10.9.0.2 timers connect 1
 address-family ipv4 unicast
  network 198.51.100.0/24
 exit-address-family
 bmp targets station
  bmp monitor ipv4 unicast post-policy
  bmp connect 10.9.0.254 port 11019 min-retry 100 max-retry 1000
 exit
`,
      { bgpd: ["-M", "bmp"] },
    ),
    bird.startBird(`router id 10.9.0.2;
protocol device { }
protocol static s4 { ipv4; route 203.0.113.0/24 blackhole; }
protocol bgp b4 { local 10.9.0.2 as 65002; neighbor 10.9.0.1 as 65001; connect retry time 1; error wait time 1, 2; ipv4 { import all; export all; }; }
`),
  ]);
  let all: ListedRoute[] = [];
  const has = (wanted: Partial<ListedRoute>): boolean => all.some((route) => Object.entries(wanted).every(([name, value]) => route[name as keyof ListedRoute] === value));
  await waitFor(
    async () => {
      all = await routes();
      return (
        has({ source: "bgp", from: "10.9.0.1", prefix: "198.51.100.0/24", nextHop: "10.9.0.1" }) &&
        has({ source: "bgp", from: "10.9.0.2", prefix: "203.0.113.0/24", nextHop: "10.9.0.2" }) &&
        has({ source: "bmp", from: "10.9.0.2", prefix: "203.0.113.0/24", nextHop: "10.9.0.2" })
      );
    },
    "the routes",
    40_000,
  ).catch(async (error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(all)} ${JSON.stringify(await ctl("neighbours"))} ${daemon.log.join("\n")}`);
  });
  const { neighbours, bindings, malformed, devices } = await ctl<{ neighbours: { protocol: string; name: string; state: string }[]; bindings: { address: string; at: string }[]; malformed: object; devices: { failure: string }[] }>("neighbours");
  expect(neighbours.filter(({ state }) => state === "established").map(({ protocol, name }) => `${protocol} ${name}`).sort()).toEqual(["bgp 10.9.0.1", "bgp 10.9.0.2", "bmp 10.9.0.2"]);
  // Where a router is, by its hardware address: the port of the live bridge, not the device where the copy was caught.
  await waitFor(async () => (await ctl<{ bindings: typeof bindings }>("neighbours")).bindings.some(({ address, at }) => address === "10.9.0.2" && at === "br0:2"), "a binding with its port");
  expect(malformed).toEqual({});
  expect(devices.map(({ failure }) => failure)).toEqual([""]);
  expect(bindings.length).toBeGreaterThan(0);
});

test("a withdrawal and a neighbour's end are told by both sources", async () => {
  await bird.birdc("disable", "b4");
  await waitFor(async () => !(await routes()).some(({ prefix }) => prefix === "203.0.113.0/24"), "the routes are gone");
  const downs = (await ctl<Event[]>("routing-events", "--limit", "1000")).filter(({ what }) => what === "neighbour-down");
  expect(downs.map(({ detail }) => detail["protocol"]).sort()).toEqual(["bgp", "bmp"]);
});

test("flows of another controller, of a program on the host, and ours, are told apart", async () => {
  await oskenDoes("flows 3 0xabc001", "flows 1 0x77", "group 555", "meter 9");
  await ovs.ofctl("add-flow", "br0", "table=78,cookie=0x99,priority=3,actions=drop");
  await ovs.ofctl("mod-flows", "br0", "table=78,priority=3,actions=output:1");
  await ovs.ofctl("--strict", "del-flows", "br0", "table=78,priority=3");
  let others: Event[] = [];
  await waitFor(async () => (others = await edits("--others")).some(({ detail }) => detail["cookie"] === "0x99" && detail["op"] === "removed"), "the edits are told");
  const of = (cookie: string, op: string): Event["detail"] | undefined => others.find(({ detail }) => detail["cookie"] === cookie && detail["op"] === op)?.detail;
  expect(of("0xabc001", "added")).toMatchObject({ what: "flow", bridge: "br0", table: 77, by: "the other controller", certainty: "likely", new: expect.stringContaining("nw_dst=203.0.0.0") as string });
  expect(of("0x77", "added") ?? of("0x77", "modified")).toMatchObject({ by: "unknown", certainty: "open", candidates: ["tcp:127.0.0.1:6699 (other)", "management socket"] });
  expect(of("0x99", "modified")).toMatchObject({ old: expect.stringContaining("actions=drop") as string, new: expect.stringContaining("actions=output:1") as string, by: "unknown" });
  expect(others.find(({ detail }) => detail["what"] === "group")?.detail).toMatchObject({ op: "add", id: 555, by: "the other controller", new: expect.stringContaining("group_id=555") as string });
  expect(others.find(({ detail }) => detail["what"] === "meter")?.detail).toMatchObject({ op: "add", id: 9, by: "unknown" });
  // What ovs-shadow writes is there, with what for, and never taken for somebody else's.
  const own = (await edits()).filter(({ detail }) => detail["by"] === "ovs-shadow");
  expect(own.length).toBeGreaterThan(0);
  expect(others.filter(({ detail }) => detail["touchesOurs"] === true)).toEqual([]);
});

test("a flow of ours that another controller deletes is told, and comes back", async () => {
  const entry = "0x5348010000000000";
  await oskenDoes(`delete ${entry}`);
  let deleted: Event | undefined;
  await waitFor(async () => (deleted = (await edits("--others")).find(({ detail }) => detail["cookie"] === entry)) !== undefined, "the deletion is told");
  expect(deleted?.detail).toMatchObject({ op: "removed", touchesOurs: true, by: "unknown", why: "a flow of ours that we did not touch", candidates: ["tcp:127.0.0.1:6699 (other)", "management socket"] });
  await waitFor(async () => (await ovs.ofctl("dump-flows", "br0", `cookie=${entry}/-1`)).includes("table=0") || (await ovs.ofctl("dump-flows", "br0", `cookie=${entry}/-1`)).includes("reg15"), "the flow is back");
});

test("a burst is one event, with its first and last", async () => {
  await oskenDoes("flows 2000 0xabc002");
  let burst: Event | undefined;
  await waitFor(async () => (burst = (await edits("--others")).find(({ detail }) => detail["cookie"] === "0xabc002" && Number(detail["count"]) > 1)) !== undefined, "the burst is told");
  const told = (await edits("--others")).filter(({ detail }) => detail["cookie"] === "0xabc002");
  const count = told.reduce((sum, { detail }) => sum + Number(detail["count"] ?? 1), 0);
  // Three of them replace those of the first cookie: the same matches.
  await waitFor(async () => (await edits("--others")).filter(({ detail }) => detail["cookie"] === "0xabc002").reduce((sum, { detail }) => sum + Number(detail["count"] ?? 1), 0) === 2000, "all are accounted for");
  expect(count).toBeLessThanOrEqual(2000);
  expect(burst?.detail).toMatchObject({ by: "the other controller", first: { what: "flow" }, last: { what: "flow" } });
});

test("the operator's rows are told with old and new, ours as ours", async () => {
  await ovs.vsctl("set", "bridge", "br0", "external_ids:owner=somebody");
  await ovs.vsctl("set", "port", "r2-p", "tag=7", "--", "clear", "port", "r2-p", "tag", "--", "set", "port", "r2-p", "vlan_mode=access");
  let rows: Event[] = [];
  await waitFor(async () => {
    rows = (await edits("--others")).filter(({ what }) => what === "row");
    return rows.some(({ subject }) => subject === "Port r2-p") && rows.some(({ detail }) => detail["table"] === "Bridge" && JSON.stringify(detail).includes("somebody"));
  }, "the rows are told");
  expect(rows.find(({ subject }) => subject === "Port r2-p")?.detail).toMatchObject({ op: "changed", columns: { vlan_mode: { new: "access" } }, by: "database socket", why: "no manager is connected" });
  // A row of ours that somebody else deletes: told as such, and the audit brings it back.
  const [guard = ""] = (await ovs.vsctl("--bare", "--columns=_uuid", "find", "mirror", "external_ids:\"ovs-shadow:role\"=guard")).split("\n");
  await ovs.vsctl("remove", "bridge", "br0", "mirrors", guard);
  const ofMirrors = async (...more: string[]): Promise<Event[]> => (await edits(...more)).filter(({ detail }) => detail["table"] === "Mirror");
  await waitFor(async () => (await ofMirrors("--others")).some(({ detail }) => detail["op"] === "deleted" && detail["touchesOurs"] === true), "the guard's deletion is told").catch(async (error: unknown) => {
    throw new Error(`${String(error)}: ${guard}: ${JSON.stringify(await ofMirrors())}`);
  });
  await waitFor(async () => (await ofMirrors()).some(({ detail }) => detail["op"] === "inserted" && detail["by"] === "ovs-shadow"), "our own insertion is told as ours");
});
