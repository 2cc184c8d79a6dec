/** The interceptor beside real routers: FRR and BIRD speak BGP over a bridge, and it hears copies. tshark is the second witness. */
import { writeFileSync } from "node:fs";
import { Capsule } from "../../lab/capsule.js";
import { Ovs } from "../../lab/ovs.js";
import { Router } from "../../lab/routers.js";
import { waitFor } from "../../lab/wait.js";
import type { NetworkEvent } from "../../src/base/observation.js";
import { RoutingCapture, routingFilter } from "../../src/analysis/routing/capture.js";
import { RoutingInterceptor, type Frame } from "../../src/analysis/routing/interceptor.js";
import type { Route } from "../../src/analysis/routing/rib.js";

let ovs: Ovs;
let frr: Router;
let bird: Router;
const events: NetworkEvent[] = [];
const interceptor = new RoutingInterceptor({ sink: { happened: (event) => void events.push(event) }, side: "live" });
const frames: Frame[] = [];
const heard = (frame: Frame): void => {
  frames.push({ ...frame, bytes: Uint8Array.from(frame.bytes) });
  interceptor.frame(frame);
};
const told = (what: string, subject?: string): NetworkEvent[] => events.filter((event) => event.detail["what"] === what && (subject === undefined || event.subject === subject));

const frrConfig = `
hostname frr
router bgp 65001
 bgp router-id 10.9.0.1
 no bgp ebgp-requires-policy
 neighbor 10.9.0.2 remote-as 4200000002
 neighbor 10.9.0.2 timers 1 3
 neighbor 10.9.0.2 timers connect 1
 neighbor fd00:9::2 remote-as 4200000002
 neighbor fd00:9::2 timers connect 1
 address-family ipv4 unicast
  network 198.51.100.0/24
  no neighbor fd00:9::2 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:1::/48
  neighbor fd00:9::2 activate
 exit-address-family
 no bgp network import-check
`;
const birdConfig = `
router id 10.9.0.2;
protocol device { }
protocol static s4 { ipv4; route 203.0.113.0/24 blackhole; }
protocol static s6 { ipv6; route 2001:db8:2::/48 blackhole; }
protocol bgp b4 { local 10.9.0.2 as 4200000002; neighbor 10.9.0.1 as 65001; hold time 9; connect retry time 1; error wait time 1, 2;
  ipv4 { import all; export filter { bgp_community.add((65001,77)); bgp_large_community.add((65001,7,8)); accept; }; }; }
protocol bgp b6 { local fd00:9::2 as 4200000002; neighbor fd00:9::1 as 65001; connect retry time 1; error wait time 1, 2; ipv6 { import all; export all; }; }
`;

beforeAll(async () => {
  ovs = await Ovs.start(await Capsule.start());
  await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=standalone");
  frr = await Router.create(ovs, { name: "r1", addresses: ["10.9.0.1/24", "fd00:9::1/64"], bridge: "br0" });
  bird = await Router.create(ovs, { name: "r2", addresses: ["10.9.0.2/24", "fd00:9::2/64"], bridge: "br0" });
  // Copies of what the routers send leave by a port of their own.
  await ovs.capsule.run("ip", ["link", "add", "tap-p", "type", "veth", "peer", "name", "tap"]);
  for (const device of ["tap", "tap-p"]) await ovs.capsule.run("ip", ["link", "set", device, "up"]);
  await ovs.vsctl("add-port", "br0", "tap-p", "--", ...["r1-p", "r2-p", "tap-p"].flatMap((port, i) => [`--id=@p${i}`, "get", "port", port, "--"]), "--id=@m", "create", "mirror", "name=copies", "select_src_port=@p0,@p1", "output_port=@p2", "--", "set", "bridge", "br0", "mirrors=@m");
  const tcpdump = ovs.capsule.spawn("tcpdump", ["-i", "tap", "-Q", "in", "-n", "-p", "--immediate-mode", "-U", "-w", "-", routingFilter], { stdio: ["ignore", "pipe", "pipe"] });
  await RoutingCapture.from(tcpdump, { device: "tap", frame: heard });
  await Promise.all([frr.startFrr(["zebra", "bgpd"], frrConfig), bird.startBird(birdConfig)]);
});
afterAll(async () => {
  await ovs[Symbol.asyncDispose]();
});

const find = (from: string, prefix: string): Route | undefined => [...interceptor.rib.routes()].find((route) => route.from === from && route.prefix === prefix);

test("neighbours and routes of both families, with their attributes", async () => {
  const expected = [
    ["10.9.0.1", "198.51.100.0/24"],
    ["fd00:9::1", "2001:db8:1::/48"],
    ["10.9.0.2", "203.0.113.0/24"],
    ["fd00:9::2", "2001:db8:2::/48"],
  ] as const;
  await waitFor(() => expected.every(([from, prefix]) => find(from, prefix)?.nextHop === from), "four routes", 40_000);
  expect(find("10.9.0.2", "203.0.113.0/24")?.attributes).toMatchObject({ asPath: "4200000002", origin: "igp", communities: ["65001:77"], largeCommunities: ["65001:7:8"] });
  expect(find("fd00:9::1", "2001:db8:1::/48")).toMatchObject({ family: "ipv6", to: "fd00:9::2", attributes: { asPath: "65001", linkLocalNextHop: expect.stringMatching(/^fe80::/) as string } });
  expect(interceptor.snapshot().bgp.filter(({ state }) => state === "established")).toHaveLength(4);
  expect(interceptor.snapshot().bgp.find(({ from }) => from === "10.9.0.2")).toMatchObject({ as: 4_200_000_002, peerAs: 65_001, identifier: "10.9.0.2", holdTimeS: 3 });
  expect(told("neighbour-up").map(({ subject }) => subject).sort()).toEqual(["10.9.0.1 10.9.0.2", "fd00:9::1 fd00:9::2"]);
  // Both routers asked for each other's hardware addresses, by ARP and by ND.
  expect(interceptor.snapshot().bindings.map(({ address }) => address)).toEqual(expect.arrayContaining(["10.9.0.1", "10.9.0.2", "fd00:9::1", "fd00:9::2"]));
});

test("an announcement and its withdrawal are heard", async () => {
  const announcedMs = Date.now();
  await frr.vtysh("bgpd", "configure terminal", "router bgp 65001", "address-family ipv4 unicast", "network 192.0.2.128/25");
  await waitFor(() => told("route-announced", "192.0.2.128/25").length > 0, "the announcement");
  const heardMs = told("route-announced", "192.0.2.128/25")[0]?.tMs ?? 0;
  expect(heardMs - announcedMs).toBeLessThan(10_000);
  await frr.vtysh("bgpd", "configure terminal", "router bgp 65001", "address-family ipv4 unicast", "no network 192.0.2.128/25");
  await waitFor(() => told("route-withdrawn", "192.0.2.128/25").length > 0, "the withdrawal");
  expect(told("route-withdrawn", "192.0.2.128/25")[0]).toMatchObject({ kind: "routing", side: "live", detail: { from: "10.9.0.1", to: "10.9.0.2", why: "withdrawn" } });
  expect(find("10.9.0.1", "192.0.2.128/25")).toBeUndefined();
});

/** A capture file of the recorded frames. */
function asPcap(recorded: readonly Frame[]): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65_535, 16);
  head.writeUInt32LE(1, 20);
  const records = recorded.map(({ tMs, bytes }) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(tMs / 1e3), 0);
    record.writeUInt32LE(Math.floor((tMs % 1e3) * 1e3), 4);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length, 12);
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([head, ...records]);
}

test("tshark finds the same destinations and next hops in the recorded frames", async () => {
  writeFileSync(ovs.capsule.path("/run/lab/copies.pcap"), asPcap(frames));
  const fields = ["ip.src", "ipv6.src", "bgp.nlri_prefix", "bgp.prefix_length", "bgp.mp_reach_nlri_ipv6_prefix", "bgp.update.path_attribute.next_hop", "bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6"];
  const { stdout } = await ovs.capsule.run("tshark", ["-r", "/run/lab/copies.pcap", "-Y", "bgp.type == 2", "-T", "json", "--no-duplicate-keys", ...fields.flatMap((field) => ["-e", field])], { timeoutMs: 60_000 });
  const packets = JSON.parse(stdout) as { readonly _source: { readonly layers: Readonly<Record<string, readonly string[]>> } }[];
  const theirs = new Set<string>();
  const theirHops = new Set<string>();
  for (const { _source } of packets) {
    const of = (name: string): readonly string[] => _source.layers[name] ?? [];
    const src = of("ip.src")[0] ?? of("ipv6.src")[0] ?? "";
    for (const prefix of [...of("bgp.nlri_prefix"), ...of("bgp.mp_reach_nlri_ipv6_prefix")]) theirs.add(`${src} ${prefix}`);
    for (const hop of [...of("bgp.update.path_attribute.next_hop"), ...of("bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6")]) theirHops.add(`${src} ${hop}`);
  }
  const announced = told("route-announced");
  const ours = new Set(announced.map(({ subject, detail }) => `${String(detail["from"])} ${subject.split("/")[0]}`));
  expect(ours.size).toBeGreaterThanOrEqual(5);
  expect([...ours].sort()).toEqual([...theirs].sort());
  expect([...new Set(announced.map(({ detail }) => `${String(detail["from"])} ${String(detail["nextHop"])}`))].filter((hop) => !theirHops.has(hop))).toEqual([]);
  expect(interceptor.counters()).toMatchObject({ malformed: {}, bgp: { missingBytes: 0, resyncs: 0 } });
});

test("a neighbour that shuts down takes its routes with it", async () => {
  await bird.birdc("disable", "b4");
  await waitFor(() => told("neighbour-down", "10.9.0.1 10.9.0.2").length > 0, "the neighbour is down");
  expect(told("neighbour-down", "10.9.0.1 10.9.0.2")[0]?.detail).toMatchObject({ protocol: "bgp", why: "10.9.0.2 says cease: administrative shutdown" });
  expect(find("10.9.0.2", "203.0.113.0/24")).toBeUndefined();
  expect(told("route-withdrawn", "203.0.113.0/24")[0]?.detail["why"]).toMatch(/^neighbour down/);
  expect(find("fd00:9::1", "2001:db8:1::/48")).toBeDefined();
});
