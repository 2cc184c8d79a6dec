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
  readonly kernel: KernelState;
  readonly ours: Connection;
}

const readEveryMs = 150;

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
    const kernelRtts: number[] = [];
    const ourRtts: number[] = [];
    const readKernel = async (): Promise<void> => {
      while (!isDone) {
        const state = await kernel();
        if (!isDone && state !== undefined) kernelRtts.push(state.rttMs);
        await new Promise((resolve) => setTimeout(resolve, readEveryMs));
      }
    };
    const readOurs = async (): Promise<void> => {
      while (!isDone) {
        const rttMs = (await ours())?.client?.rttMs;
        if (!isDone && rttMs !== undefined) ourRtts.push(rttMs);
      }
    };
    await Promise.all([done, readKernel(), readOurs()]);
    const last = await kernel();
    if (last === undefined) throw new Error(`ss does not know ${name}`);
    let found: Connection | undefined;
    // ss counts the SYN as a byte acknowledged, we count the stream's bytes.
    const isWhole = async (): Promise<boolean> => ((found = await ours())?.client?.appBytes ?? 0) >= last.bytesAcked - 1 && found?.client?.inFlight === 0;
    await waitFor(isWhole, "all of the stream was captured").catch((error: unknown) => {
      throw new Error(`${name}: ss has ${JSON.stringify(last)}, we have ${JSON.stringify(found?.client)}`, { cause: error });
    });
    if (found === undefined) throw new Error("not reached");
    return { kernelRttMs: median(kernelRtts), ourRttMs: median(ourRtts), readings: Math.min(kernelRtts.length, ourRtts.length), kernel: last, ours: found };
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
