/** One TCP transfer on the lab fabric, as the sender's kernel has it (`ss -tin`) and as the daemon has it from the copies. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Connection, ListConnectionsResponse } from "../src/api/generated/ovsshadow/v1/telemetry.js";
import { projectDir } from "./capsule.js";
import type { Stage } from "./demo/stage.js";
import { waitFor } from "./wait.js";

export interface KernelState {
  readonly rttMs: number;
  readonly retransmissions: number;
  readonly bytesAcked: number;
  readonly segmentsOut: number;
}

export interface Comparison {
  /** Medians of what was read while data was sent, and in how many readings. */
  readonly kernelRttMs: number;
  readonly ourRttMs: number;
  readonly readings: number;
  /** Median of how far, as a share, a reading of ours was above (+) or below (−) the kernel's of the same moment. */
  readonly pairErrorRatio: number;
  readonly kernel: KernelState;
  readonly ours: Connection;
}

export interface Reading {
  readonly by: "kernel" | "ours";
  /** The moment it is of. */
  readonly tMs: number;
  readonly rttMs: number;
}
interface Pair {
  readonly kernelRttMs: number;
  readonly ourRttMs: number;
}
/** Two readings this far apart are of one moment. */
const sameMs = 60;

/** Each reading of ours with the kernel's nearest to it in time. */
function pair(readings: readonly Reading[]): Pair[] {
  const kernel = readings.filter(({ by }) => by === "kernel");
  return readings.flatMap((one) => {
    if (one.by !== "ours") return [];
    const nearest = kernel.reduce<Reading | undefined>((best, other) => (best !== undefined && Math.abs(best.tMs - one.tMs) <= Math.abs(other.tMs - one.tMs) ? best : other), undefined);
    return nearest === undefined || Math.abs(nearest.tMs - one.tMs) > sameMs ? [] : [{ kernelRttMs: nearest.rttMs, ourRttMs: one.rttMs }];
  });
}
/** Where the lab's daemon is asked. */
const daemonAddress = "127.0.0.1:50051";

/** The line of `ss -tin` for one connection. */
export function readKernelState(text: string): KernelState | undefined {
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  const rttMs = number(/\brtt:([\d.]+)/);
  if (rttMs === 0) return undefined;
  return { rttMs, retransmissions: number(/\bretrans:\d+\/(\d+)/), bytesAcked: number(/\bbytes_acked:(\d+)/), segmentsOut: number(/\bsegs_out:(\d+)/) };
}

export const median = (values: readonly number[]): number => [...values].sort((x, y) => x - y)[values.length >> 1] ?? NaN;

/** Sends from one host to another for `seconds`. The path between them is the caller's to make narrow or lossy. */
export async function compareTransfer(stage: Stage, from: string, to: string, tcpPort: number, seconds: number): Promise<Comparison> {
  const { live } = stage;
  const program = `${projectDir}/lab/tools/bulk.py`;
  const server = live.spawn(to, "python3", [program, "serve", String(tcpPort)], { stdio: ["ignore", "pipe", "inherit"] });
  const sender = await (async () => {
    if (server.stdout === null) throw new Error("no pipe");
    await once(server.stdout, "data");
    return live.spawn(from, "python3", [program, "send", live.host(to).ip, String(tcpPort), String(seconds)], { stdio: ["pipe", "pipe", "inherit"] });
  })();
  try {
    if (sender.stdout === null) throw new Error("no pipe");
    const lines = createInterface(sender.stdout)[Symbol.asyncIterator]();
    const port = (await lines.next()).value as string;
    const name = `${live.host(from).ip}:${port}>${live.host(to).ip}:${tcpPort}`;
    let isDone = false;
    const done = lines.next().then(() => (isDone = true));
    const kernel = async (): Promise<KernelState | undefined> => readKernelState((await live.exec(from, "ss", ["-tinH", "sport", "=", `:${port}`])).stdout);
    const ours = async (): Promise<Connection | undefined> => (await stage.ctl<ListConnectionsResponse>("connections", "--address", live.host(from).ip)).connections.find((one) => one.name === name);
    const read: Reading[] = [];
    const reader = live.ovs.capsule.spawn(process.execPath, [`${projectDir}/dist/lab/tcp-readings.js`, daemonAddress, String(live.host(from).pid), port, live.host(from).ip, name], { stdio: ["pipe", "pipe", "inherit"] });
    if (reader.stdout === null) throw new Error("no pipe");
    // What is read when all has arrived is of a connection at rest.
    createInterface(reader.stdout).on("line", (line) => isDone || read.push(JSON.parse(line) as Reading));
    await done;
    reader.stdin?.end();
    const last = await kernel();
    if (last === undefined) throw new Error(`ss does not know ${name}`);
    let found: Connection | undefined;
    // ss counts the SYN as a byte acknowledged, we count the stream's bytes.
    const isWhole = async (): Promise<boolean> => ((found = await ours())?.client?.appBytes ?? 0) >= last.bytesAcked - 1 && found?.client?.inFlight === 0;
    await waitFor(isWhole, "all of the stream was captured").catch((error: unknown) => {
      throw new Error(`${name}: ss has ${JSON.stringify(last)}, we have ${JSON.stringify(found?.client)}`, { cause: error });
    });
    if (found === undefined) throw new Error("not reached");
    const pairs = pair(read);
    return {
      kernelRttMs: median(pairs.map((one) => one.kernelRttMs)),
      ourRttMs: median(pairs.map((one) => one.ourRttMs)),
      pairErrorRatio: median(pairs.map((one) => one.ourRttMs / one.kernelRttMs - 1)),
      readings: pairs.length,
      kernel: last,
      ours: found,
    };
  } finally {
    sender.stdin?.end();
    sender.kill();
    server.kill();
  }
}

/** Makes the way to a host a queue of this rate, in kbit/s: on the switch's port, behind where segments are captured. */
export async function narrow(stage: Stage, device: string, kbit: number): Promise<void> {
  await stage.live.ovs.capsule.run("tc", ["qdisc", "replace", "dev", device, "root", "tbf", "rate", `${kbit}kbit`, "burst", "16kb", "latency", "60ms"]);
}

/** Lets a host lose this share (1/n) of the TCP segments that reach it, before its stack sees them. */
export async function loseOneIn(stage: Stage, host: string, n: number): Promise<void> {
  const rules = `table ip lab { chain in { type filter hook prerouting priority -300; ip protocol tcp numgen random mod ${n} 0 counter drop; }; }`;
  await stage.live.exec(host, "nft", ["-f", "-"], { input: rules });
}
