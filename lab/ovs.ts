/** A private Open vSwitch in a capsule: its own database, switch daemon and run directory. */
import { once } from "node:events";
import type { ChildProcess } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { Capsule } from "./capsule.js";
import { waitFor } from "./wait.js";

const schema = "/usr/share/openvswitch/vswitch.ovsschema";

export class Ovs implements AsyncDisposable {
  readonly capsule: Capsule;
  private vswitchd: ChildProcess | undefined;
  private database: ChildProcess | undefined;

  private constructor(capsule: Capsule) {
    this.capsule = capsule;
  }

  /** With an empty database, or with the contents of one, as `backup` gave them. */
  static async start(capsule: Capsule, contents?: string): Promise<Ovs> {
    const ovs = new Ovs(capsule);
    if (contents === undefined) await capsule.run("ovsdb-tool", ["create", "/run/openvswitch/conf.db", schema]);
    else writeFileSync(capsule.path("/run/openvswitch/conf.db"), contents);
    await ovs.startDatabase();
    await ovs.vsctl("--no-wait", "init");
    await ovs.startVswitchd();
    return ovs;
  }

  /** The database's socket, as seen from outside the capsule. */
  get remote(): string {
    return `unix:${this.capsule.path("/run/openvswitch/db.sock")}`;
  }
  /** The run directory with the bridges' management sockets, as seen from outside. */
  get runDir(): string {
    return this.capsule.path("/run/openvswitch");
  }

  async vsctl(...args: string[]): Promise<string> {
    return (await this.capsule.run("ovs-vsctl", args)).stdout.trim();
  }
  async ofctl(...args: string[]): Promise<string> {
    return (await this.capsule.run("ovs-ofctl", ["-O", "OpenFlow14", ...args])).stdout;
  }
  async appctl(...args: string[]): Promise<string> {
    return (await this.capsule.run("ovs-appctl", ["-t", "ovs-vswitchd", ...args])).stdout;
  }

  /** The database's contents, for a second Open vSwitch that begins with them (row uuids included). */
  async backup(): Promise<string> {
    return (await this.capsule.run("ovsdb-client", ["backup", "unix:/run/openvswitch/db.sock"])).stdout;
  }

  async startDatabase(): Promise<void> {
    this.database = this.capsule.spawn("ovsdb-server", ["/run/openvswitch/conf.db", "--remote=punix:/run/openvswitch/db.sock", "--unixctl=/run/openvswitch/ovsdb.ctl"], { stdio: "ignore" });
    await waitFor(() => existsSync(this.capsule.path("/run/openvswitch/db.sock")), "ovsdb-server listens");
  }

  /** With the priority that ovs-ctl gives it (its --ovs-vswitchd-priority), so that a busy machine does not stall forwarding. */
  async startVswitchd(): Promise<void> {
    this.vswitchd = this.capsule.spawn("nice", ["-n", "-10", "ovs-vswitchd", "unix:/run/openvswitch/db.sock", "--disable-system", "--pidfile"], { stdio: "ignore" });
    await waitFor(async () => (await this.capsule.run("ovs-appctl", ["-t", "ovs-vswitchd", "version"], { mayFail: true })).code === 0, "ovs-vswitchd answers");
  }

  /** Processor time that ovs-vswitchd has used since it was started, in s, to 10 ms. */
  async cpuS(): Promise<number> {
    const { stdout } = await this.capsule.run("sh", ["-c", "cat /proc/$(cat /run/openvswitch/ovs-vswitchd.pid)/stat"]);
    // The name in brackets may hold anything; utime and stime are the 14th and 15th field (proc(5)), in hundredths.
    const fields = stdout.slice(stdout.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Ends the switch daemon by signal; rows in the database stay. */
  async stopVswitchd(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.end(this.vswitchd, "ovs-vswitchd", signal);
  }
  async stopDatabase(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.end(this.database, "ovsdb-server", signal);
  }

  /** The switch daemon stands still, and what it is asked waits, until `resumeVswitchd`. */
  async pauseVswitchd(): Promise<void> {
    await this.capsule.run("sh", ["-c", "kill -STOP $(cat /run/openvswitch/ovs-vswitchd.pid)"]);
  }
  /** The child is nsenter, which stands still with its own child, and has it go on when it goes on itself. */
  resumeVswitchd(): void {
    this.vswitchd?.kill("SIGCONT");
  }

  [Symbol.asyncDispose](): Promise<void> {
    // An nsenter that stands still would not notice that its child has ended, and the capsule would not end.
    this.resumeVswitchd();
    return this.capsule[Symbol.asyncDispose]();
  }

  /** The child is nsenter, whose own child is the daemon: in this capsule there is one of each name. */
  private async end(child: ChildProcess | undefined, name: string, signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, "exit");
    await this.capsule.run("sh", ["-c", `for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = ${name} ] && kill -${signal.slice(3)} \${p#/proc/}; done; true`]);
    await exited;
  }
}
