/**
 * Measures the routing interceptor on real routers: `node dist/lab/measure/routing.js [ROUNDS]`. FRR announces and withdraws a prefix
 * to BIRD over a bridge that copies; the delay is from before the command is given to the event (so it includes starting vtysh and
 * FRR's own time), and from the frame's time stamp in the kernel to the event (ours alone). Then frames a second, from memory.
 * Prints one line of JSON.
 */
import type { NetworkEvent } from "../../src/base/observation.js";
import { RoutingCapture, routingFilter } from "../../src/analysis/routing/capture.js";
import { RoutingInterceptor, type Frame } from "../../src/analysis/routing/interceptor.js";
import { Capsule } from "../capsule.js";
import { Ovs } from "../ovs.js";
import { Router } from "../routers.js";
import { waitFor } from "../wait.js";

const rounds = Number(process.argv[2] ?? 50);
const throughputFrames = 1_000_000;

interface Told {
  readonly event: NetworkEvent;
  readonly atMs: number;
}

function quantiles(values: readonly number[]): { readonly p50: number; readonly p99: number; readonly max: number } {
  const sorted = [...values].sort((x, y) => x - y);
  const at = (share: number): number => Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN) * 10) / 10;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

await using ovs = await Ovs.start(await Capsule.start());
await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=standalone");
const frr = await Router.create(ovs, { name: "r1", addresses: ["10.9.0.1/24"], bridge: "br0" });
const bird = await Router.create(ovs, { name: "r2", addresses: ["10.9.0.2/24"], bridge: "br0" });
await ovs.capsule.run("ip", ["link", "add", "tap-p", "type", "veth", "peer", "name", "tap"]);
for (const device of ["tap", "tap-p"]) await ovs.capsule.run("ip", ["link", "set", device, "up"]);
await ovs.vsctl("add-port", "br0", "tap-p", "--", ...["r1-p", "r2-p", "tap-p"].flatMap((port, i) => [`--id=@p${i}`, "get", "port", port, "--"]), "--id=@m", "create", "mirror", "name=copies", "select_src_port=@p0,@p1", "output_port=@p2", "--", "set", "bridge", "br0", "mirrors=@m");

const told: Told[] = [];
const frames: Frame[] = [];
const interceptor = new RoutingInterceptor({ sink: { happened: (event) => void told.push({ event, atMs: Date.now() }) }, side: "live" });
const tcpdump = ovs.capsule.spawn("tcpdump", ["-i", "tap", "-Q", "in", "-n", "-p", "--immediate-mode", "-U", "-w", "-", routingFilter], { stdio: ["ignore", "pipe", "pipe"] });
const heard = (frame: Frame): void => {
  frames.push({ ...frame, bytes: Uint8Array.from(frame.bytes) });
  interceptor.frame(frame);
};
await RoutingCapture.from(tcpdump, { device: "tap", frame: heard });
await Promise.all([
  frr.startFrr(["zebra", "bgpd"], "router bgp 65001\n bgp router-id 10.9.0.1\n no bgp ebgp-requires-policy\n no bgp network import-check\n neighbor 10.9.0.2 remote-as 65002\n neighbor 10.9.0.2 timers connect 1\n neighbor 10.9.0.2 advertisement-interval 0\n"),
  bird.startBird("router id 10.9.0.2;\nprotocol device { }\nprotocol bgp b4 { local 10.9.0.2 as 65002; neighbor 10.9.0.1 as 65001; connect retry time 1; error wait time 1, 2; ipv4 { import all; export none; }; }\n"),
]);
await waitFor(() => told.some(({ event }) => event.detail["what"] === "neighbour-up"), "the session", 60_000);

const delays: Record<string, number[]> = { announced: [], withdrawn: [], ours: [] };
for (let round = 0; round < rounds; round++) {
  const prefix = `203.0.${round % 250}.0/24`;
  for (const [what, command] of [["route-announced", `network ${prefix}`], ["route-withdrawn", `no network ${prefix}`]] as const) {
    told.length = 0;
    const fromMs = Date.now();
    await frr.vtysh("bgpd", "configure terminal", "router bgp 65001", "address-family ipv4 unicast", command);
    const found = (): Told | undefined => told.find(({ event }) => event.subject === prefix && event.detail["what"] === what);
    await waitFor(() => found() !== undefined, `${what} ${prefix}`, 30_000);
    const { event, atMs } = found() as Told;
    delays[what === "route-announced" ? "announced" : "withdrawn"]?.push(atMs - fromMs);
    delays["ours"]?.push(atMs - event.tMs);
  }
}
const { malformed, bgp } = interceptor.counters();

const again = new RoutingInterceptor({ sink: { happened: () => undefined }, side: "live" });
const startMs = performance.now();
for (let i = 0; i < throughputFrames; i++) again.frame(frames[i % frames.length] as Frame);
const framesPerS = Math.round(throughputFrames / ((performance.now() - startMs) / 1e3));
process.stdout.write(`${JSON.stringify({ rounds, delayMs: Object.fromEntries(Object.entries(delays).map(([name, values]) => [name, quantiles(values)])), malformed, missingBytes: bgp.missingBytes, framesPerS })}\n`);
