/** What the shadow stands for: live as it is, and what is held of it, let go when its grace ends. */
import { emptyNetwork, type Network } from "../network/model.js";
import { hold, type Held, type ShadowSource } from "./hold.js";

export interface SourceParts {
  readonly nowMs: () => number;
  /** How long what vanished from live is held. */
  readonly holdMs: number;
  /** The grace of something held has ended: `follow` lets it go. */
  readonly released: () => void;
}

export class FollowedSource {
  /** The live network as it is. */
  live: Network = emptyNetwork;
  private readonly parts: SourceParts;
  private source: ShadowSource = { network: emptyNetwork, held: [] };
  private followed: Network | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(parts: SourceParts) {
    this.parts = parts;
  }

  /** The network the shadow stands for. */
  get network(): Network {
    return this.source.network;
  }

  get held(): readonly Held[] {
    return this.source.held;
  }

  update(live: Network, isPromoted: boolean): void {
    this.live = live;
    this.take(isPromoted);
  }

  /** Brings the source to now. While the shadow carries the traffic it stays as it is, whatever live does meanwhile. */
  follow(isPromoted: boolean): void {
    this.take(isPromoted);
    clearTimeout(this.timer);
    if (isPromoted || this.held.length === 0) return;
    const oldest = Math.min(...this.held.map((held) => held.sinceMs));
    this.timer = setTimeout(this.parts.released, Math.max(1, oldest + this.parts.holdMs - this.parts.nowMs() + 1));
    this.timer.unref();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private take(isPromoted: boolean): void {
    if (isPromoted) return;
    // Without a change of live and with nothing held there is nothing to follow: the same network, the same value.
    if (this.followed === this.live && this.held.length === 0) return;
    this.followed = this.live;
    this.source = hold(this.source, this.live, this.parts.nowMs(), this.parts.holdMs);
  }
}
