/**
 * Where live and its shadow track connections, what of it a shadow can't do in zones of its own, and the end of what the shadow tracked.
 *
 * All bridges of one datapath type share one table of connections, so what live uses is looked at over all of them.
 */
import type { Dial } from "../network/bridge-session.js";
import { shadowZoneBit } from "../network/pipeline.js";
import type { TableFollower } from "./table-follower.js";
import { otherZone } from "./connection-zones.js";
import { claimedZones, collidingZones, zoneUse, type ZoneUse } from "./zone-use.js";

/** A live bridge with its tables as followed. */
export interface TrackingBridge {
  readonly name: string;
  readonly datapathType: string;
  readonly follower: Pick<TableFollower, "version" | "currentFlows" | "currentGroups">;
}

export interface TrackingParts {
  readonly bridges: () => Iterable<TrackingBridge>;
  /** Live and shadow are in one ovs-vswitchd. */
  readonly isShared: boolean;
  /** How bridges of others that are not followed use connection tracking, read now. Rejects when one of them can't be read. */
  readonly others: () => Promise<readonly ZoneUse[]>;
  /** A command of ovs-vswitchd's control socket. */
  readonly control: (method: string, ...args: string[]) => Promise<string>;
  /** Entries of the shadow could not be taken away. */
  readonly failed: (error: unknown) => void;
}

export interface BridgeTracking extends ZoneUse {
  readonly bridge: string;
  /** Zones named on this bridge whose shadow is a zone that live uses as well. */
  readonly colliding: readonly number[];
}

/** Flows of a bridge that are told as conflicts; the others are shown with `list`. */
const maxTold = 8;
const typeOf = ({ datapathType }: TrackingBridge): string => datapathType || "system";

export class ConnectionTracking {
  private readonly parts: TrackingParts;
  private readonly known = new WeakMap<TrackingBridge["follower"], { readonly version: number; readonly use: ZoneUse }>();
  /** By datapath type: zones that live's flows named since we came, those that are gone included. At most as many as there are zones. */
  private readonly seen = new Map<string, Set<number>>();

  constructor(parts: TrackingParts) {
    this.parts = parts;
  }

  /** Live and shadow are in one ovs-vswitchd, and share its table of connections. */
  get isShared(): boolean {
    return this.parts.isShared;
  }

  /** Of each live bridge whose tables are known, now. */
  list(): BridgeTracking[] {
    const all = [...this.parts.bridges()].map((bridge) => ({ bridge, use: this.useOf(bridge) }));
    const used = this.usedOf(all);
    for (const [type, zones] of used) {
      if (zones.size === 0) continue;
      const seen = this.seen.get(type) ?? new Set();
      for (const zone of zones) seen.add(zone);
      this.seen.set(type, seen);
    }
    return all.map(({ bridge, use }) => {
      const colliding = this.parts.isShared ? new Set(collidingZones(used.get(typeOf(bridge)) ?? new Set())) : new Set<number>();
      return { ...use, bridge: bridge.name, colliding: [...use.zones].filter((zone) => colliding.has(zone)).sort((a, b) => a - b) };
    });
  }

  /** Live zones in the shadows' range, and flows whose shadows track in live's zones, in words. */
  claims(): { readonly bridge: string; readonly kind: "zone of shadows used" | "tracked in live's zone"; readonly detail: string }[] {
    if (!this.parts.isShared) return [];
    return this.list().flatMap(({ bridge, zones, colliding, problems }) => [
      ...claimedZones(zones).map((zone) => ({
        bridge,
        kind: "zone of shadows used" as const,
        detail: `zone ${zone} is in the shadows' range, its shadow is zone ${otherZone(zone)}${colliding.includes(zone) ? ", which live uses, too: what is sent inside the shadow meets live's connections there" : ""}`,
      })),
      ...problems.filter(({ isShared }) => isShared).slice(0, maxTold).map(({ where, why }) => ({ bridge, kind: "tracked in live's zone" as const, detail: `${where} ${why}` })),
    ]);
  }

  /** Whether entries in a zone are the shadow's, as far as zones are named by number; of those from a field the bit says it. */
  isShadows(zone: number): boolean {
    if (!this.parts.isShared) return false;
    const all = [...this.parts.bridges()].map((bridge) => this.useOf(bridge));
    if (all.some(({ zones }) => zones.has(zone))) return false;
    return all.some(({ zones, fromField }) => zones.has(otherZone(zone)) || (fromField > 0 && (zone & shadowZoneBit) !== 0));
  }

  /** Notes in which zones the shadow tracks, for `forget`, which may come when the tables are followed no more. */
  note(): void {
    this.list();
  }

  /**
   * Takes away what the shadow tracked, in zones that no live flow names or named while we were there, and no bridge that is not followed names now. Zones
   * that live takes from a field can't be told from the shadow's: entries there end by their time-outs, and so do all where a bridge that is not followed does that. Resolves with how many zones were emptied; a failure is told (`failed`).
   */
  async forget(): Promise<number> {
    if (!this.parts.isShared) return 0;
    this.note();
    if (this.seen.size === 0) return 0;
    let emptied = 0;
    try {
      const others = await this.parts.others();
      if (others.some(({ fromField }) => fromField > 0)) throw new Error("a bridge that is not among `bridges` takes zones from a field: the shadow's may be its own");
      for (const [type, zones] of this.seen) {
        for (const zone of zones) {
          if (zones.has(otherZone(zone)) || others.some((other) => other.zones.has(otherZone(zone)))) continue;
          // Open vSwitch 3.1 takes no name of a datapath with a zone here. Without one it refuses where there are several.
          await this.parts.control("dpctl/flush-conntrack", ...(this.seen.size === 1 ? [] : [`${type}@ovs-${type}`]), `zone=${otherZone(zone)}`);
          emptied++;
        }
      }
    } catch (error) {
      this.parts.failed(error);
    }
    return emptied;
  }

  private useOf({ follower }: TrackingBridge): ZoneUse {
    const before = this.known.get(follower);
    if (before?.version === follower.version) return before.use;
    const use = zoneUse(follower.currentFlows(), follower.currentGroups());
    this.known.set(follower, { version: follower.version, use });
    return use;
  }

  private usedOf(all: readonly { readonly bridge: TrackingBridge; readonly use: ZoneUse }[]): ReadonlyMap<string, ReadonlySet<number>> {
    const used = new Map<string, Set<number>>();
    for (const { bridge, use } of all) {
      const zones = used.get(typeOf(bridge)) ?? new Set();
      for (const zone of use.zones) zones.add(zone);
      used.set(typeOf(bridge), zones);
    }
    return used;
  }
}

/** How a bridge that is not followed uses connection tracking. Rejects when it can't be read. */
export async function readZoneUse(dial: Dial, signal: AbortSignal): Promise<ZoneUse> {
  const connection = await dial(signal);
  try {
    return zoneUse(await connection.flowStats(), await connection.groupDescs());
  } finally {
    await connection.close();
  }
}
