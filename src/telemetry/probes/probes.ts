/**
 * Probes between nodes of the shadow: round trip and loss by ICMP echo, which the far node's kernel answers, and TCP, captured where it
 * enters the shadow and read by the very code that reads live's copies. Live is never probed.
 */
import type { Observation } from "../../base/observation.js";
import { TcpMonitor } from "../tcp/monitor.js";
import { Ping } from "./ping.js";
import { ProbeWindows, type ProbeWindow } from "./probe-windows.js";
import { pairName, Transfers, type ProbePair } from "./transfers.js";

export interface ProbesOptions {
  readonly probesPerS: number;
  readonly transferBytesPerS: number;
  readonly port: number;
  /** What was measured, each second. */
  readonly observe: (observation: Observation) => void;
  readonly nowMs: () => number;
}

export interface ProbedPair {
  /** Each pair is told in both directions; ICMP echo says the same of both. */
  readonly pair: string;
  /** The last 30 s; undefined: nothing yet. */
  readonly window: ProbeWindow | undefined;
  readonly connected: boolean;
  /** Why it does not go; undefined while it does. */
  readonly failure: string | undefined;
}

interface Probed {
  readonly pair: ProbePair;
  readonly windows: ProbeWindows;
  ping: Ping | undefined;
  latest: ProbeWindow | undefined;
  failure: { readonly why: string; readonly tMs: number } | undefined;
}

const secondMs = 1_000;
/** A failure is shown for so long after it was last met. */
const failureMs = 10_000;
/** Connections of probes known at once: those of all pairs, and of those before them. */
const maxConnections = 1_024;

export class Probes {
  private readonly options: ProbesOptions;
  private readonly probed = new Map<string, Probed>();
  private readonly transfers: Transfers;
  private readonly tcp: TcpMonitor;
  private readonly timer: NodeJS.Timeout;
  private isHeld = false;
  private captureFailure: { readonly why: string; readonly tMs: number } | undefined;

  constructor(options: ProbesOptions) {
    this.options = options;
    this.transfers = new Transfers({ port: options.port, bytesPerS: options.transferBytesPerS, failed: (name, why) => this.failed(name, why) });
    this.tcp = new TcpMonitor(maxConnections, { side: "shadow", bufferKiB: 512 });
    // Of hosts and connections nobody asks: these are the probes' own.
    this.tcp.on("second", (observations) => {
      if (!this.isHeld) for (const observation of observations) if (observation.subject.kind === "pair") options.observe(observation);
    });
    this.tcp.on("failure", (device, why) => (this.captureFailure = { why: `${device}: ${why}`, tMs: options.nowMs() }));
    this.timer = setInterval(() => this.second(), secondMs);
  }

  /** Probes these pairs from now on; `devices`: where what the nodes send can be captured as it enters. */
  async setPairs(pairs: readonly ProbePair[], devices: readonly string[]): Promise<void> {
    const wanted = new Map(pairs.map((pair) => [pairName(pair), pair]));
    this.tcp.setDevices(devices);
    // Both ways: what a node sends says nothing of the way back.
    this.transfers.setPairs(pairs.flatMap((pair) => [pair, reverse(pair)]));
    const gone = [...this.probed].filter(([name]) => !wanted.has(name));
    for (const [name] of gone) this.probed.delete(name);
    await Promise.all(gone.flatMap(([, { ping }]) => ping?.stop() ?? []));
    for (const [name, pair] of wanted) {
      if (this.probed.has(name)) continue;
      const probed: Probed = { pair, windows: new ProbeWindows(), ping: undefined, latest: undefined, failure: undefined };
      this.probed.set(name, probed);
      if (!this.isHeld) probed.ping = this.ping(probed);
    }
  }

  /** While held nothing is sent, and what was on its way is not judged. */
  async hold(held: boolean): Promise<void> {
    if (held === this.isHeld) return;
    this.isHeld = held;
    this.transfers.hold(held);
    await Promise.all([...this.probed.values()].map(async (probed) => {
      await probed.ping?.stop();
      probed.windows.pause();
      probed.ping = held ? undefined : this.ping(probed);
    }));
  }

  get held(): boolean {
    return this.isHeld;
  }

  list(): ProbedPair[] {
    const now = this.options.nowMs();
    return [...this.probed.values()].flatMap(({ pair, latest, failure }) =>
      [pair, reverse(pair)].map((way) => ({
        pair: pairName(way),
        window: latest,
        connected: this.transfers.isUp(pairName(way)),
        failure: failure !== undefined && now - failure.tMs < failureMs ? failure.why : undefined,
      })),
    );
  }

  /** Why TCP of the shadow can't be captured; undefined while it can. */
  get failure(): string | undefined {
    const { captureFailure } = this;
    return captureFailure !== undefined && this.options.nowMs() - captureFailure.tMs < failureMs ? captureFailure.why : undefined;
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.transfers.stop();
    await Promise.all([...this.probed.values()].flatMap(({ ping }) => ping?.stop() ?? []));
    await this.tcp.close();
  }

  private ping(probed: Probed): Ping {
    const { from, to } = probed.pair;
    return new Ping({
      enter: from.enter,
      to: to.address,
      probesPerS: this.options.probesPerS,
      heard: (line) => probed.windows.take(line),
      failed: (why) => this.failed(pairName(probed.pair), why),
    });
  }

  /** `name`: of a pair, or of the address that takes its data. */
  private failed(name: string, why: string): void {
    const failure = { why, tMs: this.options.nowMs() };
    for (const [pair, probed] of this.probed) if ([pair, pairName(reverse(probed.pair)), probed.pair.to.address, probed.pair.from.address].includes(name)) probed.failure = failure;
  }

  private second(): void {
    const now = this.options.nowMs();
    if (this.isHeld) return;
    for (const [name, probed] of this.probed) {
      for (const window of probed.windows.advance(now)) {
        const { tMs, windowMs, sent, lost, rttMs, rttP99Ms } = window;
        if (windowMs === 30_000) probed.latest = window;
        const values = { probesSent: sent, probeLossRatio: lost / sent, ...(rttMs === undefined ? {} : { probeRttMs: rttMs }), ...(rttP99Ms === undefined ? {} : { probeRttP99Ms: rttP99Ms }) };
        this.options.observe({ tMs, windowMs, side: "shadow", subject: { kind: "pair", name }, values });
      }
    }
  }
}

const reverse = ({ from, to }: ProbePair): ProbePair => ({ from: to, to: from });
