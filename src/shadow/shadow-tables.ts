/**
 * What a shadow bridge's tables should hold: the live bridge's foreign flows, groups and meters, copied, and our own, composed for
 * the shadow's network. Told to the writer whole, or flow by flow as live's tables change.
 */
import { flowKey, type FlowEntry } from "../network/flow-entry.js";
import { isOurGroup, isOurMeter, isOurs } from "../network/pipeline.js";
import type { SwitchState } from "../reconcile/switch-writer.js";
import type { OwnBridge } from "./sessions.js";
import type { TableFollower } from "./table-follower.js";

/** What a shadow bridge's writer was last told besides live's own tables. */
interface Told {
  readonly ours: SwitchState;
  readonly trial: readonly FlowEntry[];
  readonly follower: TableFollower | undefined;
  /** Our flows by key, made when first needed. */
  byKey?: ReadonlyMap<string, FlowEntry>;
}

/** Told to have no tables at all: below level "flows". */
const nothing = "nothing";

/** A copy lives as long as its original: it has no timeouts of its own. */
function copied(flow: FlowEntry): FlowEntry {
  return flow.idleTimeout === 0 && flow.hardTimeout === 0 && flow.flags === 0 ? flow : { ...flow, idleTimeout: 0, hardTimeout: 0, flags: 0 };
}

function lists(follower: TableFollower | undefined, ours: SwitchState) {
  return {
    groups: [...(follower?.currentGroups() ?? []).filter(({ groupId }) => !isOurGroup(groupId)), ...ours.groups],
    meters: [...(follower?.currentMeters() ?? []).filter(({ meterId }) => !isOurMeter(meterId)), ...(ours.meters ?? [])],
  };
}

function whole(follower: TableFollower | undefined, ours: SwitchState, trial: readonly FlowEntry[]): SwitchState {
  const foreign = follower === undefined ? [] : [...follower.currentFlows()].filter((flow) => !isOurs(flow.cookie));
  return { flows: [...foreign, ...ours.flows, ...trial].map(copied), ...lists(follower, ours) };
}

/**
 * Tells a shadow bridge all its tables when `ours`, the trial's flows or the follower are others than last time; else what the
 * follower has to tell. Returns whether it was told all.
 */
export function tellShadow(own: OwnBridge, follower: TableFollower | undefined, ours: SwitchState, trial: readonly FlowEntry[]): boolean {
  const before = own.told === nothing ? undefined : (own.told as Told | undefined);
  if (before !== undefined && before.ours === ours && before.trial === trial && before.follower === follower) {
    tellChanges(own, follower);
    return false;
  }
  own.told = { ours, trial, follower } satisfies Told;
  follower?.take();
  own.writer.setDesired(whole(follower, ours, trial));
  return true;
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
  if (flows === "all") return own.writer.setDesired(whole(follower, told.ours, told.trial));
  const keep = told.byKey ?? (told.byKey = new Map([...told.ours.flows, ...told.trial].map((flow) => [flowKey(flow), flow])));
  const changes: [string, FlowEntry | undefined, number][] = [];
  for (const [key, { flow, seenMs }] of flows) {
    // In a place where we want a flow ourselves, and for our own on live, what we composed counts.
    const one = keep.get(key) ?? (flow === undefined || isOurs(flow.cookie) ? undefined : flow);
    changes.push([key, one === undefined ? undefined : copied(one), seenMs]);
  }
  own.writer.change(changes);
  if (!listsChanged) return;
  const { groups, meters } = lists(follower, told.ours);
  own.writer.setLists(groups, meters);
}
