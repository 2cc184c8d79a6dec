/** What the acts play on: the lab, the daemon, the command line, the probe, and the figures they leave. */
import type { ChildProcess } from "node:child_process";
import type { Change, GetStatusResponse, Prediction } from "../../src/api/generated/ovsshadow/v1/shadow.js";
import { projectDir } from "../capsule.js";
import { Fabric, type Network } from "../fabric.js";
import { Shadowd } from "../shadowd.js";
import { startProbe, type Asked, type ProbeCount } from "../traffic.js";
import { elapse, waitFor } from "../wait.js";

export interface Figure {
  readonly act: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** The promise it is held against; undefined where it is only reported. */
  readonly bar?: { readonly text: string; readonly ok: boolean };
}

export interface StageOptions {
  /** A capture to replay in place of the flood. */
  readonly pcap?: string;
  /** Folder of the model; default is the project's. */
  readonly model?: string;
  readonly say: (line: string) => void;
  /** Sample one packet in this many; default 8. */
  readonly samplingRate?: number;
  /** More of the daemon's sflow configuration, as in a YAML flow mapping. */
  readonly sflow?: string;
  /** What stands in the daemon's configuration under "shadow", in place of showSink. */
  readonly shadow?: string;
  /** Lines to add to the daemon's configuration. */
  readonly config?: string;
}

/** Sample one packet in this many: enough to see a flood within a second at the lab's rates. */
const defaultSamplingRate = 8;
const leaseS = 12;

export class Stage implements AsyncDisposable {
  readonly fabric: Fabric;
  readonly options: StageOptions;
  readonly figures: Figure[] = [];
  /** The 1,000 packet/s probe from h2 to h4, on all through the demo. */
  probe!: Asked<ProbeCount>;
  private probeSender: ChildProcess | undefined;
  private lastLost = 0;
  private readonly daemon: Shadowd;

  private constructor(fabric: Fabric, options: StageOptions) {
    this.fabric = fabric;
    this.options = options;
    this.daemon = new Shadowd(fabric.live.ovs.capsule);
  }

  static async build(options: StageOptions): Promise<Stage> {
    const stage = new Stage(await Fabric.start(), options);
    try {
      await stage.everyHostReachesEveryOther();
      return stage;
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  get live(): Network {
    return this.fabric.live;
  }

  say(line: string): void {
    this.options.say(line);
  }

  figure(act: string, what: string, value: number, unit: string, bar?: Figure["bar"]): void {
    this.figures.push({ act, what, value, unit, ...(bar === undefined ? {} : { bar }) });
    const shown = Number.isInteger(value) ? String(value) : value.toFixed(1);
    this.say(`    ${what}: ${shown} ${unit}${bar === undefined ? "" : bar.ok ? `  ✓ ${bar.text}` : `  ✗ ${bar.text}`}`);
  }

  async startProbe(seconds: number): Promise<void> {
    const { receiver, sender } = await startProbe(this.live, "h2", "h4", 1_000, seconds);
    this.probe = receiver;
    this.probeSender = sender;
    await waitFor(async () => (await receiver.ask()).received > 200, "the probe arrives");
    this.lastLost = (await receiver.ask()).lost;
  }

  /** Probe packets lost since this was last asked; the ones still on their way get a moment. */
  async probeLost(): Promise<{ readonly lost: number; readonly longestGapMs: number }> {
    await elapse(100);
    const count = await this.probe.ask();
    const lost = count.lost - this.lastLost;
    this.lastLost = count.lost;
    return { lost, longestGapMs: count.longestGapMs };
  }

  /** Starts ovs-shadowd in the lab, with the stage's configuration or a text. */
  startDaemon(text?: string): void {
    const config = [
      `shadow: { ${this.options.shadow ?? "showSink: true"} }`,
      `sflow: { samplingRate: ${this.options.samplingRate ?? defaultSamplingRate}${this.options.sflow === undefined ? "" : `, ${this.options.sflow}`} }`,
      `model: ${this.options.model ?? `${projectDir}/models/attack-v1`}`,
      `policy: { attack: { leaseS: ${leaseS} }, promotion: { holdDownMs: 1500 } }`,
      "stateDir: /run/lab/state",
      this.options.config ?? "",
    ];
    this.daemon.start(text ?? config.join("\n"));
  }

  /** Resolves with the daemon's exit status when it has ended. */
  daemonEnded(): Promise<number | null> {
    return this.daemon.ended();
  }
  /** Ends the daemon by signal, as a crash or an operator would. */
  killDaemon(signal: "KILL" | "TERM"): Promise<void> {
    return this.daemon.end(signal);
  }
  signalDaemon(signal: "KILL" | "TERM" | "HUP"): Promise<void> {
    return this.daemon.signal(signal);
  }
  get daemonLog(): string[] {
    return this.daemon.log;
  }

  /** Runs ovs-shadowctl in the lab; resolves with its JSON. A proposal may be refused. */
  ctl<T>(...args: string[]): Promise<T> {
    return this.daemon.ctl<T>(args, args[0] === "propose");
  }

  status(): Promise<GetStatusResponse> {
    return this.daemon.status();
  }
  changes(): Promise<Change[]> {
    return this.ctl<Change[]>("changes");
  }
  predictions(): Promise<Prediction[]> {
    return this.ctl<Prediction[]>("predictions", "--limit", "1000");
  }

  /** Waits until ovs-shadowd has said that it serves, since `daemonLog` was emptied. */
  isUp(): Promise<void> {
    return this.daemon.isUp();
  }

  /** Waits until the shadow of every live bridge is in step. */
  inStep(bridges: number, timeoutMs = 20_000): Promise<void> {
    return this.daemon.inStep(bridges, timeoutMs);
  }

  async everyHostReachesEveryOther(): Promise<void> {
    const names = Object.keys(this.live.built.hosts);
    const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to] as const));
    await Promise.all(pairs.map(([from, to]) => this.live.exec(from, "ping", ["-q", "-c", "1", "-W", "3", this.live.host(to).ip])));
  }

  /** Resolves when the daemon knows every host by IPv6, too: an address that is learned later would be one more rule. */
  async everyAddressIsLearned(): Promise<void> {
    for (const name of Object.keys(this.live.built.hosts)) {
      // All who answer a ping to all nodes ask where to answer.
      await this.live.exec(name, "ip", ["-6", "neigh", "flush", "all"]);
      await this.live.exec(name, "ping", ["-6", "-q", "-c", "2", "-W", "1", `ff02::1%${this.live.host(name).device}`], { mayFail: true });
    }
    const known = async (): Promise<boolean> => {
      const { hosts } = await this.ctl<{ readonly hosts: readonly { readonly addresses: readonly string[] }[] }>("topology");
      return hosts.filter(({ addresses }) => addresses.some((address) => address.includes(":"))).length === Object.keys(this.live.built.hosts).length;
    };
    await waitFor(known, "every host is known by all its addresses");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.probeSender?.kill();
    await this.fabric[Symbol.asyncDispose]();
  }
}
