/**
 * Measures how soon what is copied follows a route: `node dist/lab/measure/routes-copied.js [ROUNDS]`. BIRD announces and withdraws a prefix to
 * FRR over a bridge under ovs-shadowd with a session that selects by routes; the delay is from before the command is given (so it includes
 * starting birdc, and BIRD's own time) to the switch's word that the selecting flow is there, or gone. Prints one line of JSON.
 */
import { connect, printMatch, type FlowUpdate } from "node-openflow";
import { table } from "../../src/network/pipeline.js";
import { Capsule } from "../capsule.js";
import { Ovs } from "../ovs.js";
import { Router } from "../routers.js";
import { Shadowd } from "../shadowd.js";
import { waitFor } from "../wait.js";

const rounds = Number(process.argv[2] ?? 30);
const prefix = "203.0.113.0/24";

function quantiles(values: readonly number[]): { readonly p50: number; readonly p99: number; readonly max: number } {
  const sorted = [...values].sort((x, y) => x - y);
  const at = (share: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

await using ovs = await Ovs.start(await Capsule.start());
await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure", "other_config:disable-in-band=true");
await ovs.ofctl("add-flow", "br0", "priority=0,actions=NORMAL");
const frr = await Router.create(ovs, { name: "r1", addresses: ["10.9.0.1/24"], bridge: "br0" });
const bird = await Router.create(ovs, { name: "r2", addresses: ["10.9.0.2/24"], bridge: "br0" });
const sessions = [
  { name: "bgp", origins: [{ match: "tcp,tp_dst=179" }, { match: "tcp,tp_src=179" }] },
  { name: "routes", origins: [{ routes: {} }], direction: "to" },
];
new Shadowd(ovs.capsule).start(JSON.stringify({ analysis: { routing: { enabled: true } }, shadow: { sessions }, stateDir: "/run/lab/state" }));
await Promise.all([
  frr.startFrr(["zebra", "bgpd"], "router bgp 65001\n bgp router-id 10.9.0.1\n no bgp ebgp-requires-policy\n neighbor 10.9.0.2 remote-as 65002\n neighbor 10.9.0.2 timers connect 1\n"),
  bird.startBird(`router id 10.9.0.2;
protocol device { }
protocol static steady { ipv4; route 198.51.100.0/24 blackhole; }
protocol static moving { disabled; ipv4; route ${prefix} blackhole; }
protocol bgp b4 { local 10.9.0.2 as 65002; neighbor 10.9.0.1 as 65001; connect retry time 1; error wait time 1, 2; ipv4 { import all; export all; }; }
`),
]);

const switchSide = await connect({ remote: `unix:${ovs.capsule.path("/run/openvswitch/br0.mgmt")}`, versions: [5] });
const selected = new Set<string>();
const take = (updates: readonly FlowUpdate[]): void => {
  for (const update of updates) {
    if (!("match" in update) || update.tableId !== table.select) continue;
    const wanted = /nw_dst=([\d./]+)/.exec(printMatch(update.match))?.[1];
    if (wanted === undefined) continue;
    if (update.event === "removed") selected.delete(wanted);
    else selected.add(wanted);
  }
};
switchSide.on("flowUpdates", take);
take(await switchSide.monitorFlows());
await waitFor(() => selected.has("198.51.100.0/24"), "the first prefix is followed", 60_000);

const delayMs: Record<"announced" | "withdrawn", number[]> = { announced: [], withdrawn: [] };
for (let round = 0; round < rounds; round++) {
  for (const [what, command] of [["announced", "enable"], ["withdrawn", "disable"]] as const) {
    const fromMs = performance.now();
    await bird.birdc(command, "moving");
    await waitFor(() => selected.has(prefix) === (what === "announced"), `${prefix} is ${what}`, 30_000);
    delayMs[what].push(performance.now() - fromMs);
  }
}
await switchSide.close();
process.stdout.write(`${JSON.stringify({ rounds, delayMs: Object.fromEntries(Object.entries(delayMs).map(([name, values]) => [name, quantiles(values)])) })}\n`);
