/** `explain` knows the configuration bits of ports: on live and on the shadow it names the ports that ofproto/trace sends to. */
import { PatchPanel } from "../../lab/patch-panel.js";
import { waitFor } from "../../lab/wait.js";
import type { ExplainPacketResponse } from "../../src/api/generated/ovsshadow/v1/explain.js";
import { shadowBridge } from "../../src/shadow/names.js";

const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];
const packet = "in_port=1,udp,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,udp_dst=80";
const ways = ["FLOOD", "ALL", "NORMAL", "output:2,output:3,output:4,output:5", "IN_PORT,output:3"];

test("FLOOD, ALL, NORMAL and plain outputs heed NO_FLOOD, NO_FWD, NO_RECV and PORT_DOWN as Open vSwitch does", async () => {
  await using panel = await PatchPanel.start({ l1: 5 });
  const { ovs } = panel;
  panel.startDaemon(quiet);
  await panel.inStep();
  const bit = async (port: number, word: string): Promise<void> => void (await ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow10", "mod-port", "l1", String(port), word]));
  const shadow = shadowBridge("l1");
  const trace = (bridge: string): Promise<string> => ovs.appctl("ofproto/trace", "--names", bridge, packet);
  /** Ports of live by which the packet leaves: what the datapath would do, without the copies and what comes of them. */
  const traced = async (): Promise<string[]> => ((await trace("l1")).split("Datapath actions: ")[1] ?? "").trim().split(/[,()]/).filter((word) => /^l1(-\d+)?$/.test(word)).sort();
  /** Of the shadow: the ways into the adapter, which is behind each of its edge ports. */
  const tracedShadow = async (): Promise<string[]> => [...(await trace(shadow)).matchAll(/in_port="shb\w+-(\d+)"/g)].map(([, port]) => port ?? "").sort();
  const explained = async (): Promise<ExplainPacketResponse> => panel.ctl<ExplainPacketResponse>("explain", "--bridge", "l1", "--packet", packet);

  const steps: readonly (readonly [what: string, set: () => Promise<void>])[] = [
    ["no bits", () => Promise.resolve()],
    ["NO_FLOOD on 2", () => bit(2, "no-flood")],
    ["NO_FWD on 3, too", () => bit(3, "no-forward")],
    ["4 is down, too", () => bit(4, "down")],
    ["NO_RECV on 1, too", () => bit(1, "no-receive")],
  ];
  const seen = new Set<string>();
  for (const [what, set] of steps) {
    await set();
    for (const actions of ways) {
      await ovs.ofctl("add-flow", "l1", `table=0,priority=5,in_port=1,actions=${actions}`);
      await waitFor(async () => (await ovs.ofctl("dump-flows", shadow, "table=0")).includes("priority=5"), "the shadow has the flow");
      await panel.inStep();
      const both = await explained();
      const live = (both.live?.outputs ?? []).map(({ name }) => name).filter((name) => /^l1(-\d+)?$/.test(name)).sort();
      expect([what, actions, live]).toEqual([what, actions, await traced()]);
      const onShadow = (both.shadow?.outputs ?? []).flatMap(({ name }) => /^she\w+-(\d+)$/.exec(name)?.[1] ?? []).sort();
      expect([what, actions, onShadow]).toEqual([what, actions, await tracedShadow()]);
      seen.add(live.join());
    }
  }
  // The bits made differences: not all answers were the same.
  expect(seen.size).toBeGreaterThan(5);
  expect([...seen]).toContain("");
}, 240_000);
