/** Levels as seen from outside: listed, set by an operator, raised for a time. */
import type { Level } from "../../config/level-schema.js";
import type { Shadow } from "../shadow.js";
import type { BridgeLevel, Levels } from "./levels.js";

export interface LevelControlParts {
  readonly levels: Levels;
  readonly shadow: Pick<Shadow, "network" | "status" | "settle" | "demand">;
  /** Brings live to what is desired; resolves when it is. */
  readonly flushLive: () => Promise<void>;
  /** ms since the epoch. */
  readonly nowMs: () => number;
}

export interface LevelRow extends BridgeLevel {
  readonly bridge: string;
  /** What the shadow has at this moment: more than its level during a trial there, and while promoted. */
  readonly has: Level;
  /** As in the status: "in step" is about what the level asks for. */
  readonly state: string;
}

/** The longest time a request may raise a bridge for: a day. What is to last longer is set. */
const maxRaiseMs = 86_400_000;

export class LevelControl {
  private readonly parts: LevelControlParts;

  constructor(parts: LevelControlParts) {
    this.parts = parts;
  }

  list(): LevelRow[] {
    const { levels, shadow } = this.parts;
    return shadow.status().map(({ live: bridge, level: has, state }) => ({ bridge, has, state, ...levels.of(bridge) }));
  }

  /**
   * Sets the level of a bridge, or with `bridge` undefined of all that were not set one by one; `level` undefined takes the operator's word
   * back. Resolves when it is in force. RangeError for a bridge that is not there, unless its level is taken back.
   */
  async set(bridge: string | undefined, level: Level | undefined): Promise<LevelRow[]> {
    if (bridge !== undefined && level !== undefined) this.mustHave(bridge);
    this.parts.levels.set(bridge, level);
    return this.settled();
  }

  /** Raises a bridge for a time of 1 ms to a day. Resolves when it is in force. RangeError for another time, or a bridge that is not there. */
  async raise(bridge: string, level: Level, forMs: number, why: string): Promise<LevelRow[]> {
    this.mustHave(bridge);
    if (!(forMs >= 1 && forMs <= maxRaiseMs)) throw new RangeError(`a bridge is raised for 1 ms to ${maxRaiseMs} ms, not for ${forMs}`);
    this.parts.levels.raise({ bridges: [bridge], level, untilMs: this.parts.nowMs() + forMs, why });
    return this.settled();
  }

  private async settled(): Promise<LevelRow[]> {
    await this.parts.shadow.settle();
    await this.parts.flushLive();
    return this.list();
  }

  private mustHave(bridge: string): void {
    if (!this.parts.shadow.network.bridges.has(bridge)) throw new RangeError(`there is no bridge ${bridge}`);
  }
}
