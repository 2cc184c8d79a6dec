/**
 * The lab network, live, and its twin: the same network in another capsule, which nobody attaches to and which sees the same
 * operator edits. After detaching the two must be equal.
 */
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Capsule, projectDir, type RunOptions, type RunResult } from "./capsule.js";
import { Ovs } from "./ovs.js";

export interface LabHost {
  readonly pid: number;
  readonly ip: string;
  readonly mac: string;
  readonly device: string;
}

interface Built {
  readonly hosts: Readonly<Record<string, LabHost>>;
  /** The operator's static flows, by bridge, as ovs-ofctl takes them. */
  readonly flows: Readonly<Record<string, readonly string[]>>;
}

/** One network in one capsule. */
export class Network {
  readonly ovs: Ovs;
  readonly built: Built;
  private readonly mininet: ChildProcess;

  private constructor(ovs: Ovs, mininet: ChildProcess, built: Built) {
    this.ovs = ovs;
    this.mininet = mininet;
    this.built = built;
  }

  static async start(): Promise<Network> {
    const ovs = await Ovs.start(await Capsule.start());
    const mininet = ovs.capsule.spawn("/usr/bin/python3", [`${projectDir}/lab/topology/fabric.py`], { stdio: ["pipe", "pipe", "inherit"] });
    if (mininet.stdout === null) throw new Error("no pipe");
    const ended = once(mininet, "exit").then(([code]) => {
      throw new Error(`the topology script ended with status ${String(code)}`);
    });
    const [line] = (await Promise.race([once(createInterface(mininet.stdout), "line"), ended])) as [string];
    ended.catch(() => undefined);
    return new Network(ovs, mininet, JSON.parse(line) as Built);
  }

  host(name: string): LabHost {
    const host = this.built.hosts[name];
    if (host === undefined) throw new Error(`the lab has no host ${name}`);
    return host;
  }

  /** Runs a command on a host. */
  exec(host: string, command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.ovs.capsule.run("mnexec", ["-a", String(this.host(host).pid), command, ...args], options);
  }

  spawn(host: string, command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return this.ovs.capsule.spawn("mnexec", ["-a", String(this.host(host).pid), command, ...args], options);
  }

  async stop(): Promise<void> {
    this.mininet.stdin?.end();
    await this.ovs[Symbol.asyncDispose]();
  }
}

/** Live and twin. */
export class Fabric implements AsyncDisposable {
  readonly live: Network;
  readonly twin: Network;

  private constructor(live: Network, twin: Network) {
    this.live = live;
    this.twin = twin;
  }

  static async start(): Promise<Fabric> {
    const [live, twin] = await Promise.all([Network.start(), Network.start()]);
    return new Fabric(live, twin);
  }

  /** An operator's edit: the same command on both networks. Returns what it printed on live. */
  async operator(command: string, ...args: string[]): Promise<string> {
    const [{ stdout }] = await Promise.all([this.live.ovs.capsule.run(command, args), this.twin.ovs.capsule.run(command, args)]);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.live.stop(), this.twin.stop()]);
  }
}
