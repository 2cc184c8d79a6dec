/** OSPF of both versions between FRR and BIRD, heard from copies; the database of FRR is the second witness. */
import { Capsule } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { Router } from "../../lab/routers.js";
import { waitFor } from "../../lab/wait.js";
import type { NetworkEvent } from "../../src/base/observation.js";
import { RoutingCapture, routingFilter } from "../../src/analysis/routing/capture.js";
import { RoutingInterceptor } from "../../src/analysis/routing/interceptor.js";

let ovs: Ovs;
let frr: Router;
let bird: Router;
const events: NetworkEvent[] = [];
const interceptor = new RoutingInterceptor({ sink: { happened: (event) => void events.push(event) }, side: "live" });
const told = (what: string, subject: string): NetworkEvent[] => events.filter((event) => event.detail["what"] === what && event.subject === subject);

beforeAll(async () => {
  ovs = await Ovs.start(await Capsule.start());
  await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=standalone");
  frr = await Router.create(ovs, { name: "r1", addresses: ["10.9.0.1/24", "fd00:9::1/64"], bridge: "br0" });
  bird = await Router.create(ovs, { name: "r2", addresses: ["10.9.0.2/24", "fd00:9::2/64"], bridge: "br0" });
  await ovs.capsule.run("ip", ["link", "add", "tap-p", "type", "veth", "peer", "name", "tap"]);
  for (const device of ["tap", "tap-p"]) await ovs.capsule.run("ip", ["link", "set", device, "up"]);
  await ovs.vsctl("add-port", "br0", "tap-p", "--", ...["r1-p", "r2-p", "tap-p"].flatMap((port, i) => [`--id=@p${i}`, "get", "port", port, "--"]), "--id=@m", "create", "mirror", "name=copies", "select_src_port=@p0,@p1", "output_port=@p2", "--", "set", "bridge", "br0", "mirrors=@m");
  const tcpdump = ovs.capsule.spawn("tcpdump", ["-i", "tap", "-Q", "in", "-n", "-p", "--immediate-mode", "-U", "-w", "-", routingFilter], { stdio: ["ignore", "pipe", "pipe"] });
  await RoutingCapture.from(tcpdump, { device: "tap", frame: (frame) => interceptor.frame(frame) });
  const ospf = (interfaceName: string): string => `interface ${interfaceName}
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf network point-to-point
 ipv6 ospf6 area 0.0.0.0
 ipv6 ospf6 hello-interval 1
 ipv6 ospf6 dead-interval 4
 ipv6 ospf6 network point-to-point
`;
  await Promise.all([
    frr.startFrr(
      ["zebra", "staticd", "ospfd", "ospf6d"],
      `hostname frr
ip route 198.51.100.0/24 blackhole
ipv6 route 2001:db8:1::/48 blackhole
${ospf("eth0")}
router ospf
 ospf router-id 1.1.1.1
 timers throttle lsa all 0
 network 10.9.0.0/24 area 0
 redistribute static
router ospf6
 ospf6 router-id 1.1.1.1
 redistribute static
`,
    ),
    bird.startBird(`router id 2.2.2.2;
protocol device { }
protocol static s4 { ipv4; route 203.0.113.0/24 blackhole; }
protocol static s6 { ipv6; route 2001:db8:2::/48 blackhole; }
protocol ospf v2 o4 { ipv4 { import all; export all; }; area 0 { interface "eth0" { type ptp; hello 1; dead 4; }; }; }
protocol ospf v3 o6 { ipv6 { import all; export all; }; area 0 { interface "eth0" { type ptp; hello 1; dead 4; }; }; }
`),
  ]);
});
afterAll(() => ovs[Symbol.asyncDispose]());

test("neighbours and destinations of both versions", async () => {
  const find = (source: string, prefix: string) => [...interceptor.rib.routes()].find((route) => route.source === source && route.prefix === prefix);
  const expected = [
    ["ospf", "198.51.100.0/24", "1.1.1.1"],
    ["ospf", "203.0.113.0/24", "2.2.2.2"],
    ["ospf3", "2001:db8:1::/48", "1.1.1.1"],
    ["ospf3", "2001:db8:2::/48", "2.2.2.2"],
  ] as const;
  await waitFor(() => expected.every(([source, prefix, from]) => find(source, prefix)?.from === from), "external destinations", 45_000).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify([...interceptor.rib.routes()])} ${JSON.stringify(interceptor.counters())}`);
  });
  expect([...interceptor.rib.routes()].some(({ source, prefix, attributes }) => source === "ospf" && prefix === "10.9.0.0/24" && attributes["kind"] === "intra-area")).toBe(true);
  const neighbours = () => interceptor.snapshot().ospf;
  await waitFor(() => neighbours().filter(({ state }) => state === "exchange").length === 4, "adjacencies", 30_000);
  expect(neighbours().map(({ version, routerId, state }) => `${version} ${routerId} ${state}`).sort()).toEqual(["2 1.1.1.1 exchange", "2 2.2.2.2 exchange", "3 1.1.1.1 exchange", "3 2.2.2.2 exchange"]);
  expect(interceptor.counters().malformed).toEqual({});
});

test("the routers' own database holds the same LSAs", async () => {
  const text = await frr.vtysh("ospfd", "show ip ospf database external");
  const theirs = [...text.matchAll(/Link State ID: (\S+)[^]*?Advertising Router: (\S+)\n[^]*?LS Seq Number: (\S+)[^]*?Metric: (\d+)/g)].map(([, id, router, sequence, metric]) => `${id} ${router} ${Number(`0x${sequence ?? ""}`) | 0} ${metric}`);
  const ours = interceptor.snapshot().lsas.filter(({ key, header }) => key.startsWith("2 ") && header.lsType === 5).map(({ header, prefixes }) => `${header.linkStateId} ${header.advertisingRouter} ${header.sequence} ${prefixes[0]?.metric}`);
  expect(theirs.length).toBe(2);
  expect(ours.sort()).toEqual(theirs.sort());
});

test("a destination taken back is withdrawn, a silent neighbour goes", async () => {
  await frr.vtysh("staticd", "configure terminal", "no ip route 198.51.100.0/24 blackhole");
  await waitFor(() => told("route-withdrawn", "198.51.100.0/24").length > 0, "the withdrawal");
  await bird.birdc("down");
  await waitFor(() => {
    interceptor.advance(Date.now());
    return told("neighbour-down", "2.2.2.2").length === 2;
  }, "both neighbours are down", 30_000);
});
