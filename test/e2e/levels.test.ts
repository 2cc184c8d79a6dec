/** Levels of the shadow, switched while traffic flows: what each brings and takes away, by second witnesses, and live loses nothing. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import { shadowBridge } from "../../src/shadow/names.js";
import type { BridgeLevel } from "../../src/api/generated/ovsshadow/v1/level.js";
import type { GetStatusResponse } from "../../src/api/generated/ovsshadow/v1/shadow.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];

interface Seen {
  readonly shadowBridge: boolean;
  /** VLAN tag of the shadow's port 2. */
  readonly tag: string;
  readonly flows: number;
  readonly replicaPorts: number;
  readonly guards: number;
  /** Guards that copy. */
  readonly copying: number;
  /** Flows of ours on live that copy. */
  readonly copyFlows: number;
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line.trim() !== "");
const flowsOf = async (panel: PatchPanel, bridge: string, filter = ""): Promise<number> => lines(await panel.ovs.ofctl("dump-flows", bridge, ...(filter === "" ? [] : [filter]))).filter((line) => line.includes("cookie=")).length;

/** What ovs-vsctl and ovs-ofctl find of the shadow of l1. */
async function seen(panel: PatchPanel): Promise<Seen> {
  const { ovs } = panel;
  const shadow = shadowBridge("l1");
  const isThere = lines(await ovs.vsctl("list-br")).includes(shadow);
  const replicas = lines(await ovs.vsctl("--bare", "--columns=name", "find", "Port", 'external_ids:"ovs-shadow:role"=replica')).filter((name) => name.startsWith("shm"));
  const here = lines(await ovs.vsctl("list-ports", "l1"));
  const mirrors = JSON.parse(await ovs.vsctl("--format=json", "--columns=select_src_port", "find", "Mirror", 'external_ids:"ovs-shadow:role"=guard')) as { data: [unknown][] };
  const edge = lines(await ovs.vsctl("list-ports", shadow)).find((name) => name.startsWith("she") && name.endsWith("-2")) ?? "";
  return {
    shadowBridge: isThere,
    tag: edge === "" ? "no port" : await ovs.vsctl("get", "Port", edge, "tag"),
    flows: await flowsOf(panel, shadow),
    replicaPorts: replicas.filter((name) => here.includes(name)).length,
    guards: mirrors.data.length,
    copying: mirrors.data.filter(([source]) => JSON.stringify(source) !== '["set",[]]').length,
    copyFlows: await flowsOf(panel, "l1", "cookie=0x53480a0000000000/0xffffff0000000000"),
  };
}

const copies = async (panel: PatchPanel): Promise<number> => (await panel.received(shadowBridge("l1"))).get(1) ?? 0;

test("each level brings what it says and its leaving takes that away, under a probe of which live loses nothing", async () => {
  await using panel = await PatchPanel.start({ l1: 2 });
  await panel.ovs.vsctl("set", "port", "l1-2", "vlan_mode=native-untagged", "tag=20");
  await panel.ovs.vsctl("set", "port", "l1-1", "vlan_mode=native-untagged", "tag=20");
  panel.startDaemon([...quiet, "shadow: { copyBy: mirrors }"]);
  await panel.inStep();
  const whole = await seen(panel);
  expect(whole).toMatchObject({ shadowBridge: true, tag: "20", replicaPorts: 2, guards: 2 });
  expect(whole.flows).toBeGreaterThan(0);
  const live = await panel.sniff("l1-2-h");
  const packets = 20_000;
  try {
    const sent = panel.send("l1-1-h", "udp", 0, packets, 1_000);
    await waitFor(async () => Object.keys((await live.ask())["l1-2-h"] ?? {}).length > 200, "the probe arrives");
    await waitFor(async () => (await copies(panel)) > 100, "copies come");
    const set = async (level: string): Promise<Seen> => {
      const rows = await panel.ctl<BridgeLevel[]>("shadow", "level", "l1", level);
      const expected = level === "default" ? "packets" : level;
      expect(rows).toEqual([expect.objectContaining({ bridge: "l1", level: expected, has: expected, why: level === "default" ? "configuration" : "operator" })]);
      await waitFor(async () => (await panel.ctl<GetStatusResponse>("status")).shadows.every(({ state, level: now }) => state === "in step" && now === expected), `in step at level ${expected}`);
      return seen(panel);
    };

    const state = await set("state");
    expect(state).toMatchObject({ tag: "20", replicaPorts: 2, guards: 2, copying: 0 });
    expect(state.copyFlows).toBeGreaterThan(0);
    const before = await copies(panel);
    await panel.send("l1-1-h", "tcp", 100_000, 50, 1_000); // ACK alone: no connection opens or closes
    for (const [i, flags] of [2, 17, 4].entries()) await panel.send("l1-1-h", "tcp", 101_000 + 100 * i, 10, 1_000, `flags=${flags}`);
    await waitFor(async () => (await copies(panel)) - before >= 30, "what opens and closes connections is copied");
    expect((await copies(panel)) - before).toBe(30);

    const flows = await set("flows");
    expect(flows).toMatchObject({ tag: "20", replicaPorts: 0, guards: 0, copyFlows: 0 });
    // The operator's flow is followed, and nothing is copied.
    const [rest, flowCount] = [await copies(panel), flows.flows];
    await panel.ovs.ofctl("add-flow", "l1", "table=7,priority=7,actions=drop");
    await waitFor(async () => (await flowsOf(panel, shadowBridge("l1"))) === flowCount + 1, "a flow of the operator's reaches the shadow");
    await panel.ovs.ofctl("del-flows", "l1", "table=7");
    expect(await copies(panel)).toBe(rest);

    expect(await set("configuration")).toMatchObject({ shadowBridge: true, tag: "20", flows: 0, replicaPorts: 0, guards: 0 });
    expect(await set("topology")).toMatchObject({ shadowBridge: true, tag: "[]", flows: 0, replicaPorts: 0, guards: 0 });
    // Back in one step, and a restart finds everything as it was.
    const again = await set("default");
    expect(again).toEqual({ ...whole, flows: again.flows }); // hosts have come to be known meanwhile
    expect(again.flows).toBeGreaterThanOrEqual(whole.flows);
    const back = await copies(panel);
    await waitFor(async () => (await copies(panel)) > back + 50, "copies come again");
    await sent;
    await waitFor(async () => Object.keys((await live.ask())["l1-2-h"] ?? {}).filter((id) => Number(id) < packets).length === packets, "every packet of the probe").catch(() => undefined);
    const arrived = Object.entries((await live.ask())["l1-2-h"] ?? {}).filter(([id]) => Number(id) < packets);
    expect(arrived).toHaveLength(packets);
    expect(arrived.every(([, [count]]) => count === 1)).toBe(true);
  } finally {
    await live.stop();
  }
  await expect(panel.ctl("shadow", "level", "l1", "everything")).rejects.toThrow(/there is no level "everything"; levels are topology/);
  await expect(panel.ctl("shadow", "level", "l9", "flows")).rejects.toThrow(/there is no bridge l9/);
  await expect(panel.ctl("shadow", "raise", "l1", "flows", "--for", "0")).rejects.toThrow(/1 ms to/);
}, 180_000);

test("a level that was set outlives the daemon; a bridge that is raised falls back by itself; promotion has all of the shadow first", async () => {
  await using panel = await PatchPanel.start({ l1: 2 });
  panel.startDaemon([...quiet, "shadow: { copyBy: mirrors, levels: { l1: topology } }"]);
  await panel.inStep();
  const level = async (): Promise<string> => (await panel.ctl<BridgeLevel[]>("shadow", "levels")).map(({ level: now, has, why }) => `${now}, ${has}, ${why}`).join();
  expect(await level()).toBe("topology, topology, configuration");
  await panel.ctl("shadow", "level", "l1", "configuration");
  await panel.endDaemon("KILL");
  panel.startDaemon([...quiet, "shadow: { copyBy: mirrors, levels: { l1: topology } }"]);
  await panel.inStep();
  expect(await level()).toBe("configuration, configuration, operator");

  await panel.ctl("shadow", "raise", "l1", "packets", "--for", "6", "--reason", "suspicion");
  expect(await level()).toBe("packets, packets, suspicion");
  expect(await seen(panel)).toMatchObject({ replicaPorts: 2, guards: 2, copying: 2 });
  await waitFor(async () => (await level()) === "configuration, configuration, operator", "it falls back");
  await waitFor(async () => (await seen(panel)).replicaPorts === 0, "what the level alone brought is gone");

  const live = await panel.sniff("l1-2-h");
  const delivered = async (first: number): Promise<void> => {
    await panel.send("l1-1-h", "udp", first, 20, 1_000);
    await waitFor(async () => Object.keys((await live.ask())["l1-2-h"] ?? {}).filter((id) => Number(id) >= first).length === 20, `packets from ${first} arrive`);
  };
  try {
    await panel.ctl("promote");
    expect(await level()).toBe("configuration, packets, operator");
    const before = await copies(panel);
    await delivered(1_000);
    await waitFor(async () => (await copies(panel)) === before + 20, "they came through the shadow");
    await panel.ctl("demote");
    expect(await level()).toBe("configuration, configuration, operator");
    await delivered(2_000);
  } finally {
    await live.stop();
  }
}, 180_000);
