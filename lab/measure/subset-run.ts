/**
 * The whole network's shadow beside that of a quarter of its ports: node dist/lab/measure/subset-run.js [SHARE] [SEED]. 100 edge ports on four bridges with loads
 * that differ by powers of ten. The daemon runs twice: copying everything, then the part that `shadow subset` drew from what it saw. Prints one line of JSON
 * with the distance of the distributions (Kolmogorov and Smirnov) of what the two shadows showed of their ports over 30 s, and their quantiles.
 */
import type { Observation } from "../../src/api/generated/ovsshadow/v1/observation.js";
import { seeded } from "../../src/base/seeded.js";
import { projectDir } from "../capsule.js";
import { PatchPanel } from "../patch-panel.js";
import { waitFor } from "../wait.js";

const [share = 25, seed = 1] = process.argv.slice(2).map(Number);
const [bridges, edges, loadS] = [["l1", "l2", "l3", "l4"], 25, 600];
const part = "/run/lab/part.yaml";
const quiet = ["sflow: { samplingRate: 1000000 }", "forward: { enabled: false }", "policy: { promotion: { automatic: false } }"];

interface Shown {
  readonly packetsPerS: number;
  readonly length: number;
}
interface Drawn {
  readonly taken: number;
  readonly devices: number;
  readonly ks: number;
  readonly ports: readonly { readonly port: string; readonly chance: number }[];
}

/** Adds what the shadow shows of ports over 30 s that began since `sinceMs`, the first of each; a port that shows no packets is asked again. */
async function look(panel: PatchPanel, sinceMs: number, found: Map<string, Shown>): Promise<void> {
  for (const { side, subject, tMs, values } of await panel.ctl<Observation[]>("features", "--kind", "port", "--window", "30")) {
    const { inPacketsPerS = 0, inBitsPerS = 0 } = values;
    if (side === "shadow" && tMs >= sinceMs && inPacketsPerS > 0 && !found.has(subject)) found.set(subject, { packetsPerS: inPacketsPerS, length: inBitsPerS / 8 / inPacketsPerS });
  }
}

async function run(panel: PatchPanel, config: readonly string[], ports: readonly string[]): Promise<ReadonlyMap<string, Shown>> {
  panel.startDaemon(config);
  await panel.inStep(120_000);
  const sinceMs = Date.now();
  const found = new Map<string, Shown>();
  await waitFor(
    async () => {
      await look(panel, sinceMs, found);
      return ports.every((port) => found.has(port));
    },
    "the shadow shows all ports over 30 s",
    150_000,
  ).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}: not ${ports.filter((port) => !found.has(port)).join(" ")}`);
  });
  return found;
}

type Weighted = readonly (readonly [value: number, weight: number])[];
const below = (values: Weighted, at: number): number => values.reduce((sum, [value, weight]) => (value <= at ? sum + weight : sum), 0) / values.reduce((sum, [, weight]) => sum + weight, 0);
const distance = (x: Weighted, y: Weighted): number => Math.max(...[...x, ...y].map(([value]) => Math.abs(below(x, value) - below(y, value))));
const quantileOf = (values: Weighted, of: number): number => [...values].sort(([x], [y]) => x - y).find(([value]) => below(values, value) >= of - 1e-9)?.[0] ?? NaN;

await using panel = await PatchPanel.start(Object.fromEntries(bridges.map((bridge) => [bridge, edges])));
const random = seeded(seed);
const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const names = bridges.flatMap((bridge) => Array.from({ length: edges }, (_, i) => [`${bridge}:${i + 1}`, `${bridge}-${i + 1}-h`] as const));
const words = names.map(([, device]) => `${device}=${Math.min(200, Math.max(1, Math.exp(1.5 + 1.3 * normal()))).toFixed(2)}:${Math.round(64 + 1_300 * random())}`);
const load = panel.ovs.capsule.spawn("/usr/bin/python3", [`${projectDir}/lab/tools/loads.py`, String(loadS), ...words], { stdio: "ignore" });
const ports = names.map(([port]) => port);
const whole = await run(panel, quiet, ports);
const drawn = await panel.ctl<Drawn>("shadow", "subset", "--share", String(share), "--seed", String(seed), "--out", part);
await panel.endDaemon("TERM");
const chosen = await run(panel, [...quiet, `shadow: { profile: ${part} }`], drawn.ports.map(({ port }) => port));
load.kill();
const line = (["packetsPerS", "length"] as const).map((figure) => {
  const all: Weighted = [...whole.values()].map((one) => [one[figure], 1]);
  const some: Weighted = drawn.ports.map(({ port, chance }) => [chosen.get(port)?.[figure] ?? 0, 1 / chance]);
  const quantiles = [0.25, 0.5, 0.75, 0.9].map((of) => ({ of, whole: Number(quantileOf(all, of).toPrecision(4)), part: Number(quantileOf(some, of).toPrecision(4)) }));
  return { figure, ks: Number(distance(all, some).toFixed(3)), quantiles };
});
process.stdout.write(`${JSON.stringify({ devices: drawn.devices, taken: drawn.taken, ksWhenDrawn: drawn.ks, figures: line })}\n`);
