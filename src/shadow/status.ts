/** Whether the shadow of a live bridge is in step, and if not, why. Pure. */
import { reaches, type Level } from "../config/level-schema.js";
import type { WriterCounters } from "../reconcile/switch-writer.js";
import { tableDifferences } from "./compare.js";
import type { ZoneMap } from "./connection-zones.js";
import type { Held } from "./hold.js";
import { adapterBridge, shadowBridge } from "./names.js";
import type { OwnBridge } from "./sessions.js";
import type { TableFollower } from "./table-follower.js";

export type BridgeState = "in step" | "held" | "converging" | "not connected" | "off";

export interface ShadowBridgeStatus {
  readonly live: string;
  readonly shadow: string;
  readonly adapter: string;
  readonly state: BridgeState;
  readonly why: string;
  readonly flows: number;
  readonly differences: readonly string[];
  /** What the shadow has of this bridge; "in step" is about that. */
  readonly level: Level;
  /** Since the live tables that the shadow follows were last proved to be live's, in ms; undefined: never yet. */
  readonly staleMs: number | undefined;
  /** What was sent to each bridge; undefined before it has a session. */
  readonly shadowWriter: WriterCounters | undefined;
  readonly adapterWriter: WriterCounters | undefined;
}

export interface StatusInput {
  readonly live: string;
  readonly level: Level;
  readonly shadow: OwnBridge | undefined;
  readonly adapter: OwnBridge | undefined;
  readonly follower: TableFollower | undefined;
  /** What the whole shadow holds. */
  readonly held: readonly Held[];
  /** Why the last pass failed, when it did. */
  readonly lastError: string | undefined;
  readonly nowMs: number;
  readonly differences: Comparison;
}

/** Differences that are shown. */
const maxDifferences = 20;

/** What a shadow's tables differ in from live's, compared again only when one of the two changed. */
export class Comparison {
  private readonly known = new WeakMap<OwnBridge, { readonly follower: TableFollower; readonly live: number; readonly own: number; readonly zones: ZoneMap; readonly differences: readonly string[] }>();

  of(own: OwnBridge, follower: TableFollower): readonly string[] {
    const before = this.known.get(own);
    if (before !== undefined && before.follower === follower && before.live === follower.version && before.own === own.writer.version && before.zones === own.zones) return before.differences;
    const { version } = own.writer;
    const differences = tableDifferences({ flows: follower.currentFlows(), groups: follower.currentGroups(), meters: follower.currentMeters() }, own.writer.installed(), maxDifferences, own.zones);
    this.known.set(own, { follower, live: follower.version, own: version, zones: own.zones, differences });
    return differences;
  }
}

export function bridgeStatus({ live, level, shadow, adapter, follower, held, lastError, nowMs, differences: comparison }: StatusInput): ShadowBridgeStatus {
  const auditedMs = follower?.auditedMs;
  const flows = shadow?.writer.size ?? 0;
  const common = {
    live,
    level,
    shadow: shadowBridge(live),
    adapter: adapterBridge(live),
    flows,
    staleMs: auditedMs === undefined ? undefined : nowMs - auditedMs,
    shadowWriter: shadow?.writer.counters,
    adapterWriter: adapter?.writer.counters,
  };
  const isHeldHere = held.some(({ element }) => element === `bridge ${live}` || element.includes(`${live}:`));
  if (shadow?.writer.connected !== true || adapter?.writer.connected !== true) {
    return { ...common, state: "not connected", why: shadow?.session.lastFailure ?? lastError ?? "", differences: [] };
  }
  if (!reaches(level, "flows")) {
    const differences = flows === 0 ? [] : [`${flows} flows are still there`];
    return { ...common, state: isHeldHere ? "held" : flows === 0 ? "in step" : "converging", why: isHeldHere ? heldWhy(held) : "", differences };
  }
  const ports = shadow.ports.pending().map((port) => `port ${port} is configured otherwise in the shadow`);
  const differences = follower?.synced === true ? [...ports, ...comparison.of(shadow, follower)] : ports;
  if (isHeldHere || (held.length > 0 && differences.length > 0)) {
    return { ...common, state: "held", why: heldWhy(held), differences };
  }
  if (follower?.synced !== true) return { ...common, state: "converging", why: "live tables are not known yet", differences };
  return { ...common, state: differences.length === 0 ? "in step" : "converging", why: "", differences };
}

const heldWhy = (held: readonly Held[]): string => held.map(({ element, why }) => `${element}: ${why}`).join("; ");
