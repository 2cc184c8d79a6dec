/** Follows, flow by flow, whether the shadow delivers what live delivers; tells when a difference begins and when it is over. */
import type { NetworkEvent } from "../../base/observation.js";
import type { Delivery } from "../sflow-feed.js";
import type { DeliveredSample, PairedFlow } from "./capture-protocol.js";
import type { FlowCapture } from "./flow-capture.js";
import { FrameView } from "./frame-view.js";
import { flowDifferences, pairedLimits, type FlowDifference } from "./paired.js";
import { flowName, type HeaderEnds } from "./tuple.js";

export interface ComparisonParts {
  readonly capture: Pick<FlowCapture, "samples" | "paired" | "reset" | "counters">;
  /** Whether the shadow has this edge port of a live bridge. */
  readonly isReplicated: (bridge: string, ofport: number) => boolean;
  /** Whether the shadow is to do what live does: no trial stands on it, it does not carry the traffic, and copies are made. */
  readonly isComparable: () => boolean;
  /** Datagrams of samples that were lost, since the start. */
  readonly lostDatagrams: () => number;
  readonly happened: (event: NetworkEvent) => void;
  readonly nowMs: () => number;
}

/** A datagram of Open vSwitch has at most 1,400 bytes, a sample with its header of 128 bytes about 200. */
const samplesPerDatagram = 10;
/** As long as counts are kept. */
const rememberedMs = 130_000;
const everyMs = 2_000;
/** Found in so many looks in a row, a difference is told. */
const confirmedAfter = 2;
/** Samples taken in one second; further ones are left out, which leaves packets between two samples uncounted, and so are counted as lost. */
const maxSamplesPerS = 20_000;

export interface DifferingFlow extends FlowDifference<HeaderEnds> {
  /** "from:port>to:port/protocol": the direction that differs. */
  readonly name: string;
  readonly samples: number;
}

export class FlowComparison {
  /** As of the last look, those that were confirmed; the surest first. */
  differing: readonly DifferingFlow[] = [];
  /** Directions that were tested then, and samples beyond the bound since the start. */
  readonly counters = { tested: 0, leftOut: 0, samples: 0 };
  /** Why nothing is compared now; undefined while it is. */
  paused: string | undefined;
  private readonly parts: ComparisonParts;
  private readonly view = new FrameView();
  private lost: { readonly tMs: number; readonly samples: number }[] = [];
  private suspected = new Map<string, number>();
  private told = new Set<string>();
  private second = { number: 0, samples: 0 };
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;

  constructor(parts: ComparisonParts) {
    this.parts = parts;
  }

  get capture(): ComparisonParts["capture"] {
    return this.parts.capture;
  }

  start(): void {
    this.timer = setInterval(() => {
      this.looking ??= this.look().catch(() => undefined).finally(() => (this.looking = undefined)); // the capture tells of its failures itself
    }, everyMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  /** Samples of packets that live delivered. */
  delivered(deliveries: readonly Delivery[]): void {
    if (this.paused !== undefined) return;
    const { view } = this;
    const samples: DeliveredSample[] = [];
    const number = Math.floor(this.parts.nowMs() / 1_000);
    if (this.second.number !== number) this.second = { number, samples: 0 };
    for (const { header, weight, bridge, ofport } of deliveries) {
      if ((ofport !== undefined && !this.parts.isReplicated(bridge, ofport)) || !view.read(header) || view.isGroup) continue;
      if (this.second.samples++ >= maxSamplesPerS) {
        this.counters.leftOut++;
        continue;
      }
      samples.push({ key: view.key, direction: view.direction, fingerprint: view.fingerprint(), weight, bridge, port: ofport });
    }
    this.counters.samples += samples.length;
    this.parts.capture.samples(samples);
  }

  private async look(): Promise<void> {
    const { capture, nowMs, isComparable } = this.parts;
    if (!isComparable()) {
      this.paused = "the shadow is not to do what live does now: a trial, a promotion, or no copies";
      this.differing = [];
      this.suspected.clear();
      return;
    }
    if (this.paused !== undefined) {
      this.paused = undefined;
      capture.reset();
    }
    this.take(await capture.paired(this.lostSamples(nowMs())));
  }

  /** Samples that may be missing of the last two minutes. */
  private lostSamples(nowMs: number): number {
    const samples = this.parts.lostDatagrams() * samplesPerDatagram + this.counters.leftOut;
    this.lost.push({ tMs: nowMs, samples });
    this.lost = this.lost.filter(({ tMs }) => nowMs - tMs <= rememberedMs);
    return Math.max(0, samples - (this.lost[0]?.samples ?? samples));
  }

  private take(paired: readonly PairedFlow[]): void {
    this.counters.tested = paired.length;
    const found = flowDifferences(paired.map((one) => ({ flow: one, counts: one.counts })), pairedLimits);
    const suspected = new Map<string, number>();
    const differing: DifferingFlow[] = [];
    for (const one of found) {
      const { protocol, from, to, counts } = one.flow;
      const name = flowName(protocol, from, to);
      const looks = (this.suspected.get(`${name} ${one.cause}`) ?? 0) + 1;
      suspected.set(`${name} ${one.cause}`, looks);
      if (looks >= confirmedAfter) differing.push({ ...one, flow: { protocol, from, to }, name, samples: counts.samples });
    }
    this.suspected = suspected;
    this.differing = differing;
    this.tell(differing);
  }

  private tell(differing: readonly DifferingFlow[]): void {
    const tMs = this.parts.nowMs();
    const now = new Set<string>();
    for (const { name, cause, difference, error, z, p, q, mirrorLoss, samples } of differing) {
      now.add(name);
      if (this.told.has(name)) continue;
      this.parts.happened({ tMs, kind: "alert", side: "shadow", subject: name, detail: { what: cause, difference, error, z, p, q, samples, ...(mirrorLoss === undefined ? {} : { mirrorLoss }) } });
    }
    for (const name of this.told) if (!now.has(name)) this.parts.happened({ tMs, kind: "alert", side: "shadow", subject: name, detail: { what: "the networks no longer differ" } });
    this.told = now;
  }
}
