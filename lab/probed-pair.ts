/** Two hosts on one bridge of a network without others, and a probe between them: how long does forwarding pause? */
import { Asked, type ProbeCount } from "./traffic.js";
import { projectDir, type Capsule } from "./capsule.js";
import { waitFor } from "./wait.js";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Ovs } from "./ovs.js";

const hosts = [1, 2];
const rate = 1_000;
const longestS = 3_600;
const address = (n: number): string => `10.99.0.${n}`;
const mac = (n: number): string => `02:00:00:00:63:0${n}`;
/** The sender and the receiver must not wait for a processor: their own lateness would look like the switch's. */
const realTime = ["chrt", "-f", "10"];

/** Namespaces ph1 and ph2 with an address each, and the devices hp1 and hp2 that lead to them. */
export async function makeHosts(capsule: Capsule): Promise<void> {
  const lines = hosts.flatMap((n) => {
    const other = 3 - n;
    return [
      `ip netns add ph${n}`,
      `ip link add hp${n} type veth peer name eth0 netns ph${n}`,
      `ip link set hp${n} up`,
      `ip -n ph${n} link set eth0 address ${mac(n)} up`,
      `ip -n ph${n} addr add ${address(n)}/24 dev eth0`,
      `ip -n ph${n} neigh add ${address(other)} lladdr ${mac(other)} dev eth0 nud permanent`,
      `ip netns exec ph${n} ethtool -K eth0 tx off`, // else checksums are left to a device that is none
    ];
  });
  await capsule.run("sh", ["-ec", lines.join("\n")]);
}

/** Adds the hosts' ports to a bridge, with the OpenFlow numbers 901 and 902. */
export async function addHosts(ovs: Ovs, bridge: string): Promise<void> {
  await ovs.vsctl(...hosts.flatMap((n) => ["--", "add-port", bridge, `hp${n}`, "--", "set", "interface", `hp${n}`, `ofport_request=${900 + n}`]));
}

/** The operator's flows between the hosts. */
export async function joinHosts(ovs: Ovs, bridge: string): Promise<void> {
  for (const n of hosts) await ovs.ofctl("add-flow", bridge, `priority=5,in_port=${900 + n},actions=output:${903 - n}`);
}

export class ProbedPair implements AsyncDisposable {
  private readonly receiver: Asked<ProbeCount>;
  private readonly sender: ChildProcess;
  private lostBefore = 0;

  private constructor(receiver: Asked<ProbeCount>, sender: ChildProcess) {
    this.receiver = receiver;
    this.sender = sender;
  }

  /** 1,000 packets/s from the first to the second, until disposed; resolves when they arrive. */
  static async start({ capsule }: Ovs): Promise<ProbedPair> {
    const tool = `${projectDir}/lab/tools/probe.py`;
    const on = (n: number, ...args: string[]): ChildProcess => capsule.spawn("ip", ["netns", "exec", `ph${n}`, ...realTime, "/usr/bin/python3", tool, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    const receiver = await Asked.start<ProbeCount>(on(2, "receive", "7000"));
    const pair = new ProbedPair(receiver, on(1, "send", address(2), "7000", String(rate), String(longestS)));
    await waitFor(async () => (await receiver.ask()).received > rate / 2, "the probe arrives");
    await pair.read();
    return pair;
  }

  /** The longest gap between two arrivals in ms, and the packets lost, since it was last read. */
  async read(): Promise<{ readonly longestGapMs: number; readonly lost: number }> {
    const { longestGapMs, lost } = await this.receiver.ask();
    const since = lost - this.lostBefore;
    this.lostBefore = lost;
    return { longestGapMs, lost: since };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.sender, "exit");
    this.sender.kill("SIGKILL");
    await gone;
    await this.receiver.stop();
  }
}
