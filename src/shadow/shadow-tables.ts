/**
 * What a shadow bridge's tables should hold: the live bridge's foreign flows, groups and meters, copied, and our own, composed for
 * the shadow's network. Told to the writer whole, or flow by flow as live's tables change. Copies track connections in zones of the
 * shadow's own (`connection-zones.ts`).
 */
import { flowKey, type FlowEntry } from "../network/flow-entry.js";
import { isOurGroup, isOurMeter, isOurs } from "../network/pipeline.js";
import type { SwitchState } from "../reconcile/switch-writer.js";
import type { ZoneMap } from "./connection-zones.js";
import type { OwnBridge } from "./sessions.js";
import type { TableFollower } from "./table-follower.js";

/** What a shadow bridge's writer was last told besides live's own tables. */
interface Told {
  readonly ours: SwitchState;
  readonly trial: readonly FlowEntry[];
  readonly follower: TableFollower | undefined;
  readonly zones: ZoneMap;
  /** Our flows by key, made when first needed. */
  byKey?: ReadonlyMap<string, FlowEntry>;
}

/** Told to have no tables at all: below level "flows". */
const nothing = "nothing";

/** A copy lives as long as its original: it has no timeouts of its own. */
function copied(flow: FlowEntry): FlowEntry {
  return flow.idleTimeout === 0 && flow.hardTimeout === 0 && flow.flags === 0 ? flow : { ...flow, idleTimeout: 0, hardTimeout: 0, flags: 0 };
}

function lists(follower: TableFollower | undefined, ours: SwitchState, { toShadow }: ZoneMap) {
  return {
    groups: [...(follower?.currentGroups() ?? []).filter(({ groupId }) => !isOurGroup(groupId)).map((group) => toShadow.group(group)), ...ours.groups],
    meters: [...(follower?.currentMeters() ?? []).filter(({ meterId }) => !isOurMeter(meterId)), ...(ours.meters ?? [])],
  };
}

function whole(follower: TableFollower | undefined, ours: SwitchState, trial: readonly FlowEntry[], zones: ZoneMap): SwitchState {
  const foreign = follower === undefined ? [] : [...follower.currentFlows()].filter((flow) => !isOurs(flow.cookie)).map((flow) => zones.toShadow.flow(flow));
  return { flows: [...foreign, ...ours.flows, ...trial].map(copied), ...lists(follower, ours, zones) };
}

/**
 * Tells a shadow bridge all its tables when `ours`, the trial's flows or the follower are others than last time; else what the follower
 * has to tell, and what other zones change. Returns whether it was told all.
 */
export function tellShadow(own: OwnBridge, follower: TableFollower | undefined, ours: SwitchState, trial: readonly FlowEntry[], zones: ZoneMap): boolean {
  const before = own.told === nothing ? undefined : (own.told as Told | undefined);
  if (before !== undefined && before.ours === ours && before.trial === trial && before.follower === follower) {
    tellChanges(own, follower);
    if (before.zones !== zones) tellZones(own, own.told as Told, zones);
    return false;
  }
  own.told = { ours, trial, follower, zones } satisfies Told;
  own.zones = zones;
  follower?.take();
  own.writer.setDesired(whole(follower, ours, trial, zones));
  return true;
}

/** Our own flows by key. */
const ourPlaces = (told: Told): ReadonlyMap<string, FlowEntry> => (told.byKey ??= new Map([...told.ours.flows, ...told.trial].map((flow) => [flowKey(flow), flow])));

/** Tells a bridge its tables with other zones: what names none is neither told nor compared again. */
function tellZones(own: OwnBridge, before: Told, zones: ZoneMap): void {
  own.told = { ...before, zones } satisfies Told;
  own.zones = zones;
  const ours = ourPlaces(before);
  const gone: [string, undefined][] = [];
  const now: [string, FlowEntry][] = [];
  for (const flow of before.follower?.currentFlows() ?? []) {
    if (isOurs(flow.cookie)) continue;
    const [old, twin] = [before.zones.toShadow.flow(flow), zones.toShadow.flow(flow)];
    if (old === twin || ours.has(flowKey(twin))) continue;
    if (old.match !== twin.match) gone.push([flowKey(old), undefined]);
    now.push([flowKey(twin), copied(twin)]);
  }
  if (now.length > 0) own.writer.change([...gone, ...now]);
  const { groups, meters } = lists(before.follower, before.ours, zones);
  const old = lists(before.follower, before.ours, before.zones).groups;
  if (groups.some((group, i) => group !== old[i])) own.writer.setLists(groups, meters);
}

/** Tells a bridge to have no flows, groups and meters. */
export function tellNothing(own: OwnBridge): void {
  if (own.told === nothing) return;
  own.told = nothing;
  own.writer.setDesired({ flows: [], groups: [] });
}

/** Hands on what a follower has to tell, to a bridge that was told all its tables before. */
export function tellChanges(own: OwnBridge, follower: TableFollower | undefined): void {
  if (own.told === nothing) return;
  const told = own.told as Told;
  if (follower === undefined) return;
  const { flows, lists: listsChanged } = follower.take();
  if (flows === "all") return own.writer.setDesired(whole(follower, told.ours, told.trial, told.zones));
  const keep = ourPlaces(told);
  const changes: [string, FlowEntry | undefined, number][] = [];
  const { toShadow } = told.zones;
  for (const [liveKey, { flow, last, seenMs }] of flows) {
    // A zone that is matched is another one in the shadow.
    const twin = last === undefined ? undefined : toShadow.flow(last);
    const key = twin === undefined || twin.match === last?.match ? liveKey : flowKey(twin);
    // In a place where we want a flow ourselves, and for our own on live, what we composed counts.
    const one = keep.get(key) ?? (flow === undefined || isOurs(flow.cookie) ? undefined : twin);
    changes.push([key, one === undefined ? undefined : copied(one), seenMs]);
  }
  own.writer.change(changes);
  if (!listsChanged) return;
  const { groups, meters } = lists(follower, told.ours, told.zones);
  own.writer.setLists(groups, meters);
}
