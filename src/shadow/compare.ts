/** Whether a shadow's tables equal those of its live bridge, flow by flow. Pure. */
import { diffMeters, flowKey, sameGroup, sameInstructions, type FlowEntry, type GroupEntry, type MeterEntry } from "../network/flow-entry.js";
import { readCookie } from "../network/pipeline.js";

/** Flows that exist on one side only by design: promotion rules and replication (live), trials (shadow), revalidation pokes. */
export function isCompared(flow: { readonly cookie: bigint }): boolean {
  const kind = readCookie(flow.cookie)?.kind;
  return kind !== "promotion" && kind !== "trial" && kind !== "poke" && kind !== "replicate";
}

export interface ComparedTables {
  readonly flows: Iterable<FlowEntry>;
  readonly groups: Iterable<GroupEntry>;
  readonly meters?: Iterable<MeterEntry>;
}

/**
 * Differences between two bridges' tables, as text, at most `limit`. Timeouts are left out: a copy has none, because it
 * goes when the original goes.
 */
export function tableDifferences(live: ComparedTables, shadow: ComparedTables, limit = 20): string[] {
  const differences: string[] = [];
  const copies = new Map([...shadow.flows].filter(isCompared).map((flow) => [flowKey(flow), flow]));
  for (const flow of live.flows) {
    if (!isCompared(flow)) continue;
    const key = flowKey(flow);
    const copy = copies.get(key);
    copies.delete(key);
    if (copy === undefined) differences.push(`flow ${key} is missing in the shadow`);
    else if (copy.cookie !== flow.cookie) differences.push(`flow ${key} has another cookie in the shadow`);
    else if (!sameInstructions(copy.instructions, flow.instructions)) differences.push(`flow ${key} acts otherwise in the shadow`);
  }
  for (const key of copies.keys()) differences.push(`flow ${key} is in the shadow only`);
  const groups = new Map([...shadow.groups].map((group) => [group.groupId, group]));
  for (const group of live.groups) {
    const copy = groups.get(group.groupId);
    groups.delete(group.groupId);
    if (copy === undefined) differences.push(`group ${group.groupId} is missing in the shadow`);
    else if (!sameGroup(copy, group)) differences.push(`group ${group.groupId} differs in the shadow`);
  }
  for (const id of groups.keys()) differences.push(`group ${id} is in the shadow only`);
  const words = { add: "is missing in the shadow", modify: "differs in the shadow", delete: "is in the shadow only" };
  for (const { op, meter } of diffMeters(live.meters ?? [], shadow.meters ?? [])) differences.push(`meter ${meter.meterId} ${words[op]}`);
  return differences.slice(0, limit);
}
