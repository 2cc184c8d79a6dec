/** Real routers in a capsule: FRR and BIRD, each in a network namespace behind a port of an Open vSwitch bridge. */
import type { ChildProcess } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import type { Ovs } from "./ovs.js";
import { waitFor } from "./wait.js";

export interface RouterOptions {
  /** Name of namespace and port; at most 10 characters. */
  readonly name: string;
  /** Addresses with their lengths, of both families. */
  readonly addresses: readonly string[];
  readonly bridge: string;
}

/** A namespace with one device, eth0, whose other end is the port NAME-p of the bridge. */
export class Router {
  readonly name: string;
  readonly dir: string;
  private readonly ovs: Ovs;
  private readonly daemons: ChildProcess[] = [];

  private constructor(ovs: Ovs, name: string) {
    this.ovs = ovs;
    this.name = name;
    this.dir = `/run/lab/${name}`;
  }

  static async create(ovs: Ovs, { name, addresses, bridge }: RouterOptions): Promise<Router> {
    const router = new Router(ovs, name);
    const { capsule } = ovs;
    mkdirSync(capsule.path(router.dir), { recursive: true });
    chmodSync(capsule.path(router.dir), 0o777); // the daemons of FRR become user frr
    const ip = (...args: string[]): Promise<unknown> => capsule.run("ip", args);
    await ip("netns", "add", name);
    await ip("link", "add", `${name}-p`, "type", "veth", "peer", "name", "eth0", "netns", name);
    await router.exec("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.eth0.accept_dad=0");
    await router.exec("ip", "link", "set", "lo", "up");
    // The userspace datapath forwards partial checksums as they are, and TCP would never connect.
    await router.exec("ethtool", "-K", "eth0", "tx", "off");
    for (const address of addresses) await router.exec("ip", "address", "add", address, "dev", "eth0", ...(address.includes(":") ? ["nodad"] : []));
    await ip("link", "set", `${name}-p`, "up");
    await router.exec("ip", "link", "set", "eth0", "up");
    await ovs.vsctl("add-port", bridge, `${name}-p`);
    return router;
  }

  async exec(...args: string[]): Promise<string> {
    return (await this.ovs.capsule.run("ip", ["netns", "exec", this.name, ...args])).stdout;
  }

  spawn(...args: string[]): ChildProcess {
    const child = this.ovs.capsule.spawn("ip", ["netns", "exec", this.name, ...args], { stdio: "ignore" });
    this.daemons.push(child);
    return child;
  }

  write(file: string, text: string): string {
    writeFileSync(this.ovs.capsule.path(`${this.dir}/${file}`), text, { mode: 0o666 });
    return `${this.dir}/${file}`;
  }

  /** Starts daemons of FRR ("zebra", "bgpd", "ospfd" …) with one configuration for all; resolves when each answers. */
  async startFrr(daemons: readonly string[], config: string, options: Readonly<Record<string, readonly string[]>> = {}): Promise<void> {
    const file = this.write("frr.conf", config);
    for (const daemon of daemons) {
      const own = daemon === "zebra" ? [] : ["-z", `${this.dir}/zserv.api`];
      const zserv = daemon === "zebra" ? ["-z", `${this.dir}/zserv.api`] : own;
      this.spawn(`/usr/lib/frr/${daemon}`, "-f", file, "-i", `${this.dir}/${daemon}.pid`, "--vty_socket", this.dir, ...zserv, "-P", "0", "--log", `file:${this.dir}/${daemon}.log`, ...(options[daemon] ?? []));
      await waitFor(async () => (await this.vtysh(daemon, "show version").catch(() => "")).includes("FRRouting"), `${daemon} of ${this.name} answers`);
    }
  }

  /** Runs commands on a daemon of FRR; gives what it printed. */
  vtysh(daemon: string, ...commands: readonly string[]): Promise<string> {
    return this.exec("vtysh", "--vty_socket", this.dir, "-d", daemon, ...commands.flatMap((command) => ["-c", command]));
  }

  /** Starts BIRD with a configuration; resolves when it answers. */
  async startBird(config: string): Promise<void> {
    const file = this.write("bird.conf", config);
    this.spawn("bird", "-f", "-c", file, "-s", `${this.dir}/bird.ctl`, "-P", `${this.dir}/bird.pid`);
    await waitFor(async () => (await this.birdc("show status").catch(() => "")).includes("is up and running"), `bird of ${this.name} answers`);
  }

  async birdc(...command: readonly string[]): Promise<string> {
    return (await this.ovs.capsule.run("birdc", ["-s", `${this.dir}/bird.ctl`, ...command])).stdout;
  }
}
