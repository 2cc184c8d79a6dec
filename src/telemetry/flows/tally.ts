/** Captured copies, and what the shadow delivered, counted by flow; and which packets that live delivered the shadow delivered too. Bounded. Pure. */
import { decodePacketHeader, type PacketHeader } from "sflow-collector";
import { AppReader } from "./app/app-reader.js";
import { ResolvedNames } from "./app/resolved-names.js";
import type { CapturedFlow, DeliveredSample, PairedFlow } from "./capture-protocol.js";
import { FrameView } from "./frame-view.js";
import { Pairing, type KnownBridge } from "./pairing.js";
import { RecentPackets } from "./recent-packets.js";
import type { TallyCounters, TallyOptions } from "./tally-options.js";
import { endsOf, flowKeyOf } from "./tuple.js";

const syn = 0x02;

class Side {
  header: PacketHeader | undefined;
  packets = 0;
  bytes = 0;
  payloadBytes = 0;
  readonly pairing = new Pairing();
}

interface Tallied {
  readonly key: string;
  readonly sides: readonly [Side, Side];
  readonly app: AppReader;
  firstMs: number;
  lastMs: number;
  isTouched: boolean;
}

interface Waiting extends DeliveredSample {
  readonly atMs: number;
}

/** A sample is looked for this long after it came: what was captured by then has been read. */
const settleMs = 1_000;
/** A sample is up to this much older than its arrival (Open vSwitch sends a datagram a second, or when it is full). */
const sampleAgeMs = 2_500;
const maxWaiting = 65_536;

export class FlowTally {
  readonly counters: TallyCounters = { frames: 0, unreadable: 0, evicted: 0, judged: 0, uncaptured: 0, unjudged: 0 };
  private readonly options: TallyOptions;
  private readonly view = new FrameView();
  private readonly names = new ResolvedNames();
  private readonly flows = new Map<string, Tallied>();
  private readonly copied: RecentPackets | undefined;
  private readonly delivered: RecentPackets | undefined;
  private readonly bridges = new Map<string, KnownBridge>();
  private waiting: Waiting[] = [];
  /** The latest sampling rate; 0 while no sample came. */
  private samplingRate = 0;
  /** Until then packets may be missing from what is remembered. */
  private unsureUntilMs = -Infinity;

  constructor(options: TallyOptions) {
    this.options = options;
    if (options.maxRecent > 0) {
      this.copied = new RecentPackets(options.maxRecent);
      this.delivered = new RecentPackets(options.maxRecent);
    }
  }

  get size(): number {
    return this.flows.size;
  }

  /** A copy, as it came into the shadow. */
  copy(bytes: Uint8Array, frameLength: number, tMs: number): void {
    const found = this.read(bytes, tMs);
    if (found === undefined) return;
    const { flow, side } = found;
    const { view } = this;
    side.packets++;
    side.bytes += frameLength;
    side.payloadBytes += view.payloadLength;
    if (side.header === undefined || (side.header.tcpFlags & syn) !== 0) side.header = decodePacketHeader(bytes);
    this.copied?.add(view.fingerprint(), tMs, side.packets, 0);
    if (view.payloadAt < 0 || view.payloadLength === 0) return;
    const payload = bytes.subarray(view.payloadAt, Math.min(bytes.length, view.payloadAt + view.payloadLength));
    this.names.data(view.protocol, view.srcPort, payload);
    if (!flow.app.isDone) flow.app.data(view.protocol, view.srcPort, view.dstPort, payload);
  }

  /** What the shadow of a live bridge delivered; the frame has a service tag with the port's number. */
  delivery(bytes: Uint8Array, tMs: number, bridge: string): void {
    const found = this.read(bytes, tMs);
    // A packet to a group leaves by many ports, in any order: it is not compared.
    if (found === undefined || this.view.isGroup) return;
    const known = this.bridge(bridge);
    const index = found.side.pairing.delivered(tMs, known);
    this.delivered?.add(this.view.fingerprint(), tMs, index, placeOf(known.number, Math.max(0, this.view.serviceVid)));
  }

  /** Samples of packets that live delivered. */
  samples(samples: readonly DeliveredSample[], nowMs: number): void {
    for (const sample of samples) {
      this.samplingRate = sample.weight;
      const known = this.bridge(sample.bridge);
      if (known.sampledFromMs === Infinity) known.sampledFromMs = nowMs;
      known.sampledToMs = nowMs;
      if (this.waiting.length >= maxWaiting) this.counters.unjudged++;
      else this.waiting.push({ ...sample, atMs: nowMs });
    }
  }

  /** The kernel dropped captured packets: what came within the last seconds can't be judged. */
  dropped(nowMs: number): void {
    this.unsureUntilMs = nowMs + settleMs + sampleAgeMs;
  }

  /** Nothing was compared for a while: what was counted meanwhile says nothing. */
  reset(): void {
    this.waiting = [];
    for (const known of this.bridges.values()) known.sampledFromMs = Infinity;
    for (const { sides } of this.flows.values()) for (const { pairing } of sides) pairing.reset();
  }

  /** Lets time pass: samples that have settled are looked for. */
  advance(nowMs: number): void {
    let taken = 0;
    for (const sample of this.waiting) {
      if (nowMs - sample.atMs < settleMs) break;
      this.judge(sample, nowMs);
      taken++;
    }
    if (taken > 0) this.waiting = this.waiting.slice(taken);
  }

  /** Flows heard of since the last call. */
  changed(): CapturedFlow[] {
    const changed: CapturedFlow[] = [];
    for (const flow of this.flows.values()) {
      if (!flow.isTouched) continue;
      flow.isTouched = false;
      const directions = flow.sides.flatMap(({ header, packets, bytes, payloadBytes }) => (header === undefined ? [] : [{ header, part: { packets, bytes, payloadBytes } }]));
      const ends = directions[0] === undefined ? undefined : endsOf(directions[0].header);
      if (ends === undefined) continue;
      changed.push({ key: flowKeyOf(ends.protocol, ends.from, ends.to).key, firstMs: flow.firstMs, lastMs: flow.lastMs, directions, app: this.names.named(flow.app.label, ends) });
    }
    return changed;
  }

  /** What is compared, of every direction of which there is anything. `lostSamples`: how many may have been lost in the last two minutes. */
  paired(nowMs: number, lostSamples: number): PairedFlow[] {
    if (this.delivered === undefined) return [];
    return [...this.flows.values()].flatMap(({ sides }) =>
      sides.flatMap(({ header, pairing }): PairedFlow[] => {
        const ends = header === undefined ? undefined : endsOf(header);
        const counts = ends === undefined ? undefined : pairing.counts(nowMs, this.samplingRate, nowMs > this.unsureUntilMs ? sampleAgeMs : Infinity);
        return ends === undefined || counts === undefined ? [] : [{ ...ends, counts: { ...counts, lostSamples: counts.unjudged + lostSamples } }];
      }),
    );
  }

  private judge({ key, direction, fingerprint, weight, bridge, port, atMs }: Waiting, nowMs: number): void {
    const side = this.flows.get(key)?.sides[direction];
    const { number } = this.bridge(bridge);
    const oldestMs = nowMs - settleMs - sampleAgeMs;
    const isRemembered = this.delivered !== undefined && this.copied !== undefined && this.delivered.completeSinceMs < oldestMs && this.copied.completeSinceMs < oldestMs;
    if (side === undefined) {
      this.counters.uncaptured++;
      return;
    }
    if (port === undefined || !isRemembered || nowMs < this.unsureUntilMs) {
      if (port !== undefined) this.counters.unjudged++;
      side.pairing.unjudged(atMs, this.bridge(bridge));
      return;
    }
    this.counters.judged++;
    const found = this.delivered.take(fingerprint);
    const wasCopied = this.copied.take(fingerprint) !== undefined;
    side.pairing.judged(atMs, weight, found === undefined ? (wasCopied ? "missing" : "not copied") : found.place === placeOf(number, port <= maxPort ? port : 0) ? "found" : "elsewhere", found?.index);
  }

  private bridge(name: string): KnownBridge {
    let known = this.bridges.get(name);
    if (known === undefined) this.bridges.set(name, (known = { number: this.bridges.size, sampledFromMs: Infinity, sampledToMs: -Infinity }));
    return known;
  }

  private read(bytes: Uint8Array, tMs: number): { readonly flow: Tallied; readonly side: Side } | undefined {
    const { view, flows } = this;
    this.counters.frames++;
    if (!view.read(bytes)) {
      this.counters.unreadable++;
      return undefined;
    }
    let flow = flows.get(view.key);
    if (flow === undefined) {
      this.makeRoom();
      flow = { key: view.key, sides: [new Side(), new Side()], app: new AppReader(), firstMs: tMs, lastMs: tMs, isTouched: true };
      flows.set(view.key, flow);
    }
    flow.isTouched = true;
    if (tMs > flow.lastMs) flow.lastMs = tMs;
    return { flow, side: flow.sides[view.direction] };
  }

  /** The one of the oldest that was silent longest goes: among a few, so that it costs the same whatever the table's size. */
  private makeRoom(): void {
    if (this.flows.size < this.options.maxFlows) return;
    let [victim, lastMs] = ["", Infinity];
    let looked = 0;
    for (const [key, flow] of this.flows) {
      if (flow.lastMs < lastMs) [victim, lastMs] = [key, flow.lastMs];
      if (++looked === evictionChoices) break;
    }
    // Those that stay are looked at again when all others have been.
    let moved = 0;
    for (const [key, flow] of this.flows) {
      if (moved++ === evictionChoices) break;
      if (key === victim) continue;
      this.flows.delete(key);
      this.flows.set(key, flow);
    }
    this.flows.delete(victim);
    this.counters.evicted++;
  }
}

const evictionChoices = 8;
const maxPort = 4_094;
const placeOf = (bridge: number, port: number): number => bridge * 4_096 + port;
