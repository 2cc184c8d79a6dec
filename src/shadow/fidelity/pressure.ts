/** What ovs-vswitchd bears: what its threads ran and waited from /proc, cached flows and misses from its control socket. */
import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { errorText } from "../../base/error-text.js";
import { VswitchdControl } from "../../network/unixctl.js";
import type { Pressure } from "./budget.js";

const nsPerSecond = 1e9;
const program = "ovs-vswitchd";

async function text(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch(() => undefined);
}

function textNow(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined; // the thread has ended
  }
}

/**
 * The daemon's process id as we see it. Its pid file tells the id in its own pid namespace; where that is not ours, it is the process of
 * that name whose innermost NSpid is that id, and of several, in as many namespaces, the one that holds the pid file open. Rejects when
 * there is none that we may see.
 */
export async function vswitchdPid(runDir: string, proc = "/proc"): Promise<number> {
  const pidFile = `${runDir}/${program}.pid`;
  const pid = (await readFile(pidFile, "utf8")).trim();
  const found: string[] = [];
  for (const entry of await readdir(proc)) {
    if (!/^\d+$/.test(entry) || (await text(`${proc}/${entry}/comm`))?.trim() !== program) continue;
    const ids = /^NSpid:\s*(.+)$/m.exec((await text(`${proc}/${entry}/status`)) ?? "")?.[1]?.split(/\s+/) ?? [entry];
    if (ids.at(-1) === pid) found.push(entry);
  }
  const holders = found.length < 2 ? found : (await Promise.all(found.map(async (entry) => ((await holds(`${proc}/${entry}`, pidFile)) ? [entry] : [])))).flat();
  const [one] = holders;
  if (one === undefined || holders.length > 1) throw new Error(`no process ${program} with the id ${pid} of its pid file can be seen; its processor time is not watched`);
  return Number(one);
}

/** Whether the process of this folder in /proc has `file` open; false where we may not see it. */
async function holds(process: string, file: string): Promise<boolean> {
  const { dev, ino } = await stat(file);
  const open = await readdir(`${process}/fd`).catch(() => []);
  const same = await Promise.all(open.map((fd) => stat(`${process}/fd/${fd}`).then((one) => one.ino === ino && one.dev === dev, () => false)));
  return same.includes(true);
}

/** "flows: 12" and "missed:34" of `dpctl/show`, over all datapaths. */
export function readDpctl(shown: string): { readonly megaflows: number; readonly missed: number } {
  const numbers = (pattern: RegExp): number[] => [...shown.matchAll(pattern)].map((found) => Number(found[1]));
  return { megaflows: Math.max(0, ...numbers(/flows: (\d+)/g)), missed: numbers(/missed:(\d+)/g).reduce((sum, one) => sum + one, 0) };
}

/**
 * The same of the userspace datapath, in fewer words: `dpctl/show` has a line for each port. "(current 12)" of `upcall/show`, "miss with
 * success upcall: 34" for each thread of `dpif-netdev/pmd-stats-show`.
 */
export function readNetdev(upcalls: string, threads: string): { readonly megaflows: number; readonly missed: number } {
  const megaflows = Math.max(0, ...[...upcalls.matchAll(/\(current (\d+)\)/g)].map((found) => Number(found[1])));
  return { megaflows, missed: [...threads.matchAll(/miss with success upcall: (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0) };
}

export class PressureGauge {
  private readonly runDir: string;
  private readonly control: VswitchdControl;
  /** Whether the daemon has a userspace datapath and no other; undefined while nobody asked. */
  private isNetdev: boolean | undefined;
  private readonly nowMs: () => number;
  private threads: ReadonlyMap<string, number> = new Map();
  private missed: number | undefined;
  private lastMs: number | undefined;
  private pid: number | undefined;
  /** What could not be measured last, and why; empty when all could. */
  failures: readonly string[] = [];

  constructor(runDir: string, nowMs: () => number) {
    this.runDir = runDir;
    this.control = new VswitchdControl(runDir);
    this.nowMs = nowMs;
  }

  close(): void {
    this.control.close();
  }

  /** Measures since the last call. What can't be measured is absent, and told in `failures`. */
  async read(): Promise<Pressure> {
    const now = this.nowMs();
    const seconds = this.lastMs === undefined ? undefined : Math.max(0.001, (now - this.lastMs) / 1_000);
    this.lastMs = now;
    const failures: string[] = [];
    const told = (error: unknown): undefined => void failures.push(errorText(error));
    const [threads, datapath] = await Promise.all([this.threadSeconds().catch(told), this.datapath().catch(told)]);
    this.failures = failures;
    const before = this.threads;
    this.threads = threads ?? new Map();
    const missed = this.missed;
    this.missed = datapath?.missed;
    const spent = [...this.threads].flatMap(([id, used]) => (before.has(id) ? [used - (before.get(id) ?? 0)] : []));
    return {
      ...(seconds === undefined || spent.length === 0 ? {} : { cpu: Math.max(...spent) / seconds }),
      ...(seconds === undefined || missed === undefined || datapath === undefined || datapath.missed < missed ? {} : { upcallsPerS: (datapath.missed - missed) / seconds }),
      ...(datapath === undefined ? {} : { megaflows: datapath.megaflows }),
    };
  }

  /**
   * Time that each thread ran or waited for a processor so far, in s: `/proc/PID/task/TID/schedstat`. A switch that others keep from
   * running is as short of time as one that never rests. Read at once: these are no files, and what a few of them take is less than their
   * ways through the thread pool and back.
   */
  private async threadSeconds(): Promise<Map<string, number>> {
    this.pid ??= await vswitchdPid(this.runDir);
    try {
      return new Map(
        readdirSync(`/proc/${this.pid}/task`).flatMap((id) => {
          const [ran, waited] = textNow(`/proc/${this.pid}/task/${id}/schedstat`)?.split(" ").map(Number) ?? [];
          return ran === undefined || waited === undefined ? [] : [[`${this.pid}/${id}`, (ran + waited) / nsPerSecond] as const];
        }),
      );
    } catch (error) {
      this.pid = undefined; // a restarted daemon has another
      throw error;
    }
  }

  private async datapath(): Promise<{ readonly megaflows: number; readonly missed: number }> {
    try {
      this.isNetdev ??= (await this.control.ask("dpif/show")).split("\n").every((line) => !/^\S+@/.test(line) || line.startsWith("netdev@"));
      if (!this.isNetdev) return readDpctl(await this.control.ask("dpctl/show"));
      return readNetdev(await this.control.ask("upcall/show"), await this.control.ask("dpif-netdev/pmd-stats-show"));
    } catch (error) {
      this.isNetdev = undefined; // a restarted daemon may have another
      throw error;
    }
  }
}
