/**
 * Beside another controller that owns the tables: nothing of it is changed, its flows are followed, what it does to ours is told.
 * One leaf is its network: one bridge, so that its flooding makes no loop.
 */
import { projectDir } from "../../lab/capsule.js";
import { Stage } from "../../lab/demo/stage.js";
import { waitFor } from "../../lab/wait.js";
import type { ListFidelityResponse } from "../../src/api/generated/ovsshadow/v1/fidelity.js";
import { shadowBridge } from "../../src/shadow/names.js";

const bare = (text: string): string[] =>
  text
    .split("\n")
    .filter((line) => line.includes("priority="))
    .map((line) => line.trim().replace(/(duration|n_packets|n_bytes|idle_age|hard_age)=[^ ,]*,? ?/g, ""))
    .sort();

for (const [name, app] of [["os-ken, multi-table, sweeping", "lab/tools/faucet_like.py"], ["os-ken, a learning switch", "bench/openflow/peer_osken.py"]] as const) {
  test(`${name}: we are a guest`, async () => {
    await using stage = await Stage.build({ say: () => {}, config: "forward: { enabled: false }\nbridges: [l1]" });
    const { ovs } = stage.live;
    const ping = (count: number) => stage.live.exec("h1", "ping", ["-q", "-i", "0.02", "-c", String(count), "-W", "3", stage.live.host("h2").ip], { mayFail: true, timeoutMs: 60_000 });
    ovs.capsule.spawn("osken-manager", ["--ofp-tcp-listen-port", "6654", `${projectDir}/${app}`], { stdio: "ignore" });
    // Of the fabric only l1 is theirs; its links lead nowhere.
    for (const device of ["l1-eth3", "l1-eth4"]) await ovs.vsctl("del-port", "l1", device);
    await ovs.vsctl("set-controller", "l1", "tcp:127.0.0.1:6654", "--", "set", "controller", "l1", "connection_mode=out-of-band");
    await waitFor(async () => (await ovs.vsctl("get", "controller", "l1", "is_connected")) === "true", "their controller is connected");
    await waitFor(async () => (await ping(3)).code === 0, "their network works", 30_000);
    const theirs = async (bridge = "l1"): Promise<string[]> => bare(await ovs.ofctl("dump-flows", bridge)).filter((line) => !line.includes("cookie=0x5348"));
    const rest = async (): Promise<string> =>
      [await ovs.vsctl("--columns=fail_mode,protocols,other_config,controller,flow_tables", "list", "bridge", "l1"), await ovs.vsctl("--columns=target,role,connection_mode,controller_rate_limit,other_config", "list", "controller"), await ovs.ofctl("dump-groups", "l1"), await ovs.ofctl("dump-meters", "l1")].join("\n").replace(/xid=0x[0-9a-f]+/g, "");
    await ping(3);
    const [flowsBefore, restBefore] = [await theirs(), await rest()];
    expect(flowsBefore.length).toBeGreaterThan(1);

    stage.startDaemon();
    await stage.inStep(1, 30_000);
    // Copies are made, and their network goes on working while they sweep.
    const pinged = await ping(200);
    if (!pinged.stdout.includes(" 0% packet loss")) throw new Error(`${pinged.stdout}\n${(await ovs.appctl("coverage/show")).split("\n").filter((line) => line.includes("drop") || line.includes("error")).join("\n")}\n${await ovs.ofctl("dump-ports", "l1")}`);
    expect(await theirs()).toEqual(flowsBefore);
    expect(await rest()).toBe(restBefore);
    // A copy has no time-outs and sends nothing when it goes: it goes when the original goes.
    const untimed = async (bridge?: string): Promise<string> => (await theirs(bridge)).map((line) => line.replace(/(idle|hard)_timeout=\d+, |send_flow_rem /g, "")).sort().join("\n");
    let [original, copy] = ["", ""];
    await waitFor(async () => ([original, copy] = [await untimed(), await untimed(shadowBridge("l1"))])[0] === copy, "their flows are in the shadow").catch(() => expect(copy).toBe(original));
    await waitFor(async () => (await stage.ctl<ListFidelityResponse>("fidelity")).ports.every((port) => port.copied > 50 && port.lost === 0), "their traffic is copied, none of it lost");

    // What somebody does to ours is told, with what, when and how often.
    const told = async (kind: string): Promise<boolean> => (await stage.ctl<ListFidelityResponse>("fidelity")).conflicts.some((conflict) => conflict.kind === kind && conflict.bridge === "l1" && conflict.count > 0 && conflict.lastMs >= conflict.firstMs);
    // The other controller sweeps these away every two seconds, so they are put back until they were seen.
    const planted = { "flow in our tables": "table=243,priority=7,cookie=0x99,actions=drop", "our register used": "table=9,priority=7,cookie=0x98,reg15=0x80000000/0x80000000,actions=drop" };
    for (const [kind, flow] of Object.entries(planted)) {
      await waitFor(async () => {
        await ovs.ofctl("add-flow", "l1", flow);
        return told(kind);
      }, `it is told: ${kind}`);
    }
    await ovs.ofctl("del-flows", "l1", "cookie=0x5348000000000000/0xffff000000000000");
    await waitFor(() => told("our flow deleted"), "it is told: our flow deleted");
    await ovs.vsctl("clear", "bridge", "l1", "mirrors");
    await waitFor(() => told("our guard deleted"), "it is told: our guard deleted");

    await stage.ctl("detach");
    expect(await stage.daemonEnded()).toBe(0);
    expect((await ping(20)).stdout).toContain(" 0% packet loss");
    await ovs.ofctl("del-flows", "l1", "cookie=0x99/-1");
    await ovs.ofctl("del-flows", "l1", "cookie=0x98/-1");
    await waitFor(async () => JSON.stringify(await theirs()) === JSON.stringify(flowsBefore), "their flows are as they were");
    expect(await rest()).toBe(restBefore);
  }, 120_000);
}
