/** Traffic on the lab's hosts: the probe, web clients, bulk transfer, floods. Each stops by itself or with `stop`. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { projectDir } from "./capsule.js";
import type { Network } from "./fabric.js";

const python = "/usr/bin/python3";
const tool = (name: string): string => `${projectDir}/lab/tools/${name}.py`;

/** A tool that answers each line on its input with one line of JSON. */
export class Asked<T> {
  private readonly child: ChildProcess;
  private readonly answers: AsyncIterableIterator<string>;

  private constructor(child: ChildProcess, answers: AsyncIterableIterator<string>) {
    this.child = child;
    this.answers = answers;
  }

  /** Resolves when the tool says it is ready. */
  static async start<T>(child: ChildProcess): Promise<Asked<T>> {
    if (child.stdout === null) throw new Error("no pipe");
    const lines: Interface = createInterface(child.stdout);
    const asked = new Asked<T>(child, lines[Symbol.asyncIterator]() as AsyncIterableIterator<string>);
    await asked.answers.next();
    return asked;
  }

  async ask(question = ""): Promise<T> {
    this.child.stdin?.write(`${question}\n`);
    const answer = await this.answers.next();
    if (answer.done === true) throw new Error("the tool has ended");
    return JSON.parse(answer.value) as T;
  }

  async stop(): Promise<void> {
    const exited = this.child.exitCode === null && this.child.signalCode === null ? once(this.child, "exit") : Promise.resolve();
    this.child.stdin?.end();
    await exited;
  }
}

export interface ProbeCount {
  readonly received: number;
  readonly highest: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly reordered: number;
  readonly longestGapMs: number;
}

export interface SniffCount {
  readonly marked: number;
  readonly probes: number;
  readonly twice: number;
  readonly reordered: number;
  /** IPv4 packets from outside the lab's addresses, and when the first came (ms since the epoch). */
  readonly foreign: number;
  readonly firstForeignMs: number | null;
}

const pipes = { stdio: ["pipe", "pipe", "inherit"] as ["pipe", "pipe", "inherit"] };

export async function startProbe(network: Network, from: string, to: string, rate: number, seconds: number, port = 7000): Promise<{ receiver: Asked<ProbeCount>; sender: ChildProcess }> {
  const receiver = await Asked.start<ProbeCount>(network.spawn(to, python, [tool("probe"), "receive", String(port)], pipes));
  const sender = network.spawn(from, python, [tool("probe"), "send", network.host(to).ip, String(port), String(rate), String(seconds)], pipes);
  return { receiver, sender };
}

/** Watches a device of a host. */
export function sniffHost(network: Network, host: string): Promise<Asked<SniffCount>> {
  return Asked.start<SniffCount>(network.spawn(host, python, [tool("frames"), "sniff", network.host(host).device], pipes));
}
/** Watches a device in the switch's own namespace. */
export function sniffDevice(network: Network, device: string): Promise<Asked<SniffCount>> {
  return Asked.start<SniffCount>(network.ovs.capsule.spawn(python, [tool("frames"), "sniff", device], pipes));
}

/** Sends hostile frames into a device in the switch's namespace; resolves with how many. */
export async function injectHostile(network: Network, device: string, rounds: number): Promise<number> {
  const macs = Object.values(network.built.hosts).map((host) => host.mac);
  const { stdout } = await network.ovs.capsule.run(python, [tool("frames"), "inject", device, String(rounds), ...macs]);
  return (JSON.parse(stdout) as { sent: number }).sent;
}

export async function startWebServer(network: Network, host: string, port = 80): Promise<Asked<never>> {
  return Asked.start<never>(network.spawn(host, python, [tool("web"), "serve", String(port)], pipes));
}

export interface WebResult {
  readonly ok: number;
  readonly failed: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** Opens `rate` connections a second for `seconds`; resolves with how they went. */
export async function webLoad(network: Network, from: string, to: string, rate: number, seconds: number, bytes = 4_000): Promise<WebResult> {
  const { stdout } = await network.exec(from, python, [tool("web"), "load", network.host(to).ip, "80", String(rate), String(seconds), String(bytes)], { timeoutMs: (seconds + 20) * 1_000 });
  return JSON.parse(stdout) as WebResult;
}

/** One of the servers of a chain of services: `role` with its arguments as lab/tools/chain.py has them. */
export function startChainServer(network: Network, host: string, role: "names" | "auth" | "app", ...args: readonly string[]): Promise<Asked<never>> {
  return Asked.start<never>(network.spawn(host, python, [tool("chain"), role, ...args], pipes));
}

/** A client of the chain that uses it `count` times, `gapS` apart on average; resolves with how it went. */
export async function useChain(network: Network, from: string, dns: string, app: string, port: number, count: number, gapS: number): Promise<{ readonly done: number; readonly failed: number }> {
  const args = [tool("chain"), "client", network.host(dns).ip, network.host(app).ip, String(port), String(count), String(gapS), "7"];
  const { stdout } = await network.exec(from, python, args, { timeoutMs: Math.ceil(count * gapS * 3 + 30) * 1_000 });
  return JSON.parse(stdout) as { done: number; failed: number };
}

/** A SYN flood with random sources (hping3), `packets` of them at `rate`/s; resolves with how many were sent. */
export async function synFlood(network: Network, from: string, victim: string, rate: number, packets: number): Promise<number> {
  const args = ["-S", "-p", "80", "--rand-source", "-i", `u${Math.max(1, Math.round(1e6 / rate))}`, "-c", String(packets), "-q", network.host(victim).ip];
  // hping3 exits with 1 when no answer came, as none can to a spoofed source.
  const { stdout, stderr } = await network.exec(from, "hping3", args, { mayFail: true, timeoutMs: Math.ceil(packets / rate + 30) * 1_000 });
  return Number(/(\d+) packets tramitted|(\d+) packets transmitted/.exec(stdout + stderr)?.slice(1).find(Boolean) ?? 0);
}

/** Replays the attack of a capture from a host against a victim, at most `rate` packets/s; resolves with how many were sent. */
export async function replay(network: Network, from: string, victim: string, file: string, rate: number, seconds: number): Promise<number> {
  const { mac, ip } = network.host(victim);
  const args = [tool("replay"), file, network.host(from).device, mac, ip, String(rate), String(seconds)];
  const { stdout } = await network.exec(from, python, args, { timeoutMs: (seconds + 20) * 1_000 });
  return (JSON.parse(stdout) as { sent: number }).sent;
}
