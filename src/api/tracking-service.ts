/** TrackingService: where live and its shadow track connections. */
import { otherZone } from "../shadow/connection-zones.js";
import type { BridgeTracking } from "../shadow/connection-tracking.js";
import type { BridgeTracking as BridgeMessage, TrackingServiceServer } from "./generated/ovsshadow/v1/tracking.js";
import { unary } from "./unary.js";

export interface TrackingSurface {
  list(): readonly BridgeTracking[];
  readonly isShared: boolean;
  /** Whether the shadow tracks in live's zones at this moment. */
  readonly isInLiveZones: () => boolean;
}

const message = ({ bridge, zones, colliding, fromField, rangeTranslations, problems, problemCount }: BridgeTracking): BridgeMessage => ({
  bridge,
  zones: [...zones].sort((a, b) => a - b).map((live) => ({ live, shadow: otherZone(live), colliding: colliding.includes(live) })),
  fromField,
  rangeTranslations,
  problems: problems.map(({ where, why, isShared }) => ({ where, why, shared: isShared })),
  problemCount,
});

export function trackingHandlers(surface: TrackingSurface): TrackingServiceServer {
  return {
    listTracking: unary(({ bridge }) => {
      const all = surface.list().filter((one) => bridge === "" || one.bridge === bridge);
      if (bridge !== "" && all.length === 0) throw new RangeError(`there is no live bridge ${bridge} whose tables are followed`);
      return { bridges: all.map(message), oneTable: surface.isShared, inLiveZones: surface.isInLiveZones() };
    }),
  };
}
