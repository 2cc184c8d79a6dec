/** What a controller sets of live's ports by port-mod, and their QoS, follow into the shadow, on real Open vSwitch; live's own stay as they are. */
import { connect } from "node-openflow";
import { Attached } from "../../lab/attached.js";
import type { Ovs } from "../../lab/ovs.js";
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import { portBit, portConfigs } from "../../src/network/port-config.js";
import { maxReplicatedPort } from "../../src/network/pipeline.js";
import { shadowBridge } from "../../src/shadow/names.js";
import { traceLines, type PortNames } from "../support/trace-lines.js";

const shadow = shadowBridge("br0");
const isCopyPort = (port: number): boolean => port > maxReplicatedPort && port < 0xff00;

/** The bits of a bridge's ports, by a connection of the test's own. */
async function bits(ovs: Ovs, bridge: string): Promise<Record<number, number>> {
  const connection = await connect({ remote: `unix:${ovs.runDir}/${bridge}.mgmt`, versions: [1] });
  try {
    return Object.fromEntries([...portConfigs(await connection.portDescs())].filter(([port]) => !isCopyPort(port)));
  } finally {
    await connection.close();
  }
}

async function portNames(ovs: Ovs, bridge: string): Promise<PortNames> {
  const { data } = JSON.parse(await ovs.vsctl("--format=json", "--columns=name,ofport", "list", "interface")) as { readonly data: readonly (readonly [string, number])[] };
  const own = new Set((await ovs.vsctl("list-ports", bridge)).split("\n"));
  return new Map([...data.filter(([name]) => own.has(name)), [bridge, 65534] as const]);
}

/** The way of a packet that comes in by port 1, in words that are the same for live and shadow. */
async function way(ovs: Ovs, bridge: string, packet: string): Promise<string[]> {
  return traceLines(await ovs.appctl("ofproto/trace", "--names", bridge, packet), bridge, await portNames(ovs, bridge), isCopyPort);
}

/** The ports of live by which a packet leaves, as the datapath does it: on the shadow those are the adapter's ports that stand for them. */
async function reached(ovs: Ovs, bridge: string, packet: string): Promise<number[]> {
  const trace = await ovs.appctl("ofproto/trace", "--names", bridge, packet);
  if (bridge === shadow) return [...trace.matchAll(/in_port="?shb\w+-(\d+)"?, priority/g)].map(([, port]) => Number(port));
  const names = await portNames(ovs, bridge);
  return (/Datapath actions: (.*)/.exec(trace)?.[1] ?? "").split(",").flatMap((action) => names.get(action.replaceAll('"', "")) ?? []).filter((port) => port < 65534);
}

const broadcast = "in_port=1,dl_src=02:00:00:00:00:09,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x1234";

test("port configuration bits follow by event, also those that only OpenFlow 1.0 tells; ways of floods stay equal; a restart changes nothing", async () => {
  await using lab = await Attached.start({ bridges: 1, edges: 3 }, { forward: { enabled: false } });
  const { ovs } = lab;
  await ovs.ofctl("add-flow", "br0", "priority=5,dl_type=0x1234,actions=FLOOD,set_queue:1,output:3");
  await ovs.ofctl("add-flow", "br0", "priority=4,dl_type=0x4321,actions=CONTROLLER");
  await ovs.ofctl("add-flow", "br0", "priority=3,dl_type=0x9999,actions=goto_table:7");
  await lab.inStep(1);
  const modify = (port: number, what: string) => ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow10", "mod-port", "br0", String(port), what]);
  const followed = async (expected: Record<number, number>, leaves: readonly number[], what: string): Promise<void> => {
    await waitFor(async () => JSON.stringify(await bits(ovs, shadow)) === JSON.stringify(expected), what);
    expect(await bits(ovs, "br0")).toEqual(expected);
    await lab.inStep(1);
    expect(await way(ovs, shadow, broadcast)).toEqual(await way(ovs, "br0", broadcast));
    expect(await reached(ovs, "br0", broadcast)).toEqual(leaves);
    expect(await reached(ovs, shadow, broadcast)).toEqual(leaves);
  };
  await followed({}, [2, 3, 3], "no bits");
  // A packet that no flow of a later table takes is dropped, and not given to a connection of ours that follows bits.
  const missed = await way(ovs, "br0", "in_port=1,dl_type=0x9999");
  expect(missed.some((line) => /No match\.$/.test(line))).toBe(true);
  expect(missed).toEqual(await way(ovs, shadow, "in_port=1,dl_type=0x9999"));
  expect(missed.filter((line) => line.includes("packet-in"))).toEqual([]);
  // A flood enters the shadow once, by the port at which it came in: not by the replica ports that the guards keep from NORMAL alone.
  const copies = async (): Promise<number[]> => [...(await ovs.appctl("ofproto/trace", "--names", "br0", broadcast)).matchAll(/in_port="?sha\w+-(\d+)"?, priority/g)].map(([, port]) => Number(port));
  await waitFor(async () => (await copies()).join() === "1", "a flooded packet is copied once");

  await modify(2, "no-flood");
  await followed({ 2: portBit.noFlood }, [3, 3], "NO_FLOOD is followed");
  await modify(3, "no-forward");
  await followed({ 2: portBit.noFlood, 3: portBit.noFwd }, [], "NO_FWD is followed");
  await modify(1, "no-receive");
  await followed({ 1: portBit.noRecv, 2: portBit.noFlood, 3: portBit.noFwd }, [], "NO_RECV is followed");
  await modify(1, "receive");
  await modify(1, "no-packet-in");
  await modify(1, "no-receive-stp");
  await followed({ 1: portBit.noPacketIn | portBit.noRecvStp, 2: portBit.noFlood, 3: portBit.noFwd }, [], "a bit that goes and others that come are followed");
  // A port that is down on live is no bit of the shadow's: a patch port can't be taken down.
  await modify(2, "down");
  await followed({ 1: portBit.noPacketIn | portBit.noRecvStp, 2: portBit.noFlood, 3: portBit.noFwd }, [], "PORT_DOWN is left");
  await modify(2, "up");

  await lab.restart();
  await lab.inStep(1);
  await lab.controller.shadow.settle();
  expect([...lab.controller.shadow.portMods().values()].reduce((sum, { portMods }) => sum + portMods, 0)).toBe(0);
  await followed({ 1: portBit.noPacketIn | portBit.noRecvStp, 2: portBit.noFlood, 3: portBit.noFwd }, [], "all is as before the restart");

  // Set by somebody's hand on the shadow: put back. A port that is made anew has the bits again.
  await ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow10", "mod-port", shadow, "2", "flood"]);
  await followed({ 1: portBit.noPacketIn | portBit.noRecvStp, 2: portBit.noFlood, 3: portBit.noFwd }, [], "a bit that somebody changed on the shadow is put back");
  const edge = (await ovs.vsctl("--bare", "--columns=name", "find", "interface", "ofport=2", "external_ids:ovs-shadow\\:role=edge")).trim();
  await ovs.vsctl("del-port", edge);
  await waitFor(async () => (await portNames(ovs, shadow)).has(edge), "the shadow's port is back");
  await followed({ 1: portBit.noPacketIn | portBit.noRecvStp, 2: portBit.noFlood, 3: portBit.noFwd }, [], "it is configured as before");
  for (const [port, what] of [[1, "packet-in"], [1, "receive-stp"], [2, "flood"], [3, "forward"]] as const) await modify(port, what);
  await followed({}, [2, 3, 3], "all bits are gone again");

  // A switch that restarts has no bits, ours included, and no flows: those are the operator's to bring back.
  await modify(2, "no-flood");
  await ovs.stopVswitchd("SIGTERM");
  await ovs.startVswitchd();
  const put = async (): Promise<boolean> => (await ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow14", "add-flow", "br0", "priority=5,dl_type=0x1234,actions=FLOOD,set_queue:1,output:3"], { mayFail: true })).code === 0;
  await waitFor(put, "the bridge is there again and takes the operator's flow");
  await followed({}, [2, 3, 3], "what the restart took from live is taken from the shadow");
  await waitFor(async () => (await copies()).join() === "1", "a flooded packet is copied once again");
}, 120_000);

test("what an operator's flow floods enters the shadow once", async () => {
  await using panel = await PatchPanel.start({ l1: 4 });
  await panel.ovs.ofctl("del-flows", "l1");
  await panel.ovs.ofctl("add-flow", "l1", "priority=5,actions=FLOOD");
  panel.startDaemon(["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"]);
  await panel.inStep();
  const before = await panel.received(shadowBridge("l1"));
  const packets = 200;
  await panel.send("l1-1-h", "udp", 0, packets, 1_000);
  const came = async (): Promise<number[]> => {
    const now = await panel.received(shadowBridge("l1"));
    return [1, 2, 3, 4].map((port) => (now.get(port) ?? 0) - (before.get(port) ?? 0));
  };
  await waitFor(async () => ((await came())[0] ?? 0) >= packets, "the copies have come");
  expect(await came()).toEqual([packets, 0, 0, 0]);
}, 60_000);

test("a bridge that is not to speak OpenFlow 1.0 is followed as far as later versions tell; below level configuration nothing is", async () => {
  await using lab = await Attached.start({ bridges: 1, edges: 2 }, { forward: { enabled: false } }, { beforeAttach: (ovs) => ovs.vsctl("set", "bridge", "br0", "protocols=OpenFlow13,OpenFlow14") });
  const { ovs } = lab;
  await lab.inStep(1);
  await ovs.ofctl("mod-port", "br0", "1", "no-forward");
  await waitFor(async () => JSON.stringify(await bits(ovs, shadow)) === JSON.stringify({ 1: portBit.noFwd }), "NO_FWD is followed by OpenFlow 1.4");
  lab.controller.levels.set("br0", "topology");
  await waitFor(async () => JSON.stringify(await bits(ovs, shadow)) === "{}", "at level topology the shadow's ports have no bits");
}, 60_000);

test("QoS and queues of a live port are told on the shadow's port as they change, and stand in nobody's way", async () => {
  await using lab = await Attached.start({ bridges: 2, edges: 2 });
  const { ovs } = lab;
  await lab.inStep(2);
  const column = async (bridge: string, ofport: number): Promise<string> => {
    const own = new Set((await ovs.vsctl("list-ports", shadowBridge(bridge))).split("\n"));
    const names = (await ovs.vsctl("--bare", "--columns=name", "find", "interface", `ofport=${ofport}`, "external_ids:ovs-shadow\\:role=edge")).split("\n").filter((name) => own.has(name.trim()));
    return ovs.vsctl("--if-exists", "get", "port", names[0] ?? "none", "external_ids:ovs-shadow\\:qos");
  };
  const rows = async (): Promise<string> => `${await ovs.vsctl("list", "qos")}\n${await ovs.vsctl("list", "queue")}`;
  const qos = ["--", "--id=@a", "create", "queue", "other-config:max-rate=100000", "--", "--id=@b", "create", "queue", "dscp=8", "--", "--id=@s", "create", "qos", "type=linux-htb", "other-config:max-rate=1000000", "queues:1=@a", "queues:7=@b"];
  const made = (await ovs.vsctl(...qos, "--", "set", "port", "p0-1", "qos=@s", "--", "set", "port", "p1-2", "qos=@s")).split("\n");
  const text = '"linux-htb max-rate=1000000; queue 1 max-rate=100000; queue 7 dscp=8"';
  const asMade = await rows();
  for (const [bridge, port] of [["br0", 1], ["br1", 2]] as const) await waitFor(async () => (await column(bridge, port)) === text, `the QoS of ${bridge}:${port} is told`);
  await lab.inStep(2);
  expect(await rows()).toBe(asMade);
  expect(lab.controller.shadow.left.map(({ port }) => port)).toEqual(["br0:1", "br1:2"]);

  // A change of a Queue row alone, of a row that two bridges share.
  await ovs.vsctl("set", "queue", made[0] ?? "", "other-config:max-rate=200000");
  for (const [bridge, port] of [["br0", 1], ["br1", 2]] as const) await waitFor(async () => (await column(bridge, port)) === text.replace("100000;", "200000;"), `the queue of ${bridge}:${port} is followed`);
  await lab.inStep(2);
  const { transactions } = lab.controller.database.counters;
  expect(transactions).toBeGreaterThan(0);
  await lab.restart();
  await lab.inStep(2);
  await lab.controller.shadow.settle();
  expect(lab.controller.database.counters.transactions).toBe(0);

  // All of them at once, as operators do: rows of ours that referred to such rows would make the database refuse it.
  await ovs.vsctl("--", "clear", "port", "p0-1", "qos", "--", "clear", "port", "p1-2", "qos", "--", "--all", "destroy", "qos", "--", "--all", "destroy", "queue");
  for (const [bridge, port] of [["br0", 1], ["br1", 2]] as const) await waitFor(async () => !(await column(bridge, port)).includes("linux"), `the QoS of ${bridge}:${port} is gone`);
}, 90_000);
