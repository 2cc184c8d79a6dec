/**
 * Watches the one budget that live and shadow share for each packet: 4,096 resubmits. A shadow that uses it up makes live's own
 * resubmits fail, and the packet is dropped (docs/shared-fate.md). When that happens while we copy, copying has to stop.
 */
import { errorText } from "../base/error-text.js";

/** The counter of packets dropped for it (ovs-vswitchd, coverage). */
export const resubmitCounter = "drop_action_too_many_resubmit";

export interface ResubmitWatchParts {
  /** The counter's value; rejects when it can't be read. */
  readonly read: () => Promise<number>;
  /** Packets were dropped for want of resubmits since the last look. */
  readonly exceeded: (packets: number) => void;
}

export class ResubmitWatch {
  private readonly parts: ResubmitWatchParts;
  private last: number | undefined;
  /** Why the counter could not be read last; undefined while it can. */
  failure: string | undefined;

  constructor(parts: ResubmitWatchParts) {
    this.parts = parts;
  }

  /** Looks once. A counter that fell belongs to a restarted daemon: it starts anew. */
  async look(): Promise<void> {
    let now: number;
    try {
      now = await this.parts.read();
    } catch (error) {
      this.failure = errorText(error);
      this.last = undefined;
      return;
    }
    this.failure = undefined;
    const before = this.last;
    this.last = now;
    if (before !== undefined && now > before) this.parts.exceeded(now - before);
  }
}
