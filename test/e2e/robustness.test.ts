/** What the controller does when things break, on the lab fabric with a 1,000 packet/s probe. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { projectDir } from "../../lab/capsule.js";
import { Stage, type StageOptions } from "../../lab/demo/stage.js";
import { foreignTables, restartAsOvsCtl } from "../../lab/restart.js";
import { startProbe, startWebServer, synFlood, webLoad } from "../../lab/traffic.js";
import { elapse, waitFor } from "../../lab/wait.js";
import { adapterBridge } from "../../src/shadow/names.js";

async function attached(options: Partial<StageOptions> = {}, prepare: (stage: Stage) => void = () => {}): Promise<Stage> {
  const stage = await Stage.build({ say: () => {}, ...options });
  try {
    await stage.startProbe(120);
    prepare(stage);
    stage.startDaemon();
    await stage.inStep(4);
    await stage.everyHostReachesEveryOther();
    await waitFor(async () => (await stage.ctl<{ hosts: unknown[] }>("topology")).hosts.length === 4, "all hosts are known");
    await stage.inStep(4);
    return stage;
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
}

/** The longest gap since the receiver was last asked, once packets arrive again; in ms. */
async function gap(receiver: Stage["probe"]): Promise<number> {
  const first = await receiver.ask();
  let longest = first.longestGapMs;
  await waitFor(async () => {
    const { longestGapMs, received } = await receiver.ask();
    longest = Math.max(longest, longestGapMs);
    return received > first.received + 500;
  }, "the probe arrives again", 30_000);
  return longest;
}

test("kill -9 and restart: nothing is lost, and what works is not touched", async () => {
  await using stage = await attached();
  const { live } = stage;
  await stage.probeLost();
  const ports = await live.ovs.vsctl("--columns=_uuid,name", "list", "port");
  const flows = async (): Promise<string> => (await live.ovs.ofctl("dump-flows", "l1", "table=242")).replace(/n_(packets|bytes)=\d+, |duration=[\d.]+s, /g, "");
  const before = await flows();
  await stage.killDaemon("KILL");
  await elapse(1_000);
  expect((await stage.probeLost()).lost).toBe(0);
  stage.startDaemon();
  await stage.inStep(4);
  await elapse(1_000);
  expect((await stage.probeLost()).lost).toBe(0);
  expect(await flows()).toBe(before);
  expect(await live.ovs.vsctl("--columns=_uuid,name", "list", "port")).toBe(ports);
}, 90_000);

test("guards removed by hand come back, and foreign flows in our adapter go", async () => {
  await using stage = await attached();
  const { live } = stage;
  await live.ovs.vsctl("clear", "bridge", "l1", "mirrors");
  await live.ovs.ofctl("--strict", "del-flows", "l1", "priority=65535,in_port=32769");
  await live.ovs.ofctl("add-flow", adapterBridge("l1"), "priority=9,actions=drop");
  await waitFor(async () => (await live.ovs.vsctl("get", "bridge", "l1", "mirrors")).split(",").length === 2, "both Mirror rows are back");
  await waitFor(async () => (await live.ovs.ofctl("dump-flows", "l1", "in_port=32769")).includes("priority=65535"), "the guard rule is back");
  await waitFor(async () => !(await live.ovs.ofctl("dump-flows", adapterBridge("l1"))).includes("priority=9 "), "the foreign flow is gone from the adapter");
  await waitFor(async () => (await stage.status()).shadows.every((shadow) => shadow.state === "in step"), "in step again");
  expect((await stage.probeLost()).lost).toBe(0);
}, 90_000);

test("ovs-vswitchd restarted: forwarding is back no later than without a controller, and so is the shadow", async () => {
  await using stage = await attached();
  const { live, twin } = stage.fabric;
  const restart = async (network: typeof live): Promise<void> => {
    await network.ovs.stopVswitchd();
    await network.ovs.startVswitchd();
    // The operator puts the static flows back, as ovs-ctl does after a restart.
    for (const [bridge, flows] of Object.entries(network.built.flows)) {
      const put = async (): Promise<boolean> => (await network.ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow13", "add-flows", bridge, "-"], { input: flows.join("\n"), mayFail: true })).code === 0;
      await waitFor(put, `${bridge} takes the operator's flows`);
    }
  };
  const absent = await startProbe(twin, "h2", "h4", 1_000, 150);
  await waitFor(async () => (await absent.receiver.ask()).received > 200, "the probe arrives without a controller");
  const gapOf = async (network: typeof live, probe: typeof stage.probe): Promise<number> => {
    await probe.ask();
    await restart(network);
    return gap(probe);
  };
  // Both include the restart itself, which varies by hundreds of ms on a busy machine: the better of three each.
  const [without, withUs]: [number[], number[]] = [[], []];
  do {
    without.push(await gapOf(twin, absent.receiver));
    withUs.push(await gapOf(live, stage.probe));
    await stage.inStep(4);
  } while (withUs.length < 3 && Math.min(...withUs) > Math.min(...without) + 250);
  absent.sender.kill();
  await absent.receiver.stop();
  expect(Math.min(...withUs)).toBeLessThanOrEqual(Math.min(...without) + 250);
}, 180_000);

test("ovs-vswitchd restarted as ovs-ctl does it: nothing is written while it restores, and the operator's flows and groups are all there again, and ours", async () => {
  await using stage = await attached();
  const { live } = stage;
  const bridges = ["l1", "l2", "s1", "s2"];
  // Restored by bundles that fail whole when a group of ours is there already, and the flows that name the operator's with them.
  await live.ovs.ofctl("add-group", "l1", "group_id=7,type=select,bucket=output:3,bucket=output:4");
  await live.ovs.ofctl("add-flow", "l1", "table=7,priority=9,ip,actions=group:7");
  await stage.inStep(4);
  const ours = async (bridge: string): Promise<string[]> =>
    (await live.ovs.ofctl("dump-flows", "--no-names", "--no-stats", bridge, "cookie=0x5348000000000000/0xffff000000000000")).split("\n").filter((line) => line.includes("table=242") || line.includes("priority=65534")).map((line) => line.trim()).sort();
  const before = await Promise.all(bridges.map(ours));
  expect(before.every((flows) => flows.length > 0)).toBe(true);
  const operators = await foreignTables(live.ovs, bridges);
  expect([...operators].filter((line) => line.includes("group_id=7") || line.includes("group:7"))).toHaveLength(2);
  const connected = async (): Promise<boolean> => (await stage.status()).bridges.every((bridge) => bridge.connected);
  let waited: string[][] = [];
  await restartAsOvsCtl(live.ovs, async () => {
    await waitFor(async () => (await connected()) && (await live.ovs.vsctl("get", "open_vswitch", ".", "other_config:flow-restore-wait")) === '"true"', "the daemon is connected again");
    // Time enough to write, if it did: it takes some ms.
    await elapse(500);
    waited = await Promise.all(bridges.map(ours));
  });
  expect(waited).toEqual(bridges.map(() => []));
  expect(await foreignTables(live.ovs, bridges)).toEqual(operators);
  await stage.inStep(4);
  expect(await foreignTables(live.ovs, bridges)).toEqual(operators);
  await waitFor(async () => JSON.stringify(await Promise.all(bridges.map(ours))) === JSON.stringify(before), "our flows are as before", 20_000);
  const { received } = await stage.probe.ask();
  await waitFor(async () => (await stage.probe.ask()).received > received + 500, "the probe arrives again", 30_000);
  expect(await live.ovs.vsctl("get", "open_vswitch", ".", "other_config")).toBe("{}");
}, 120_000);

test("garbage at every port leaves everything else running", async () => {
  await using stage = await attached({ config: "openflow: { listen: 'ptcp:6653:127.0.0.1' }" });
  const script = [
    "import os, socket",
    "for port in (6653, 50051):",
    "    for _ in range(20):",
    "        s = socket.create_connection(('127.0.0.1', port)); s.sendall(os.urandom(3000)); s.close()",
    "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "for size in range(0, 1400, 7): u.sendto(os.urandom(size), ('127.0.0.1', 6343))",
  ].join("\n");
  await stage.live.ovs.capsule.run("/usr/bin/python3", ["-c", script]);
  await waitFor(async () => ((await stage.status()).sflow?.malformed ?? 0) >= 150, "the datagrams are counted as malformed");
  const status = await stage.status();
  expect(status.shadows.every((shadow) => shadow.state === "in step")).toBe(true);
  expect(status.bridges.every((bridge) => bridge.connected)).toBe(true);
  await stage.inStep(4);
  expect((await stage.probeLost()).lost).toBe(0);
}, 90_000);

test("copies off and on by a reload lose nothing; a bad file on reload changes nothing", async () => {
  await using stage = await attached();
  const { live } = stage;
  const file = live.ovs.capsule.path("/run/lab/config.yaml");
  const good = readFileSync(file, "utf8");
  const copying = async (): Promise<boolean> => (await live.ovs.vsctl("--columns=select_src_port", "--bare", "list", "mirror")).trim() !== "";
  const copiedPackets = async (): Promise<number> => (await stage.status()).fidelity.reduce((sum, port) => sum + port.copied, 0);
  const reload = async (text: string): Promise<void> => {
    writeFileSync(file, text);
    await stage.signalDaemon("HUP");
  };
  await stage.probeLost();
  await reload(good.replace("showSink: true", "showSink: true, replicate: false"));
  await waitFor(async () => !(await copying()), "no Mirror row selects a port");
  // The patch ports' counters are brought up to date within a second; then they must stand still under the probe.
  await elapse(1_500);
  const before = await copiedPackets();
  await elapse(1_000);
  expect(await copiedPackets()).toBe(before);
  await reload("shadow: [what]\n");
  await waitFor(() => stage.daemonLog.some((line) => line.includes("the last good one stays in force")), "the bad file is told");
  expect(await copying()).toBe(false);
  await reload(good);
  await waitFor(copying, "copies are on again");
  await waitFor(async () => (await copiedPackets()) > before + 1_000, "copies flow again");
  expect((await stage.probeLost()).lost).toBe(0);
}, 90_000);

test("a pipeline that needs too many resubmits for two networks: copying stops, live has its packets back", async () => {
  await using stage = await attached();
  const { live, operator } = { live: stage.live, operator: (...args: string[]) => stage.fabric.operator("ovs-ofctl", "-O", "OpenFlow13", ...args) };
  // UDP to port 7100 goes through a doubling chain of tables: 2,046 resubmits alone, more than 4,096 with the copy's and ours.
  for (let table = 10; table < 20; table++) await operator("add-flow", "l1", `table=${table},actions=resubmit(,${table + 1}),resubmit(,${table + 1})`);
  await operator("add-flow", "l1", "table=20,actions=resubmit(,21)");
  await stage.inStep(4);
  const second = await startProbe(live, "h2", "h1", 200, 60, 7100);
  try {
    await waitFor(async () => (await second.receiver.ask()).received > 100, "the second probe arrives");
    await operator("add-flow", "l1", "priority=65535,udp,in_port=2,tp_dst=7100,actions=resubmit(,10),output:1");
    await waitFor(async () => (await stage.status()).problems.some((problem) => problem.startsWith("copying is off: ")), "copying is switched off", 30_000);
    const before = (await second.receiver.ask()).received;
    await waitFor(async () => (await second.receiver.ask()).received > before + 200, "live has its packets back");
    expect((await live.ovs.vsctl("--columns=select_src_port", "--bare", "list", "mirror")).trim()).toBe("");
  } finally {
    second.sender.kill();
    await second.receiver.stop();
  }
}, 90_000);

/** A copy of the model whose calibration makes it say the same of everything. */
function biased(stage: Stage, b: number): void {
  const dir = stage.live.ovs.capsule.path("/run/lab/model");
  mkdirSync(dir, { recursive: true });
  cpSync(`${projectDir}/models/attack-v1/model.onnx`, `${dir}/model.onnx`);
  const manifest = JSON.parse(readFileSync(`${projectDir}/models/attack-v1/manifest.json`, "utf8")) as { calibration: { b: number } };
  manifest.calibration.b = b;
  writeFileSync(`${dir}/manifest.json`, JSON.stringify(manifest));
}

test("a model that cries attack at everything harms nobody: no rule passes its trial", async () => {
  await using stage = await attached({ model: "/run/lab/model" }, (one) => biased(one, 60));
  const server = await startWebServer(stage.live, "h1");
  const web = await webLoad(stage.live, "h3", "h1", 40, 8);
  await waitFor(async () => (await stage.changes()).length > 0, "something was proposed");
  const changes = await stage.changes();
  expect(changes.filter((change) => change.state === "live" || change.state === "expired")).toEqual([]);
  expect(web.failed).toBe(0);
  expect((await stage.probeLost()).lost).toBe(0);
  await server.stop();
}, 120_000);

test("a model that never alarms lets everything pass, and nothing else suffers", async () => {
  await using stage = await attached({ model: "/run/lab/model" }, (one) => biased(one, -60));
  const server = await startWebServer(stage.live, "h1");
  const [web] = await Promise.all([webLoad(stage.live, "h3", "h1", 30, 5), synFlood(stage.live, "h4", "h1", 1_500, 6_000)]);
  expect(await stage.changes()).toEqual([]);
  expect(await stage.predictions()).toEqual([]);
  expect(web.failed).toBe(0);
  expect((await stage.probeLost()).lost).toBe(0);
  await server.stop();
}, 90_000);

test("the database dies and comes back: the status says so, forwarding is back no later than without a controller, edits are followed", async () => {
  await using stage = await attached();
  const { live, twin } = stage.fabric;
  const absent = await startProbe(twin, "h2", "h4", 1_000, 60);
  await waitFor(async () => (await absent.receiver.ask()).received > 200, "the probe arrives without a controller");
  await stage.probe.ask();
  const died = performance.now();
  // ovs-vswitchd does nothing at all without its database: it forwards nothing and answers nobody (docs/pipeline.md).
  await live.ovs.stopDatabase();
  let status = await stage.status();
  await waitFor(async () => (status = await stage.status()).problems.some((problem) => problem.includes("do not tell their counters")), "the status says that the switches are silent");
  expect(status.database).toBe("connecting, stale");
  const outageMs = performance.now() - died;
  await Promise.all([live.ovs.startDatabase(), twin.ovs.stopDatabase()]);
  await Promise.all([
    waitFor(async () => (await stage.status()).database === "connected, synced", "the database is followed again", 30_000),
    elapse(outageMs).then(() => twin.ovs.startDatabase()),
  ]);
  await stage.inStep(4);
  const [withUs, without] = await Promise.all([gap(stage.probe), gap(absent.receiver)]);
  // ovs-vswitchd tries again after 1 s, then 2 s, then 4 s: the outages may end on either side of a try.
  expect(withUs).toBeLessThanOrEqual(without + 1_000);
  await live.ovs.capsule.run("ip", ["link", "add", "late", "type", "veth", "peer", "name", "latep"]);
  await live.ovs.vsctl("add-port", "l1", "late", "--", "set", "interface", "late", "ofport_request=40");
  await waitFor(async () => (await live.ovs.vsctl("--bare", "--columns=name", "find", "interface", "ofport=40")).includes("she"), "an edit after that reaches the shadow");
  await stage.inStep(4);
  await stage.probeLost();
  await elapse(1_000);
  expect((await stage.probeLost()).lost).toBe(0);
  absent.sender.kill();
  await absent.receiver.stop();
}, 120_000);

test("a bad configuration is told with its places and exit status 2; a bad model likewise", async () => {
  const stage = await Stage.build({ say: () => {} });
  try {
    const { capsule } = stage.live.ovs;
    const start = async (text: string): Promise<{ code: number; stderr: string }> => {
      writeFileSync(capsule.path("/run/lab/bad.yaml"), text);
      return capsule.run("node", [`${projectDir}/dist/src/main.js`, "--config", "/run/lab/bad.yaml"], { mayFail: true });
    };
    const bad = await start("shadow:\n  holdMs: soon\n");
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain("/run/lab/bad.yaml:2:11: shadow.holdMs: ");
    biased(stage, 0);
    const file = capsule.path("/run/lab/model/manifest.json");
    writeFileSync(file, readFileSync(file, "utf8").replace("synRatio", "sinRatio"));
    const model = await start("model: /run/lab/model\nstateDir: /run/lab/state\n");
    expect(model.code).toBe(2);
    expect(model.stderr).toMatch(/feature 2 is "sinRatio" in the model and "synRatio" in this program/);
  } finally {
    await stage[Symbol.asyncDispose]();
  }
}, 60_000);
