/** Promotes by itself when hosts that live connected are cut off there and not in the shadow; ends when live has been whole for a while. */
import type { Logger } from "pino";
import { connected, graphOf } from "../network/graph.js";
import type { Network } from "../network/model.js";
import type { PromotionState } from "./promotion.js";

export interface AutomaticPromotionParts {
  readonly enabled: boolean;
  /** Live must be whole again for this long before it takes back over. */
  readonly holdDownMs: number;
  readonly state: () => PromotionState;
  readonly live: () => Network;
  readonly shadow: () => Network;
  readonly promote: (why: string) => Promise<unknown>;
  readonly demote: (why: string) => Promise<unknown>;
  readonly log: Logger;
  readonly nowMs: () => number;
}

export class AutomaticPromotion {
  private readonly parts: AutomaticPromotionParts;
  /** The hosts that reached each other when live was last whole: what a promotion has to restore. */
  private lastWhole: Network | undefined;
  private wholeSinceMs: number | undefined;
  private isByUs = false;

  constructor(parts: AutomaticPromotionParts) {
    this.parts = parts;
  }

  /** Somebody demoted. */
  demoted(): void {
    this.isByUs = false;
  }

  /** Looks at the live network as it is now. */
  async consider(network: Network): Promise<void> {
    const { enabled, holdDownMs, state, live, shadow, promote, demote, log, nowMs } = this.parts;
    const cut = cutOff(this.lastWhole ?? network, network);
    const isWhole = cut === undefined;
    if (isWhole && state() === "off") this.lastWhole = network;
    if (!enabled) return;
    if (cut !== undefined && state() === "off") {
      if (!connected(graphOf(shadow()), cut[0], cut[1])) return;
      this.isByUs = true;
      await promote(`live no longer connects ${cut[0]} and ${cut[1]}`).catch((err: unknown) => log.error({ err }, "promotion failed"));
      return;
    }
    if (!this.isByUs || state() !== "on") return;
    if (!isWhole) {
      this.wholeSinceMs = undefined;
      return;
    }
    const now = nowMs();
    this.wholeSinceMs ??= now;
    if (now - this.wholeSinceMs < holdDownMs) {
      setTimeout(() => void this.consider(live()), holdDownMs).unref();
      return;
    }
    this.wholeSinceMs = undefined;
    await demote("live is whole again").catch((err: unknown) => log.error({ err }, "demotion failed"));
  }
}

/** Two bridges with hosts that were connected in `before` and are not in `now`; undefined when nothing is cut off. */
function cutOff(before: Network, now: Network): readonly [string, string] | undefined {
  const graph = graphOf(now);
  const was = graphOf(before);
  const withHosts = [...new Set([...before.hosts.values()].map((host) => host.at.bridge))].filter((name) => now.bridges.has(name)).sort();
  const [first, ...others] = withHosts;
  if (first === undefined) return undefined;
  const lost = others.find((name) => connected(was, first, name) && !connected(graph, first, name));
  return lost === undefined ? undefined : [first, lost];
}
