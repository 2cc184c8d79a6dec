/** How large a service's transfers are, and which ones will be large, said early. Pure; bounded. */
import type { Conversation } from "./conversations.js";
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

  /** Transfers of at least `bytes`. */
  atLeast(bytes: number): number {
    let sum = 0;
    for (let i = classOf(bytes); i < classes; i++) sum += this.counts[i] ?? 0;
    return sum;
  }
}

/** What is kept, for a restart: the counts of each service's classes. */
export type TransfersState = readonly (readonly [service: string, counts: readonly number[]])[];

/** What is said of a conversation after its first packets. */
export interface ElephantGuess {
  readonly conversation: Conversation;
  /** P(it will carry at least `elephantBytes`), from the sizes this service's transfers had so far. */
  readonly probability: number;
}

export class Transfers {
  /** Transfers of services beyond the bound. */
  overflow = 0;
  readonly elephantBytes: number;
  private readonly services = new Map<string, SizeHistogram>();

  /** `elephantBytes`: what counts as large. */
  constructor(elephantBytes = 1_000_000) {
    this.elephantBytes = elephantBytes;
  }

  /** A conversation is over: its size is learned. */
  ended({ service, bytes }: Conversation): void {
    const name = serviceName(service);
    let histogram = this.services.get(name);
    if (histogram === undefined) {
      if (this.services.size >= maxServices) {
        this.overflow++;
        return;
      }
      histogram = new SizeHistogram();
      this.services.set(name, histogram);
    }
    histogram.add(bytes);
  }

  /**
   * Whether a conversation that has carried some packets will be large. Of the service's transfers that became as large as it is
   * now, the share that became elephants; with Laplace's two, so that little experience says "perhaps".
   */
  guess(conversation: Conversation): ElephantGuess {
    if (conversation.bytes >= this.elephantBytes) return { conversation, probability: 1 };
    const histogram = this.services.get(serviceName(conversation.service));
    const [large, asLarge] = histogram === undefined ? [0, 0] : [histogram.atLeast(this.elephantBytes), histogram.atLeast(conversation.bytes)];
    return { conversation, probability: (large + 1) / (asLarge + 2) };
  }

  state(): TransfersState {
    return [...this.services].map(([service, histogram]) => [service, histogram.state()] as const);
  }

  restore(state: TransfersState): void {
    for (const [service, counts] of state.slice(0, maxServices)) this.services.set(service, SizeHistogram.of(counts));
  }

  all(): ReadonlyMap<string, SizeHistogram> {
    return this.services;
  }
}
