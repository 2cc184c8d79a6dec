/**
 * node dist/lab/measure/flow-records.js [FLOWS [MESSAGES [GAP_MS]]]: of so many flows of each kind made on the lab, tracked and not, how many are joined of all sources that
 * apply, at several sampling rates; and the processor time of daemon and ovs-vswitchd. JSON lines.
 */
import { Stage } from "../demo/stage.js";
import { makeFlows, recordsOf, startFlowServer } from "../flows.js";
import type { ListFlowsResponse } from "../../src/api/generated/ovsshadow/v1/flow.js";
import { elapse, waitFor } from "../wait.js";

const [flows = 300, messages = 6, gapMs = 40] = process.argv.slice(2).map(Number);
const settleMs = 12_000;

/** Processor time so far of the processes of a capsule whose command line has this, in s. */
async function processorS(stage: Stage, what: string): Promise<number> {
  const { stdout } = await stage.live.ovs.capsule.run("sh", ["-c", `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '${what}' && cut -d' ' -f14,15 $p/stat; done; true`]);
  return stdout.trim().split(/\s+/).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}

for (const samplingRate of [1, 8, 64]) {
  await using stage = await Stage.build({ say: () => {}, samplingRate, config: "forward: { enabled: false }\ntelemetry: { tcp: { enabled: true }, flows: { enabled: true } }" });
  const [near, far] = [stage.live.host("h1").ip, stage.live.host("h3").ip];
  for (const flow of [
    `priority=200,ct_state=-trk,ip,nw_src=${near},nw_dst=${far},actions=ct(table=1,zone=5)`, `priority=200,ct_state=-trk,ip,nw_src=${far},nw_dst=${near},actions=ct(table=1,zone=5)`,
    `table=1,priority=10,ct_state=+new,ip,nw_src=${near},actions=ct(commit,zone=5),output:3`, `table=1,priority=10,ct_state=+new,ip,nw_dst=${near},actions=ct(commit,zone=5),output:1`,
    `table=1,priority=9,ct_state=+est,ip,nw_src=${near},actions=output:3`, `table=1,priority=9,ct_state=+est,ip,nw_dst=${near},actions=output:1`,
  ]) await stage.live.ovs.ofctl("add-flow", "l1", flow);
  stage.startDaemon();
  await stage.inStep(4);
  await stage.everyHostReachesEveryOther();
  await waitFor(async () => (await stage.ctl<{ hosts: unknown[] }>("topology")).hosts.length === 4, "all hosts are known");
  const servers = await Promise.all(["h3", "h4"].map((host) => startFlowServer(stage.live, host)));
  const before = await Promise.all([processorS(stage, "dist/src/main.js"), processorS(stage, "^ovs-vswitchd")]);
  const load = { tcpFlows: flows, udpFlows: flows, messages, gapMs };
  const made = (await Promise.all([makeFlows(stage.live, "h1", "h3", load), makeFlows(stage.live, "h2", "h4", load)])).flat();
  await elapse(settleMs);
  const answer = await stage.ctl<ListFlowsResponse>("flows", "--limit", "20000");
  const after = await Promise.all([processorS(stage, "dist/src/main.js"), processorS(stage, "^ovs-vswitchd")]);
  const records = recordsOf(made, answer);
  const share = (holds: (flow: (typeof records)[number]) => boolean): number => (100 * records.filter(holds).length) / made.length;
  const sampled = share((flow) => flow?.out?.sampled !== undefined && flow.back?.sampled !== undefined);
  const { sflow } = (await stage.ctl<{ sflow?: unknown }>("status"));
  const lacks = (source: string) => share((flow) => flow?.missing.some((one) => one.source === source && !one.notApplicable) !== false);
  const line = {
    samplingRate, made: made.length, messages, recordedPercent: share((flow) => flow !== undefined), completePercent: share((flow) => flow?.isComplete === true), sampledBothWaysPercent: sampled, sflow,
    withoutPercent: Object.fromEntries(["sflow", "openflow", "conntrack", "tcp", "capture"].map((source) => [source, lacks(source)])),
    trackedConnections: answer.counters?.trackedConnections, daemonS: (after[0] ?? 0) - (before[0] ?? 0), vswitchdS: (after[1] ?? 0) - (before[1] ?? 0),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  await Promise.all(servers.map((server) => server.stop()));
}
