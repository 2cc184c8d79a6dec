/** The controller does no harm: a probe of 1,000 packets/s and a TCP connection that stays live through all that is done to it. */
import { readFileSync, writeFileSync } from "node:fs";
import { differences, snapshot } from "../../lab/compare.js";
import { Stage } from "../../lab/demo/stage.js";
import { startStream, type Asked, type StreamCount } from "../../lab/traffic.js";
import { waitFor } from "../../lab/wait.js";

const restarts = 20;
/** The copies are on all the time, whatever the switch bears. */
const shadow = "budget: { enabled: false }";
/** A socket of the database that is the controller's alone, so that its connection can be cut and nobody else's. */
const ownSocket = "/run/openvswitch/ours.sock";

let stage: Stage;
let stream: Asked<StreamCount>;

beforeAll(async () => {
  stage = await Stage.build({ say: () => {}, shadow, config: `ovsdb: unix:${ownSocket}` });
  const { fabric, live } = stage;
  await live.ovs.capsule.run("ovs-appctl", ["-t", "/run/openvswitch/ovsdb.ctl", "ovsdb-server/add-remote", `punix:${ownSocket}`]);
  // What an operator may have, on live and twin alike: it must be there, unchanged, at the end.
  await fabric.operator("ovs-ofctl", "-O", "OpenFlow13", "add-group", "l1", "group_id=7,type=select,bucket=output:3,bucket=output:4");
  await fabric.operator("ovs-ofctl", "-O", "OpenFlow13", "add-meter", "l2", "meter=3,pktps,band=type=drop,rate=50000");
  await fabric.operator("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "l1", "table=7,priority=9,cookie=0x77,ip,actions=group:7");
  await fabric.operator("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "l2", "table=7,priority=9,cookie=0x77,ip,actions=meter:3,output:1");
  await fabric.operator("ovs-vsctl", "set", "bridge", "s2", "fail_mode=standalone", "other_config:disable-in-band=true");
  await fabric.operator("ovs-vsctl", "set-controller", "s1", "ptcp:6699:127.0.0.1");
  await fabric.operator("ovs-vsctl", "--", "--id=@p", "get", "port", "l2-eth1", "--", "--id=@m", "create", "mirror", "name=theirs", "select_src_port=@p", "--", "set", "bridge", "l2", "mirrors=@m");
  for (const [bridge, flows] of Object.entries(live.built.flows)) for (const flow of flows) await fabric.operator("ovs-ofctl", "-O", "OpenFlow13", "add-flow", bridge, flow);
  await stage.startProbe(240);
  stream = (await startStream(live, "h1", "h3")).stream;
  await waitFor(async () => (await stream.ask()).echoed > 100, "the TCP connection carries");
  await stage.probeLost();
}, 90_000);

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

/** Nothing lost since the last look, and the connection stands with every line echoed in turn. */
async function nothingLost(): Promise<void> {
  const before = (await stream.ask()).echoed;
  await waitFor(async () => (await stream.ask()).echoed > before + 50, "the TCP connection carries on");
  expect((await stage.probeLost()).lost).toBe(0);
  expect(await stream.ask()).toMatchObject({ failure: null, wrong: 0 });
}

async function attached(): Promise<void> {
  stage.startDaemon();
  await stage.inStep(4);
}

const flowMods = async (): Promise<number> => (await stage.status()).bridges.reduce((sum, bridge) => sum + bridge.flowMods, 0);

test("attach", async () => {
  await attached();
  await stage.everyHostReachesEveryOther();
  await stage.everyAddressIsLearned();
  await stage.inStep(4);
  await nothingLost();
}, 60_000);

test("copies off and on, and reloads that change nothing send nothing", async () => {
  const file = stage.live.ovs.capsule.path("/run/lab/config.yaml");
  const good = readFileSync(file, "utf8");
  const reload = async (text: string): Promise<void> => {
    writeFileSync(file, text);
    const before = stage.daemonLog.filter((line) => line.includes("configuration")).length;
    await stage.signalDaemon("HUP");
    await waitFor(() => stage.daemonLog.filter((line) => line.includes("configuration")).length > before, "the reload is logged");
  };
  const copying = async (): Promise<boolean> => (await stage.live.ovs.vsctl("--columns=select_src_port", "--bare", "find", "mirror", "name!=theirs")).trim() !== "";
  for (let round = 0; round < 3; round++) {
    await reload(good.replace("shadow: {", "shadow: { replicate: false,"));
    await waitFor(async () => !(await copying()), "copies are off");
    await reload(good);
    await waitFor(copying, "copies are on");
  }
  await stage.inStep(4);
  // What the hosts say of themselves meanwhile may be learned a moment later: five looks in a row find nothing sent.
  const looks: number[] = [];
  await waitFor(async () => looks.push(await flowMods()) >= 5 && new Set(looks.slice(-5)).size === 1, "nothing is sent any more", 40_000);
  const [before, rows] = [await flowMods(), await stage.live.ovs.vsctl("get", "open_vswitch", ".", "next_cfg")];
  for (let round = 0; round < 5; round++) await reload(`${good}\n# only a comment changed ${round}\n`);
  await stage.inStep(4);
  expect(await flowMods()).toBe(before);
  expect(await stage.live.ovs.vsctl("get", "open_vswitch", ".", "next_cfg")).toBe(rows);
  await nothingLost();
}, 90_000);

test(`kill -9 and restart ${restarts} times, at any moment of its start: nothing lost; a restart with nothing to do leaves all forwarding alone`, async () => {
  const lost: number[] = [];
  for (let round = 0; round < restarts; round++) {
    await stage.killDaemon("KILL");
    stage.startDaemon();
    // Killed before it listens, while it attaches, and when it is in step, in turn.
    if (round % 3 === 1) await stage.isUp();
    if (round % 3 === 2) await stage.inStep(4);
    stage.daemonLog.length = 0;
    lost.push((await stage.probeLost()).lost);
  }
  expect(lost).toEqual(lost.map(() => 0));
  await stage.inStep(4);
  await nothingLost();
  const shown = async (): Promise<string> =>
    (await Promise.all(["l1", "l2", "s1", "s2"].map((bridge) => stage.live.ovs.ofctl("dump-flows", bridge)))).join("").split("\n").filter((line) => !line.includes("table=241")).join("\n").replace(/n_(packets|bytes)=\d+, |(idle|hard)_age=\d+, |duration=[\d.]+s, /g, "");
  const before = await shown();
  await stage.killDaemon("TERM");
  await attached();
  // A cookie keeps a host's IPv4 address and not its IPv6 addresses: it may be asked for that again, by one rule a host and bridge.
  expect(await flowMods()).toBeLessThanOrEqual(8);
  expect(await shown()).toBe(before);
  await nothingLost();
}, 240_000);

test("the database connection is cut, and comes back", async () => {
  const { capsule } = stage.live.ovs;
  const server = (...args: string[]) => capsule.run("ovs-appctl", ["-t", "/run/openvswitch/ovsdb.ctl", ...args]);
  for (let round = 0; round < 3; round++) {
    await server("ovsdb-server/remove-remote", `punix:${ownSocket}`);
    await waitFor(async () => (await stage.status()).database !== "connected, synced", "the connection is gone");
    await server("ovsdb-server/add-remote", `punix:${ownSocket}`);
    await waitFor(async () => (await stage.status()).database === "connected, synced", "the connection is back");
  }
  await stage.inStep(4);
  await nothingLost();
}, 60_000);

test("detach leaves flows, groups, meters, ports, rows, fail_mode and controllers as on a network that was never attached", async () => {
  const { fabric } = stage;
  await stage.ctl("detach");
  expect(await stage.daemonEnded()).toBe(0);
  await nothingLost();
  expect(differences(await snapshot(fabric.live.ovs), await snapshot(fabric.twin.ovs))).toEqual([]);
  await fabric.live.ovs.ofctl("mod-meter", "l2", "meter=3,pktps,band=type=drop,rate=50001");
  expect(differences(await snapshot(fabric.live.ovs), await snapshot(fabric.twin.ovs)).length).toBeGreaterThan(0);
}, 60_000);
