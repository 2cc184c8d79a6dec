/** The peers of the sFlow benchmark, from Debian: sfacctd (pmacct) and sfcapd with nfdump (nfdump-sflow). */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

export interface PeerResult {
  readonly samples: number;
  /** Of all its processes. */
  readonly cpuS: number;
  readonly maxRssBytes: number;
}

const version = (output: string, pattern: RegExp): string => pattern.exec(output)?.[1] ?? "?";
const outputOf = (program: string, ...args: string[]): string => {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return `${stdout}${stderr}`;
};
export const sfacctdName = (): string => `sfacctd ${version(outputOf("sfacctd", "-V"), /(\d+\.\d+\.\d+)/)}`;
export const sfcapdName = (): string => `sfcapd ${version(outputOf("sfcapd", "-V"), /(\d+\.\d+\.\d+)/)}`;

/** Counts per 5-tuple, with room enough that its two processes drop nothing between them. */
function sfacctdConfig(dir: string, input: string): string {
  const file = `${dir}/sfacctd.conf`;
  const lines = [
    "daemonize: false",
    input,
    "plugins: print",
    "aggregate: src_host,dst_host,proto,src_port,dst_port",
    "print_output: csv",
    `print_output_file: ${dir}/sfacctd.csv`,
    "print_refresh_time: 3600",
    "plugin_pipe_size: 134217728",
    "plugin_buffer_size: 131072",
    "print_cache_entries: 32771",
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

/** Samples it counted: unless told to scale by the sampling rate, it counts each as one packet. */
function sfacctdSamples(dir: string): number {
  const rows = readFileSync(`${dir}/sfacctd.csv`, "utf8").trim().split("\n").slice(1);
  return rows.reduce((sum, row) => sum + Number(row.split(",")[5] ?? 0), 0);
}

/** What bash's `time` says of a command: CPU seconds, its ended children among them. */
export function timed(command: readonly string[], options: { readonly cwd?: string } = {}): { readonly cpuS: number; readonly stdout: string } {
  const { stdout, stderr, status } = spawnSync("bash", ["-c", 'TIMEFORMAT="cpu %U %S"; time "$@"', "bash", ...command], { encoding: "utf8", maxBuffer: 64 << 20, timeout: 300_000, ...options });
  const match = /cpu ([\d.]+) ([\d.]+)\s*$/.exec(stderr);
  if (match === null || status !== 0) throw new Error(`${command.join(" ")}: status ${status}: ${stderr.slice(-500)}`);
  return { cpuS: Number(match[1]) + Number(match[2]), stdout };
}

/** sfacctd over a capture. */
export function sfacctdOffline(dir: string, pcap: string): { readonly samples: number; readonly cpuS: number } {
  const { cpuS } = timed(["sfacctd", "-f", sfacctdConfig(dir, `pcap_savefile: ${pcap}`)], { cwd: dir });
  return { samples: sfacctdSamples(dir), cpuS };
}

/** CPU seconds and peak memory of a process and its children, as /proc says while they live. */
function usage(pid: number): { readonly cpuS: number; readonly maxRssBytes: number } {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
  const own = { cpuS: (Number(fields[11]) + Number(fields[12])) / 100, maxRssBytes: Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1_024 };
  return children.map(usage).reduce((sum, one) => ({ cpuS: sum.cpuS + one.cpuS, maxRssBytes: sum.maxRssBytes + one.maxRssBytes }), own);
}

/** Waits until a UDP port of this machine is listened on, or no more is queued for it. */
const rows = (port: number): string[] =>
  ["/proc/net/udp", "/proc/net/udp6"].flatMap((file) => readFileSync(file, "utf8").split("\n")).filter((line) => line.includes(`:${port.toString(16).toUpperCase().padStart(4, "0")} `));
async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 300) throw new Error(`${what}: not within 30 s`);
    await wait(100);
  }
}

/** Runs a peer as a server while `load` sends to its port. Ends it by SIGINT. As ours, it is not kept waiting by others (nice -10). */
async function live(port: number, command: readonly string[], dir: string, load: () => Promise<void>): Promise<{ readonly cpuS: number; readonly maxRssBytes: number }> {
  const child: ChildProcess = spawn("nice", ["-n", "-10", ...command], { cwd: dir, stdio: "ignore" });
  const exited = once(child, "exit");
  try {
    await until(() => rows(port).length > 0, `${command[0]} listens`);
    await load();
    await until(() => rows(port).every((row) => row.trim().split(/\s+/)[4]?.endsWith(":00000000") === true), `${command[0]} has read its queue`);
    await wait(500); // what is between its processes
    return usage(child.pid ?? 0);
  } finally {
    child.kill("SIGINT");
    await exited;
  }
}

export async function sfacctdLive(dir: string, port: number, load: () => Promise<void>): Promise<PeerResult> {
  const config = sfacctdConfig(dir, `sfacctd_ip: 127.0.0.1\nsfacctd_port: ${port}\nsfacctd_pipe_size: 4194304`);
  const used = await live(port, ["sfacctd", "-f", config], dir, load);
  return { samples: sfacctdSamples(dir), ...used };
}

export async function sfcapdLive(dir: string, port: number, load: () => Promise<void>): Promise<PeerResult> {
  const used = await live(port, ["sfcapd", "-b", "127.0.0.1", "-p", String(port), "-w", dir, "-B", "4194304"], dir, load);
  let samples = 0;
  for (const file of readdirSync(dir).filter((name) => name.startsWith("nfcapd."))) samples += Number(/^Flows: (\d+)/m.exec(execFileSync("nfdump", ["-I", "-r", `${dir}/${file}`], { encoding: "utf8" }))?.[1] ?? 0);
  return { samples, ...used };
}
