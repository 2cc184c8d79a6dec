/**
 * Live bridges whose own flows send to replica ports as to every other: by the action ALL, which heeds no bit of a port, or by FLOOD where
 * the bit can't be set. What they send would enter the shadow twice, so their copies go by one port, marked.
 */
import type { BridgeIndex } from "../network/bridge-index.js";
import { commonReplicaPort } from "../network/pipeline.js";
import type { ShadowSessions } from "./sessions.js";

export interface EveryPortParts {
  readonly sessions: Pick<ShadowSessions, "followers" | "portConfigs">;
  readonly index: BridgeIndex;
  /** The shadow is on another host: live has one replica port a bridge whatever its flows do. */
  readonly isRemote: boolean;
  /** A bridge's flows began, or ceased, to send to replica ports. */
  readonly told: ((bridge: string, does: boolean) => void) | undefined;
  /** The copies of a bridge go another way from now on. */
  readonly changed: () => void;
}

export class EveryPort {
  private readonly parts: EveryPortParts;
  private readonly sending = new Set<string>();
  private readonly told = new Set<string>();

  constructor(parts: EveryPortParts) {
    this.parts = parts;
  }

  /** As of the last look: the rows are planned by it. */
  sends(bridge: string): boolean {
    return this.sending.has(bridge);
  }

  /** Whether a bridge's flows send to replica ports now. */
  reaches(bridge: string): boolean {
    const { sessions, isRemote } = this.parts;
    const follower = sessions.followers.get(bridge);
    if (isRemote) return false;
    if (follower?.known !== true) return this.isWiredAsOne(bridge);
    if (follower.sendTo("all") > 0) return true;
    if (follower.sendTo("flood") === 0) return false;
    const bits = sessions.portConfigs.get(bridge);
    return bits?.current === undefined ? this.isWiredAsOne(bridge) : !bits.tellsAll;
  }

  /** Looks at all of these live bridges; others are forgotten. */
  lookAtAll(live: ReadonlySet<string>): void {
    for (const bridge of this.told) if (!live.has(bridge)) this.told.delete(bridge);
    for (const bridge of new Set([...live, ...this.sending])) this.look(bridge);
  }

  look(bridge: string): void {
    const reaches = this.reaches(bridge);
    if (this.parts.sessions.followers.get(bridge)?.known === true && put(this.told, bridge, reaches)) this.parts.told?.(bridge, reaches);
    if (put(this.sending, bridge, reaches)) this.parts.changed();
  }

  /** What counts until a bridge's tables and bits are known: how a controller before us has wired it, so that a restart changes nothing. */
  private isWiredAsOne(bridge: string): boolean {
    return this.parts.index.bridge(bridge)?.ports.some(({ role, ofport }) => role === "replica" && ofport === commonReplicaPort) === true;
  }
}

/** Puts into, or takes out of, a set. Returns whether that changed it. */
function put(set: Set<string>, value: string, isIn: boolean): boolean {
  if (set.has(value) === isIn) return false;
  if (isIn) set.add(value);
  else set.delete(value);
  return true;
}
