/**
 * How long forwarding stands still when ovs-vswitchd is restarted as `ovs-ctl restart` does it: flows saved by ovs-save, flow-restore-wait
 * set, the daemon ended and started, flows restored, flow-restore-wait cleared. `node dist/lab/measure/restart-gap.js [ROUNDS]` does it on one
 * network without a controller of ours, with it as a guest (`forward.enabled: false`), and as the owner of the forwarding, in turn, under a
 * probe of 1,000 packets/s. Prints one line of JSON: packets lost by the restart (one is a ms), how long the restoring took of that, in ms, and
 * which of the operator's flows and groups were not there afterwards.
 */
import { Stage } from "../demo/stage.js";
import { foreignTables, restartAsOvsCtl } from "../restart.js";
import { waitFor } from "../wait.js";

const rounds = Number(process.argv[2] ?? 5);
const bridges = ["l1", "l2", "s1", "s2"] as const;
const modes = { "no controller": undefined, guest: "forward: { enabled: false }", owner: "" } as const;
type Mode = keyof typeof modes;

interface Measured {
  readonly lost: number;
  readonly restoreMs: number;
  readonly missing: readonly string[];
}

async function measure(stage: Stage): Promise<Measured> {
  const { live } = stage;
  const before = await foreignTables(live.ovs, bridges);
  const first = await stage.probe.ask();
  const restoreMs = await restartAsOvsCtl(live.ovs);
  const then = await stage.probe.ask();
  await waitFor(async () => (await stage.probe.ask()).received > then.received + 1_500, "the probe arrives again", 60_000);
  const after = await foreignTables(live.ovs, bridges);
  return { lost: (await stage.probe.ask()).lost - first.lost, restoreMs: Math.round(restoreMs), missing: [...before].filter((line) => !after.has(line)) };
}

await using stage = await Stage.build({ say: () => undefined });
const { live } = stage;
await live.ovs.ofctl("add-group", "l1", "group_id=7,type=select,bucket=output:3,bucket=output:4");
await live.ovs.ofctl("add-flow", "l1", "table=7,priority=9,ip,actions=group:7");
await stage.startProbe(rounds * 120);
const results: Record<Mode, Measured[]> = { "no controller": [], guest: [], owner: [] };
for (let round = 0; round < rounds; round++) {
  for (const mode of Object.keys(modes) as Mode[]) {
    const config = modes[mode];
    if (config !== undefined) {
      stage.startDaemon([config, "sflow: { samplingRate: 1000000 }", "policy: { promotion: { automatic: false } }", "stateDir: /run/lab/state"].join("\n"));
      await stage.inStep(bridges.length, 60_000);
      await stage.everyHostReachesEveryOther();
      await stage.inStep(bridges.length, 60_000);
    }
    const measured = await measure(stage);
    results[mode].push(measured);
    process.stderr.write(`${mode}: ${JSON.stringify(measured)}\n`);
    if (config === undefined) continue;
    await stage.inStep(bridges.length, 60_000);
    await stage.ctl("detach");
    await stage.daemonEnded();
  }
}
const median = (values: readonly number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1] ?? NaN;
const shown = Object.entries(results).map(([mode, all]) => [
  mode,
  { lost: median(all.map(({ lost }) => lost)), mostLost: Math.max(...all.map(({ lost }) => lost)), restoreMs: median(all.map(({ restoreMs }) => restoreMs)), missing: all.flatMap(({ missing }) => missing) },
] as const);
process.stdout.write(`${JSON.stringify({ rounds, ...Object.fromEntries(shown) })}\n`);
