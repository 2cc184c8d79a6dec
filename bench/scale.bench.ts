/**
 * A large live network on one ovs-vswitchd: how soon the shadow is in step, and how long forwarding pauses for it, held against Open
 * vSwitch itself: the same rows in the same batches and the same tables, written again on the same network by clients that do nothing
 * else; and a bare `ovs-vsctl add-port` there. Then memory and idle load of the controller.
 */
import { Attached, liveBridge } from "../lab/attached.js";
import { Capsule } from "../lab/capsule.js";
import { Ovs } from "../lab/ovs.js";
import { addHosts, joinHosts, makeHosts, ProbedPair } from "../lab/probed-pair.js";
import { configured, recordRows, recordTables, replayRows, replayTables, type RecordedTables } from "../lab/recorded-rows.js";
import { elapse, waitFor } from "../lab/wait.js";
import { isOurs } from "../src/network/pipeline.js";
import { adapterBridge, shadowBridge } from "../src/shadow/names.js";
import { atMost, type Bench, type Figure } from "./bench.js";

type Report = (figure: Figure) => void;
type Recorded = ReturnType<typeof recordRows>;

/** What the controller did, to be held against the same without it. */
interface Built {
  readonly contents: string;
  readonly rows: Recorded;
  readonly tables: readonly RecordedTables[];
  readonly inStepMs: number;
  readonly longestGapMs: number;
  /** Processor time of ovs-vswitchd until then, in s. */
  readonly vswitchdS: number;
}

const bareTimes = 5;
const idleS = 20;
const probed = liveBridge(0);

/** The longest gap that a bare add-port makes, of a few; the port goes again each time. */
async function barePort(ovs: Ovs, pair: ProbedPair): Promise<number> {
  const gaps: number[] = [];
  for (let n = 0; n < bareTimes; n++) {
    await pair.read();
    await ovs.capsule.run("ovs-vsctl", ["--timeout=60", "add-port", liveBridge(1), "bare", "--", "set", "interface", "bare", "type=internal"], { timeoutMs: 60_000 });
    gaps.push((await pair.read()).longestGapMs);
    await ovs.capsule.run("ovs-vsctl", ["--timeout=60", "del-port", "bare"], { timeoutMs: 60_000 });
  }
  return Math.max(...gaps);
}

async function ours(report: Report, size: string, bridges: number, edges: number): Promise<Built> {
  const critical = [liveBridge(bridges - 1), liveBridge(bridges - 2)];
  let contents = "";
  let pair: ProbedPair | undefined;
  let rows: Recorded = [];
  const begin = performance.now();
  await using lab = await Attached.start(
    { bridges, edges },
    { sflow: { pollingS: 60 }, forward: { enabled: false }, shadow: { critical } },
    {
      beforeAttach: async (ovs) => {
        report({ what: `${size}: made by ovs-vsctl`, who: "ovs-vswitchd", value: (performance.now() - begin) / 1_000, unit: "s" });
        await makeHosts(ovs.capsule);
        await addHosts(ovs, probed);
        await joinHosts(ovs, probed);
        contents = await ovs.backup();
        pair = await ProbedPair.start(ovs);
        report({ what: `${size}: longest gap, bare add-port, no shadow`, who: "ovs-vsctl", value: await barePort(ovs, pair), unit: "ms" });
        await pair.read();
      },
      attaching: (controller) => (rows = recordRows(controller.database)),
    },
  );
  if (pair === undefined) throw new Error("no probe");
  await using probe: ProbedPair = pair;
  const { controller, startedMs } = lab;
  let criticalMs: number | undefined;
  const cpuBefore = process.cpuUsage();
  const vswitchdBefore = await lab.ovs.cpuS();
  await waitFor(
    () => {
      const inStep = new Set(controller.shadow.status().flatMap(({ live, state }) => (state === "in step" ? [live] : [])));
      if (critical.every((name) => inStep.has(name) && controller.shadow.edges(name).length === edges)) criticalMs ??= performance.now() - startedMs;
      return controller.discovery.settled && inStep.size === bridges && controller.shadow.left.length === 0;
    },
    "every shadow is in step",
    400_000,
  );
  const inStepMs = performance.now() - startedMs;
  const { longestGapMs, lost } = await probe.read();
  const ownCpu = process.cpuUsage(cpuBefore);
  const vswitchdS = (await lab.ovs.cpuS()) - vswitchdBefore;
  report({ what: `${size}: in step`, who: "ours", value: inStepMs / 1_000, unit: "s" });
  report({ what: `${size}: processor time of ovs-vswitchd until in step`, who: "ours", value: vswitchdS, unit: "s" });
  report({ what: `${size}: processor time of the controller until in step, the bench included`, who: "ours", value: (ownCpu.user + ownCpu.system) / 1e6, unit: "s" });
  const share = (100 * (criticalMs ?? inStepMs)) / inStepMs;
  report({ what: `${size}: critical bridges in step`, who: "ours", value: share, unit: "% of the whole", ...(bridges < 100 ? {} : { bar: atMost(share, 20, "%") }) });
  const { transactions, rows: written, longestMs } = controller.database.counters;
  report({ what: `${size}: longest of ${transactions} transactions, ${written} rows`, who: "ours", value: longestMs, unit: "ms" });
  report({ what: `${size}: longest gap while it is built (${lost} of the probe lost)`, who: "ours", value: longestGapMs, unit: "ms" });
  const megabytes = process.memoryUsage.rss() / 1e6;
  report({ what: `${size}: resident memory, the bench included`, who: "ours", value: megabytes, unit: "MB", bar: atMost(megabytes, 400, "MB") });
  const live = Array.from({ length: bridges }, (_, n) => liveBridge(n));
  const cpu = process.cpuUsage();
  const idleStart = performance.now();
  await elapse(idleS * 1_000);
  const { user, system } = process.cpuUsage(cpu);
  const idle = (user + system) / 10 / (performance.now() - idleStart);
  report({ what: `${size}: idle load of a core, over ${idleS} s`, who: "ours", value: idle, unit: "%", bar: atMost(idle, 3, "%") });
  const own = live.flatMap((name) => [shadowBridge(name), adapterBridge(name)]);
  const tables = [...(await recordTables(lab.ovs, live, ({ cookie }) => isOurs(cookie))), ...(await recordTables(lab.ovs, own, () => true))];
  return { contents, rows: [...rows], tables, inStepMs, longestGapMs, vswitchdS };
}

/** The same network in another capsule, and the same rows and tables on it, without a controller. */
async function bare(report: Report, size: string, built: Built): Promise<void> {
  const capsule = await Capsule.start();
  await using ovs = await Ovs.start(await makeHosts(capsule).then(() => capsule), built.contents);
  await configured(ovs);
  await joinHosts(ovs, probed);
  await using pair = await ProbedPair.start(ovs);
  const vswitchdBefore = await ovs.cpuS();
  const { transactionsMs, wholeMs } = await replayRows(ovs, built.rows);
  const replayedGapMs = (await pair.read()).longestGapMs;
  const tablesMs = await replayTables(ovs, built.tables);
  const replayedMs = wholeMs + tablesMs;
  const vswitchdS = (await ovs.cpuS()) - vswitchdBefore;
  report({ what: `${size}: processor time of ovs-vswitchd for both`, who: "OVS itself", value: vswitchdS, unit: "s" });
  report({ what: `${size}: the same ${transactionsMs.length} transactions`, who: "OVS itself", value: wholeMs / 1_000, unit: "s" });
  report({ what: `${size}: the same ${built.tables.reduce((sum, { mods }) => sum + mods.length, 0)} flows and groups on ${built.tables.length} bridges`, who: "OVS itself", value: tablesMs / 1_000, unit: "s" });
  const ratio = built.inStepMs / replayedMs;
  report({ what: `${size}: in step, times what OVS itself needs`, who: "ours", value: ratio, unit: "×", bar: atMost(ratio, 1.5, "×") });
  report({ what: `${size}: longest gap, the same transactions`, who: "OVS itself", value: replayedGapMs, unit: "ms" });
  await pair.read();
  const portMs = await barePort(ovs, pair);
  report({ what: `${size}: longest gap, bare add-port, with the shadow's rows there`, who: "ovs-vsctl", value: portMs, unit: "ms" });
  const gaps = built.longestGapMs / portMs;
  report({ what: `${size}: longest gap, times that of the bare add-port`, who: "ours", value: gaps, unit: "×", bar: atMost(gaps, 1.2, "×") });
}

/** Figures of one size: `bridges` live bridges with `edges` edge ports each. */
export async function large(report: Report, bridges: number, edges: number): Promise<void> {
  const size = `${bridges} bridges, ${(bridges * edges).toLocaleString("en")} edge ports`;
  await bare(report, size, await ours(report, size, bridges, edges));
}

export const scaleBench: Bench = {
  name: "scale",
  about: "large networks on one private ovs-vswitchd, controller and prober on the same cores; OVS itself on the same network without a controller",
  async run(report) {
    await large(report, 20, 20);
    await large(report, 100, 20);
  },
};
