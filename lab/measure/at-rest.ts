/**
 * What the whole daemon costs while nothing happens: `node dist/lab/measure/at-rest.js [BRIDGES] [EDGES]`, 100 bridges of 20 edge ports by
 * default. Once every shadow is in step it is left alone until two readings of all that is spread over longer rounds are over, then its
 * processor time is taken over a minute, by thread, and its resident memory. Prints one line of JSON.
 */
import { Capsule } from "../capsule.js";
import { buildLive } from "../attached.js";
import { Ovs } from "../ovs.js";
import { Shadowd } from "../shadowd.js";
import { elapse } from "../wait.js";

const [bridges, edges] = [Number(process.argv[2] ?? 100), Number(process.argv[3] ?? 20)];
const settleMs = 60_000;
const measuredMs = 60_000;

/** Processor time in s of each thread of the daemon, by name and id; and its resident memory in bytes. */
async function used(capsule: Capsule): Promise<{ readonly threads: ReadonlyMap<string, number>; readonly residentBytes: number }> {
  const find = `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '^node .*/dist/src/main.js' && { cat $p/task/*/stat; grep VmRSS $p/status; }; done; true`;
  const { stdout } = await capsule.run("sh", ["-c", find]);
  const threads = new Map<string, number>();
  for (const line of stdout.split("\n")) {
    const name = /^(\d+) \((.*)\) /.exec(line);
    if (name === null) continue;
    // utime and stime are the 14th and 15th field (proc(5)), in hundredths of a second.
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    threads.set(`${name[2]} ${name[1]}`, (Number(fields[11]) + Number(fields[12])) / 100);
  }
  return { threads, residentBytes: Number(/VmRSS:\s+(\d+) kB/.exec(stdout)?.[1] ?? NaN) * 1_024 };
}

await using ovs = await Ovs.start(await Capsule.start());
await buildLive(ovs, { bridges, edges });
const daemon = new Shadowd(ovs.capsule);
const startMs = performance.now();
daemon.start("log: { level: warn }\nstateDir: /run/lab/state\npolicy: { promotion: { automatic: false } }\nforward: { enabled: false }\n");
await daemon.inStep(bridges, 560_000);
const inStepS = (performance.now() - startMs) / 1_000;
await elapse(settleMs);
const [before, fromMs, vswitchdBefore] = [await used(ovs.capsule), performance.now(), await ovs.cpuS()];
await elapse(measuredMs);
const [after, tookMs, vswitchdAfter] = [await used(ovs.capsule), performance.now() - fromMs, await ovs.cpuS()];
const percent = (s: number): number => Math.round((s / tookMs) * 1e7) / 100;
const threads = [...after.threads].map(([name, s]) => [name, percent(s - (before.threads.get(name) ?? 0))] as const).filter(([, share]) => share >= 0.1);
const { store, problems } = await daemon.status();
process.stdout.write(
  `${JSON.stringify({ bridges, edges: bridges * edges, inStepS: Math.round(inStepS), cpuPercent: Math.round(threads.reduce((sum, [, share]) => sum + share, 0) * 100) / 100, threads: Object.fromEntries(threads), residentMb: Math.round(after.residentBytes / 1e6), vswitchdPercent: percent(vswitchdAfter - vswitchdBefore), observed: store?.observed, dropped: store?.dropped, problems })}\n`,
);
