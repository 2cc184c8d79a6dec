/** The acts of the demo: each does one thing to the network, says what happened, and leaves figures. */
import { OvsdbClient } from "ovsdb-client";
import type { Change } from "../../src/api/generated/ovsshadow/v1/shadow.js";
import { adapterBridge, edge, shadowBridge } from "../../src/shadow/names.js";
import { differences, snapshot } from "../compare.js";
import { injectHostile, sniffDevice, sniffHost, replay, startWebServer, synFlood, webLoad, type SniffCount } from "../traffic.js";
import { elapse, waitFor } from "../wait.js";
import { observations } from "./observations.js";
import type { Stage } from "./stage.js";

const atMost = (value: number, limit: number, unit = ""): { text: string; ok: boolean } => ({ text: `at most ${limit}${unit}`, ok: value <= limit });
const atLeast = (value: number, limit: number, unit = ""): { text: string; ok: boolean } => ({ text: `at least ${limit}${unit}`, ok: value >= limit });
const quantile = (values: readonly number[], share: number): number => [...values].sort((x, y) => x - y)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;

async function lost(stage: Stage, act: string, limit: number): Promise<void> {
  const { lost: count } = await stage.probeLost();
  stage.figure(act, "probe packets lost", count, "packets", atMost(count, limit));
}

export async function attach(stage: Stage): Promise<void> {
  const act = "attach";
  stage.say("The controller comes to a network that works, learns what is there, and takes over above the operator's flows.");
  const start = performance.now();
  stage.startDaemon();
  await stage.inStep(4);
  stage.figure(act, "from start to shadow ready", performance.now() - start, "ms");
  await stage.everyHostReachesEveryOther();
  await waitFor(async () => (await stage.ctl<{ hosts: unknown[] }>("topology")).hosts.length === 4, "all hosts are known");
  const topology = await stage.ctl<{ bridges: unknown[]; links: { up: boolean }[]; hosts: unknown[] }>("topology");
  stage.say(`    found ${topology.bridges.length} bridges, ${topology.links.length} links and ${topology.hosts.length} hosts`);
  const flows = await stage.live.ovs.ofctl("dump-flows", "l1", "table=242");
  const used = [...flows.matchAll(/n_packets=(\d+).*dl_dst=00/g)].some(([, count]) => Number(count) > 0);
  stage.figure(act, "forwarding taken over", used ? 1 : 0, "(1: our flows carry the traffic)", { text: "yes", ok: used });
  await lost(stage, act, 0);
}

/** Makes a bridge's LOCAL device listen without a word of its own. */
async function raise(stage: Stage, device: string): Promise<void> {
  await stage.live.ovs.capsule.run("ip", ["link", "set", "dev", device, "addrgenmode", "none", "up"]);
}

export async function shadow(stage: Stage): Promise<void> {
  const act = "shadow";
  stage.say("Every packet that enters the network at an edge also enters the shadow, which forwards it by the same tables.");
  const { live } = stage;
  await raise(stage, adapterBridge("l2"));
  const atHost = await sniffHost(live, "h4");
  const atSink = await sniffDevice(live, adapterBridge("l2"));
  await elapse(5_000);
  const [host, sink] = await Promise.all([ids(atHost), ids(atSink)]);
  // Both saw what lies between the later start and a moment before the earlier end.
  const from = Math.max(host[0] ?? 0, sink[0] ?? 0) + 50;
  const to = Math.min(host.at(-1) ?? 0, sink.at(-1) ?? 0) - 50;
  const within = (list: readonly number[]): number[] => list.filter((id) => id >= from && id <= to);
  const copies = new Set(within(sink));
  const delivered = within(host);
  const copied = delivered.filter((id) => copies.has(id)).length;
  const [order, orderAtHost] = await Promise.all([atSink.ask(), atHost.ask()]);
  stage.figure(act, "probe packets that arrived at the live host", delivered.length, "packets", atLeast(delivered.length, 3_000));
  stage.figure(act, "of these, arrived at the shadow's host too", (copied / Math.max(1, delivered.length)) * 100, "%", atLeast((copied / Math.max(1, delivered.length)) * 100, 100));
  stage.figure(act, "copies out of order", order.reordered, "packets", atMost(order.reordered, 0));
  stage.figure(act, "copies twice that were not twice on live", Math.max(0, order.twice - orderAtHost.twice), "packets", atMost(order.twice - orderAtHost.twice, 0));
  await Promise.all([atHost.stop(), atSink.stop()]);
  await hostile(stage, act);
  await lost(stage, act, 0);
}

async function ids(sniffer: { ask(question: string): Promise<unknown> }): Promise<number[]> {
  return ((await sniffer.ask("ids")) as { ids: number[] }).ids;
}

/** Hostile frames in the shadow, also with the adapter turned against live: nothing may reach a live host. */
async function hostile(stage: Stage, act: string): Promise<void> {
  const { live } = stage;
  const hosts = Object.keys(live.built.hosts);
  const sniffers = await Promise.all(hosts.map((host) => sniffHost(live, host)));
  let sent = 0;
  for (const bridge of ["l1", "l2"]) {
    for (const device of [shadowBridge(bridge), adapterBridge(bridge)]) await raise(stage, device);
    sent += await injectHostile(live, shadowBridge(bridge), 20);
    // An adapter that sends everything back to live: only the guard is left.
    await live.ovs.ofctl("add-flow", adapterBridge(bridge), "priority=65535,in_port=LOCAL,actions=output:1,output:2");
    sent += await injectHostile(live, adapterBridge(bridge), 20);
  }
  await elapse(300);
  const counts = await Promise.all(sniffers.map((sniffer) => sniffer.ask()));
  const leaked = counts.reduce((sum, count) => sum + count.marked, 0);
  const guarded = [...(await live.ovs.ofctl("dump-ports", "l1")).matchAll(/port 327\d\d: rx pkts=(\d+)/g)].reduce((sum, [, rx]) => sum + Number(rx), 0);
  stage.say(`    ${sent} hostile frames were put into the shadow; ${guarded} came as far as the guards of l1`);
  stage.figure(act, "frames from the shadow that reached a live host", leaked, "frames", atMost(leaked, 0));
  await Promise.all(sniffers.map((sniffer) => sniffer.stop()));
}

export async function topologyChange(stage: Stage): Promise<void> {
  const act = "topology change";
  stage.say("The operator adds and removes ports, a bridge, a host and flows; the shadow follows.");
  const { live, fabric } = stage;
  const client = await OvsdbClient.connect({ remote: live.ovs.remote });
  const replica = await client.replica("Open_vSwitch", { Interface: ["name", "ofport"] });
  const latencies: number[] = [];
  const seen = new Map<string, number>();
  replica.on("changes", (changes) => {
    for (const { new: row, old } of changes) {
      const name = (row ?? old)?.["name"];
      if (typeof name !== "string") continue;
      const isThere = row !== undefined && typeof row["ofport"] === "number" && row["ofport"] > 0;
      if (isThere || row === undefined) seen.set(`${name} ${isThere ? "up" : "gone"}`, performance.now());
    }
  });
  const measured = async (name: string, copy: string, state: "up" | "gone", edit: () => Promise<unknown>): Promise<void> => {
    seen.clear();
    await edit();
    await waitFor(() => seen.has(`${copy} ${state}`), `the shadow has ${copy} ${state}`, 10_000);
    latencies.push((seen.get(`${copy} ${state}`) ?? 0) - (seen.get(`${name} ${state}`) ?? 0));
  };
  const ports = Array.from({ length: 6 }, (_, i) => ({ bridge: i % 2 === 0 ? "l1" : "l2", name: `x${i}`, ofport: 20 + i }));
  for (const { name } of ports) await fabric.operator("ip", "link", "add", name, "type", "veth", "peer", "name", `${name}p`);
  for (const { name } of ports) await fabric.operator("sh", "-c", `ip link set ${name} addrgenmode none up; ip link set ${name}p addrgenmode none up`);
  for (let round = 0; round < 2; round++) {
    for (const { bridge, name, ofport } of ports) await measured(name, edge(bridge, ofport), "up", () => fabric.operator("ovs-vsctl", "add-port", bridge, name, "--", "set", "interface", name, `ofport_request=${ofport}`));
    for (const { bridge, name, ofport } of ports) await measured(name, edge(bridge, ofport), "gone", () => fabric.operator("ovs-vsctl", "del-port", bridge, name));
  }
  stage.figure(act, "changes measured", latencies.length, "changes", atLeast(latencies.length, 20));
  stage.figure(act, "OVSDB update → shadow converged, p50", quantile(latencies, 0.5), "ms");
  stage.figure(act, "OVSDB update → shadow converged, p99", quantile(latencies, 0.99), "ms");

  await fabric.operator("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "l1", "priority=77,udp,tp_dst=9999,actions=drop");
  await waitFor(async () => (await live.ovs.ofctl("dump-flows", shadowBridge("l1"), "udp,tp_dst=9999")).includes("priority=77"), "the shadow has the operator's new flow");
  await fabric.operator("ovs-ofctl", "-O", "OpenFlow13", "--strict", "del-flows", "l1", "priority=77,udp,tp_dst=9999");
  await waitFor(async () => !(await live.ovs.ofctl("dump-flows", shadowBridge("l1"), "udp,tp_dst=9999")).includes("priority=77"), "the shadow lost it again");
  stage.say("    a flow was added and removed: followed");

  await fabric.operator("sh", "-c", "ip link add l1-s9 type veth peer name s9-l1 && ip link set l1-s9 addrgenmode none up && ip link set s9-l1 addrgenmode none up");
  const uplink = ["add-port", "l1", "l1-s9", "--", "set", "interface", "l1-s9", "ofport_request=30"];
  await fabric.operator("ovs-vsctl", "add-br", "s9", "--", "set", "bridge", "s9", "datapath_type=netdev", "fail_mode=secure", "other-config:datapath-id=0000000000000099", "--", "add-port", "s9", "s9-l1", "--", ...uplink);
  await stage.inStep(5);
  await waitFor(async () => (await stage.ctl<{ links: { a: string; b: string }[] }>("topology")).links.some(({ a, b }) => `${a} ${b}` === "l1:30 s9:1"), "the new link is known");
  stage.say("    a bridge came, with its cable: followed");
  await fabric.operator("ovs-vsctl", "del-port", "l1", "l1-s9", "--", "del-br", "s9");
  await fabric.operator("ip", "link", "del", "l1-s9");
  await waitFor(async () => (await stage.status()).shadows.length === 4, "the shadow let the removed bridge go");
  stage.say("    and went: followed at once, because its cable was taken out too");

  // A host: a namespace on a new port.
  await fabric.operator("sh", "-c", "ip netns add h9 && ip link add l2-h9 type veth peer name h9-eth0 netns h9 && ip link set l2-h9 addrgenmode none up && ip -n h9 link set h9-eth0 address 00:00:00:00:00:09 && ip -n h9 addr add 10.0.0.9/24 dev h9-eth0 && ip -n h9 link set h9-eth0 up && ip netns exec h9 ethtool -K h9-eth0 tx off >/dev/null");
  await fabric.operator("ovs-vsctl", "add-port", "l2", "l2-h9", "--", "set", "interface", "l2-h9", "ofport_request=31");
  await waitFor(async () => (await live.ovs.capsule.run("ip", ["netns", "exec", "h9", "ping", "-q", "-c", "1", "-W", "1", live.host("h1").ip], { mayFail: true })).code === 0, "the new host reaches h1");
  stage.say("    a host came and reaches the others, without a word from the operator's flows");
  await fabric.operator("sh", "-c", "ovs-vsctl del-port l2 l2-h9; ip netns del h9");
  for (const { name } of ports) await fabric.operator("ip", "link", "del", name);
  await client.close();
  await stage.inStep(4);
  await lost(stage, act, 0);
}

/** Waits for a change in one of `states` beyond those in `before`. */
async function changeIn(stage: Stage, before: ReadonlySet<number>, states: readonly string[], what: string, timeoutMs: number): Promise<Change> {
  let found: Change | undefined;
  await waitFor(
    async () => {
      found = (await stage.changes()).find((change) => !before.has(change.id) && states.includes(change.state));
      return found !== undefined;
    },
    what,
    timeoutMs,
  );
  if (found === undefined) throw new Error(what);
  return found;
}

export async function attack(stage: Stage): Promise<void> {
  const act = "attack";
  const { live } = stage;
  const server = await startWebServer(live, "h1");
  stage.say("First a flash crowd: as many packets as the flood to come, but real connections. It must pass.");
  const crowd = await Promise.all(["h2", "h3", "h4"].map((host) => webLoad(live, host, "h1", 110, 6, 1_500)));
  const proposals = await stage.changes();
  const crowdFailed = crowd.reduce((sum, one) => sum + one.failed, 0);
  stage.figure(act, "flash crowd: connections", crowd.reduce((sum, one) => sum + one.ok, 0), "connections");
  stage.figure(act, "flash crowd: connections failed", crowdFailed, "connections", atMost(crowdFailed, 0));
  stage.figure(act, "flash crowd: rules proposed", proposals.length, "rules", atMost(proposals.length, 0));
  await lost(stage, act, 0);

  const { pcap } = stage.options;
  stage.say(`Now ${pcap === undefined ? "a SYN flood with random sources, ramping up," : `the attack of ${pcap}`} from h4 against h1, beside ordinary web traffic from h3.`);
  const before = new Set(proposals.map((change) => change.id));
  const ingress = await sniffDevice(live, "l2-eth2");
  const victim = await sniffHost(live, "h1");
  const benign = webLoad(live, "h3", "h1", 30, 16);
  const flood = (async () => {
    if (pcap !== undefined) return replay(live, "h4", "h1", pcap, 3_000, 13);
    for (const [rate, seconds] of [[500, 1.5], [1_500, 2], [3_000, 9]] as const) await synFlood(live, "h4", "h1", rate, rate * seconds);
  })();
  const change = await changeIn(stage, before, ["live"], "a rule is on live", 30_000);
  await elapse(300);
  const [inStart, outStart] = await Promise.all([ingress.ask(), victim.ask()]);
  const first = inStart.firstForeignMs ?? 0;
  const prediction = (await stage.predictions())[0];
  const liveAtMs = change.timeline.find((step) => step.state === "live")?.atMs ?? 0;
  stage.say(`    predicted with confidence ${((prediction?.confidence ?? 0) * 100).toFixed(0)} %; the rule: ${change.described.join("; ")}`);
  stage.say(`    tried on the shadow: ${change.trial?.reasons.join("; ") ?? ""}`);
  stage.figure(act, "first attack packet → prediction", (prediction?.atMs ?? 0) - first, "ms");
  stage.figure(act, "first attack packet → rule on live", liveAtMs - first, "ms", atMost(liveAtMs - first, 5_000, " ms"));
  stage.figure(act, "trial: attack matched", (change.trial?.attackMatchedRatio ?? 0) * 100, "%", atLeast((change.trial?.attackMatchedRatio ?? 0) * 100, 95, " %"));
  stage.figure(act, "trial: benign matched", (change.trial?.benignMatchedRatio ?? 1) * 100, "%", atMost((change.trial?.benignMatchedRatio ?? 1) * 100, 1, " %"));

  stage.say("An over-wide rule is proposed meanwhile: everything from l2 to h1.");
  const wide = await stage.ctl<Change>("propose", "--bridge", "l2", "--dst", live.host("h1").ip, "--reason", "deliberately over-wide");
  stage.say(`    ${wide.state}: ${wide.trial?.reasons.join("; ") ?? ""}`);
  stage.figure(act, "over-wide rule rejected", wide.state === "rejected" ? 1 : 0, "(1: yes)", { text: "yes", ok: wide.state === "rejected" });

  await flood;
  await elapse(200);
  const [inEnd, outEnd] = await Promise.all([ingress.ask(), victim.ask()]);
  const through = (key: "foreign", a: SniffCount, b: SniffCount): number => b[key] - a[key];
  const arrived = through("foreign", inStart, inEnd);
  const reached = through("foreign", outStart, outEnd);
  const dropped = (1 - reached / Math.max(1, arrived)) * 100;
  stage.figure(act, "attack packets that came in after that", arrived, "packets", atLeast(arrived, 1_000));
  stage.figure(act, "of these dropped", dropped, "%", atLeast(dropped, 95, " %"));
  const web = await benign;
  const webLost = (web.failed / Math.max(1, web.ok + web.failed)) * 100;
  stage.figure(act, "benign web connections", web.ok, "connections", atLeast(web.ok, 400));
  stage.figure(act, "benign web connections lost", webLost, "%", atMost(webLost, 1, " %"));
  const verified = (await stage.changes()).find((one) => one.id === change.id);
  stage.figure(act, "effect verified on live", verified?.verified === true ? 1 : 0, `(${verified?.verification ?? "not yet"})`, { text: "yes", ok: verified?.verified === true });
  await changeIn(stage, before, ["expired"], "the lease ends", 30_000);
  await waitFor(async () => (await stage.changes()).every((one) => one.state !== "live"), "no rule is in force", 30_000);
  const left = (await live.ovs.ofctl("dump-flows", "l2", "cookie=0x0000050000000000/0x0000ff0000000000")).split("\n").filter((line) => line.includes("cookie=")).length;
  stage.figure(act, "rules left on live after the lease", left, "rules", atMost(left, 0));
  await Promise.all([ingress.stop(), victim.stop(), server.stop()]);
  await lost(stage, act, 10);
}

export async function linkFailure(stage: Stage): Promise<void> {
  const act = "link failure";
  const { live } = stage;
  const flow = await live.ovs.ofctl("dump-flows", "l1", `table=242,dl_dst=${live.host("h4").mac}`);
  const group = /group:(\d+)/.exec(flow)?.[1] ?? "";
  const groups = await live.ovs.ofctl("dump-groups", "l1");
  const port = Number(new RegExp(`group_id=${group},type=ff,bucket=watch_port:\\D*(\\d+)`).exec(groups)?.[1] ?? 3);
  stage.say(`The probe's way goes by l1-eth${port}. That link is cut.`);
  await live.ovs.capsule.run("ip", ["link", "set", `l1-eth${port}`, "down"]);
  await elapse(1_500);
  await lost(stage, act, 20);
  const held = (await stage.status()).held;
  stage.figure(act, "elements the shadow holds", held.length, `(${held.map((one) => one.element).join(", ")})`, atLeast(held.length, 1));
  await live.ovs.capsule.run("ip", ["link", "set", `l1-eth${port}`, "up"]);
  await stage.inStep(4);
  const { lost: back } = await stage.probeLost();
  stage.figure(act, "lost when it came back", back, "packets", atMost(back, 20));
}

export async function spinesDie(stage: Stage): Promise<void> {
  const act = "spines die";
  const { live } = stage;
  stage.say("First by plan: the shadow takes over and gives back.");
  await stage.ctl("promote", "--why", "drill");
  await elapse(800);
  const planned = await stage.probeLost();
  stage.figure(act, "lost on planned promotion", planned.lost, "packets", atMost(planned.lost, 0));
  await stage.ctl("demote", "--why", "drill over");
  await elapse(800);
  const back = await stage.probeLost();
  stage.figure(act, "lost on planned demotion", back.lost, "packets", atMost(back.lost, 0));
  await stage.inStep(4);

  stage.say("Now both spines are deleted under traffic.");
  const rebuild: string[][] = [];
  for (const spine of ["s1", "s2"]) {
    const config = (await live.ovs.vsctl("get", "bridge", spine, "other_config")).replace(/[{}" ]/g, "").split(",").filter(Boolean);
    rebuild.push(["add-br", spine, "--", "set", "bridge", spine, "datapath_type=netdev", "fail_mode=secure", ...config.map((pair) => `other-config:${pair}`)]);
    for (const port of [1, 2]) rebuild.push(["add-port", spine, `${spine}-eth${port}`, "--", "set", "interface", `${spine}-eth${port}`, `ofport_request=${port}`]);
  }
  const start = performance.now();
  await live.ovs.vsctl("--no-wait", "del-br", "s1", "--", "del-br", "s2");
  await waitFor(() => stage.daemonLog.some((line) => line.includes("live no longer connects")), "the shadow is promoted", 15_000);
  const took = performance.now() - start;
  await elapse(1_500);
  const unplanned = await stage.probeLost();
  stage.figure(act, "deleted → promoted", took, "ms");
  stage.figure(act, "lost on unplanned promotion", unplanned.lost, "packets", atMost(unplanned.lost, Math.round(took) + 100));
  stage.figure(act, "longest gap", unplanned.longestGapMs, "ms");

  stage.say("The spines come back, empty; the operator puts their flows on again. Live takes over when it is whole.");
  for (const edit of rebuild) await live.ovs.vsctl(...edit);
  for (const spine of ["s1", "s2"]) for (const flow of live.built.flows[spine] ?? []) await live.ovs.ofctl("add-flow", spine, flow);
  await waitFor(async () => (await stage.status()).promotion === "off", "live has taken back over", 30_000);
  await stage.inStep(4);
  await elapse(500);
  const demoted = await stage.probeLost();
  stage.figure(act, "lost while they came back and live took over", demoted.lost, "packets", atMost(demoted.lost, 0));
}

export async function detach(stage: Stage): Promise<void> {
  const act = "detach";
  const { fabric } = stage;
  stage.say("The controller leaves. The network must be as if it had never been there.");
  await stage.ctl("detach");
  const code = await stage.daemonEnded();
  stage.figure(act, "exit status of the controller", code ?? -1, "", atMost(Math.abs(code ?? 1), 0));
  await elapse(500);
  await lost(stage, act, 0);
  const compare = async (): Promise<string[]> => differences(await snapshot(fabric.live.ovs), await snapshot(fabric.twin.ovs));
  const left = await compare();
  for (const line of left.slice(0, 5)) stage.say(`    ${line.slice(-260)}`);
  stage.figure(act, "differences to the twin that was never attached", left.length, "differences", atMost(left.length, 0));
  await fabric.live.ovs.ofctl("add-flow", "l1", "priority=1,actions=drop");
  const planted = (await compare()).length - left.length;
  await fabric.live.ovs.ofctl("--strict", "del-flows", "l1", "priority=1");
  stage.figure(act, "a planted difference is found", planted, "differences", atLeast(planted, 1));
  await stage.everyHostReachesEveryOther();
}

export const acts = [
  { name: "Attach", run: attach },
  { name: "Shadow", run: shadow },
  { name: "Topology change", run: topologyChange },
  { name: "Observations", run: observations },
  { name: "Attack", run: attack },
  { name: "Link failure", run: linkFailure },
  { name: "Spines die", run: spinesDie },
  { name: "Detach", run: detach },
] as const;
