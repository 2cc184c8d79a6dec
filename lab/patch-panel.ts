/**
 * A small live network without hosts: bridges whose edge ports are veth devices with a free end, into which a test sends
 * frames, and the daemon beside it. For what is about ports and frames, not about hosts that talk.
 */
import { spawnSync, type ChildProcess } from "node:child_process";
import { Capsule, projectDir } from "./capsule.js";
import { Ovs } from "./ovs.js";
import { Shadowd } from "./shadowd.js";
import { Asked } from "./traffic.js";
import { waitFor } from "./wait.js";

/** Ids a device received: how often, a digest of the frame, its length. */
export type Seen = Readonly<Record<string, Readonly<Record<string, readonly [count: number, digest: string, length: number]>>>>;

const tool = `${projectDir}/lab/tools/copies.py`;
const python = "/usr/bin/python3";

const deviceLines = (bridge: string, n: number): string[] => [
  `ip link add ${bridge}-${n} mtu 9000 type veth peer name ${bridge}-${n}-h mtu 9000`,
  `ip link set ${bridge}-${n} addrgenmode none up`,
  `ip link set ${bridge}-${n}-h addrgenmode none up`,
];
const portWords = (bridge: string, n: number): string[] => ["--", "add-port", bridge, `${bridge}-${n}`, "--", "set", "interface", `${bridge}-${n}`, `ofport_request=${n}`];

const configText = (lines: readonly string[]): string => [...lines, "stateDir: /run/lab/state", ""].join("\n");

export class PatchPanel implements AsyncDisposable {
  readonly ovs: Ovs;
  private readonly daemon: Shadowd;

  private constructor(ovs: Ovs) {
    this.ovs = ovs;
    this.daemon = new Shadowd(ovs.capsule);
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
    await this.ovs.capsule.run("sh", ["-ec", numbers.flatMap((n) => deviceLines(bridge, n)).join("\n")]);
    await this.ovs.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail_mode=secure", ...numbers.flatMap((n) => portWords(bridge, n)));
    await this.ovs.ofctl("add-flow", bridge, "priority=0,actions=NORMAL");
  }

  /** One more edge port, with its device. */
  async addPort(bridge: string, n: number): Promise<void> {
    await this.ovs.capsule.run("sh", ["-ec", deviceLines(bridge, n).join("\n")]);
    await this.ovs.vsctl(...portWords(bridge, n).slice(1));
  }

  /** Starts ovs-shadowd with these lines of configuration. */
  startDaemon(config: readonly string[]): void {
    this.daemon.start(configText(config));
  }
  /** Starts it where the sockets of two capsules can be reached (`Shadowd.startOutside`). */
  startDaemonOutside(config: readonly string[]): ChildProcess {
    const { capsule, remote, runDir } = this.ovs;
    return this.daemon.startOutside([...config, `ovsdb: ${remote}`, `openflow: { runDir: ${runDir} }`, `stateDir: ${capsule.path("/run/lab/state")}`, ""].join("\n"));
  }
  /** Ends the daemon by signal. */
  endDaemon(signal: "KILL" | "TERM"): Promise<void> {
    return this.daemon.end(signal);
  }
  get daemonLog(): readonly string[] {
    return this.daemon.log;
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

  /** Has the daemon read another configuration; resolves when it has told in its log that it took it, or did not. Needs log level info. */
  async reload(config: readonly string[]): Promise<"taken" | "refused"> {
    const words = { taken: "configuration read again", refused: "configuration not taken" } as const;
    const count = (): number => this.daemonLog.filter((line) => line.includes(words.taken) || line.includes(words.refused)).length;
    const before = count();
    this.daemon.configure(configText(config));
    await this.daemon.signal("HUP");
    await waitFor(() => count() > before, "the daemon has read its configuration again", 30_000);
    return this.daemonLog.findLast((line) => line.includes(words.taken) || line.includes(words.refused))?.includes(words.taken) === true ? "taken" : "refused";
  }

  /** Runs ovs-shadowctl; resolves with its JSON. Rejects with what it says when it fails. */
  ctl<T>(...args: string[]): Promise<T> {
    return this.daemon.ctl<T>(args);
  }

  inStep(timeoutMs = 30_000): Promise<void> {
    return this.daemon.inStep(undefined, timeoutMs);
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
