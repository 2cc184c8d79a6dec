/**
 * Fidelity, all the time: reads the counters of every replicated port, keeps an account for each, tells it as observations, and
 * raises an alert while a port's copies stay below the target.
 */
import { errorText } from "../../base/error-text.js";
import { wholeSeconds, type ObservationSink } from "../../base/observation.js";
import { inTime } from "../../base/in-time.js";
import { PortAccounts, type CopyMode, type PortAccount, type Reading } from "./account.js";
import type { Sample } from "./sample.js";

/** Counters of one port, both ends read together. */
export type Counters = Pick<Reading, "received" | "copied" | "receiveDrops" | "asked">;

export interface FidelityParts {
  /** Counters of all replicated ports, by "bridge:ofport", at look number `looks`: a value, or all of it, that is the very one of the look before was not read again. */
  readonly read: (looks: number) => Promise<ReadonlyMap<string, Counters>>;
  /** Whether nothing is told of ports to which nothing happens. */
  readonly isLarge: () => boolean;
  /** Resolves when the switch has brought its patch ports' counters up to date; rejects where it can't be asked. */
  readonly flushCounters: (looks: number) => Promise<void>;
  readonly mode: () => CopyMode;
  readonly sink: ObservationSink;
  readonly nowMs: () => number;
  readonly epochMs: () => number;
  /** The least share of packets copied, 0 to 1; below it there is an alert. */
  readonly target: number;
}

export interface Alert {
  /** "bridge:ofport" */
  readonly port: string;
  /** Since when, ms since the epoch. */
  readonly sinceMs: number;
  /** Share copied over the last seconds. */
  readonly ratio: number;
  readonly why: string;
}

/** The account of a port with what the last samples of its packets showed. */
export interface MeasuredPort extends PortAccount {
  readonly port: string;
  /** What sessions ask of the port now. */
  readonly asked: "all" | "part" | "nothing";
  readonly sample: Sample | undefined;
  readonly alert: Alert | undefined;
}

const lookIntervalMs = 1_000;
/** How long a packet must stay missing to be lost. */
const settleMs = 2_500;
/** The round over the cached flows that the switch tells the end of may have begun this long before it was asked. */
const flushedLagMs = 50;
/** Without its word: its revalidators run twice a second, or when they are busy once in a while. */
const unflushedLagMs = 2_000;
const readTimeoutMs = 3_000;
/** The share is taken over so many looks; an alert ends when it has been above the target for as many. */
const alertLooks = 5;
/** Fewer packets than this in that time make no alert. */
const minPackets = 20;

const fates = ["received", "notAsked", "notChosen", "selected", "copied", "lost", "off", "shed", "surplus", "receiveDrops"] as const;

interface Followed {
  readonly accounts: PortAccounts;
  readonly recent: { readonly received: number; readonly copied: number; readonly lost: number; readonly windowMs: number }[];
  good: number;
  asked: MeasuredPort["asked"];
  alert: Alert | undefined;
  sample: Sample | undefined;
  /** The account at the last look. */
  before: PortAccount | undefined;
  /** What was read last, and when. */
  counters: Counters | undefined;
  readMs: number | undefined;
}

export class FidelityMeter {
  private readonly parts: FidelityParts;
  private readonly ports = new Map<string, Followed>();
  private running: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private lastMs: number | undefined;
  /** What was read at the last look. */
  private counters: ReadonlyMap<string, Counters> | undefined;
  private looks = 0;
  /** The sum of the accounts' receive drops: asked for twice a second. */
  private drops = 0;
  /** Why the counters could not be read last; undefined while they can. */
  failure: string | undefined;
  /** Why the switch could not be asked to bring its counters up to date; then losses are known later. */
  flushFailure: string | undefined;

  constructor(parts: FidelityParts) {
    this.parts = parts;
  }

  start(): void {
    this.timer = setInterval(() => void this.look(), lookIntervalMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** Reads all counters once. One look at a time: a call during one gets that one's end. Does not reject. */
  look(): Promise<void> {
    this.running ??= this.once()
      .then(
        () => (this.failure = undefined),
        (error: unknown) => (this.failure = errorText(error)),
      )
      .then(() => (this.running = undefined));
    return this.running;
  }

  /** All replicated ports by name, as of the last look. */
  measured(): MeasuredPort[] {
    return [...this.ports].sort(([x], [y]) => (x < y ? -1 : 1)).map(([port, { accounts, asked, sample, alert }]) => ({ port, ...accounts.account, asked, sample, alert }));
  }

  /** Packets received and copied a second by each port, over the last looks; none of ports that were not read twice. */
  rates(): ReadonlyMap<string, { readonly receivedPerS: number; readonly copiedPerS: number }> {
    return new Map(
      [...this.ports].flatMap(([port, { recent }]) => {
        const seconds = recent.reduce((sum, { windowMs }) => sum + windowMs, 0) / 1_000;
        const perS = (key: "received" | "copied"): number => Math.max(0, recent.reduce((sum, one) => sum + one[key], 0)) / seconds;
        return seconds === 0 ? [] : [[port, { receivedPerS: perS("received"), copiedPerS: perS("copied") }] as const];
      }),
    );
  }

  /** The ports of which packets were copied, by name. */
  get copied(): string[] {
    return [...this.ports].flatMap(([port, { accounts }]) => (accounts.copied > 0 ? [port] : [])).sort();
  }

  /** Packets that live dropped at reception, of all replicated ports. */
  get receiveDrops(): number {
    return this.drops;
  }

  /** How old the last complete look is, in ms; undefined before the first. */
  get ageMs(): number | undefined {
    return this.lastMs === undefined ? undefined : this.parts.nowMs() - this.lastMs;
  }

  /** What a sample of a port's packets showed. */
  sampled(port: string, sample: Sample): void {
    const followed = this.ports.get(port);
    if (followed !== undefined) followed.sample = sample;
  }

  private async once(): Promise<void> {
    const { parts } = this;
    let lagMs = flushedLagMs;
    const startMs = parts.nowMs();
    try {
      await inTime(parts.flushCounters(this.looks), readTimeoutMs);
      this.flushFailure = undefined;
    } catch (error) {
      this.flushFailure = errorText(error);
      lagMs = unflushedLagMs;
    }
    const counters = await inTime(parts.read(this.looks++), readTimeoutMs);
    const tMs = parts.nowMs();
    this.lastMs = tMs;
    // Nobody was read again: nothing to tell of any port.
    if (counters === this.counters) return;
    this.counters = counters;
    const mode = parts.mode();
    for (const [port, { accounts }] of this.ports) {
      if (counters.has(port)) continue;
      this.drops -= accounts.receiveDrops;
      this.ports.delete(port);
    }
    for (const [port, counter] of counters) {
      const followed: Followed = this.ports.get(port) ?? { accounts: new PortAccounts(settleMs), recent: [], good: 0, asked: "all", alert: undefined, sample: undefined, before: undefined, counters: undefined, readMs: undefined };
      this.ports.set(port, followed);
      if (followed.counters === counter) continue;
      followed.counters = counter;
      const dropsBefore = followed.accounts.receiveDrops;
      followed.accounts.take({ ...counter, tMs, lagMs: lagMs + (tMs - startMs), mode });
      this.drops += followed.accounts.receiveDrops - dropsBefore;
      followed.asked = typeof counter.asked === "object" ? "part" : (counter.asked ?? "all");
      this.tell(port, followed, followed.readMs === undefined ? lookIntervalMs : tMs - followed.readMs, mode);
      followed.readMs = tMs;
    }
  }

  private tell(port: string, followed: Followed, windowMs: number, mode: CopyMode): void {
    const { account } = followed.accounts;
    const before = followed.before ?? account;
    followed.before = account;
    const grown = (key: (typeof fates)[number]): number => account[key] - before[key];
    const { sample } = followed;
    followed.recent.push({ received: grown("received"), copied: grown("copied"), lost: grown("lost"), windowMs });
    if (followed.recent.length > alertLooks) followed.recent.shift();
    this.judge(port, followed, mode);
    if (this.parts.isLarge() && fates.every((key) => grown(key) === 0)) return;
    const tMs = Math.round(this.parts.epochMs() - windowMs);
    this.parts.sink.observe({
      tMs,
      windowMs: wholeSeconds(windowMs),
      side: "shadow",
      subject: { kind: "port", name: port },
      values: {
        "fidelity.received": grown("received"),
        "fidelity.notAsked": grown("notAsked"),
        "fidelity.selected": grown("selected"),
        "fidelity.copied": grown("copied"),
        "fidelity.lost": grown("lost"),
        "fidelity.off": grown("off"),
        "fidelity.shed": grown("shed"),
        "fidelity.notChosen": grown("notChosen"),
        "fidelity.surplus": grown("surplus"),
        "fidelity.receiveDrops": grown("receiveDrops"),
        ...(sample === undefined || sample.tMs < tMs
          ? {}
          : { "fidelity.sampled": sample.looked, "fidelity.duplicated": sample.duplicated, "fidelity.reordered": sample.reordered, "fidelity.delayP50Us": sample.delayP50Us, "fidelity.delayP99Us": sample.delayP99Us }),
      },
    });
  }

  private judge(port: string, followed: Followed, mode: CopyMode): void {
    const sum = (key: "copied" | "lost"): number => followed.recent.reduce((total, one) => total + one[key], 0);
    const [copied, lost] = [Math.max(0, sum("copied")), Math.max(0, sum("lost"))];
    const isEnough = mode === "on" && copied + lost >= minPackets;
    const ratio = copied + lost === 0 ? 1 : copied / (copied + lost);
    if (isEnough && ratio < this.parts.target) {
      followed.good = 0;
      const why = `${lost} of ${copied + lost} packets were not copied in the last ${alertLooks} s`;
      const isNew = followed.alert === undefined;
      followed.alert = { port, sinceMs: followed.alert?.sinceMs ?? this.parts.epochMs(), ratio, why };
      if (isNew) this.happened(port, { state: "below target", ratio, target: this.parts.target, lost, copied });
      return;
    }
    if (followed.alert === undefined || ++followed.good < alertLooks) return;
    followed.alert = undefined;
    followed.good = 0;
    this.happened(port, { state: "target met", ratio, target: this.parts.target });
  }

  private happened(port: string, detail: Readonly<Record<string, unknown>>): void {
    this.parts.sink.happened({ tMs: this.parts.epochMs(), kind: "fidelity", side: "shadow", subject: port, detail });
  }
}
