/** What ovs-vswitchd bears: processor time of its threads from /proc, cached flows and misses from its control socket. */
import { readdir, readFile } from "node:fs/promises";
import { unixctl, vswitchdSocket } from "../../network/unixctl.js";
import type { Pressure } from "./budget.js";

/** USER_HZ, which Linux has at 100 on every architecture Node runs on. */
const ticksPerSecond = 100;
const program = "ovs-vswitchd";

async function text(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch(() => undefined);
}

/**
 * The daemon's process id as we see it. Its pid file tells the id in its own pid namespace; where that is not ours, it is the process of
 * that name whose innermost NSpid is that id. Rejects when there is none that we may see.
 */
export async function vswitchdPid(runDir: string, proc = "/proc"): Promise<number> {
  const pid = Number((await readFile(`${runDir}/${program}.pid`, "utf8")).trim());
  const isIt = async (candidate: string): Promise<boolean> => {
    if ((await text(`${proc}/${candidate}/comm`))?.trim() !== program) return false;
    const ids = /^NSpid:\s*(.+)$/m.exec((await text(`${proc}/${candidate}/status`)) ?? "")?.[1]?.split(/\s+/);
    return ids === undefined ? candidate === String(pid) : ids.at(-1) === String(pid);
  };
  if (await isIt(String(pid))) return pid;
  for (const entry of await readdir(proc)) if (/^\d+$/.test(entry) && (await isIt(entry))) return Number(entry);
  throw new Error(`no process ${program} with the id ${pid} of its pid file can be seen; its processor time is not watched`);
}

/** "flows: 12" and "missed:34" of `dpctl/show`, over all datapaths. */
export function readDpctl(shown: string): { readonly megaflows: number; readonly missed: number } {
  const numbers = (pattern: RegExp): number[] => [...shown.matchAll(pattern)].map((found) => Number(found[1]));
  return { megaflows: Math.max(0, ...numbers(/flows: (\d+)/g)), missed: numbers(/missed:(\d+)/g).reduce((sum, one) => sum + one, 0) };
}

export class PressureGauge {
  private readonly runDir: string;
  private readonly nowMs: () => number;
  private threads: ReadonlyMap<string, number> = new Map();
  private missed: number | undefined;
  private lastMs: number | undefined;
  private pid: number | undefined;
  /** What could not be measured last, and why; empty when all could. */
  failures: readonly string[] = [];

  constructor(runDir: string, nowMs: () => number) {
    this.runDir = runDir;
    this.nowMs = nowMs;
  }

  /** Measures since the last call. What can't be measured is absent, and told in `failures`. */
  async read(): Promise<Pressure> {
    const now = this.nowMs();
    const seconds = this.lastMs === undefined ? undefined : Math.max(0.001, (now - this.lastMs) / 1_000);
    this.lastMs = now;
    const failures: string[] = [];
    const told = (error: unknown): undefined => void failures.push(error instanceof Error ? error.message : String(error));
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

  /** Processor time of each thread so far, in s. */
  private async threadSeconds(): Promise<Map<string, number>> {
    this.pid ??= await vswitchdPid(this.runDir);
    try {
      const ids = await readdir(`/proc/${this.pid}/task`);
      const stats = await Promise.all(ids.map(async (id) => [id, await text(`/proc/${this.pid}/task/${id}/stat`)] as const));
      return new Map(
        stats.flatMap(([id, stat]) => {
          const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
          return fields === undefined ? [] : [[`${this.pid}/${id}`, (Number(fields[11]) + Number(fields[12])) / ticksPerSecond] as const];
        }),
      );
    } catch (error) {
      this.pid = undefined; // a restarted daemon has another
      throw error;
    }
  }

  private async datapath(): Promise<{ readonly megaflows: number; readonly missed: number }> {
    return readDpctl(await unixctl(await vswitchdSocket(this.runDir), "dpctl/show", []));
  }
}
