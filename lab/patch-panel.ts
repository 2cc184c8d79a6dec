/**
 * A small live network without hosts: bridges whose edge ports are veth devices with a free end, into which a test sends
 * frames, and the daemon beside it. For what is about ports and frames, not about hosts that talk.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { Capsule, projectDir } from "./capsule.js";
import { Ovs } from "./ovs.js";
import { Asked } from "./traffic.js";
import { waitFor } from "./wait.js";
import type { GetStatusResponse } from "../src/api/generated/ovsshadow/v1/shadow.js";

/** Ids a device received: how often, a digest of the frame, its length. */
export type Seen = Readonly<Record<string, Readonly<Record<string, readonly [count: number, digest: string, length: number]>>>>;

const tool = `${projectDir}/lab/tools/copies.py`;
const python = "/usr/bin/python3";
const keptLog = 200;

export class PatchPanel implements AsyncDisposable {
  readonly ovs: Ovs;
  readonly daemonLog: string[] = [];
  private daemon: ChildProcess | undefined;

  private constructor(ovs: Ovs) {
    this.ovs = ovs;
  }

  /** Bridges with as many edge ports as said; port n of bridge b is the device b-n, its free end b-n-h. Tables: NORMAL. */
  static async start(bridges: Readonly<Record<string, number>>, capsule?: Capsule): Promise<PatchPanel> {
    const panel = new PatchPanel(await Ovs.start(capsule ?? (await Capsule.start())));
    try {
      for (const [bridge, ports] of Object.entries(bridges)) await panel.addBridge(bridge, ports);
      return panel;
    } catch (error) {
      await panel[Symbol.asyncDispose]();
      throw error;
    }
  }

  async addBridge(bridge: string, ports: number): Promise<void> {
    const numbers = Array.from({ length: ports }, (_, i) => i + 1);
    const devices = numbers.flatMap((n) => [
      `ip link add ${bridge}-${n} mtu 9000 type veth peer name ${bridge}-${n}-h mtu 9000`,
      `ip link set ${bridge}-${n} addrgenmode none up`,
      `ip link set ${bridge}-${n}-h addrgenmode none up`,
    ]);
    await this.ovs.capsule.run("sh", ["-ec", devices.join("\n")]);
    const rows = numbers.flatMap((n) => ["--", "add-port", bridge, `${bridge}-${n}`, "--", "set", "interface", `${bridge}-${n}`, `ofport_request=${n}`]);
    await this.ovs.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail_mode=secure", ...rows);
    await this.ovs.ofctl("add-flow", bridge, "priority=0,actions=NORMAL");
  }

  /** Starts ovs-shadowd with these lines of configuration. */
  startDaemon(config: readonly string[]): void {
    mkdirSync(this.ovs.capsule.path("/run/lab"), { recursive: true });
    this.writeConfig(config);
    this.daemon = this.ovs.capsule.spawn("node", [`${projectDir}/dist/src/main.js`, "--config", "/run/lab/config.yaml"], { stdio: ["ignore", "ignore", "pipe"] });
    let rest = "";
    this.daemon.stderr?.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      this.daemonLog.push(...lines);
      this.daemonLog.splice(0, this.daemonLog.length - keptLog);
    });
  }

  /**
   * Starts ovs-shadowd in this network but outside the capsule's other namespaces, where the sockets of two capsules can be reached;
   * it ends with whoever started it.
   */
  startDaemonOutside(config: readonly string[]): ChildProcess {
    const { ovs } = this;
    const file = ovs.capsule.path("/run/lab/config.yaml");
    writeFileSync(file, [...config, `ovsdb: ${ovs.remote}`, `openflow: { runDir: ${ovs.runDir} }`, `stateDir: ${ovs.capsule.path("/run/lab/state")}`, ""].join("\n"));
    const daemon = spawn("setpriv", ["--pdeathsig", "KILL", "--", "nsenter", "-t", String(ovs.capsule.pid), "-n", "--", process.execPath, `${projectDir}/dist/src/main.js`, "--config", file], { stdio: ["ignore", "ignore", "pipe"] });
    daemon.stderr.on("data", (chunk: Buffer) => {
      this.daemonLog.push(...chunk.toString().split("\n").filter(Boolean));
      this.daemonLog.splice(0, this.daemonLog.length - keptLog);
    });
    return daemon;
  }

  /**
   * Lays a cable to another panel and gives both ends an address on a bridge of their own, through which tunnels go:
   * 192.0.2.1 here, 192.0.2.2 there.
   */
  async join(other: PatchPanel, mtu: number): Promise<void> {
    // From outside, because a capsule does not see the other's processes.
    spawnSync("nsenter", ["-t", String(this.ovs.capsule.pid), "-n", "ip", "link", "add", "ul", "mtu", String(mtu), "type", "veth", "peer", "name", "ul", "mtu", String(mtu), "netns", String(other.ovs.capsule.pid)]);
    for (const [i, { ovs }] of [this, other].entries()) {
      await ovs.vsctl("add-br", "brul", "--", "set", "bridge", "brul", "datapath_type=netdev", "--", "set", "interface", "brul", `mtu_request=${mtu}`, "--", "add-port", "brul", "ul");
      await ovs.capsule.run("sh", ["-ec", `ip link set ul up; ip addr add 192.0.2.${i + 1}/24 dev brul; ip link set brul up`]);
    }
    await waitFor(async () => (await this.ovs.capsule.run("ping", ["-c", "1", "-W", "1", "192.0.2.2"], { mayFail: true })).code === 0, "the two reach each other");
  }

  /** Ends the daemon by signal. */
  async endDaemon(signal: "KILL" | "TERM"): Promise<void> {
    const { daemon } = this;
    if (daemon === undefined) return;
    const exited = daemon.exitCode === null && daemon.signalCode === null ? once(daemon, "exit") : Promise.resolve();
    await this.signalDaemon(signal);
    await exited;
  }

  /** Has the daemon read another configuration; resolves when it has told in its log that it took it, or did not. Needs log level info. */
  async reload(config: readonly string[]): Promise<"taken" | "refused"> {
    const words = { taken: "configuration read again", refused: "configuration not taken" } as const;
    const count = (): number => this.daemonLog.filter((line) => line.includes(words.taken) || line.includes(words.refused)).length;
    const before = count();
    this.writeConfig(config);
    await this.signalDaemon("HUP");
    await waitFor(() => count() > before, "the daemon has read its configuration again", 30_000);
    return this.daemonLog.findLast((line) => line.includes(words.taken) || line.includes(words.refused))?.includes(words.taken) === true ? "taken" : "refused";
  }

  private writeConfig(config: readonly string[]): void {
    writeFileSync(this.ovs.capsule.path("/run/lab/config.yaml"), [...config, "stateDir: /run/lab/state", ""].join("\n"));
  }

  /** By its command line: the child is nsenter. */
  private async signalDaemon(signal: "KILL" | "TERM" | "HUP"): Promise<void> {
    await this.ovs.capsule.run("sh", ["-c", `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '^node .*/dist/src/main.js' && kill -${signal} \${p#/proc/}; done; true`]);
  }

  /** Runs ovs-shadowctl; resolves with its JSON. Rejects with what it says when it fails. */
  async ctl<T>(...args: string[]): Promise<T> {
    const { stdout } = await this.ovs.capsule.run("node", [`${projectDir}/dist/src/cli/main.js`, ...args, "--output", "json"], { timeoutMs: 60_000 });
    return JSON.parse(stdout) as T;
  }

  async inStep(timeoutMs = 30_000): Promise<void> {
    await waitFor(
      async () => {
        const status = await this.ctl<GetStatusResponse>("status").catch(() => undefined);
        return status !== undefined && status.settled && status.shadows.length > 0 && status.shadows.every((shadow) => shadow.state === "in step");
      },
      "all shadows are in step",
      timeoutMs,
    );
  }

  /** Sends frames into a device (lab/tools/copies.py). */
  async send(device: string, kind: string, first: number, count: number, rate: number, ...words: string[]): Promise<void> {
    await this.ovs.capsule.run(python, [tool, "send", device, kind, String(first), String(count), String(rate), ...words], { timeoutMs: Math.ceil((count / rate) * 1_000) + 30_000 });
  }

  sniff(...devices: string[]): Promise<Asked<Seen>> {
    return Asked.start<Seen>(this.ovs.capsule.spawn(python, [tool, "sniff", ...devices], { stdio: ["pipe", "pipe", "inherit"] }));
  }

  /**
   * A device that shows what enters the shadow of `bridge` by port `n`: an operator's flow that outputs to a port which only the
   * shadow has. (A Mirror row there would see nothing: packets that come through a patch are not mirrored.)
   */
  async tap(bridge: string, shadow: string, n: number, device: string): Promise<void> {
    await this.ovs.capsule.run("sh", ["-ec", `ip link add ${device} mtu 9000 type veth peer name ${device}-s mtu 9000; ip link set ${device} addrgenmode none up; ip link set ${device}-s addrgenmode none up`]);
    await this.ovs.vsctl("add-port", shadow, `${device}-s`, "--", "set", "interface", `${device}-s`, `ofport_request=${1_000 + n}`, "--", "set", "port", `${device}-s`, "vlan_mode=trunk", "trunks=4095"); // no floods
    await this.ovs.ofctl("add-flow", bridge, `priority=10,in_port=${n},actions=output:${1_000 + n},NORMAL`);
    await waitFor(async () => (await this.ovs.ofctl("dump-flows", shadow, `in_port=${n},table=0`)).includes(`output:${1_000 + n}`), "the shadow has the flow");
  }

  /** Packets received by each OpenFlow port of a bridge. */
  async received(bridge: string): Promise<Map<number, number>> {
    const { stdout } = await this.ovs.capsule.run("ovs-ofctl", ["-O", "OpenFlow13", "dump-ports", bridge]);
    return new Map([...stdout.matchAll(/port\s+"?([\w-]+)"?: rx pkts=(\d+)/g)].map(([, port, rx]) => [Number(port), Number(rx)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ovs[Symbol.asyncDispose]();
  }
}
