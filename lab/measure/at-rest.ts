/**
 * What the whole daemon costs while nothing happens: `node dist/lab/measure/at-rest.js [BRIDGES] [EDGES] [SETTLE_S]`, 100 bridges of 20
 * edge ports by default. Once every shadow is in step it is left alone for SETTLE_S (120: the longest round of anything, that of the
 * audits), then its processor time is taken over a minute: user's and system's, of all threads and of each (percent of a core, and how
 * often it was woken a second), and its memory, with how much of it is no file's. Prints one line of JSON.
 */
import { Capsule } from "../capsule.js";
import { buildLive } from "../attached.js";
import { Ovs } from "../ovs.js";
import { Shadowd } from "../shadowd.js";
import { elapse } from "../wait.js";

const [bridges, edges] = [Number(process.argv[2] ?? 100), Number(process.argv[3] ?? 20)];
const settleMs = Number(process.argv[4] ?? 120) * 1_000;
const measuredMs = 60_000;

/** Processor time in s, and how often it gave the processor up by itself. */
interface Used {
  readonly userS: number;
  readonly systemS: number;
  readonly wakes: number;
}
const nothing: Used = { userS: 0, systemS: 0, wakes: 0 };

/** What each thread of the daemon has used, by name and id; and its resident memory in bytes. */
async function used(capsule: Capsule): Promise<{ readonly threads: ReadonlyMap<string, Used>; readonly residentBytes: number; readonly anonymousBytes: number }> {
  const find = `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '^node .*/dist/src/main.js' && { for t in $p/task/*; do echo "$(cat $t/stat) $(grep ^voluntary $t/status | cut -f2)"; done; grep -E 'VmRSS|RssAnon' $p/status; }; done; true`;
  const { stdout } = await capsule.run("sh", ["-c", find]);
  const threads = new Map<string, Used>();
  for (const line of stdout.split("\n")) {
    const name = /^(\d+) \((.*)\) /.exec(line);
    if (name === null) continue;
    // utime and stime are the 14th and 15th field (proc(5)), in hundredths of a second.
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    threads.set(`${name[2]} ${name[1]}`, { userS: Number(fields[11]) / 100, systemS: Number(fields[12]) / 100, wakes: Number(fields.at(-1)) });
  }
  const bytes = (what: string): number => Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(stdout)?.[1] ?? NaN) * 1_024;
  return { threads, residentBytes: bytes("VmRSS"), anonymousBytes: bytes("RssAnon") };
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
const threads = [...after.threads].map(([name, now]) => {
  const then = before.threads.get(name) ?? nothing;
  return { name, userS: now.userS - then.userS, systemS: now.systemS - then.systemS, wakesPerS: Math.round(((now.wakes - then.wakes) / tookMs) * 1e4) / 10 };
});
const sum = (of: "userS" | "systemS"): number => threads.reduce((total, thread) => total + thread[of], 0);
const shown = threads.filter(({ userS, systemS, wakesPerS }) => percent(userS + systemS) >= 0.05 || wakesPerS >= 1);
const { store, problems } = await daemon.status();
process.stdout.write(
  `${JSON.stringify({ bridges, edges: bridges * edges, inStepS: Math.round(inStepS), cpuPercent: percent(sum("userS") + sum("systemS")), systemPercent: percent(sum("systemS")), threads: Object.fromEntries(shown.map(({ name, userS, systemS, wakesPerS }) => [name, { percent: percent(userS + systemS), wakesPerS }])), residentMb: Math.round(after.residentBytes / 1e6), anonymousMb: Math.round(after.anonymousBytes / 1e6), vswitchdPercent: percent(vswitchdAfter - vswitchdBefore), observed: store?.observed, dropped: store?.dropped, problems })}\n`,
);
