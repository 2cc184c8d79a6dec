/** Flows of the operator that send to ALL: their packets reach replica ports, and the shadow gets each packet once all the same. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import type { ListFidelityResponse } from "../../src/api/generated/ovsshadow/v1/fidelity.js";
import type { GetPlanResponse } from "../../src/api/generated/ovsshadow/v1/plan.js";
import type { GetStatusResponse } from "../../src/api/generated/ovsshadow/v1/shadow.js";
import { shadowBridge } from "../../src/shadow/names.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];
const packets = 100;

test("ALL in a flow, in a group, or FLOOD without OpenFlow 1.0 makes copies go by one marked port: each packet enters the shadow once; told once", async () => {
  await using panel = await PatchPanel.start({ l1: 4, l2: 2, l3: 2 });
  const { ovs } = panel;
  await ovs.ofctl("add-flow", "l1", "priority=5,actions=ALL");
  // Without OpenFlow 1.0 nobody can set the bit that keeps FLOOD out; with it FLOOD is no matter.
  await ovs.vsctl("set", "bridge", "l2", "protocols=OpenFlow13,OpenFlow14");
  for (const bridge of ["l2", "l3"]) await ovs.ofctl("add-flow", bridge, "priority=5,actions=FLOOD");
  panel.startDaemon(quiet);
  await panel.inStep();
  const wiring = async (bridge = "l1"): Promise<string> => (await panel.ctl<GetPlanResponse>("plan")).bridges.find((one) => one.bridge === bridge)?.wiring ?? "";
  const [each, common] = ["a replica port each", "one replica port for all"];
  const conflicts = async (): Promise<string[]> => (await panel.ctl<ListFidelityResponse>("fidelity")).conflicts.filter(({ kind }) => kind === "flows send to replica ports").map(({ bridge, count }) => `${bridge} ${count}`);
  let sent = 0;
  const once = async (what: string): Promise<void> => {
    await panel.inStep();
    const before = await panel.received(shadowBridge("l1"));
    await panel.send("l1-1-h", "udp", sent, packets, 1_000, "dst=02:00:00:00:00:77");
    sent += packets;
    const came = async (): Promise<number[]> => {
      await ovs.appctl("revalidator/wait"); // patch ports' counters are as old as its last round
      const now = await panel.received(shadowBridge("l1"));
      return [1, 2, 3, 4].map((port) => (now.get(port) ?? 0) - (before.get(port) ?? 0));
    };
    await waitFor(async () => ((await came())[0] ?? 0) >= packets, `the copies have come: ${what}`);
    expect([what, await came()]).toEqual([what, [packets, 0, 0, 0]]);
  };
  await waitFor(async () => (await wiring()) === common, "copies are marked");
  await waitFor(async () => (await wiring("l2")) === common, "copies are marked where FLOOD can't be kept out");
  expect(await wiring("l3")).toBe(each);
  await once("ALL before the daemon came");
  expect((await conflicts()).sort()).toEqual(["l1 1", "l2 1"]);

  await ovs.ofctl("--strict", "del-flows", "l1", "priority=5");
  await waitFor(async () => (await wiring()) === each, "no flow sends to every port any more");
  await once("NORMAL");
  await ovs.ofctl("add-group", "l1", "group_id=7,type=all,bucket=actions=ALL");
  await ovs.ofctl("add-flow", "l1", "priority=5,actions=group:7");
  await waitFor(async () => (await wiring()) === common, "a group with ALL counts");
  await once("ALL in a group");
  expect((await conflicts()).sort()).toEqual(["l1 2", "l2 1"]);

  // A restart finds the wiring as it should be, and writes nothing.
  const wired = (await ovs.vsctl("list-ports", "l1")).split("\n").sort();
  await panel.endDaemon("TERM");
  panel.startDaemon(quiet);
  await panel.inStep();
  await waitFor(async () => (await conflicts()).length === 2, "it is told again");
  expect((await ovs.vsctl("list-ports", "l1")).split("\n").sort()).toEqual(wired);
  expect((await panel.ctl<GetStatusResponse>("status")).databaseWrites?.transactions).toBe(0);
}, 180_000);
