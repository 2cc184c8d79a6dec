/** How large a service's transfers are, and which ones will be large, said early. Pure; bounded. */
import type { Conversation, Stage } from "./conversations.js";
import { serviceName } from "./conversations.js";

/** Sizes are kept in classes, four to each doubling: a class is within 9 % of each size in it. */
const perDoubling = 4;
const classes = 40 * perDoubling;
const maxServices = 4_096;

const classOf = (bytes: number): number => Math.min(classes - 1, Math.max(0, Math.round(Math.log2(Math.max(bytes, 1)) * perDoubling)));
const sizeOf = (index: number): number => 2 ** (index / perDoubling);

export class SizeHistogram {
  count = 0;
  private readonly counts = new Float64Array(classes);

  add(bytes: number): void {
    const at = classOf(bytes);
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.count++;
  }

  state(): readonly number[] {
    return [...this.counts];
  }

  static of(counts: readonly number[]): SizeHistogram {
    const histogram = new SizeHistogram();
    histogram.counts.set(counts.slice(0, classes));
    histogram.count = histogram.counts.reduce((sum, count) => sum + count, 0);
    return histogram;
  }

  /** The size that a share of all transfers stays below; 0 when there were none. */
  quantile(share: number): number {
    let below = 0;
    for (let i = 0; i < classes; i++) {
      below += this.counts[i] ?? 0;
      if (this.count > 0 && below >= share * this.count) return sizeOf(i);
    }
    return 0;
  }
}

/** How many transfers began alike, and how many of them became large. */
interface Outcome {
  all: number;
  large: number;
}
/** By `beginningsOf`. */
type Outcomes = Map<string, Outcome>;
type OutcomesState = readonly (readonly [beginning: string, all: number, large: number])[];

/** What is kept, for a restart: the counts of each service's classes, and what became of its beginnings. */
export type TransfersState = readonly (readonly [service: string, counts: readonly number[], beginnings?: OutcomesState])[];

/** What is said of a conversation after its first packets. */
export interface ElephantGuess {
  readonly conversation: Conversation;
  /** P(it will carry at least `elephantBytes`). */
  readonly probability: number;
}

/** Experience of the wider group counts as much as this many transfers of the narrower one. */
const strength = 4;
/** Before anything was seen: large transfers are few. */
const prior = 0.1;
/** Beginnings of all services together. */
const maxBeginnings = 65_536;

/**
 * The transfers that one at its stage number `at` is like: all that came so far, those that had carried about as many bytes by then (within a
 * factor of 1.2), and of these those that took about as long (within one of 10).
 */
function beginningsOf(at: number, { bytes, tookMs }: Stage): readonly string[] {
  const size = Math.round(Math.log2(Math.max(bytes, 1)) * perDoubling);
  return [String(at), `${at} ${size}`, `${at} ${size} ${Math.ceil(Math.log10(Math.max(tookMs, 1)))}`];
}

interface Service {
  readonly sizes: SizeHistogram;
  readonly beginnings: Outcomes;
}

export class Transfers {
  /** Transfers of services, and beginnings of a service, beyond the bounds. */
  overflow = 0;
  readonly elephantBytes: number;
  private readonly services = new Map<string, Service>();
  /** Of services with one port on all servers: what is known of a server that is new. */
  private readonly ports: Outcomes = new Map();
  private beginnings = 0;

  /** `elephantBytes`: what counts as large. */
  constructor(elephantBytes = 1_000_000) {
    this.elephantBytes = elephantBytes;
  }

  /** A conversation is over: its size is learned, and what came of its beginning. */
  ended({ service: { server, protocol, port }, bytes, stages }: Conversation): void {
    const name = serviceName({ server, protocol, port });
    let service = this.services.get(name);
    if (service === undefined) {
      if (this.services.size >= maxServices) {
        this.overflow++;
        return;
      }
      service = { sizes: new SizeHistogram(), beginnings: new Map() };
      this.services.set(name, service);
    }
    service.sizes.add(bytes);
    const isLarge = bytes >= this.elephantBytes;
    stages.forEach((stage, at) => {
      if (stage.bytes >= this.elephantBytes) return;
      for (const beginning of beginningsOf(at, stage)) this.learn(service.beginnings, beginning, isLarge);
      this.learn(this.ports, `${protocol} ${port} ${at}`, isLarge);
    });
  }

  /**
   * Whether a conversation will be large, said at one of its stages. It is the share of large ones among the transfers that came to that stage:
   * of all services with this port, of this service, of those with about as many bytes by then, of those that took about as long, too. Each is
   * drawn towards the one before as if that were four more transfers, so that little experience says little.
   */
  guess(conversation: Conversation): ElephantGuess {
    const { service, bytes, stages } = conversation;
    const stage = stages.at(-1);
    if (bytes >= this.elephantBytes) return { conversation, probability: 1 };
    if (stage === undefined) return { conversation, probability: prior };
    const at = stages.length - 1;
    const beginnings = this.services.get(serviceName(service))?.beginnings;
    const experience = [this.ports.get(`${service.protocol} ${service.port} ${at}`), ...beginningsOf(at, stage).map((one) => beginnings?.get(one))];
    const probability = experience.reduce((wider, one) => (one === undefined ? wider : (one.large + strength * wider) / (one.all + strength)), prior);
    return { conversation, probability };
  }

  state(): TransfersState {
    return [...this.services].map(([service, { sizes, beginnings }]) => [service, sizes.state(), [...beginnings].map(([beginning, { all, large }]) => [beginning, all, large] as const)] as const);
  }

  restore(state: TransfersState): void {
    for (const [service, counts, beginnings = []] of state.slice(0, maxServices)) {
      const kept: Outcomes = new Map();
      this.services.set(service, { sizes: SizeHistogram.of(counts), beginnings: kept });
      const [protocol, port] = service.slice(service.indexOf(" ") + 1).split("/");
      const ofPort = `${protocol === "tcp" ? 6 : protocol === "udp" ? 17 : protocol} ${port}`;
      for (const [beginning, all, large] of beginnings) {
        this.learn(kept, beginning, large, all);
        if (!beginning.includes(" ")) this.learn(this.ports, `${ofPort} ${beginning}`, large, all);
      }
    }
  }

  all(): ReadonlyMap<string, SizeHistogram> {
    return new Map([...this.services].map(([name, { sizes }]) => [name, sizes] as const));
  }

  private learn(outcomes: Outcomes, key: string, large: boolean | number, all = 1): void {
    const known = outcomes.get(key);
    if (known === undefined && this.beginnings >= maxBeginnings) return void this.overflow++;
    if (known === undefined) this.beginnings++;
    outcomes.set(key, { all: (known?.all ?? 0) + all, large: (known?.large ?? 0) + Number(large) });
  }
}
